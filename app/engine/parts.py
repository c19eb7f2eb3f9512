"""Parts: the runs that steps of a run wait for. They pause and go on with it.

The run's planner pauses them, as it sees every one whenever it was started; whoever lets the run go on lets them go on.
Of two runs the one below is written first: a run that ends writes the one above after itself.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import moment
from app.core.errors import Conflict
from app.engine import store
from app.engine.enums import RunStatus, StepStatus, WaitStatus

SUB_RUN = "sub_run"  # the kind of a wait for a run of another workflow
PAUSES = (RunStatus.PAUSING, RunStatus.PAUSED)

_run, _step, _wait = store.run, store.step_run, store.wait
_paused = [status.value for status in PAUSES]
_wake = {"revision": _run.c.revision + 1, "due_at": moment(), "changed_at": moment()}
_awaited = sa.select(_wait.c.step_run_id).where(
    _wait.c.run_id == sa.bindparam("b_run_id"), _wait.c.kind == SUB_RUN, _wait.c.status == WaitStatus.WAITING.value
)
_pause = (
    sa.update(_run)
    .where(_run.c.parent_step_run_id.in_(_awaited), _run.c.status.in_(store.WORKING))
    .values(status=RunStatus.PAUSING.value, is_paused_above=True, **_wake)
    .returning(_run.c.id)
)
_are_held = (
    _run.c.parent_step_run_id.in_(
        sa.select(_step.c.id).where(_step.c.run_id.in_(sa.bindparam("b_run_ids", expanding=True)))
    ),
    _run.c.is_paused_above,
    _run.c.status.in_(_paused),
)
_held = sa.select(_run.c.id).where(*_are_held)
_resume = (
    sa.update(_run)
    .where(*_are_held)
    .values(status=RunStatus.RUNNING.value, is_paused_above=False, **_wake)
    .returning(_run.c.id)
)

_below = _run.alias("below")
_above = sa.select(_run.c.id, _run.c.number, _run.c.status).where(
    _below.c.id == sa.bindparam("b_run_id"),
    _step.c.id == _below.c.parent_step_run_id,
    _step.c.status == StepStatus.WAITING.value,
    _run.c.id == _step.c.run_id,
)


def pause(session: Session, run_id: str) -> list[str]:
    """Pause what the steps of a pausing run wait for and goes on; return those runs. Each pauses its own in turn."""
    return list(session.scalars(_pause, {"b_run_id": run_id}))


def lock_paused(session: Session, run_id: str) -> None:
    """Lock all runs below that a resume of this one will write."""
    level: Sequence[str] = [run_id]
    while level:
        level = session.scalars(_held.with_for_update(), {"b_run_ids": level}).all()


def resume(session: Session, run_id: str) -> None:
    """Let go on, at every depth, what was paused with this run; what somebody paused by itself stays paused."""
    level: Sequence[str] = [run_id]
    while level:
        for each in level:
            store.go_on_working(session, each)
        level = session.scalars(_resume, {"b_run_ids": level}).all()


def refuse_alone(session: Session, run_id: str) -> None:
    """Raise Conflict where the run belongs to one that is paused; wake that one, which may be pausing just now."""
    above = session.execute(_above, {"b_run_id": run_id}).first()
    if above is None:
        return
    if above.status in _paused:
        raise Conflict(
            f"This run belongs to run {above.number}, which is paused.",
            fix=f"Resume run {above.number}: this one goes on with it.",
        )
    store.wake_run(session, above.id)
