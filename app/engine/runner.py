"""The runner: what a worker does with a hint. The only place where runs are advanced and steps are done.

``advance`` and ``do_step`` may come twice, late or never: a claim that finds nothing is the end of it.
"""

import functools
import time
from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from app.core import crash
from app.core.db import AWAY, insist, statement, transaction, write_or
from app.core.together import carry_out
from app.engine import catalog, claims, definitions, each, line, results, retry, store, turn
from app.engine.attempt import CRASHED, Tried, failed, try_step
from app.engine.contract import Category, Effect, StepError
from app.engine.held import Fenced, HeldStep, SendingHeld
from app.engine.seat import Seat

OFFERED_AGAIN_S = 1.0
BEGUN_AGAIN = "The worker that did it stopped: it is begun again, in a process of its own."

_log = structlog.get_logger()


def advance(seat: Seat, run_id: str) -> None:
    """Take the run's lease and do what its plan says, until nothing is left for this thread."""
    step_run_id = turn.advance(seat, run_id)
    if step_run_id is not None:
        do_step(seat, step_run_id)


def do_step(seat: Seat, step_run_id: str) -> None:
    """Claim a step run and do it; then any other pending step of its run; then advance the run, and so on."""
    following: str | None = step_run_id
    while following is not None:
        claim = _claim(seat, following)
        following = _do_claimed(seat, claim) if claim is not None else None


def do_alone(seat: Seat, step_run_id: str, on_try: Callable[[], object] = lambda: None) -> None:
    """Claim a step run, suspect or not, and do it and nothing else; its run is hinted. *on_try* is told of each try."""
    with transaction(seat.engine) as session:
        claim = claims.claim_step(session, step_run_id, seat.owner, seat.lease_s)
        if claim is not None:
            store.log(session, claim, "step.begun_again", BEGUN_AGAIN, level="warning")
    run_id = claim.run_id if claim is not None else None
    while claim is not None:
        crash.point("after_claim")
        if catalog.step_type(claim.type) is None:
            _leave(seat, claim)
            return
        on_try()
        claim = _do_one(seat, claim)
    if run_id is not None:
        seat.hint_run(run_id)


def _claim(seat: Seat, step_run_id: str) -> HeldStep | None:
    """Claim a step run, or the oldest in line where a limit counts it.

    Where this process does not do suspect steps, such a one is asked for to be done alone, and None returned.
    """
    claim = _claim_trusted(seat, step_run_id)
    if claim is not None:
        return claim
    with statement(seat.reader) as connection:
        is_suspect = claims.is_suspect(connection, step_run_id)
        is_kept = None if is_suspect else line.is_kept(connection, step_run_id)
    if is_kept:
        return _claim_oldest(seat)
    if is_kept is False:  # somebody has its row for a moment
        with transaction(seat.engine) as session:
            return claims.claim_in_turn(session, step_run_id, seat.owner, seat.lease_s)
    if not is_suspect:
        return None
    if seat.quarantine is not None:
        seat.quarantine(step_run_id)
        return None
    with transaction(seat.engine) as session:
        return claims.claim_step(session, step_run_id, seat.owner, seat.lease_s)


def _claim_trusted(seat: Seat, step_run_id: str) -> HeldStep | None:
    """Claim a step run that nobody died of; where the answer was lost, claim it again from ourselves."""
    claim = functools.partial(claims.claim_trusted, step_run_id, seat.owner, seat.lease_s)

    def claim_again(session: Session) -> HeldStep | None:
        known, _ = seat.held.steps.get(step_run_id, (None, 0.0))
        claims.drop_lost(session, step_run_id, seat.owner, known)
        return carry_out(session, claim())

    def take() -> HeldStep | None:
        claimed = write_or(seat.engine, claim, claim_again, locks=step_run_id)
        if claimed is not None:
            seat.held.steps[claimed.id] = (claimed.fence, time.monotonic() + seat.lease_s)
        return claimed

    return seat.held.take(step_run_id, take)


def _claim_sibling(seat: Seat, run_id: str, effects: list[Effect]) -> HeldStep | None:
    with statement(seat.reader) as connection:
        if not claims.has_sibling(connection, run_id, effects=effects):
            return None
    with transaction(seat.engine) as session:
        return claims.claim_sibling(session, run_id, seat.owner, seat.lease_s, effects=effects)


def _claim_oldest(seat: Seat) -> HeldStep | None:
    with transaction(seat.engine) as session:
        return line.claim_oldest(session, seat.owner, seat.lease_s)


def do_oldest(seat: Seat) -> bool:
    """Do the oldest step in line and what follows from it; False when nothing is in line that may begin."""
    claim = _claim_oldest(seat)
    if claim is None:
        return False
    following = _do_claimed(seat, claim)
    if following is not None:
        do_step(seat, following)
    return True


def _do_claimed(seat: Seat, first: HeldStep) -> str | None:
    """Do a claimed step and its pending siblings, then advance the run; return the step to do next, if any."""
    claim: HeldStep | None = first
    mine = _effects_for(first)
    while claim is not None:
        crash.point("after_claim")
        if catalog.step_type(claim.type) is None:
            _leave(seat, claim)
            break
        again = _do_one(seat, claim)
        if claim.is_counted:
            seat.hint_line()
        if again is not None:
            claim = again
            continue
        if seat.is_ending.is_set():
            seat.hint_run(first.run_id)
            return None
        claim = _claim_sibling(seat, first.run_id, mine)
    return turn.advance(seat, first.run_id)


def _effects_for(claim: HeldStep) -> list[Effect]:
    """Return what this thread may do of the run: one that began with a pure step never waits for an outward call."""
    step_type = catalog.step_type(claim.type)
    return [Effect.NONE] if step_type is not None and step_type.effect is Effect.NONE else list(Effect)


def _leave(seat: Seat, claim: HeldStep) -> None:
    """Leave a step to a newer worker, which knows its type: during a deploy old and new work side by side.

    Whoever takes it up next may be as old, so it is offered every second.
    """
    _log.warning("needs_newer_worker", type=claim.type, run_id=claim.run_id, step_id=claim.step_id)
    seat.held.drop_step(claim.id, claim.fence)
    with transaction(seat.engine) as session:
        claims.leave_step(session, claim, sooner_s=max(0.0, seat.hint_again_s - OFFERED_AGAIN_S))


def _do_one(seat: Seat, claim: HeldStep) -> HeldStep | None:
    """Do one try of a claimed step and record it; return the claim of the next try when that is due at once."""
    try:
        with statement(seat.reader) as connection:
            held = store.read_run(connection, claim.run_id)
            outputs = store.read_outputs(connection, claim.run_id)
            item = each.item_of(connection, claim)
        step = definitions.definition_of(seat.reader, held.version_id).step(claim.step_id)
        seat.held.steps[claim.id] = (claim.fence, time.monotonic() + step.timeout_s)
        tried = try_step(seat, claim, step, held, outputs, item) if claim.crashes < claims.MAX_CRASHES else _poisoned()
        delay_s, tried = results.keep(functools.partial(results.record, seat, step, claim), claim, tried)
    except SendingHeld:  # between two of its calls: it goes on with the missing ones
        insist(seat.engine, lambda session: claims.leave_step(session, claim))
        return None
    except Fenced:
        _log.warning("fenced", run_id=claim.run_id, step_id=claim.step_id)
        return None
    except AWAY as error:  # no fault of the step's: it is done again, uncounted
        _log.warning("database_away", run_id=claim.run_id, step_id=claim.step_id, error=type(error).__name__)
        insist(seat.engine, lambda session: claims.leave_step(session, claim))
        return None
    except Exception:  # nor is this: a definition that only a newer worker can read
        insist(seat.engine, lambda session: claims.leave_step(session, claim))
        raise
    finally:
        seat.held.drop_step(claim.id, claim.fence)
    crash.point("after_commit")
    if tried.writes:
        seat.hint_outbox()
    if delay_s is None or delay_s > retry.IN_PLACE_S or seat.is_ending.wait(delay_s + 0.01):
        return None
    return _claim_trusted(seat, claim.id)


def _poisoned() -> Tried:
    """Say what happened to a step whose process died twice while it was alone in it: a person must look."""
    return failed(
        StepError(
            Category.UNSURE, "This step stopped its worker twice.", code=CRASHED,
            fix="Make it smaller and start over, or tell us.",
        ),
        None,
    )  # fmt: skip
