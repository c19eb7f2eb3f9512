"""Parts: the runs that steps of a run wait for. They pause and go on with it.

The run's planner pauses them, as it sees every one whenever it was started; whoever lets the run go on lets them go on.
Of two runs the one below is written first: a run that ends writes the one above after itself.
"""

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import moment
from app.core.errors import Conflict
from app.engine import store
from app.engine.enums import RunStatus, StepStatus, WaitStatus
from app.engine.held import HeldRun
from app.engine.planner import NO_ITEM
from app.engine.store import SUB_RUN, Recorded

PAUSES = (RunStatus.PAUSING, RunStatus.PAUSED)
RESTS = (RunStatus.WAITING, RunStatus.NEEDS_ATTENTION, RunStatus.PAUSED)

_run, _step, _wait = store.run, store.step_run, store.wait
_paused = [status.value for status in PAUSES]
_wake = {"revision": _run.c.revision + 1, "due_at": moment(), "changed_at": moment()}
_awaited = sa.select(_wait.c.step_run_id).where(
    _wait.c.run_id == sa.bindparam("b_run_id"), _wait.c.kind == SUB_RUN, _wait.c.status == WaitStatus.WAITING.value
)
_may_pause = (_run.c.parent_step_run_id.in_(_awaited), _run.c.status.in_(store.WORKING))
_pause = (
    sa.update(_run)
    .where(*_may_pause)
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


_own = _wait.alias("own")
_open = sa.select(_run.c.parent_step_run_id).where(
    _run.c.parent_step_run_id.in_(_awaited), _run.c.status.in_(store.OPEN)
)
_working = _open.where(
    sa.or_(
        _run.c.status.not_in([status.value for status in RESTS]),
        sa.exists().where(  # it waits for one that may work
            _own.c.run_id == _run.c.id, _own.c.kind == SUB_RUN, _own.c.status == WaitStatus.WAITING.value
        ),
    ),
)
_unpaused = _open.where(_run.c.status != RunStatus.PAUSED.value)


def note_working(bind: store.Bind, held: HeldRun, recorded: Recorded) -> None:
    """Note in what is recorded of a run which of its items wait for a run that works, not only for people.

    Of a pausing run: which of its steps wait for a run that has not paused yet.
    """
    is_pausing = held.status is RunStatus.PAUSING
    keys = [key for key in recorded.parts if is_pausing or key[1] != NO_ITEM]
    if not keys:
        return
    holding = set(bind.execute(_unpaused if is_pausing else _working, {"b_run_id": held.id}).scalars())
    for key in keys:
        if recorded.ids[key] in holding:
            recorded.results[key] = replace(recorded.results[key], holds=True)


def tell_rest(session: Session, held: HeldRun, status: RunStatus) -> str | None:
    """Wake the run above one that has come to rest: another item may begin. Returns its id, None where it is awake."""
    above = held.facts.get("part_of")
    if not above or status not in RESTS or held.status in RESTS:
        return None
    return above[0] if store.wake_run(session, above[0]) else None


def pause(session: Session, run_id: str) -> list[str]:
    """Pause what the steps of a pausing run wait for and goes on; return those runs. Each pauses its own in turn."""
    store.lock_runs(session, *_may_pause, b_run_id=run_id)
    return list(session.scalars(_pause, {"b_run_id": run_id}))


def lock_paused(session: Session, run_id: str) -> None:
    """Lock all runs below that a resume of this one will write, the lowest first."""
    levels: list[Sequence[str]] = [[run_id]]
    while level := session.scalars(_held, {"b_run_ids": levels[-1]}).all():
        levels.append(level)
    for level in reversed(levels[:-1]):
        store.lock_runs(session, *_are_held, b_run_ids=level)


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
