"""Control: pause, resume, stop, and the decisions that end waits. Each writes and wakes; the planner does the rest.

All functions run in the caller's transaction and commit nothing. After the commit, hint the run (``jobs.hint_run``);
without the hint the clock finds it within a second.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock, outbox
from app.core.db import changed, moment
from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.definition.graph import following
from app.definition.problems import listed
from app.engine import claims, money, parts, store, worktime
from app.engine.enums import RunStatus, StepStatus, WaitStatus
from app.engine.planner import NO_ITEM
from app.engine.ports import bound

TIME = "time"  # the kind of a wait for a moment
_TIME_IS_OVER = "This step does not wait for a time any more."
_GOING = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.NEEDS_ATTENTION)


def pause(session: Session, run_id: str) -> None:
    """Begin nothing new in this run, nor in those that it waits for; what is under way ends. Twice is once.

    A run that is paused with the one above stays paused when that one goes on.
    """
    if not store.set_control(session, run_id, to=RunStatus.PAUSING, only_from=_GOING):
        _refuse_unless(session, run_id, parts.PAUSES, "paused")
        store.touch_run(session, run_id, is_paused_above=False)


def resume(session: Session, run_id: str) -> None:
    """Let a paused run go on, and what was paused with it. Twice is once. Raises Conflict below a paused run."""
    parts.lock_paused(session, run_id)
    store.go_on_working(session, run_id)
    if not store.set_control(session, run_id, to=RunStatus.RUNNING, only_from=parts.PAUSES):
        _refuse_unless(session, run_id, _GOING, "resumed")
    parts.refuse_alone(session, run_id)
    parts.resume(session, run_id)


def stop(session: Session, run_id: str) -> None:
    """End the run: fence what runs, cancel the rest, withdraw its requests and messages. Twice is once."""
    allowed = (*_GOING, *parts.PAUSES)
    if not store.set_control(session, run_id, to=RunStatus.STOPPING, only_from=allowed):
        _refuse_unless(session, run_id, (RunStatus.STOPPING, RunStatus.STOPPED), "stopped")


def stop_asking(session: Session, run_id: str) -> None:
    """As :func:`stop`, for a run that waits for an answer and has nothing under way. Raises Conflict."""
    step = store.step_run
    is_asking = store.set_control(session, run_id, to=RunStatus.STOPPING, only_from=(RunStatus.NEEDS_ATTENTION,))
    under_way = sa.select(step.c.id).where(
        step.c.run_id == run_id,
        sa.or_(
            step.c.status.in_([StepStatus.PENDING.value, StepStatus.RETRYING.value]),
            sa.and_(step.c.status == StepStatus.RUNNING, step.c.lease_owner.is_not(None)),
        ),
    )
    if not is_asking or session.execute(under_way).first() is not None:
        raise Conflict("This run goes on: somebody has just answered.", fix="Look at it again, or stop it first.")


def try_again(session: Session, run_id: str) -> None:
    """Take up a failed run: what failed is done again, what was finished stays, what was skipped is planned anew.

    A step whose failure the workflow provides for (``on_failure: continue``) stays as it ended. Raises Conflict.
    """
    steps, run = store.step_run, store.run
    version_id = session.execute(sa.select(run.c.version_id).where(run.c.id == run_id)).scalar()
    if version_id is None:
        raise NotFound("This run does not exist.")
    definition = bound.load_definition(session, version_id)
    rows = session.execute(
        sa.select(steps.c.id, steps.c.step_id, steps.c.item, steps.c.status, steps.c.total, steps.c.error)
        .where(steps.c.run_id == run_id)
        .with_for_update(key_share=True)
    ).all()
    stops = {step.id for step in definition.steps if step.on_failure == "stop"}
    each = {step.id for step in definition.steps if step.for_each is not None}
    failed = [
        row
        for row in rows
        if row.status == StepStatus.FAILED
        and (row.step_id in stops or (row.error or {}).get("code") == worktime.CODE)  # it was cut off
    ]
    ended = {row.step_id for row in failed if row.item == NO_ITEM}
    again = [row for row in failed if row.step_id in ended]
    frames = {row.id for row in again if row.item == NO_ITEM and row.step_id in each}
    unopened = {row.id for row in again if row.id in frames and not row.total}
    later = following(definition, ended)
    skipped = {row.id for row in rows if row.status == StepStatus.SKIPPED and row.step_id in later}
    waits = sa.select(store.wait.c.step_run_id).where(store.wait.c.run_id == run_id, store.wait.c.kind != store.SUB_RUN)
    asked = set(session.scalars(waits))
    anew = {row.id for row in again if row.id in asked}  # it asks anew: its request was withdrawn
    store.begin_again(session, [row.id for row in again if row.id not in frames | anew])
    store.begin_again(session, frames - unopened, status=StepStatus.RUNNING)
    session.execute(sa.delete(steps).where(steps.c.id.in_(skipped | unopened | anew)))
    if not store.set_control(session, run_id, to=RunStatus.RUNNING, only_from=(RunStatus.FAILED,)):
        raise Conflict("This run has not failed, or somebody takes it up already.")
    session.execute(sa.update(run).where(run.c.id == run_id).values(work_from=moment()))


def try_now(session: Session, run_id: str, step_run_id: str) -> None:
    """Try a step again now instead of when its time has come. Raises Conflict when it is not waiting for that."""
    _end_pause(session, run_id, step_run_id, not_before=moment())


def stop_trying(session: Session, run_id: str, step_run_id: str) -> None:
    """Let a step that would be tried again fail with what went wrong last. Raises Conflict when it is too late."""
    ended = {"status": StepStatus.FAILED.value, "outcome": "failed", "finished_at": moment(), "not_before": None}
    _end_pause(session, run_id, step_run_id, fence=store.step_run.c.fence + 1, **ended)


def _end_pause(session: Session, run_id: str, step_run_id: str, **values: Any) -> None:
    """Change a step between two of its tries, unless the next one has begun; one that ends holds no money any more."""
    step = store.step_run
    statement = (
        sa.update(step)
        .where(step.c.id == step_run_id, step.c.run_id == run_id, step.c.status == StepStatus.RETRYING)
        .values(**values)
        .returning(step.c.workspace_id, step.c.status)
    )
    row = session.execute(statement).first()
    freed = 0
    if row is not None and StepStatus(row.status).is_settled:
        freed = money.free_step(session, run_id, row.workspace_id, step_run_id)
    if row is None or not store.wake_run(session, run_id, freed_microusd=freed):
        raise Conflict("This step does not wait for its next try any more.")


def go_now(session: Session, run_id: str, step_run_id: str, *, by: str) -> None:
    """End a wait for a time now, as if its time had come. Raises Conflict when it does not wait for one any more."""
    ended = {"status": WaitStatus.DECIDED.value, "outcome": store.wait.c.on_until, "effective_at": moment()}
    row = _end_time(session, run_id, step_run_id, by, **ended)
    output = {"until": clock.iso(row.decided_at)}
    is_ended = store.end_wait(session, step_run_id, outcome=row.outcome, output=output)
    if not is_ended or not store.wake_run(session, run_id):
        raise Conflict(_TIME_IS_OVER)


def call_off(session: Session, run_id: str, step_run_id: str, *, by: str) -> None:
    """Skip a step that waits for a time, and so what comes after it alone. Raises Conflict as :func:`go_now`."""
    _end_time(session, run_id, step_run_id, by, status=WaitStatus.WITHDRAWN.value)
    step = store.step_run
    skipped = {"status": StepStatus.SKIPPED.value, "reason": f"{by} cancelled the wait", "finished_at": moment()}
    statement = sa.update(step).where(step.c.id == step_run_id, step.c.status == StepStatus.WAITING)
    if changed(session.execute(statement.values(doing="", **skipped))) != 1 or not store.wake_run(session, run_id):
        raise Conflict(_TIME_IS_OVER)


def _end_time(session: Session, run_id: str, step_run_id: str, by: str, **values: Any) -> Any:
    wait = store.wait
    waits = (wait.c.step_run_id == step_run_id, wait.c.run_id == run_id, wait.c.kind == TIME)
    statement = (
        sa.update(wait)
        .where(*waits, wait.c.status == WaitStatus.WAITING)
        .values(decided_at=moment(), output={"by": by}, **values)
        .returning(wait.c.outcome, wait.c.decided_at)
    )
    row = session.execute(statement).first()
    if row is None:
        raise Conflict(_TIME_IS_OVER)
    return row


def decide(session: Session, wait_id: str, *, outcome: str, output: dict[str, Any], undo_s: int = 0) -> bool:
    """Record a wait's decision, once; False when it no longer waits.

    With *undo_s* it takes effect that much later, by a timer; else the step is completed in this transaction.
    """
    row = session.execute(
        sa.update(store.wait)
        .where(store.wait.c.id == wait_id, store.wait.c.status == WaitStatus.WAITING)
        .values(
            status=WaitStatus.DECIDED.value,
            outcome=outcome,
            output=output,
            decided_at=moment(),
            effective_at=moment(undo_s),
        )
        .returning(store.wait.c.run_id, store.wait.c.step_run_id)
    ).first()
    if row is None:
        return False
    if undo_s <= 0:
        store.end_wait(session, row.step_run_id, outcome=outcome, output=output)
    store.wake_run(session, row.run_id)
    return True


def finish(
    session: Session,
    wait_id: str,
    *,
    output: dict[str, Any],
    error: dict[str, Any] | None = None,
    cost_microusd: int = 0,
) -> bool:
    """End a wait for something of ours, well or by *error*, and charge its step; False when it no longer waits."""
    outcome = "failed" if error else "done"
    row = session.execute(
        sa.update(store.wait)
        .where(store.wait.c.id == wait_id, store.wait.c.status == WaitStatus.WAITING)
        .values(
            status=WaitStatus.DECIDED.value,
            outcome=outcome,
            output=output,
            decided_at=moment(),
            effective_at=moment(),
        )
        .returning(store.wait.c.run_id, store.wait.c.step_run_id)
    ).first()
    if row is None:
        return False
    is_ended = store.end_wait(
        session, row.step_run_id, outcome=outcome, output=output, error=error, cost_microusd=cost_microusd
    )
    if is_ended and error is not None:
        failed = session.execute(sa.select(store.step_run).where(store.step_run.c.id == row.step_run_id)).one()
        claims.log_failure(session, failed, error)
    store.wake_run(session, row.run_id)
    return True


def undo(session: Session, wait_id: str) -> bool:
    """Take a decision back that has not taken effect: the wait waits again; False when it is too late for that.

    Too late is also a wait whose own time has run out meanwhile: it would end at once, without an answer.
    """
    wait, step = store.wait, store.step_run
    row = session.execute(
        sa.update(wait)
        .where(
            *_not_in_effect(wait_id),
            sa.or_(wait.c.until.is_(None), wait.c.until > moment()),
            sa.exists().where(step.c.id == wait.c.step_run_id, step.c.status == StepStatus.WAITING),
        )
        .values(
            status=WaitStatus.WAITING.value, outcome=None, output=None, decided_at=None, effective_at=None
        )
        .returning(wait.c.run_id)
    ).first()
    if row is None:
        return False
    store.wake_run(session, row.run_id)
    return True


def go_on(session: Session, wait_id: str) -> bool:
    """Let a decision take effect now instead of later; False when it has, or was taken back."""
    wait = store.wait
    row = session.execute(
        sa.update(wait)
        .where(*_not_in_effect(wait_id))
        .values(effective_at=moment())
        .returning(wait.c.run_id, wait.c.step_run_id, wait.c.outcome, wait.c.output)
    ).first()
    if row is None or not store.end_wait(session, row.step_run_id, outcome=row.outcome, output=row.output):
        return False
    store.wake_run(session, row.run_id)
    return True


def _not_in_effect(wait_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    wait = store.wait.c
    return wait.id == wait_id, wait.status == WaitStatus.DECIDED, wait.effective_at > moment()


def withdraw_messages(session: Session, workspace_id: str, run_id: str) -> None:
    """Let no message of a stopped run leave any more, and say whom they were for. No step adds one after this."""
    people = outbox.withdraw(session, run_id)
    if people:
        _log_withdrawn(session, workspace_id, run_id, people)


def note_message(session: Session, marked: outbox.Marked) -> None:
    """Listen to the outbox: a page of the run shows what has left the house, its log what was withdrawn."""
    if marked.status == outbox.WITHDRAWN:
        _log_withdrawn(session, marked.workspace_id, marked.run_id, [marked.recipient])
    store.touch_run(session, marked.run_id)


def _log_withdrawn(session: Session, workspace_id: str | None, run_id: str, people: Sequence[str]) -> None:
    whom = listed(list(dict.fromkeys(people)), most=3)
    count, verb = ("A message", "was") if len(people) == 1 else (f"{len(people)} messages", "were")
    said = f"{count} that had not left {verb} withdrawn: to {whom}."
    line = {"id": new_id(), "workspace_id": workspace_id, "run_id": run_id, "level": "warning", "at": clock.now()}
    session.execute(sa.insert(store.run_log).values(**line, event="messages.withdrawn", message=said))


def is_stopped(message: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a message's run was stopped, or will be as soon as it is planned."""
    run = store.run.alias("stopped")
    return sa.exists().where(
        run.c.id == message.c.run_id, run.c.status.in_([RunStatus.STOPPING.value, RunStatus.STOPPED.value])
    )


def is_test(session: Session, run_id: str) -> bool:
    """Tell whether a run is a test: nothing of it leaves the house."""
    return bool(session.execute(sa.select(store.run.c.test).where(store.run.c.id == run_id)).scalar())


def _refuse_unless(session: Session, run_id: str, fine: tuple[RunStatus, ...], verb: str) -> None:
    status = session.execute(sa.select(store.run.c.status).where(store.run.c.id == run_id)).scalar()
    if status is None:
        raise NotFound("This run does not exist.")
    if status not in fine:
        raise Conflict(f"This run is {status.replace('_', ' ')}: it cannot be {verb} any more.")
