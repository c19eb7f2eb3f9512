"""A turn: advance a run by its plan, under the run's lease, until nothing is left for this thread."""

import functools
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import crash, events
from app.core.db import insist, insist_small, statement, transaction, write_or, write_small
from app.core.ids import new_id
from app.core.together import carry_out
from app.definition.schema import Definition, Step
from app.engine import (
    catalog,
    claims,
    control,
    definitions,
    each,
    leases,
    money,
    parts,
    planned,
    progress,
    results,
    store,
    waits,
    worktime,
)
from app.engine.attempt import Tried, try_step
from app.engine.contract import Effect
from app.engine.enums import RunStatus, StepStatus
from app.engine.events import PartEnded
from app.engine.held import Fenced, HeldRun, HeldStep
from app.engine.planner import NO_ITEM, Control, Do, Key, Plan, Result, plan
from app.engine.seat import Seat
from app.engine.store import Recorded

HAND_BACK_AFTER_S = 30.0
COMPLETED: Final = "completed"


def advance(seat: Seat, run_id: str) -> str | None:
    """Advance a run under its lease; return the id of a pending step that this thread should do next."""
    held = seat.held.take(run_id, lambda: _take(seat, run_id))
    if held is None:
        return None
    crash.point("after_claim")
    try:
        return _advance_held(seat, held)
    except Exception:
        # due again soon, not when the lease runs out
        insist(seat.engine, lambda session: leases.let_go(session, held, after_s=seat.hint_again_s))
        raise
    finally:
        seat.held.drop_run(held.id, held.epoch)


def _take(seat: Seat, run_id: str) -> HeldRun | None:
    """Take a run's lease; where the answer was lost the first time, take it again from ourselves."""
    take = functools.partial(leases.take_run, run_id, seat.owner, seat.lease_s)

    def take_again(session: Session) -> HeldRun | None:
        leases.drop_lost(session, run_id, seat.owner, seat.held.runs.get(run_id))
        return carry_out(session, take())

    held = write_or(seat.engine, take, take_again, locks=run_id)
    if held is not None:
        seat.held.runs[held.id] = held.epoch
    return held


def _advance_held(seat: Seat, held: HeldRun | None) -> str | None:
    """Plan and do, round by round; return the id of a pending step that this thread should do next."""
    began = time.monotonic()
    while held is not None:
        definition = definitions.definition_of(seat.reader, held.version_id)
        recorded = Recorded() if held.is_untouched else _read(seat, held)
        todo = plan(definition, recorded.results, held.now, _control(held), seat.hint_again_s)
        if todo.is_end and held.status is RunStatus.PAUSED:
            todo = replace(todo, status=RunStatus.PAUSED)  # its end comes when it is resumed
        left_s = _left_s(seat, definition, held)
        if left_s is not None and left_s <= 0:
            if not todo.is_end and _control(held) == "go":
                held = _cut_off(seat, held, definition, recorded, todo)
                continue
            if todo.status is RunStatus.COMPLETED and _was_cut_off(seat, held):
                todo = replace(todo, status=RunStatus.FAILED)
        if todo.opens or todo.settles:
            held = each.work(seat, held, definition, recorded, todo)
            continue
        only = _fast(definition, recorded, todo, held)
        if only is not None:
            if seat.is_ending.is_set() or (
                time.monotonic() - began > HAND_BACK_AFTER_S and seat.others_wait()
            ):
                with transaction(seat.engine) as session:
                    leases.hand_back_run(session, held)
                seat.hint_run(held.id)
                return None
            look_up_at = began + HAND_BACK_AFTER_S
            if left_s is not None:
                look_up_at = min(look_up_at, time.monotonic() + left_s)
            held = _run_fast(seat, held, definition, recorded, only, todo, look_up_at)
            continue
        crash.point("before_release")
        done, claim = _release(seat, held, definition, recorded, todo, left_s)
        if done:
            return claim
        held = _again(seat, held)
    return None


def _read(seat: Seat, held: HeldRun) -> Recorded:
    with statement(seat.reader) as connection:
        recorded = store.read_results(connection, held.id, seat.hint_again_s)
        parts.note_working(connection, held, recorded)
    return recorded


def _left_s(seat: Seat, definition: Definition, held: HeldRun) -> float | None:
    if definition.limits.minutes is None:
        return None
    with statement(seat.reader) as connection:
        return worktime.left_s(connection, definition, held)


def _was_cut_off(seat: Seat, held: HeldRun) -> bool:
    with statement(seat.reader) as connection:
        return worktime.was_cut_off(connection, held.id)


def _cut_off(
    seat: Seat, held: HeldRun, definition: Definition, recorded: Recorded, todo: Plan
) -> HeldRun | None:
    """Let all fail that has not ended, or would begin now, since the run's working time is over.

    Returns the run as it is then; nothing is written where it has changed since it was planned.
    """
    error = worktime.error(definition)
    rows = [planned.pending_row(definition, held, do) for do in todo.do if do.is_new]
    rows += [planned.pending_row(definition, held, Do(opened.step)) for opened in todo.opens]

    def write(session: Session) -> None:
        store.insert_steps(session, rows)
        waits.withdraw(session, held, recorded, recorded.waits)
        cut = {row.step_id: row for row in store.fail_open_steps(session, held.id, error)}
        for row in cut.values():
            claims.log_failure(session, row, error)
        progress.move_unchanged(session, held, steps_done=todo.settled)

    with suppress(Fenced):
        insist(seat.engine, write)
    return _again(seat, held)


def _control(held: HeldRun) -> Control:
    if held.status is RunStatus.STOPPING:
        return "stop"
    return "pause" if held.status in (RunStatus.PAUSING, RunStatus.PAUSED) else "go"


def _fast(definition: Definition, recorded: Recorded, todo: Plan, held: HeldRun) -> Step | None:
    """Return the one ready step that may be done under the run's own lease, if there is exactly one and it is pure."""
    if (
        len(todo.do) != 1
        or not todo.do[0].is_new
        or todo.opens
        or todo.settles
        or todo.end_waits
        or todo.cancel
        or held.status is RunStatus.PAUSING
        or held.is_suspect
    ):
        return None
    if any(not result.status.is_settled for result in recorded.results.values()):
        return None
    step = definition.step(todo.do[0].step)
    step_type = catalog.step_type(step.type)
    return step if step_type is not None and step_type.effect is Effect.NONE else None


def _run_fast(
    seat: Seat, held: HeldRun, definition: Definition, recorded: Recorded, step: Step, todo: Plan, look_up_at: float
) -> HeldRun | None:
    """Do pure steps one after the other under the run's lease, each result in one statement; return the run as left.

    After *look_up_at* (monotonic) it is left after each step: its time may be over, or others wait for this thread.
    """
    outputs = recorded.outputs
    seen = dict(recorded.results)
    while True:
        claim = HeldStep(
            new_id(), held.workspace_id, held.id, step.id, NO_ITEM, step.type, 1, 1, 0, held.clock()
        )
        seat.held.until[held.id] = time.monotonic() + step.timeout_s
        try:
            tried = try_step(seat, claim, step, held, outputs)
        finally:
            seat.held.until.pop(held.id, None)
        for skip in todo.skip:
            seen[skip.step, NO_ITEM] = Result(StepStatus.SKIPPED)
        seen[step.id, NO_ITEM] = Result(tried.status, tried.outcome)
        then = plan(definition, seen, held.now, "go")
        written, tried = results.keep(
            functools.partial(
                _record_under_run, seat, held, definition, claim, todo=todo, then=then, is_owing=_has_failed(seen)
            ),
            claim,
            tried,
        )
        crash.point("after_commit")
        if written == COMPLETED:
            return None
        if written is None:  # pausing or stopping, which the next plan sees; or the lease is somebody else's
            return _again(seat, held)
        revision, is_plain = written
        was_alone = revision == held.revision + 1
        if tried.status is StepStatus.COMPLETED:
            outputs[step.id] = tried.output
        held = held.moved_to(revision)
        if not (was_alone and is_plain) or seat.is_ending.is_set() or time.monotonic() > look_up_at:
            return _again(seat, held)
        following = _fast(definition, Recorded(seen, outputs), then, held)
        if following is None:
            return held
        step, todo = following, then


def _again(seat: Seat, held: HeldRun) -> HeldRun | None:
    with statement(seat.reader) as connection:
        return store.reread_run(connection, held)


def _record_under_run(
    seat: Seat,
    held: HeldRun,
    definition: Definition,
    claim: HeldStep,
    tried: Tried,
    *,
    todo: Plan,
    then: Plan,
    is_owing: bool,
) -> tuple[int, bool] | Literal["completed"] | None:
    """Record what a pure step brought, with the skips planned beside it; None when the run is no longer ours.

    The last result of a run completes it in the same statement, unless it is *owing*: calls may hold money.
    """
    row = {
        "id": claim.id, "step_id": claim.step_id, "type": claim.type, "started_at": claim.started_at,
        "outcome": tried.outcome, "went_in": tried.went_in, "output": tried.output,
    }  # fmt: skip
    step = definition.step(claim.step_id)
    done = todo.settled + (1 if tried.status.is_settled else 0)
    is_plain = tried.wait is None and not tried.writes and tried.status is StepStatus.COMPLETED
    if is_plain and not todo.skip:
        if then.status is RunStatus.COMPLETED and not then.skip and not is_owing:
            return COMPLETED if _complete(seat, held, row, done) else None
        doing = planned.doing(definition, recorded=Recorded(), todo=then)
        record = functools.partial(
            progress.record_fast, seat.engine.dialect.name, held, row, steps_done=done, doing=doing
        )
        revision = write_small(seat.engine, record, locks=held.id)
        return None if revision is None else (revision, True)
    row |= tried.row()
    with transaction(seat.engine) as session:
        ended = {"finished_at": held.clock() if tried.status.is_settled else None}
        revision = progress.record_pure(
            session, held, {**row, **ended, **results.delay(step, tried, held.now)}, steps_done=done
        )
        if revision is None:
            return None
        store.insert_steps(session, planned.skip_rows(definition, held, todo))
        results.write_rest(session, claim, tried)
    if tried.writes:
        seat.hint_outbox()
    return revision, is_plain


def _complete(seat: Seat, held: HeldRun, row: dict[str, Any], steps_done: int) -> bool:
    """Record the last result and the end of the run in one transaction; False when the run changed or is not ours."""
    record = functools.partial(
        progress.record_last, seat.engine.dialect.name, held, row, steps_done=steps_done
    )
    if not _is_part(held):
        return insist_small(seat.engine, record, locks=held.id)

    def write(session: Session) -> bool:
        completed = carry_out(session, record())
        if completed:
            _tell_end(session, held, RunStatus.COMPLETED)
        return completed

    return insist(seat.engine, write)


def _tell_end(session: Session, held: HeldRun, status: RunStatus) -> None:
    if _is_part(held):
        events.publish(session, PartEnded(held.id, held.workspace_id, status.value))


def _tell_above(session: Session, held: HeldRun, todo: Plan, woken: list[str]) -> None:
    """Tell the run above this one of its end, or that it has come to rest; add whom that wakes."""
    if todo.is_end:
        _tell_end(session, held, todo.status)
    elif not todo.end_waits and (above := parts.tell_rest(session, held, todo.status)):
        woken.append(above)


def _has_failed(results: Mapping[Key, Result]) -> bool:
    """Tell whether a step has failed, perhaps with a call that nobody answered."""
    return any(result.status is StepStatus.FAILED for result in results.values())


def _is_any_running(recorded: Recorded) -> bool:
    return any(result.status is StepStatus.RUNNING for result in recorded.results.values())


def _is_part(held: HeldRun) -> bool:
    return bool(held.facts.get("part_of"))


def _release(
    seat: Seat, held: HeldRun, definition: Definition, recorded: Recorded, todo: Plan, left_s: float | None
) -> tuple[bool, str | None]:
    """Write what the plan says and give the lease back: (True, a step for this thread) or (False, None) to go round."""
    fresh = [planned.pending_row(definition, held, do) for do in todo.do if do.is_new]
    again = [recorded.ids[do.step, do.item] for do in todo.do if not do.is_new]
    woken = [held.id] if todo.end_waits else []

    def write(session: Session) -> None:
        store.insert_steps(session, fresh)
        if crash.is_armed("in_join") and any(len(definition.step(row["step_id"]).after) > 1 for row in fresh):
            crash.point("in_join")
        store.insert_steps(session, planned.skip_rows(definition, held, todo))
        store.hinted(session, again)
        if todo.status is RunStatus.PAUSED and _is_any_running(recorded):
            leases.give_back_dead(session, held.id)
        for ended in todo.end_waits:
            waits.take_effect(session, held, recorded, ended.step, ended.item)
        if todo.cancel:
            _cancel(session, held, recorded, todo)
        if todo.status in parts.PAUSES and recorded.waits:
            woken[:] = parts.pause(session, held.id)
        if todo.is_end:
            _leave_nothing(session, held, recorded, todo)
        is_changed = bool(todo.end_waits)
        released = leases.release_run(
            session,
            held,
            status=held.status if is_changed and held.status is not RunStatus.QUEUED else todo.status,
            due_at=held.now if is_changed else _due_at(held, todo, left_s),
            doing=planned.doing(definition, recorded, todo),
            steps_done=todo.settled,
            error=_run_error(session, held, definition) if todo.status is RunStatus.FAILED else None,
        )
        if not released:
            raise Fenced(held.id)
        _tell_above(session, held, todo, woken)

    try:
        insist(seat.engine, write)
    except Fenced:
        return False, None
    seat.held.drop_run(held.id, held.epoch)
    for run_id in woken:
        seat.hint_run(run_id)
    return True, _hint(seat, definition, fresh, again, recorded)


def _due_at(held: HeldRun, todo: Plan, left_s: float | None) -> datetime | None:
    """Return when the run must be looked at again: for what is due, and when its working time is over."""
    if todo.sleep_until is None or left_s is None:
        return todo.sleep_until
    return min(todo.sleep_until, held.now + timedelta(seconds=max(left_s, 0.1)))


def _run_error(session: Session, held: HeldRun, definition: Definition) -> dict[str, Any] | None:
    """Return the error that the run failed by, with its step's id: the first whose failure nothing provides for.

    Where the run may go on without each of them, it is the end of its time.
    """
    table = store.step_run
    rows = session.execute(
        sa.select(table.c.step_id, table.c.item, table.c.error)
        .where(table.c.run_id == held.id, table.c.status == StepStatus.FAILED)
        .order_by(table.c.finished_at)
    ).all()
    ended = {row.step_id for row in rows if row.item == NO_ITEM and definition.step(row.step_id).on_failure == "stop"}
    cut_off = [row for row in rows if (row.error or {}).get("code") == worktime.CODE]
    row = next((row for row in (*(row for row in rows if row.step_id in ended), *cut_off, *rows)), None)
    return {**(row.error or {}), "step": row.step_id} if row else None


def _hint(
    seat: Seat, definition: Definition, fresh: list[dict[str, Any]], again: list[str], recorded: Recorded
) -> str | None:
    """Hint all steps but one; that one is done here, if it is pure."""
    by_id = {row["id"]: row["effect"] != Effect.NONE for row in fresh}
    for (step_id, _item), row_id in recorded.ids.items():
        if row_id in again:
            step_type = catalog.step_type(definition.step(step_id).type)
            by_id[row_id] = step_type is None or step_type.effect is not Effect.NONE
    mine = next((row_id for row_id, is_outward in by_id.items() if not is_outward), None)
    rest = [(row_id, is_outward) for row_id, is_outward in by_id.items() if row_id != mine]
    if rest:
        seat.hint_steps(rest)
    return mine


def _cancel(session: Session, held: HeldRun, recorded: Recorded, todo: Plan) -> None:
    """Withdraw waits, then cancel steps: in the order in which a decision locks them."""
    waits.withdraw(session, held, recorded, ((cancelled.step, cancelled.item) for cancelled in todo.cancel))
    store.cancel_steps(session, held.id, "the run was stopped")


def _leave_nothing(session: Session, held: HeldRun, recorded: Recorded, todo: Plan) -> None:
    """Take back what an ending run may leave behind: messages that had not left at a stop, and reserved money."""
    if todo.status is RunStatus.STOPPED:
        control.withdraw_messages(session, held.workspace_id, held.id)
    if todo.status is not RunStatus.COMPLETED or _has_failed(recorded.results):
        money.free(session, held)
