"""The runner: advance a run by its plan, do a step under its lease. The only place where steps are called.

``advance`` and ``do_step`` may come twice, late or never: a claim that finds nothing is the end of it.
"""

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from pydantic import ValidationError
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import clock, crash, events
from app.core.db import insist, moment, transaction
from app.core.errors import GreenlightError
from app.core.ids import new_code, new_id
from app.definition.conditions import ConditionUnclear, evaluate_condition
from app.definition.schema import Definition, Step
from app.definition.values import ValueProblem, evaluate
from app.engine import catalog, retry, store
from app.engine.context import RunContext
from app.engine.contract import Category, Done, Effect, RunFacts, StepError, StepType, Wait
from app.engine.enums import RunStatus, StepStatus, WaitStatus
from app.engine.events import RunEnded, WaitEnded, WaitStarted
from app.engine.planner import NO_ITEM, Control, Do, Plan, Result, plan
from app.engine.ports import bound
from app.engine.store import Fenced, HeldRun, HeldStep, Recorded

MAX_OUTPUT_BYTES = 256 * 1024
HAND_BACK_AFTER_S = 30.0
MAX_CRASHES = 3
SEED = "seed"  # what started a template's own sample run

T = TypeVar("T")

_log = structlog.get_logger()


@dataclass(slots=True)
class Held:
    """What this process holds under lease: the heartbeat extends it, a shutdown gives it back."""

    runs: dict[str, int] = field(default_factory=dict)  # run id → epoch
    steps: dict[str, tuple[int, float]] = field(
        default_factory=dict
    )  # step run id → (fence, monotonic deadline)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Seat:
    """What a worker gives to the runner: its database, its name, how to hint, and whether it is going to end."""

    engine: Engine
    reader: Engine  # SQLite: an engine that does not queue for the write lock; else the same
    owner: str
    lease_s: float
    hint_steps: Callable[[list[tuple[str, bool]]], None]  # (step run id, is an outward step)
    hint_run: Callable[[str], None]
    hint_outbox: Callable[[], None]
    is_ending: threading.Event  # take no new work
    is_over: threading.Event  # the heartbeat may stop
    others_wait: Callable[[], bool] = lambda: False
    held: Held = field(default_factory=Held)

    @property
    def hint_again_s(self) -> float:
        """After how many seconds a hint that shows nothing is given again: 10 at the usual lease of 60."""
        return self.lease_s / 6


# --- advancing a run ---------------------------------------------------------------------------------------------


def advance(seat: Seat, run_id: str) -> None:
    """Take the run's lease and do what its plan says, until nothing is left for this thread."""
    step_run_id = _advance(seat, run_id)
    if step_run_id is not None:
        do_step(seat, step_run_id)


def _advance(seat: Seat, run_id: str) -> str | None:
    """Advance a run under its lease; return the id of a pending step that this thread should do next."""
    held = insist(seat.engine, lambda session: store.take_run(session, run_id, seat.owner, seat.lease_s))
    if held is None:
        return None
    crash.point("after_claim")
    seat.held.runs[held.id] = held.epoch
    try:
        return _advance_held(seat, held)
    except Exception:
        with transaction(seat.engine) as session:  # due again soon, not when the lease runs out
            store.let_go(session, held, after_s=seat.hint_again_s)
        raise
    finally:
        seat.held.runs.pop(held.id, None)


def _advance_held(seat: Seat, held: HeldRun | None) -> str | None:
    """Plan and do, round by round; return the id of a pending step that this thread should do next."""
    began = time.monotonic()
    while held is not None:
        definition = _definition(seat.reader, held.version_id)
        with transaction(seat.reader) as session:
            recorded = store.read_results(session, held.id, seat.hint_again_s)
        todo = plan(definition, recorded.results, held.now, _control(held), seat.hint_again_s)
        only = _fast(definition, recorded, todo, held)
        if only is not None:
            if seat.is_ending.is_set() or (
                time.monotonic() - began > HAND_BACK_AFTER_S and seat.others_wait()
            ):
                with transaction(seat.engine) as session:
                    store.hand_back_run(session, held)
                seat.hint_run(held.id)
                return None
            held = _run_fast(seat, held, definition, recorded, only, todo)
            continue
        crash.point("before_release")
        done, claim = _release(seat, held, definition, recorded, todo)
        if done:
            return claim
        with transaction(seat.reader) as session:
            held = store.reread_run(session, held)
    return None


def _control(held: HeldRun) -> Control:
    if held.status is RunStatus.STOPPING:
        return "stop"
    return "pause" if held.status in (RunStatus.PAUSING, RunStatus.PAUSED) else "go"


def _fast(definition: Definition, recorded: Recorded, todo: Plan, held: HeldRun) -> Step | None:
    """Return the one ready step that may be done under the run's own lease, if there is exactly one and it is pure."""
    if (
        len(todo.do) != 1
        or not todo.do[0].is_new
        or todo.end_waits
        or todo.cancel
        or held.status is RunStatus.PAUSING
    ):
        return None
    if any(not result.status.is_settled for result in recorded.results.values()):
        return None
    step = definition.step(todo.do[0].step)
    step_type = catalog.step_type(step.type)
    return step if step_type is not None and step_type.effect is Effect.NONE else None


def _run_fast(
    seat: Seat, held: HeldRun, definition: Definition, recorded: Recorded, step: Step, todo: Plan
) -> HeldRun | None:
    """Do pure steps one after the other under the run's lease, each result in one statement; return the run as left."""
    outputs = recorded.outputs
    results = dict(recorded.results)
    while True:
        claim = HeldStep(
            new_id(), held.workspace_id, held.id, step.id, NO_ITEM, step.type, 1, 1, 0, clock.now()
        )
        tried = _try_step(seat, claim, step, held, outputs)
        written, tried = _keep(
            functools.partial(_record_under_run, seat, held, definition, claim, todo=todo), claim, tried
        )
        if written is None:  # pausing or stopping, which the next plan sees; or the lease is somebody else's
            with transaction(seat.reader) as session:
                return store.reread_run(session, held)
        crash.point("after_commit")
        revision, is_plain = written
        was_alone = revision == held.revision + 1
        for skip in todo.skip:
            results[skip.step, NO_ITEM] = Result(StepStatus.SKIPPED)
        results[step.id, NO_ITEM] = Result(tried.status, tried.outcome)
        if tried.status is StepStatus.COMPLETED:
            outputs[step.id] = tried.output
        held = held.moved_to(revision)
        if not (was_alone and is_plain) or seat.is_ending.is_set():
            with transaction(seat.reader) as session:
                return store.reread_run(session, held)
        todo = plan(definition, results, held.now, "go")
        following = _fast(definition, Recorded(results, outputs, {}, {}), todo, held)
        if following is None:
            return held
        step = following


def _record_under_run(
    seat: Seat, held: HeldRun, definition: Definition, claim: HeldStep, tried: "Tried", *, todo: Plan
) -> tuple[int, bool] | None:
    """Record what a pure step brought, with the skips planned beside it; None when the run is no longer ours."""
    row = {
        "id": claim.id,
        "step_id": claim.step_id,
        "type": claim.type,
        "started_at": claim.started_at,
        **tried.row(),
    }
    step = definition.step(claim.step_id)
    done = todo.settled + (1 if tried.status.is_settled else 0)
    is_plain = tried.wait is None and not tried.writes and tried.status is StepStatus.COMPLETED
    if is_plain and not todo.skip:
        with seat.engine.begin() as connection:
            revision = store.record_fast(connection, held, row, steps_done=done)
        return None if revision is None else (revision, True)
    with transaction(seat.engine) as session:
        ended = {"finished_at": clock.now() if tried.status.is_settled else None}
        revision = store.record_pure(session, held, {**row, **ended, **_delay(step, tried)}, steps_done=done)
        if revision is None:
            return None
        store.insert_steps(session, _skip_rows(definition, held, todo))
        _write_rest(session, claim, tried)
    if tried.writes:
        seat.hint_outbox()
    return revision, is_plain


def _delay(step: Step, tried: "Tried") -> dict[str, Any]:
    """Return the columns that make a failed pure step a retry, where its error asks for one."""
    delay_s = retry.next_delay_s(step, tried.error, 1) if tried.error else None
    if delay_s is None:
        return {}
    return {
        "status": StepStatus.RETRYING.value,
        "outcome": None,
        "finished_at": None,
        "not_before": clock.now() + timedelta(seconds=delay_s),
    }


def _release(
    seat: Seat, held: HeldRun, definition: Definition, recorded: Recorded, todo: Plan
) -> tuple[bool, str | None]:
    """Write what the plan says and give the lease back: (True, a step for this thread) or (False, None) to go round."""
    fresh = [_pending_row(definition, held, do) for do in todo.do if do.is_new]
    again = [recorded.ids[do.step, do.item] for do in todo.do if not do.is_new]

    def write(session: Session) -> None:
        store.insert_steps(session, fresh)
        store.insert_steps(session, _skip_rows(definition, held, todo))
        store.hinted(session, again)
        for ended in todo.end_waits:
            _end_wait(session, held, recorded, ended.step, ended.item)
        if todo.cancel:
            _cancel(session, held, recorded, todo)
        changed = bool(todo.end_waits)
        released = store.release_run(
            session,
            held,
            status=held.status if changed and held.status is not RunStatus.QUEUED else todo.status,
            due_at=held.now if changed else todo.sleep_until,
            doing=_doing(definition, recorded, todo),
            steps_done=todo.settled,
            error=_run_error(session, held) if todo.status is RunStatus.FAILED else None,
        )
        if not released:
            raise Fenced(held.id)
        if todo.is_end:
            events.publish(session, RunEnded(held.id, held.workspace_id, todo.status.value))

    try:
        insist(seat.engine, write)
    except Fenced:
        return False, None
    seat.held.runs.pop(held.id, None)
    if todo.end_waits:
        seat.hint_run(held.id)
    return True, _hint(seat, definition, fresh, again, recorded)


def _run_error(session: Session, held: HeldRun) -> dict[str, Any] | None:
    """Return the error that the run failed by: the first failed step's, with its id."""
    table = store.step_run
    row = session.execute(
        sa.select(table.c.step_id, table.c.error)
        .where(table.c.run_id == held.id, table.c.status == StepStatus.FAILED)
        .order_by(table.c.finished_at)
        .limit(1)
    ).first()
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


def _pending_row(definition: Definition, held: HeldRun, do: Do) -> dict[str, Any]:
    step = definition.step(do.step)
    step_type = catalog.step_type(step.type)
    effect = step_type.effect if step_type else Effect.NONE
    return {
        "id": new_id(), "workspace_id": held.workspace_id, "run_id": held.id, "step_id": step.id, "item": do.item,
        "type": step.type, "effect": effect.value, "status": StepStatus.PENDING.value, "hinted_at": clock.now(),
    }  # fmt: skip


def _skip_rows(definition: Definition, held: HeldRun, todo: Plan) -> list[dict[str, Any]]:
    at = clock.now()
    return [
        {
            "id": new_id(), "workspace_id": held.workspace_id, "run_id": held.id, "step_id": skip.step,
            "type": definition.step(skip.step).type, "status": StepStatus.SKIPPED.value, "reason": skip.reason,
            "hinted_at": None, "finished_at": at,
        }
        for skip in todo.skip
    ]  # fmt: skip


def _doing(definition: Definition, recorded: Recorded, todo: Plan) -> str:
    if todo.is_end or todo.status in (RunStatus.PAUSED, RunStatus.WAITING):
        return ""
    names = [definition.step(do.step).name or do.step for do in todo.do]
    names += [
        definition.step(step).name or step
        for (step, _), result in recorded.results.items()
        if result.status is StepStatus.RUNNING
    ]
    return ", ".join(dict.fromkeys(names))


def _end_wait(session: Session, held: HeldRun, recorded: Recorded, step: str, item: int) -> None:
    """Let a wait's time take effect: the decision made before, or its expiry."""
    wait_id = recorded.waits[step, item]
    row = session.execute(sa.select(store.wait).where(store.wait.c.id == wait_id)).one()
    if row.status == WaitStatus.WAITING:
        outcome, output = row.on_until, dict(row.detail.get("on_until_output") or {})
        session.execute(
            sa.update(store.wait)
            .where(store.wait.c.id == wait_id, store.wait.c.status == WaitStatus.WAITING)
            .values(
                status=WaitStatus.DECIDED.value,
                outcome=outcome,
                output=output,
                decided_at=moment(),
                effective_at=moment(),
            )
        )
        events.publish(session, WaitEnded(wait_id, held.workspace_id, held.id, row.kind, outcome, "expired"))
    else:
        outcome, output = row.outcome, row.output
    store.end_wait(session, recorded.ids[step, item], outcome=outcome, output=output)


def _cancel(session: Session, held: HeldRun, recorded: Recorded, todo: Plan) -> None:
    """Withdraw waits, then cancel steps: in the order in which a decision locks them."""
    for cancelled in todo.cancel:
        wait_id = recorded.waits.get((cancelled.step, cancelled.item))
        if wait_id is None:
            continue
        row = session.execute(
            sa.update(store.wait)
            .where(store.wait.c.id == wait_id, store.wait.c.status == WaitStatus.WAITING)
            .values(status=WaitStatus.WITHDRAWN.value, decided_at=moment())
            .returning(store.wait.c.kind)
        ).first()
        if row is not None:
            events.publish(session, WaitEnded(wait_id, held.workspace_id, held.id, row.kind, "", "withdrawn"))
    store.cancel_steps(session, held.id, "the run was stopped")


# --- doing a step ------------------------------------------------------------------------------------------------


def do_step(seat: Seat, step_run_id: str) -> None:
    """Claim a step run and do it; then any other pending step of its run; then advance the run, and so on."""
    following: str | None = step_run_id
    while following is not None:
        with transaction(seat.engine) as session:
            claim = store.claim_step(session, following, seat.owner, seat.lease_s)
        following = _do_claimed(seat, claim) if claim is not None else None


def _do_claimed(seat: Seat, first: HeldStep) -> str | None:
    """Do a claimed step and its pending siblings, then advance the run; return the step to do next, if any."""
    claim: HeldStep | None = first
    mine = _effects_for(first)
    while claim is not None:
        crash.point("after_claim")
        again = _do_one(seat, claim)
        if again is not None:
            claim = again
            continue
        if seat.is_ending.is_set():
            seat.hint_run(first.run_id)
            return None
        with transaction(seat.engine) as session:
            claim = store.claim_sibling(session, first.run_id, seat.owner, seat.lease_s, effects=mine)
    return _advance(seat, first.run_id)


def _effects_for(claim: HeldStep) -> list[Effect]:
    """Return what this thread may do of the run: one that began with a pure step never waits for an outward call."""
    step_type = catalog.step_type(claim.type)
    return [Effect.NONE] if step_type is not None and step_type.effect is Effect.NONE else list(Effect)


def _do_one(seat: Seat, claim: HeldStep) -> HeldStep | None:
    """Do one try of a claimed step and record it; return the claim of the next try when that is due at once."""
    with transaction(seat.reader) as session:
        held = _read_run(session, claim.run_id)
        outputs = store.read_results(session, claim.run_id).outputs
    step = _definition(seat.reader, held.version_id).step(claim.step_id)
    seat.held.steps[claim.id] = (claim.fence, time.monotonic() + step.timeout_s)
    try:
        tried = _try_step(seat, claim, step, held, outputs) if claim.crashes < MAX_CRASHES else _poisoned()
        delay_s, tried = _keep(functools.partial(_record, seat, step, claim), claim, tried)
    except Fenced:
        _log.warning("fenced", run_id=claim.run_id, step_id=claim.step_id)
        return None
    finally:
        seat.held.steps.pop(claim.id, None)
    crash.point("after_commit")
    if tried.writes:
        seat.hint_outbox()
    if delay_s is None or delay_s > retry.IN_PLACE_S:
        return None
    seat.is_ending.wait(delay_s + 0.01)
    with transaction(seat.engine) as session:
        return store.claim_step(session, claim.id, seat.owner, seat.lease_s)


def _poisoned() -> "Tried":
    """Say what happened to a step whose process died under it three times: a person must look."""
    return _failed(
        StepError(
            Category.UNSURE, f"This step stopped its worker {MAX_CRASHES} times.", code="crashes",
            fix="Make it smaller, or tell us.",
        ),
        None,
    )  # fmt: skip


def _record(seat: Seat, step: Step, claim: HeldStep, tried: "Tried") -> float | None:
    """Write the end of a try in one transaction, the run's row last; return the delay to the next try, if any."""
    delay_s = retry.next_delay_s(step, tried.error, claim.attempts) if tried.error else None

    def write(session: Session) -> None:
        if tried.error is not None and delay_s is not None:
            store.end_step(
                session, claim, status=StepStatus.RETRYING.value, not_before=moment(delay_s), error=tried.error_json(),
                went_in=tried.went_in, doing="",
            )  # fmt: skip
            store.log(
                session,
                claim,
                "retry",
                f"{tried.error.message} Trying again in {delay_s:.0f} s.",
                level="warning",
            )
        else:
            store.end_step(session, claim, **tried.row(), **tried.ended_at())
            _write_rest(session, claim, tried)
            if tried.error is not None:
                store.log(session, claim, "failed", tried.error.message, level="error")
        store.wake_run(session, claim.run_id)

    insist(seat.engine, write)
    return delay_s


def _keep(write: Callable[["Tried"], T], claim: HeldStep, tried: "Tried") -> tuple[T, "Tried"]:
    """Write what a try brought and return it; what cannot be kept (a picture that is gone) fails the step instead.

    A database that is away, or a lost fence, is no fault of the step and raises.
    """
    try:
        return write(tried), tried
    except (Fenced, sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError):
        raise
    except GreenlightError as refused:
        fix = refused.fix or "Change the answers and start again."
        error = StepError(Category.INPUT, refused.message, code=refused.code, fix=fix)
        failed = _failed(error, tried.went_in)
    except Exception as error:  # noqa: BLE001 (else the step would be done again and again, for ever)
        failed = _failed(_our_fault(claim, error), None)
    return write(failed), failed


def _write_rest(session: Session, claim: HeldStep, tried: "Tried") -> None:
    """Write what belongs to the result: the step's staged writes, then its wait."""
    for write in tried.writes:
        write(session)
    if tried.wait is None:
        return
    wait = tried.wait
    wait_id = new_id()
    session.execute(
        sa.insert(store.wait),
        {
            "id": wait_id, "workspace_id": claim.workspace_id, "run_id": claim.run_id, "step_run_id": claim.id,
            "kind": wait.kind, "status": WaitStatus.WAITING.value, "until": wait.until, "on_until": wait.on_until,
            "detail": dict(wait.detail), "created_at": clock.now(),
        },
    )  # fmt: skip
    events.publish(
        session,
        WaitStarted(
            wait_id, claim.workspace_id, claim.run_id, claim.id, claim.step_id, wait.kind, wait.detail, wait.until,
            wait.on_until,
        ),
    )  # fmt: skip


# --- one try -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tried:
    """What one try of a step brought: a result, a wait, a skip or an error."""

    status: StepStatus
    outcome: str | None = None
    output: Any = None
    reason: str = ""
    went_in: Any = None
    wait: Wait | None = None
    error: StepError | None = None
    writes: tuple[Callable[[Session], None], ...] = ()

    def row(self) -> dict[str, Any]:
        """Return the columns of the result."""
        return {
            "status": self.status.value, "outcome": self.outcome, "output": self.output, "reason": self.reason,
            "went_in": self.went_in, "doing": "", **({"error": self.error_json()} if self.error else {}),
        }  # fmt: skip

    def ended_at(self) -> dict[str, Any]:
        """Return the column that says when a settled step ended."""
        return {"finished_at": moment()} if self.status.is_settled else {}

    def error_json(self) -> dict[str, str] | None:
        """Return the error as pages and the API show it."""
        if self.error is None:
            return None
        return {
            "category": self.error.category.value, "code": self.error.code, "message": self.error.message,
            "fix": self.error.fix,
        }  # fmt: skip


def _try_step(seat: Seat, claim: HeldStep, step: Step, held: HeldRun, outputs: Mapping[str, Any]) -> Tried:
    """Evaluate, check and run one step; whatever it raises becomes part of the answer, but for a lost fence."""
    scope: dict[str, object] = {"inputs": held.inputs, "steps": outputs, "run": held.facts}
    went_in: Any = None
    try:
        if step.when is not None:
            verdict = evaluate_condition(step.when, scope)
            if not verdict.value:
                return Tried(StepStatus.SKIPPED, reason=verdict.because)
        step_type = catalog.step_type(step.type)
        if step_type is None:
            raise StepError(Category.INTERNAL, f"This version does not know the step type “{step.type}”.")
        went_in = _fill_in(step, step_type, scope)
        config = step_type.config.model_validate(went_in)
        context = RunContext(
            seat.engine, claim, effect=step_type.effect, name=step.name or step.id, run=_run_facts(held), scope=scope,
            timeout_s=float(step.timeout_s),
        )  # fmt: skip
        answer = step_type.run(config, context)
        return _answered(step_type, answer, went_in, tuple(context.writes))
    except Fenced:
        raise
    except StepError as error:
        return _failed(error, went_in)
    except ConditionUnclear as unclear:
        return _failed(
            StepError(Category.CONDITION, str(unclear), fix="Change the answers and start again."),
            went_in,
        )
    except ValueProblem as missing:
        return _failed(
            StepError(Category.INPUT, str(missing), code="value", fix="Change the answers and start again."),
            went_in,
        )
    except ValidationError as invalid:
        return _failed(_config_error(invalid), went_in)
    except Exception as error:  # noqa: BLE001 (a step's own fault: recorded, told, not the worker's end)
        return _failed(_our_fault(claim, error), went_in)


def _our_fault(claim: HeldStep, error: Exception) -> StepError:
    """Log a fault that is ours and return what people are told: a code to quote, nothing of its inside."""
    code = new_code()
    _log.error(
        "step_broken",
        code=code,
        run_id=claim.run_id,
        step_id=claim.step_id,
        error=repr(error),
        exc_info=error,
    )
    return StepError(
        Category.INTERNAL,
        "Something went wrong on our side.",
        code=code,
        fix=f"Quote {code} when you ask for help.",
    )


def _fill_in(step: Step, step_type: StepType, scope: Mapping[str, object]) -> dict[str, Any]:
    raw = {key: value for key, value in step.config.items() if key in step_type.raw_fields}
    rest = {key: value for key, value in step.config.items() if key not in step_type.raw_fields}
    return {**evaluate(rest, scope), **raw}


def _answered(
    step_type: StepType, answer: Done | Wait, went_in: Any, writes: tuple[Callable[[Session], None], ...]
) -> Tried:
    if isinstance(answer, Wait):
        return Tried(StepStatus.WAITING, went_in=went_in, wait=answer, writes=writes)
    if answer.outcome not in step_type.outcomes:
        raise StepError(
            Category.INTERNAL, f"{step_type.label} left by “{answer.outcome}”, which it does not declare."
        )
    output = dict(answer.output)
    size = len(json.dumps(output, ensure_ascii=False, allow_nan=False).encode())
    if size > MAX_OUTPUT_BYTES:
        raise StepError(
            Category.INPUT, f"The result is too large: {size // 1024} KiB, at most 256 KiB fit.", code="too_large",
            fix="Make less at once.",
        )  # fmt: skip
    return Tried(StepStatus.COMPLETED, answer.outcome, output, went_in=went_in, writes=writes)


def _failed(error: StepError, went_in: Any) -> Tried:
    if error.category in (Category.CONDITION, Category.UNSURE):
        return Tried(StepStatus.NEEDS_ATTENTION, went_in=went_in, error=error)
    return Tried(StepStatus.FAILED, "failed", went_in=went_in, error=error)


def _config_error(invalid: ValidationError) -> StepError:
    first = invalid.errors(include_url=False)[0]
    where = " › ".join(str(part) for part in first["loc"]) or "the step"
    return StepError(
        Category.INPUT,
        f"{where}: {first['msg']}.",
        code="config",
        fix="Change the answers, or the step, and start again.",
    )


def _run_facts(held: HeldRun) -> RunFacts:
    is_sample = held.trigger_kind == SEED
    return RunFacts(
        held.id, held.workspace_id, held.number, held.label, held.test, is_sample, held.inputs, held.facts
    )


def _read_run(session: Session, run_id: str) -> HeldRun:
    run = store.run
    row = session.execute(
        sa.select(
            run.c.id, run.c.workspace_id, run.c.version_id, run.c.number, run.c.label, run.c.test,
            run.c.trigger_kind, run.c.status, run.c.revision, run.c.epoch, run.c.inputs, run.c.facts,
            moment().label("now"),
        ).where(run.c.id == run_id)
    ).one()  # fmt: skip
    return HeldRun(**{**row._mapping, "status": RunStatus(row.status)})


@functools.lru_cache(maxsize=256)
def _cached_definition(engine: Engine, version_id: str) -> Definition:
    with transaction(engine) as session:
        return bound.load_definition(session, version_id)


def _definition(engine: Engine, version_id: str) -> Definition:
    """Return the definition of a version; versions never change, so it is read once a process."""
    return _cached_definition(engine, version_id)
