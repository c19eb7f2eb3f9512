"""Statements: the writes of the engine, each guarded by what it relies on (an epoch, a fence, a status).

Locks in one order: step rows first, then the run's row, last and short; of several runs the newest first, since a part
is newer than the run above it. Nobody else writes a status. Rows that others name by a key are locked without it
(``key_share``): whoever writes a row of a run would else wait for who has the run.
Each function runs in the caller's transaction; zero rows means that somebody was quicker, and the answer says so.
How a step run is claimed and ended is in ``claims``, how a run is taken and given back in ``leases``.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import changed, moment, table
from app.core.ids import new_id
from app.engine import catalog
from app.engine.enums import RUN_OPEN, Effect, RunStatus, StepStatus, WaitStatus
from app.engine.held import HeldRun, HeldStep
from app.engine.models import Run, RunLog, StepRun, WaitRow
from app.engine.planner import HINT_AGAIN_S, NO_ITEM, Key, Result

run = table(Run)
step_run = table(StepRun)
wait = table(WaitRow)
run_log = table(RunLog)

Bind = Session | Connection
SUB_RUN = "sub_run"  # the kind of a wait for a run of another workflow
OPEN = sorted(RUN_OPEN)
WORKING = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.NEEDS_ATTENTION]


def written(constants: Iterable[int | str]) -> list[sa.ColumnElement[Any]]:
    """Return constants as parts of the statement's text: a list of parameters is put together anew at every call."""
    return [sa.literal_column(repr(int(c)) if isinstance(c, int) else f"'{c}'") for c in constants]


def read_run(bind: Bind, run_id: str) -> HeldRun:
    """Read a run without taking its lease: what a step of it needs to know."""
    row = bind.execute(
        sa.select(
            run.c.id, run.c.workspace_id, run.c.version_id, run.c.number, run.c.label, run.c.test,
            run.c.trigger_kind, run.c.status, run.c.revision, run.c.epoch, run.c.inputs, run.c.facts,
            moment().label("now"),
        ).where(run.c.id == run_id)
    ).one()  # fmt: skip
    return HeldRun(**{**row._mapping, "status": RunStatus(row.status)})


_reread_run = sa.select(run.c.status, run.c.revision, run.c.epoch, moment().label("now")).where(
    run.c.id == sa.bindparam("b_run_id")
)


def reread_run(bind: Bind, held: HeldRun) -> HeldRun | None:
    """Read status and revision again while holding the lease; None when the run ended or is somebody else's now."""
    row = bind.execute(_reread_run, {"b_run_id": held.id}).first()
    if row is None or row.epoch != held.epoch or not RunStatus(row.status).is_open:
        return None
    return replace(
        held, status=RunStatus(row.status), revision=row.revision, now=row.now, has_steps=True, read_at=time.monotonic()
    )


@dataclass(slots=True)
class Recorded:
    """What is recorded of a run's steps: results for the planner, outputs for values, row ids."""

    results: dict[Key, Result] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    ids: dict[Key, str] = field(default_factory=dict)
    waits: dict[Key, str] = field(default_factory=dict)
    parts: set[Key] = field(default_factory=set)  # what waits for a run of another workflow


_results = (
    sa.select(
        step_run.c.id,
        step_run.c.step_id,
        step_run.c.item,
        step_run.c.status,
        step_run.c.outcome,
        sa.case((step_run.c.item == NO_ITEM, step_run.c.output)).label("output"),
        step_run.c.total,
        step_run.c.lease_until,
        step_run.c.not_before,
        step_run.c.hinted_at,
        wait.c.id.label("wait_id"),
        wait.c.until,
        wait.c.status.label("wait_status"),
        wait.c.kind.label("wait_kind"),
        wait.c.effective_at,
    )
    .select_from(step_run.outerjoin(wait, wait.c.step_run_id == step_run.c.id))
    .where(step_run.c.run_id == sa.bindparam("b_run_id"))
)


_outputs = sa.select(step_run.c.step_id, step_run.c.output).where(
    step_run.c.run_id == sa.bindparam("b_run_id"),
    step_run.c.status == StepStatus.COMPLETED,
    step_run.c.item == NO_ITEM,
)


def read_outputs(bind: Bind, run_id: str) -> dict[str, Any]:
    """Read what the steps of a run have brought: what a step's values may name."""
    return {row.step_id: row.output or {} for row in bind.execute(_outputs, {"b_run_id": run_id})}


def read_results(bind: Bind, run_id: str, hint_again_s: float = HINT_AGAIN_S) -> Recorded:
    """Read what is recorded of all steps of a run: one indexed statement."""
    recorded = Recorded()
    for row in bind.execute(_results, {"b_run_id": run_id}):
        key = (row.step_id, row.item)
        recorded.ids[key] = row.id
        recorded.results[key] = Result(StepStatus(row.status), row.outcome, _due(row, hint_again_s), row.total)
        if row.wait_id is not None:
            recorded.waits[key] = row.wait_id
            if row.wait_kind == SUB_RUN and row.wait_status == WaitStatus.WAITING:
                recorded.parts.add(key)
        if row.status == StepStatus.COMPLETED and row.item == NO_ITEM:
            recorded.outputs[row.step_id] = row.output or {}
    return recorded


def _due(row: Any, hint_again_s: float) -> datetime | None:
    due: datetime | None
    if row.status == StepStatus.RUNNING:
        due = row.lease_until
    elif row.status == StepStatus.RETRYING:
        due = row.not_before
    elif row.status == StepStatus.PENDING:
        due = row.hinted_at + timedelta(seconds=hint_again_s) if row.hinted_at else None
    elif row.status == StepStatus.WAITING:
        due = row.effective_at if row.wait_status == WaitStatus.DECIDED else row.until
    else:
        due = None
    return due


PLAIN: dict[str, int | str] = {  # what is the same in every plain result
    "item": NO_ITEM,
    "effect": Effect.NONE.value,
    "status": StepStatus.COMPLETED.value,
    "reason": "",
    "attempts": 1,
    "crashes": 0,
    "fence": 1,
    "done": 0,
    "total": 0,
    "doing": "",
    "cost_microusd": 0,
    "tokens_in": 0,
    "tokens_out": 0,
}


def dialect_of(bind: Bind) -> str:
    """Return the name of the database that *bind* talks to."""
    return (bind.get_bind() if isinstance(bind, Session) else bind).dialect.name


def insert_steps(bind: Bind, rows: list[dict[str, Any]]) -> None:
    """Insert step runs that are not there yet; those that are stay as they are."""
    if not rows:
        return
    statement = insert_new(bind, step_run, ["run_id", "step_id", "item"])
    defaults = {**PLAIN, "attempts": 0, "fence": 0, "created_at": clock.now()}
    bind.execute(statement, [{**defaults, **row} for row in rows])


def insert_new(bind: Bind, into: sa.Table, unique: list[str]) -> sa.Insert:
    """Return an insert that leaves rows alone which are there already, by the columns *unique*."""
    maker = insert_postgresql if dialect_of(bind) == "postgresql" else insert_sqlite
    return maker(into).on_conflict_do_nothing(index_elements=unique)


_hint_again = (
    sa.update(step_run)
    .where(step_run.c.id.in_(sa.bindparam("b_ids", expanding=True)))
    .values(hinted_at=moment())
)


def hinted(bind: Bind, step_run_ids: Iterable[str]) -> None:
    """Note that these step runs were hinted now."""
    ids = list(step_run_ids)
    if ids:
        bind.execute(_hint_again, {"b_ids": ids})


wake = (
    sa.update(run)
    .where(run.c.status.in_(written(OPEN)))
    .values(revision=run.c.revision + sa.literal_column("1"), due_at=moment(), changed_at=moment())
)
_wake = wake.where(run.c.id == sa.bindparam("b_run_id"))


def wake_run(bind: Bind, run_id: str, *, freed_microusd: int = 0) -> bool:
    """Tell the planner that there is something new to see; False when the run has ended.

    *freed_microusd* is an estimate that need not be reserved any more.
    """
    statement = _wake
    if freed_microusd:
        rest = run.c.reserved_microusd - freed_microusd
        statement = statement.values(reserved_microusd=sa.case((rest > 0, rest), else_=0))
    return changed(bind.execute(statement, {"b_run_id": run_id})) == 1


_touch = sa.update(run).where(run.c.id == sa.bindparam("b_run_id")).values(changed_at=moment())


def lock_runs(bind: Bind, *which: sa.ColumnElement[bool], **values: Any) -> list[str]:
    """Lock runs in the one order, the newest first; return those there are."""
    wanted = sa.select(run.c.id).where(*which).order_by(run.c.id.desc()).with_for_update(key_share=True)
    return list(bind.execute(wanted, values).scalars())


def touch_run(bind: Bind, run_id: str, **values: Any) -> None:
    """Note that a page of the run would look different now, without waking the planner."""
    bind.execute(_touch.values(**values) if values else _touch, {"b_run_id": run_id})


_KEPT_BACK = [StepStatus.PENDING.value, StepStatus.RETRYING.value]
_begun_now = sa.case((step_run.c.started_at.is_not(None), moment()))  # what was kept back was no work


def go_on_working(bind: Bind, run_id: str) -> None:
    """Let the steps of a paused run that are between two tries count as begun now: being paused is no work."""
    is_paused = sa.exists().where(
        run.c.id == step_run.c.run_id, run.c.status.in_([RunStatus.PAUSING.value, RunStatus.PAUSED.value])
    )
    kept_back = sa.update(step_run).where(
        step_run.c.run_id == run_id, step_run.c.status.in_(_KEPT_BACK), step_run.c.started_at.is_not(None), is_paused
    )
    bind.execute(kept_back.values(started_at=moment()))


def wake_held(bind: Bind, workspace_id: str) -> list[str]:
    """Let the steps that a hold on sending kept back be hinted at once; return their runs, the newest first."""
    held = (
        sa.update(step_run)
        .where(
            step_run.c.workspace_id == workspace_id,
            step_run.c.status.in_(_KEPT_BACK),
            step_run.c.effect == Effect.SENDS.value,
        )
        .values(hinted_at=None, started_at=_begun_now)
        .returning(step_run.c.run_id)
    )
    runs = sorted({row.run_id for row in bind.execute(held)}, reverse=True)
    for run_id in runs:
        wake_run(bind, run_id)
    return runs


def set_control(bind: Bind, run_id: str, *, to: RunStatus, only_from: Iterable[RunStatus]) -> bool:
    """Pause, resume or stop: compare-and-set of the run's status, and wake it; False when it was in another one."""
    allowed = [status.value for status in only_from]
    statement = (
        sa.update(run)
        .where(run.c.id == run_id, run.c.status.in_(allowed))
        .values(
            status=to.value,
            revision=run.c.revision + 1,
            due_at=moment(),
            changed_at=moment(),
            finished_at=None,
            error=None,
            is_paused_above=False,
        )
    )
    return changed(bind.execute(statement)) == 1


def begin_again(
    bind: Bind, step_run_ids: Iterable[str], *, status: StepStatus = StepStatus.PENDING
) -> None:
    """Let failed step runs begin anew, with all their tries; late results of before are refused."""
    ids = sorted(step_run_ids)
    if ids:
        statement = sa.update(step_run).where(step_run.c.id.in_(ids), step_run.c.status == StepStatus.FAILED)
        bind.execute(sa.delete(wait).where(wait.c.step_run_id.in_(ids)))  # of a run that it waited for
        fresh: dict[str, Any] = dict.fromkeys(
            ("outcome", "output", "error", "finished_at", "not_before", "hinted_at", "started_at")
        )
        if status is StepStatus.RUNNING:
            fresh["started_at"] = moment()
        bind.execute(
            statement.values(**fresh, status=status.value, fence=step_run.c.fence + 1, attempts=0, crashes=0)
        )


def end_wait(
    bind: Bind,
    step_run_id: str,
    *,
    outcome: str,
    output: Any,
    error: Mapping[str, Any] | None = None,
    cost_microusd: int = 0,
) -> bool:
    """End a waiting step run by its wait's outcome, or by *error*; False when it no longer waits."""
    statement = (
        sa.update(step_run)
        .where(step_run.c.id == step_run_id, step_run.c.status == StepStatus.WAITING)
        .values(
            status=(StepStatus.FAILED if error else StepStatus.COMPLETED).value,
            outcome=outcome,
            output=output,
            error=error,
            cost_microusd=step_run.c.cost_microusd + cost_microusd,
            finished_at=moment(),
            doing="",
        )
        .returning(step_run.c.run_id, step_run.c.type, step_run.c.item)
    )
    ended = bind.execute(statement).first()
    if ended is not None and not error and ended.item == NO_ITEM:
        note_answer(bind, ended.run_id, ended.type, [outcome])
    return ended is not None


def note_answer(bind: Bind, run_id: str, step_type: str, outcomes: Sequence[str | None]) -> None:
    """Keep whether a run's last answer was no yes; writes nothing for a step type that asks nobody for one.

    A step that is done for every item has the *outcomes* of all: one yes is a yes.
    """
    asks = catalog.step_type(step_type)
    if asks is not None and asks.noes and outcomes:
        last_no = outcomes[-1] if all(outcome in asks.noes for outcome in outcomes) else None
        bind.execute(sa.update(run).where(run.c.id == run_id).values(last_no=last_no))


def fail_open_steps(bind: Bind, run_id: str, error: Mapping[str, Any]) -> list[Any]:
    """Let every step run fail that has not ended, and return them; the fence moves, so late results are refused."""
    statement = (
        sa.update(step_run)
        .where(
            step_run.c.run_id == run_id,
            step_run.c.status.not_in([s.value for s in StepStatus if s.is_settled]),
        )
        .values(
            status=StepStatus.FAILED.value,
            outcome="failed",
            error=error,
            fence=step_run.c.fence + 1,
            lease_owner=None,
            lease_until=None,
            not_before=None,
            finished_at=moment(),
            doing="",
        )
        .returning(*step_run.c)
    )
    return list(bind.execute(statement))


def cancel_steps(bind: Bind, run_id: str, reason: str) -> None:
    """Cancel every step run that has not ended; the fence moves, so late results are refused."""
    statement = (
        sa.update(step_run)
        .where(
            step_run.c.run_id == run_id,
            step_run.c.status.not_in([s.value for s in StepStatus if s.is_settled]),
        )
        .values(
            status=StepStatus.CANCELLED.value,
            reason=reason,
            fence=step_run.c.fence + 1,
            lease_owner=None,
            lease_until=None,
            finished_at=moment(),
            doing="",
        )
    )
    bind.execute(statement)


def log(
    bind: Bind,
    held: HeldRun | HeldStep,
    event: str,
    message: str,
    *,
    level: str = "info",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a line to the run's log; of *detail*, a fault's ``trace`` is shown to owners alone."""
    bind.execute(
        sa.insert(run_log),
        {
            "id": new_id(),
            "workspace_id": held.workspace_id,
            "run_id": held.run_id if isinstance(held, HeldStep) else held.id,
            "step_id": held.step_id if isinstance(held, HeldStep) else None,
            "level": level,
            "event": event,
            "message": message[:2000],
            "detail": dict(detail) if detail else None,
            "at": clock.now(),
        },
    )
