"""What the log of a run is read from: its rows of some time, without what steps took in and gave out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from app.engine.enums import StepStatus
from app.engine.models import Call, RunLog, StepRun, WaitRow
from app.features.runs import queries

MOST_NOTED = 5000
STEP_LEVELS: Mapping[str, str] = {StepStatus.CANCELLED: "warning", StepStatus.FAILED: "error"}  # any other end is plain
CALL_REFUSED = "warning"
_LIGHT = (defer(StepRun.went_in, raiseload=True), defer(StepRun.output, raiseload=True))  # both may be large
_AT_ONCE = (StepStatus.SKIPPED.value, StepStatus.CANCELLED.value)  # may end without having begun


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that lines are made of."""

    noted: Sequence[RunLog]
    steps: Sequence[StepRun]
    waits: Sequence[WaitRow]
    calls: Sequence[Call]


@dataclass(frozen=True, slots=True)
class Times:
    """When the first and the last thing happened in a run, None before any has, and the *edge* that was asked for."""

    first: datetime | None
    last: datetime | None
    edge: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Which rows are of use: those that make a line of these *levels*, all above plain, and of this *step*; or any."""

    levels: frozenset[str] = frozenset()
    step: str = ""

    def noted(self) -> Iterable[sa.ColumnElement[bool]]:
        """Keep what was noted with such a level, at such a step."""
        if self.levels:
            yield RunLog.level.in_(sorted(self.levels))
        if self.step:
            yield RunLog.step_id == self.step

    def steps(self) -> Iterable[sa.ColumnElement[bool]]:
        """Keep the step runs that say more than that they went well."""
        if self.levels:
            yield StepRun.status.in_([status for status, level in STEP_LEVELS.items() if level in self.levels])
        if self.step:
            yield StepRun.step_id == self.step

    def calls(self, run_id: str) -> Iterable[sa.ColumnElement[bool]]:
        """Keep the calls that were refused, those of the step."""
        if self.levels:
            yield Call.error.is_not(None) if CALL_REFUSED in self.levels else sa.false()
        if self.step:
            of_step = sa.select(StepRun.id).where(StepRun.run_id == run_id, StepRun.step_id == self.step)
            yield Call.step_run_id.in_(of_step)


EVERY = Kept()


def rows(session: Session, run_id: str, since: datetime | None, until: datetime | None, kept: Kept = EVERY) -> Rows:
    """Return the rows *kept* that say a time from *since* to *until*, None being open; all waits. Four statements."""
    waits = queries.waits(session, run_id)
    answered = _is_within(since, until, Call.started_at, Call.finished_at)
    asked = sa.select(Call).where(Call.run_id == run_id, answered, *kept.calls(run_id))
    calls = session.execute(asked.options(defer(Call.answer, raiseload=True))).scalars().all()
    of_others = sorted({wait.step_run_id for wait in waits} | {call.step_run_id for call in calls})
    within = _is_within(since, until, StepRun.created_at, StepRun.started_at, StepRun.finished_at)
    done = sa.and_(within, *kept.steps())
    steps = sa.select(StepRun).where(StepRun.run_id == run_id, sa.or_(done, StepRun.id.in_(of_others)))
    noted = sa.select(RunLog).where(RunLog.run_id == run_id, _is_within(since, until, RunLog.at), *kept.noted())
    last = noted.order_by(RunLog.at.desc(), RunLog.id.desc()).limit(MOST_NOTED)
    return Rows(
        noted=session.execute(last).scalars().all()[::-1],
        steps=session.execute(steps.options(*_LIGHT)).scalars().all(),
        waits=waits,
        calls=calls,
    )


def times(session: Session, run_id: str, until: datetime | None, most: int) -> Times:
    """Return when things happened in a run; the edge is when the last *most* before *until* begin. One statement.

    The edge is None where so many are not there.
    """
    moments = sa.union_all(*_moments(run_id)).cte("moment")
    home = sa.select(moments.c.at)
    before = home.where(moments.c.at <= until) if until else home
    edge = before.order_by(moments.c.at.desc()).offset(most).limit(1)
    ends = (sa.select(of(moments.c.at)) for of in (sa.func.min, sa.func.max))
    first, last, found = session.execute(sa.select(*(each.scalar_subquery() for each in (*ends, edge)))).one()
    return Times(first, last, found)


def frames(session: Session, run_id: str) -> Sequence[StepRun]:
    """Return the step runs of a run in the order they were written, those of single items aside."""
    wanted = sa.select(StepRun).where(StepRun.run_id == run_id, StepRun.item < 0)
    in_order = wanted.order_by(StepRun.created_at, StepRun.id)
    return session.execute(in_order.options(*_LIGHT)).scalars().all()


def items(session: Session, row: StepRun) -> Sequence[StepRun]:
    """Return the step runs of a step's items in their order; of an item, nothing."""
    if row.item >= 0:
        return []
    of_step = (StepRun.run_id == row.run_id, StepRun.step_id == row.step_id, StepRun.item >= 0)
    wanted = sa.select(StepRun).where(*of_step).order_by(StepRun.item)
    return session.execute(wanted.options(*_LIGHT)).scalars().all()


def _moments(run_id: str) -> Iterable[sa.Select[Any]]:
    """Select the time of each line."""
    ended = sa.func.coalesce(StepRun.finished_at, sa.case((StepRun.status.in_(_AT_ONCE), StepRun.created_at)))
    answered = sa.func.coalesce(Call.finished_at, Call.started_at)
    for of, at in (
        (RunLog, RunLog.at), (StepRun, StepRun.started_at), (StepRun, ended), (WaitRow, WaitRow.created_at),
        (WaitRow, WaitRow.decided_at), (Call, answered),
    ):  # fmt: skip
        yield sa.select(at.label("at")).where(of.run_id == run_id, at.is_not(None))


def _is_within(since: datetime | None, until: datetime | None, *columns: Any) -> sa.ColumnElement[bool]:
    """Whether one of these times is within the two; all rows where both are open."""
    if since is None and until is None:
        return sa.true()
    low = [at >= since if since else at.is_not(None) for at in columns]
    return sa.or_(*(sa.and_(from_, at <= until) if until else from_ for from_, at in zip(low, columns, strict=True)))
