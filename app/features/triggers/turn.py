"""A schedule's turn: what the clock does with one whose time has come, in one transaction that the caller commits.

The run, what became of the due time and the next due time are written together: a crash leaves all of it or nothing,
and ``unique(schedule, slot)`` stands behind it. Times are the database's.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import moment, table
from app.core.errors import Conflict, Forbidden, GreenlightError, Invalid
from app.engine.enums import RUN_OPEN
from app.engine.models import Run
from app.features.accounts import queries as accounts
from app.features.accounts import rules as people
from app.features.accounts.enums import Permission
from app.features.accounts.service import Actor
from app.features.runs import service as runs
from app.features.triggers import rules, service
from app.features.triggers.enums import Missed, Overlap, SlotStatus
from app.features.triggers.models import Schedule, ScheduleSlot
from app.features.workflows.models import Workflow

KIND = "schedule"
KEEP = {Missed.SKIP: 0, Missed.ONCE: 1, Missed.ALL: rules.MOST_MISSED}
MOST_WAITING = 10
LOOK_AGAIN_S = 5.0  # while a due time waits for the run before
AFTER_FAULT_S = 60.0

_schedule = table(Schedule)
_is_due = sa.and_(_schedule.c.id == sa.bindparam("b_id"), _schedule.c.look_at <= moment())
_claim = sa.select(Schedule, moment().label("now")).where(_is_due).with_for_update(skip_locked=True, of=Schedule)
_put_off = (
    sa.update(_schedule)
    .where(_is_due)
    .values(look_at=moment(AFTER_FAULT_S), problem=sa.bindparam("b_problem"), problem_at=moment())
)


def take(session: Session, schedule_id: str) -> list[str]:
    """Start what a schedule is due to start; return the runs to hint. Nothing where another clock has it.

    May run twice: the second time nothing is due. What keeps a run from starting is written down, in words.
    """
    found = session.execute(_claim, {"b_id": schedule_id}).one_or_none()
    if found is None:
        return []
    turn = Turn(session, found[0], found.now)
    turn.work_off()
    turn.take_due()
    turn.look_again()
    session.flush()
    return turn.begun


def put_off(session: Session, schedule_id: str) -> None:
    """After a fault of ours: say so on the schedule and look at it again in a minute."""
    said = "A run could not be started because of a fault in Greenlight. It is tried again."
    session.execute(_put_off, {"b_id": schedule_id, "b_problem": said})


class Turn:
    """One schedule under our lock, and the runs *begun* in this turn."""

    def __init__(self, session: Session, schedule: Schedule, now: datetime) -> None:
        self.session, self.schedule, self.now = session, schedule, now
        self.begun: list[str] = []
        self._overlap, self._missed = Overlap(schedule.overlap), Missed(schedule.missed)
        self._waiting = list(self._read_waiting())

    def work_off(self) -> None:
        """Start what waits, the oldest first: one at a time, each when the one before has ended."""
        while self._waiting and self._is_free():
            self._start(self._waiting.pop(0))

    def take_due(self) -> None:
        """Decide on every due time that has come, and move on to the next."""
        due = self.schedule.next_due_at
        if due is None or due > self.now:
            return
        rule = service.rule_of(self.schedule)
        slots = rules.latest(rule, due, self.now) or [due]
        chosen = rules.chosen(slots, KEEP[self._missed], self.now)
        if slots[0] > due:
            self._note(due, SlotStatus.MISSED, "Nothing ran then, and at more due times right after.")
        for at in slots:
            if not self.schedule.is_enabled:
                return
            if at in chosen:
                self._decide(at)
            else:
                self._note(at, SlotStatus.MISSED, "Nothing ran then.")
        if self.schedule.is_enabled:
            self.schedule.next_due_at = rules.following(rule, self.now)

    def look_again(self) -> None:
        """Set when the clock looks at this schedule next."""
        soon = self.now + timedelta(seconds=LOOK_AGAIN_S) if self._waiting and self.schedule.is_enabled else None
        self.schedule.look_at = min((at for at in (self.schedule.next_due_at, soon) if at), default=None)

    def _decide(self, at: datetime) -> None:
        is_late = self.now - at > rules.LATE
        if not self._waiting and self._is_free():
            if slot := self._note(at, SlotStatus.STARTED, ""):
                self._start(slot)
        elif not (self._overlap is Overlap.QUEUE or (self._missed is Missed.ALL and is_late)):
            self._note(at, SlotStatus.SKIPPED, "The run before was still under way.")
        elif len(self._waiting) >= MOST_WAITING:
            self._note(at, SlotStatus.SKIPPED, f"{MOST_WAITING} due times were waiting for the run before already.")
        elif slot := self._note(at, SlotStatus.WAITING, "It waits for the run before."):
            self._waiting.append(slot)

    def _is_free(self) -> bool:
        """Tell whether a run may start now: nothing is in its way, or it may start beside that."""
        if not self.schedule.is_enabled:
            return False
        if self._overlap is Overlap.ALLOW or self.schedule.last_run_id is None:
            return True
        status = self.session.scalar(sa.select(Run.status).where(Run.id == self.schedule.last_run_id))
        return status not in RUN_OPEN

    def _note(self, at: datetime, status: SlotStatus, note: str) -> ScheduleSlot | None:
        """Write down what becomes of a due time; None where that is settled already."""
        if self.session.get(ScheduleSlot, (self.schedule.id, at)) is not None:
            return None
        slot = ScheduleSlot(schedule_id=self.schedule.id, due_at=at, status=status.value, note=note, at=self.now)
        self.session.add(slot)
        return slot

    def _start(self, slot: ScheduleSlot) -> None:
        schedule = self.schedule
        slot.at = self.now
        try:
            with self.session.begin_nested():
                run = self._run(slot)
        except GreenlightError as error:
            slot.status, slot.note = SlotStatus.REFUSED.value, _words(error)
            schedule.problem, schedule.problem_at = slot.note, self.now
            if isinstance(error, Forbidden):
                service.switch_off(self.session, schedule)
            return
        slot.status, slot.note, slot.run_id = SlotStatus.STARTED.value, "", run.id
        schedule.problem, schedule.problem_at, schedule.last_run_id = "", None, run.id
        self.begun.append(run.id)

    def _run(self, slot: ScheduleSlot) -> Run:
        schedule = self.schedule
        workflow = self.session.get_one(Workflow, schedule.workflow_id)
        if workflow.deleted_at is not None:
            raise Conflict(f"“{workflow.name}” was deleted.", fix="Bring it back, or delete this schedule.")
        return runs.start(
            self.session,
            workspace_id=schedule.workspace_id,
            workflow=workflow,
            inputs=schedule.inputs,
            actor=self._maker(),
            label=schedule.name,
            trigger_kind=KIND,
            trigger_id=schedule.id,
            trigger={"name": schedule.name, "due_at": clock.iso(slot.due_at)},
            dedupe_key=f"{KIND}-{schedule.id}-{slot.due_at:%Y%m%dT%H%M%S}",
        )

    def _maker(self) -> Actor:
        """Return in whose name runs start. Raises Forbidden where they may start none any more."""
        maker = accounts.member(self.session, self.schedule.workspace_id, self.schedule.made_by or "")
        fix = "Switch it on: then it goes on in your name."
        if maker is None or not maker.is_active:
            raise Forbidden("It is switched off: whoever made it is not here any more.", fix=fix)
        if not people.may(maker.role, Permission.LAUNCH):
            raise Forbidden(f"It is switched off: {maker.name} may start no runs any more.", fix=fix)
        return Actor(maker.user_id, maker.name, maker.email)

    def _read_waiting(self) -> Iterator[ScheduleSlot]:
        mine = sa.select(ScheduleSlot).where(
            ScheduleSlot.schedule_id == self.schedule.id,
            ScheduleSlot.status == sa.literal_column(f"'{SlotStatus.WAITING}'"),  # as the index has it
        )
        yield from self.session.scalars(mine.order_by(ScheduleSlot.due_at).limit(MOST_WAITING))


def _words(error: GreenlightError) -> str:
    faults = error.problems[:3] if isinstance(error, Invalid) else ()
    said = " ".join(f"{fault.message} {fault.fix}".strip() for fault in faults) or f"{error.message} {error.fix}"
    return " ".join(said.split())
