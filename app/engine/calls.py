"""The ledger of outward calls: intent before, answer after, one key, one cost, no call twice that has its answer."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import clock, crash
from app.core.db import AWAY, changed, insist, is_disk_full, mark_of, moment, table, was_committed
from app.core.ids import new_id
from app.engine import claims, money, store
from app.engine.contract import Answer, StepError
from app.engine.enums import CallStatus, Category, Effect
from app.engine.held import Fenced, HeldStep, SendingHeld
from app.engine.models import Call

call = table(Call)
UNSURE_CODE = "unsure"
_may_leave = sa.select(claims.may_leave(store.step_run)).where(store.step_run.c.id == sa.bindparam("b_id"))
IN_DOUBT = (CallStatus.INTENDED, CallStatus.UNSURE, CallStatus.LATE)  # the far side may have acted


class _Changed(Exception):
    """A call is not any more as it was read."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger knows of one call of this step run."""

    id: str
    name: str
    key: str
    generation: int
    status: CallStatus
    answer: Any
    reserved_microusd: int
    started_at: datetime


class Ledger:
    """The calls of one try of one step run. Not shared between threads."""

    def __init__(
        self, engine: Engine, step: HeldStep, effect: Effect, facts: Mapping[str, Any] | None = None
    ) -> None:
        self._zone = money.zone_of(facts or {})
        self._payers = money.payers(step.run_id, facts or {})
        self._engine = engine
        self._step = step
        self._effect = effect
        self._known: dict[str, Recorded] | None = None

    def call(
        self,
        name: str,
        do: Callable[[str, float], Answer],
        timeout_s: float,
        *,
        about: str,
        estimate_microusd: int,
        keep: Callable[[Session, Any], Any] | None,
        keyed: bool,
        before_keep: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Return the recorded answer, or make the request between two transactions and record what it brought.

        *before_keep* prepares the value outside of any transaction (slow work such as scaling a picture).
        """
        if self._effect is Effect.NONE:
            raise StepError(
                Category.INTERNAL, f"A step that declares no effect made an outward call ({name})."
            )
        known = self._read().get(name)
        if known is not None and self.is_answered(name):
            return known.answer
        row = self._begin(name, about, estimate_microusd, keyed=keyed)
        crash.point("after_intent")
        try:
            answer = do(row.key, timeout_s)
        except StepError as error:
            self._record_failure(row, error)
            raise
        crash.point("after_effect")
        try:
            value = before_keep(answer.value) if before_keep else answer.value
            return self._record_answer(row, answer, value, keep)
        except StepError as error:  # it came and was paid for, but is of no use
            error.spent = replace(answer, value=None)
            self._record_failure(row, error)
            raise
        except (Fenced, *AWAY) as error:
            if is_disk_full(error):  # asked again and again, it would be paid for each time
                self._give_up(row, answer, error)
            raise
        except Exception:  # what came cannot be kept, by a fault of ours
            lost = StepError(Category.INTERNAL, "The answer could not be kept.", definite=self._effect is Effect.SPENDS)
            lost.spent = replace(answer, value=None)
            self._record_failure(row, lost)
            raise
        finally:
            answer.release()

    def _give_up(self, row: Recorded, answer: Answer, cause: BaseException) -> None:
        """Record what an answer cost for which there is no space, and stop the step until somebody has made some."""
        lost = StepError(
            Category.UNSURE, "The answer came, but there was no space left to keep it.", code="disk_full",
            fix="Tell whoever runs Greenlight that its disk is full, then try it again.",
            definite=self._effect is Effect.SPENDS,
        )  # fmt: skip
        lost.spent = replace(answer, value=None)
        self._record_failure(row, lost)
        raise lost from cause

    def is_answered(self, name: str) -> bool:
        """Tell whether the answer of a call is recorded."""
        known = self._read().get(name)
        return known is not None and known.status is CallStatus.ANSWERED

    def abandon(self, name: str, *, about: str) -> None:
        """Give up a call that an earlier try left open, whose answer nobody heard: free what it has reserved."""
        known = self._read().get(name)
        if known is None or known.status is not CallStatus.INTENDED:
            return

        def unheard(key: str, timeout_s: float) -> Answer:
            raise StepError(Category.NETWORK, "Its answer did not arrive.")

        with suppress(StepError):
            self.call(name, unheard, 0.0, about=about, estimate_microusd=0, keep=None, keyed=True)

    def _read(self) -> dict[str, Recorded]:
        if self._known is None:
            statement = sa.select(call).where(call.c.step_run_id == self._step.id)
            rows = insist(self._engine, lambda session: session.execute(statement).all())
            self._known = {
                row.name: Recorded(
                    row.id,
                    row.name,
                    row.key,
                    row.generation,
                    CallStatus(row.status),
                    row.answer,
                    row.estimate_microusd,
                    row.started_at,
                )
                for row in rows
            }
        return self._known

    def _refuse_doubt(self, known: Recorded | None, keyed: bool) -> None:
        """Stop and ask where an earlier try may have reached a far side that does not know our key."""
        if known is None or keyed or self._effect is not Effect.SENDS:
            return
        if known.status in IN_DOUBT:
            raise StepError(
                Category.UNSURE,
                "We cannot tell if this was sent.",
                code=UNSURE_CODE,
                fix="Look at the other side, then say whether it arrived.",
            )

    def _begin(self, name: str, about: str, estimate: int, *, keyed: bool) -> Recorded:
        """Commit the intent of a call; what has changed since it was read is read again."""
        while True:
            known = self._read().get(name)
            self._refuse_doubt(known, keyed)
            try:
                return self._intend(name, known, about, estimate)
            except _Changed:
                self._known = None

    def _intend(self, name: str, known: Recorded | None, about: str, estimate: int) -> Recorded:
        step = self._step
        refused = known is not None and known.status is CallStatus.REFUSED
        generation = (known.generation if known else 0) + (1 if refused else 0)
        reserved = 0 if known is None or refused else known.reserved_microusd  # 0: given back when the run ended
        row = Recorded(
            known.id if known else new_id(),
            name,
            _key(step, name, generation),
            generation,
            CallStatus.INTENDED,
            None,
            max(estimate, reserved),
            # the day that its money is counted in
            known.started_at if known is not None and not refused and (reserved or not estimate) else clock.now(),
        )
        is_repeat = False

        def write(session: Session) -> None:
            nonlocal is_repeat
            claims.note_step(session, step, doing=about)
            if self._effect is Effect.SENDS and not session.scalar(_may_leave, {"b_id": step.id}):
                raise SendingHeld(step.id)
            if is_repeat and self._is_intended(session, row):
                return  # an earlier commit whose answer was lost
            is_repeat = True
            if known is None:
                session.execute(sa.insert(call), self._intent_values(row, about))
            else:
                self._take_over(session, row, known)
            if known is None or refused or estimate > reserved:
                self._reserve(session, row, estimate - reserved)

        insist(self._engine, write)
        self._known_now()[name] = row
        return row

    def _is_intended(self, session: Session, row: Recorded) -> bool:
        ours = (call.c.id == row.id, call.c.key == row.key, call.c.fence == self._step.fence)
        return session.execute(sa.select(call.c.id).where(*ours)).first() is not None

    def _known_now(self) -> dict[str, Recorded]:
        return self._known if self._known is not None else self._read()

    def _intent_values(self, row: Recorded, about: str) -> dict[str, Any]:
        return {
            "id": row.id,
            "workspace_id": self._step.workspace_id,
            "run_id": self._step.run_id,
            "step_run_id": self._step.id,
            "name": row.name,
            "key": row.key,
            "generation": row.generation,
            "status": row.status.value,
            "fence": self._step.fence,
            "tries": 1,
            "about": about,
            "estimate_microusd": row.reserved_microusd,
            "cost_microusd": 0,
            "tokens_in": 0,
            "tokens_out": 0,
            "model": "",
            "started_at": row.started_at,
        }

    def _take_over(self, session: Session, row: Recorded, known: Recorded) -> None:
        """Make a call of an earlier try ours; whoever made that may have ended it since, and given its money back."""
        as_read = (call.c.status == known.status.value, call.c.estimate_microusd == known.reserved_microusd)
        taken = session.execute(
            sa.update(call)
            .where(call.c.id == row.id, *as_read)
            .values(
                key=row.key,
                generation=row.generation,
                status=CallStatus.INTENDED.value,
                fence=self._step.fence,
                tries=call.c.tries + 1,
                error=None,
                estimate_microusd=row.reserved_microusd,
                started_at=row.started_at,
                finished_at=None,
            )
        )
        if changed(taken) != 1:
            raise _Changed(row.name)

    def _reserve(self, session: Session, row: Recorded, microusd: int) -> None:
        money.reserve(session, self._payers, self._step.workspace_id, self._day(row), microusd)

    def _day(self, row: Recorded) -> date:
        return money.day_of(row.started_at, self._zone)

    def _record_answer(
        self, row: Recorded, answer: Answer, value: Any, keep: Callable[[Session, Any], Any] | None
    ) -> Any:

        def write(session: Session) -> Any:
            claims.note_step(session, self._step, fence=self._step.fence)
            known = session.execute(sa.select(call.c.status, call.c.answer).where(call.c.id == row.id)).one()
            if known.status == CallStatus.ANSWERED:
                return known.answer  # an earlier commit whose answer was lost
            kept = keep(session, value) if keep else value
            session.flush()
            self._close(session, row, answer, CallStatus.ANSWERED, kept)
            return kept

        try:
            kept = insist(self._engine, write)
        except Fenced:
            self._record_late(row, answer)
            raise
        crash.point("after_answer")
        self._known_now()[row.name] = replace(row, status=CallStatus.ANSWERED, answer=kept)
        return kept

    def _record_late(self, row: Recorded, answer: Answer) -> None:
        """Keep the cost of an answer that came after the step was taken from us: the money is gone.

        Nothing in the rows tells whether it was counted, so where a commit's answer is lost its transaction is asked.
        """
        tried: list[str] = []

        def write(session: Session) -> None:
            steps = store.step_run
            session.execute(sa.select(steps.c.id).where(steps.c.id == self._step.id).with_for_update(key_share=True))
            if not any(was_committed(session, mark) for mark in tried):
                tried.append(mark_of(session))
                self._close(session, row, answer, CallStatus.LATE, None)

        insist(self._engine, write)

    def _close(self, session: Session, row: Recorded, answer: Answer, status: CallStatus, kept: Any) -> None:
        self._charge(session, row, answer)
        # a late answer may not overwrite what the newer holder of the step has recorded or is asking for now
        session.execute(
            sa.update(call)
            .where(call.c.id == row.id, call.c.fence == self._step.fence, call.c.status == CallStatus.INTENDED)
            .values(status=status.value, answer=kept, finished_at=moment(), error=None)
        )
        self._charge_run(session, row, answer, freed=0 if status is CallStatus.LATE else row.reserved_microusd)

    def _charge(self, session: Session, row: Recorded, spent: Answer) -> None:
        """Add what was spent to the call, and to the step run, whoever holds it now."""
        for table_, row_id in ((store.step_run, self._step.id), (call, row.id)):
            columns = table_.c
            session.execute(
                sa.update(table_)
                .where(columns.id == row_id)
                .values(
                    cost_microusd=columns.cost_microusd + spent.cost_microusd,
                    tokens_in=columns.tokens_in + spent.tokens_in,
                    tokens_out=columns.tokens_out + spent.tokens_out,
                )
            )
        session.execute(sa.update(call).where(call.c.id == row.id).values(model=spent.model))

    def _charge_run(self, session: Session, row: Recorded, spent: Answer | None, *, freed: int) -> None:
        """Add what was spent to the day and the run, free the estimate: last, since the run's row is locked last."""
        cost = spent.cost_microusd if spent else 0
        money.charge(session, self._step.workspace_id, self._day(row), spent=cost, freed=freed)
        run = store.run
        values: dict[str, Any] = {
            "reserved_microusd": sa.case(
                (run.c.reserved_microusd > freed, run.c.reserved_microusd - freed), else_=0
            ),
            "changed_at": moment(),
        }
        if spent is not None:
            values |= {
                "cost_microusd": run.c.cost_microusd + spent.cost_microusd,
                "tokens_in": run.c.tokens_in + spent.tokens_in,
                "tokens_out": run.c.tokens_out + spent.tokens_out,
            }
        money.lock(session, self._payers)
        session.execute(sa.update(run).where(run.c.id.in_(self._payers)).values(**values))

    def _record_failure(self, row: Recorded, error: StepError) -> None:
        """End the intent and free its estimate when refused; leave it open under its key when the reply was lost."""
        described = {"category": error.category.value, "code": error.code, "message": error.message}
        status = CallStatus.REFUSED if error.definite else CallStatus.INTENDED
        if not error.definite and self._effect is Effect.SENDS:
            status = CallStatus.UNSURE
        is_repeat = False

        def write(session: Session) -> None:
            nonlocal is_repeat
            mine = (call.c.id == row.id, call.c.fence == self._step.fence)
            if is_repeat and session.execute(sa.select(call.c.id).where(*mine, call.c.error.is_not(None))).first():
                return  # an earlier commit whose answer was lost
            is_repeat = True
            if error.spent is not None:
                self._charge(session, row, error.spent)
            closed = session.execute(
                sa.update(call)
                .where(*mine)
                .values(status=status.value, error=described, finished_at=moment())
                .returning(call.c.estimate_microusd)
            ).first()
            # what a newer holder has reserved is not ours to free, nor what was given back when the run ended
            freed = closed.estimate_microusd if closed is not None and error.definite else 0
            self._charge_run(session, row, error.spent, freed=freed)

        insist(self._engine, write)
        self._known_now()[row.name] = replace(row, status=status)


def _key(step: HeldStep, name: str, generation: int) -> str:
    item = max(step.item, 0)
    suffix = f"-{generation}" if generation else ""
    return f"gl-{step.run_id}-{step.step_id}-{item}-{name}{suffix}"
