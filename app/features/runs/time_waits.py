"""Steps that wait for a time, by the day on which they go on: a month as a calendar, and one of its days in pages."""

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.ids import is_id
from app.engine.models import WAITS_FOR_TIME, Run, StepRun, WaitRow
from app.features.runs.words import named_now
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow

FIRST = 3  # of each day; the rest is counted
_WEEKS = calendar.Calendar(firstweekday=calendar.MONDAY)


@dataclass(frozen=True, slots=True)
class TimeWait:
    """A step that waits, its run and its workflow; *until* in the workspace's zone."""

    id: str
    until: datetime
    run_id: str
    step_run_id: str
    step_id: str
    step: str
    run_number: int
    run_label: str
    is_test: bool
    workflow: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar: how many waits end in it, and the first of them."""

    date: date
    number: int
    first: Sequence[TimeWait] = ()

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.number - len(self.first)


def days_of(month: date) -> list[date]:
    """Return the days that a calendar of this month shows: whole weeks, from Monday on."""
    return list(_WEEKS.itermonthdates(month.year, month.month))


def days(session: Session, workspace_id: str, dates: Sequence[date], zone: str) -> list[Day]:
    """Return these days, each with its first waits. Three statements, however many waits there are."""
    numbers = _count(session, workspace_id, dates, zone)
    busy = [day for day, number in zip(dates, numbers, strict=True) if number]
    firsts = [_of_day(workspace_id, day, zone).limit(FIRST) for day in busy]
    found = _read(session, _union(firsts), zone) if firsts else []
    of_day: dict[date, list[TimeWait]] = {}
    for wait in found:
        of_day.setdefault(wait.until.date(), []).append(wait)
    return [Day(day, number, of_day.get(day, ())) for day, number in zip(dates, numbers, strict=True)]


def page(
    session: Session, workspace_id: str, day: date, zone: str, *, limit: int, before: str | None
) -> Sequence[TimeWait]:
    """Return at most *limit* waits of a day, the soonest first, after the wait *before*; unknown, from the first on."""
    wanted = _of_day(workspace_id, day, zone)
    last = None
    if is_id(before):
        named = sa.select(WaitRow.until).where(WaitRow.id == before, WaitRow.workspace_id == workspace_id)
        last = session.execute(named).scalar_one_or_none()
    if last is not None:
        wanted = wanted.where(sa.tuple_(WaitRow.until, WaitRow.id) > (last, before))
    return _read(session, wanted.limit(limit), zone)


def next_day(session: Session, workspace_id: str, after: datetime, zone: str) -> date | None:
    """Return the first day from a moment on in which a wait ends."""
    until = session.execute(
        sa.select(sa.func.min(WaitRow.until)).where(*_of(workspace_id), WaitRow.until >= after)
    ).scalar()
    return until.astimezone(ZoneInfo(zone)).date() if until else None


def midnight(day: date, zone: str) -> datetime:
    """Return the moment at which a day begins in a zone."""
    return datetime.combine(day, time(), ZoneInfo(zone))


def _of(workspace_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return WaitRow.workspace_id == workspace_id, WAITS_FOR_TIME


def _within(day: date, zone: str) -> tuple[sa.ColumnElement[bool], ...]:
    return WaitRow.until >= midnight(day, zone), WaitRow.until < midnight(day + timedelta(days=1), zone)


def _count(session: Session, workspace_id: str, dates: Sequence[date], zone: str) -> list[int]:
    counted = (
        sa.select(sa.func.count()).where(*_of(workspace_id), *_within(day, zone)).scalar_subquery() for day in dates
    )
    return list(session.execute(sa.select(*counted)).one())


def _of_day(workspace_id: str, day: date, zone: str) -> sa.Select[str]:
    return (
        sa.select(WaitRow.id)
        .where(*_of(workspace_id), *_within(day, zone))
        .order_by(WaitRow.until, WaitRow.id)
    )


def _union(firsts: Sequence[sa.Select[str]]) -> Any:
    return sa.union_all(*(sa.select(each.subquery()) for each in firsts))


def _read(session: Session, ids: Any, zone: str) -> list[TimeWait]:
    """Read the waits of these ids, the soonest first: one statement, beside definitions, which are kept."""
    wanted = (
        sa.select(
            WaitRow.id, WaitRow.until, WaitRow.run_id, WaitRow.step_run_id, StepRun.step_id, StepRun.item,
            Run.number, Run.label, Run.test, Run.version_id, Workflow.name.label("workflow"),
            Workflow.former_names,
        )
        .join(StepRun, StepRun.id == WaitRow.step_run_id)
        .join(Run, Run.id == WaitRow.run_id)
        .join(Workflow, Workflow.id == Run.workflow_id)
        .where(WaitRow.id.in_(list(session.execute(ids).scalars())))
        .order_by(WaitRow.until, WaitRow.id)
    )  # fmt: skip
    return list(_told(session, session.execute(wanted).all(), ZoneInfo(zone)))


def _told(session: Session, rows: Sequence[Any], zone: ZoneInfo) -> Iterator[TimeWait]:
    for row in rows:
        name = workflows.load_definition(session, row.version_id).step(row.step_id).name
        yield TimeWait(
            row.id, row.until.astimezone(zone), row.run_id, row.step_run_id, row.step_id,
            f"{name} {row.item + 1}" if row.item >= 0 else name,
            row.number, named_now(row.label, row.workflow, row.former_names), row.test, row.workflow,
        )  # fmt: skip
