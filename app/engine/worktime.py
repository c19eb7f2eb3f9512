"""Working time: how long a run's steps were under way, waits excluded, against what its workflow allows a run."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.definition.schema import Definition
from app.engine import store
from app.engine.enums import Category, StepStatus
from app.engine.held import HeldRun
from app.engine.planner import NO_ITEM

CODE = "run_minutes"

_steps = store.step_run
_worked = sa.select(
    _steps.c.step_id, _steps.c.item, _steps.c.status, _steps.c.started_at, _steps.c.finished_at, _steps.c.not_before
).where(
    _steps.c.run_id == sa.bindparam("b_run_id"),
    _steps.c.started_at.is_not(None),
    _steps.c.reused_from.is_(None),
    ~sa.exists().where(store.wait.c.step_run_id == _steps.c.id),
)


def left_s(bind: store.Bind, definition: Definition, held: HeldRun) -> float | None:
    """Return how many seconds the run may still work; None where its workflow sets no limit: nothing is read then.

    Standing in line, waiting for people or a time, and being paused are no work. Steps side by side count once.
    """
    if definition.limits.minutes is None:
        return None
    each = {step.id for step in definition.steps if step.for_each is not None}
    rows = [
        row
        for row in bind.execute(_worked, {"b_run_id": held.id})
        if not (row.item == NO_ITEM and row.step_id in each)
    ]
    return definition.limits.minutes * 60 - _covered_s(_spans(rows, held.now), held.work_from)


def was_cut_off(bind: store.Bind, run_id: str) -> bool:
    """Tell whether the end of the time let a step of this run fail."""
    failed = sa.select(_steps.c.error).where(_steps.c.run_id == run_id, _steps.c.status == StepStatus.FAILED)
    return any((row.error or {}).get("code") == CODE for row in bind.execute(failed))


def error(definition: Definition) -> dict[str, str]:
    """Return what is said of every step that the end of the time cut off."""
    minutes = definition.limits.minutes
    return {
        "category": Category.TIMEOUT.value, "code": CODE,
        "message": f"The run worked longer than the {minutes} min that its workflow allows.",
        "fix": "Try again: it gets the same time once more. What is finished is kept.",
    }  # fmt: skip


def _spans(rows: list[Any], now: datetime) -> list[tuple[datetime, datetime]]:
    ends = ((row, row.finished_at or _reached(row, now)) for row in rows)
    return sorted((row.started_at, end) for row, end in ends if end is not None)


def _reached(row: Any, now: datetime) -> datetime | None:
    """Return until when a step that has not ended has worked; one whose next try is due stands in line from then on."""
    if row.status == StepStatus.RETRYING:
        return min(now, row.not_before or now)
    return now if row.status == StepStatus.RUNNING else None


def _covered_s(spans: list[tuple[datetime, datetime]], since: datetime | None) -> float:
    """Return how much time the spans cover together, from *since* on."""
    covered, reached = 0.0, since
    for start, end in spans:
        begin = start if reached is None or start > reached else reached
        if end > begin:
            covered += (end - begin).total_seconds()
            reached = end
    return covered
