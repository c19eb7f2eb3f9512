"""Results: what a try brought, written once, in one transaction, the run's row last."""

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock, events
from app.core.db import AWAY, insist, insist_small, moment
from app.core.errors import GreenlightError
from app.core.ids import new_id
from app.definition.schema import Step
from app.engine import catalog, claims, money, retry, store
from app.engine.attempt import Tried, failed, our_fault
from app.engine.contract import Category, StepError
from app.engine.enums import Effect, StepStatus, WaitStatus
from app.engine.events import WaitStarted
from app.engine.held import Fenced, HeldStep
from app.engine.seat import Seat

T = TypeVar("T")


def keep(write: Callable[[Tried], T], claim: HeldStep, tried: Tried) -> tuple[T, Tried]:
    """Write what a try brought and return it; what cannot be kept (a picture that is gone) fails the step instead.

    A database that is away, or a lost fence, is no fault of the step and raises.
    """
    try:
        return write(tried), tried
    except (Fenced, *AWAY):
        raise
    except GreenlightError as refused:
        fix = refused.fix or "Change the answers and start again."
        error = StepError(Category.INPUT, refused.message, code=refused.code, fix=fix)
        instead = failed(error, tried.went_in)
    except Exception as error:  # noqa: BLE001 (else the step would be done again and again, for ever)
        instead = failed(our_fault(claim, error), None)
    return write(instead), instead


def record(seat: Seat, step: Step, claim: HeldStep, tried: Tried) -> float | None:
    """Write the end of a try in one transaction, the run's row last; return the delay to the next try, if any."""
    if _is_plain(claim, tried):
        result = {"outcome": tried.outcome, "went_in": tried.went_in, "output": tried.output}
        end = functools.partial(claims.end_plain, seat.engine.dialect.name, claim, result)
        if insist_small(seat.engine, end, locks=claim.run_id):
            return None
    attempts, delay_s = claim.attempts, None
    if tried.error is not None:
        attempts = retry.counted(step, tried.error, attempts, has_gained=tried.has_gained)
        delay_s = retry.next_delay_s(step, tried.error, attempts)

    def write(session: Session) -> None:
        freed = 0
        if tried.error is not None and delay_s is not None:
            claims.end_step(
                session, claim, status=StepStatus.RETRYING.value, not_before=moment(delay_s), error=tried.error_json(),
                went_in=tried.went_in, doing="", attempts=attempts,
            )  # fmt: skip
            got_on = attempts < claim.attempts
            said = f"{tried.error.message} {'It goes on' if got_on else 'Trying again'} in {delay_s:.0f} s."
            level = "info" if got_on else "warning"
            store.log(session, claim, "retry", said, level=level, detail={"pause_s": round(delay_s, 1)})
        else:
            claims.end_step(session, claim, **tried.row(), **tried.ended_at())
            write_rest(session, claim, tried)
            freed = _freed(session, claim, tried)
        store.wake_run(session, claim.run_id, freed_microusd=freed)

    insist(seat.engine, write)
    return delay_s


def _is_plain(claim: HeldStep, tried: Tried) -> bool:
    """Tell whether a try brought a result of a pure step and nothing beside it."""
    step_type = catalog.step_type(claim.type)
    is_pure = step_type is not None and step_type.effect is Effect.NONE
    return is_pure and tried.status is StepStatus.COMPLETED and not tried.writes


def _freed(session: Session, claim: HeldStep, tried: Tried) -> int:
    """Free what an outward step that has ended reserved for calls without an answer; return how much."""
    step_type = catalog.step_type(claim.type)
    if not tried.status.is_settled or step_type is None or step_type.effect is Effect.NONE:
        return 0
    return money.free_step(session, claim.run_id, claim.workspace_id, claim.id)


def delay(step: Step, tried: Tried, now: datetime) -> dict[str, Any]:
    """Return the columns that make a failed pure step a retry, where its error asks for one; *now*: the database's."""
    delay_s = retry.next_delay_s(step, tried.error, 1) if tried.error else None
    if delay_s is None:
        return {}
    return {
        "status": StepStatus.RETRYING.value,
        "outcome": None,
        "finished_at": None,
        "not_before": now + timedelta(seconds=delay_s),
    }


def log_failure(session: Session, claim: HeldStep, tried: Tried) -> None:
    """Add to the run's log why the step failed, if it did; of a fault of ours also where, for owners."""
    error = tried.error
    if error is not None:
        detail = {"code": error.code, "category": error.category.value, "trace": error.trace}
        kept = {key: value for key, value in detail.items() if value}
        store.log(session, claim, "failed", error.message, level="error", detail=kept)


def write_rest(session: Session, claim: HeldStep, tried: Tried) -> None:
    """Write what belongs to the result: the step's staged writes, why it failed, its wait."""
    for write in tried.writes:
        write(session)
    log_failure(session, claim, tried)
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
