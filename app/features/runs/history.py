"""The history of runs: what a list is asked for, as it stands in its address, and its pages, read by key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.ids import is_id
from app.engine.models import Run
from app.features.runs import kinds, queries, search
from app.features.runs.kinds import Kind
from app.features.runs.listing import FILTERS, Filter
from app.features.runs.orders import ORDERS, Sort
from app.web.address import choice

SIZES = (25, 50, 100)
NAMES = {  # of the filters in the address, as the page's fields are called
    "status": "Status", "kind": "Which runs", "workflow": "Workflow", "person": "Started by",
    "label": "Name of the run", "q": "Search", "since": "From", "until": "To", "sort": "Order", "size": "Runs a page",
}  # fmt: skip
BY_ITSELF = "nobody"  # the person of runs that no person started
MOST_COUNTED = 1000
MOST_CHARS = 200
MOST_SORTED = 8000  # all others would be gone through where these stand at the end of an order
FEW = 4000  # a workflow has no more runs, or words together, where those are looked up first
LOOKED_AT = 8000  # runs whose words are looked up before those that have them all are gathered
BATCH = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for. *since* and *until* are days of the workspace; *problems* has a sentence a field.

    *refused* is the last day that was asked for and lies before the first: it narrows nothing, and its field shows it.
    """

    status: str = ""
    kind: Kind = Kind.OWN
    workflow: str = ""
    person: str = ""
    label: str = ""
    q: str = ""
    since: date | None = None
    until: date | None = None
    sort: Sort = Sort.NEWEST
    size: int = SIZES[0]
    problems: Mapping[str, str] = field(default_factory=dict)
    refused: date | None = None

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses that the chosen button keeps; none: all."""
        return next((each.statuses for each in FILTERS if each.key == self.status), ())

    @property
    def said_no(self) -> bool | None:
        """Whether the chosen button keeps what somebody said no to, or the rest; None: both."""
        return next((each.said_no for each in FILTERS if each.key == self.status), None)

    @property
    def narrows(self) -> bool:
        """Whether more is asked for than a status, an order and a size."""
        return bool(self.q or self.narrowing)

    @property
    def narrowing(self) -> int:
        """How many filters beside status and search are set."""
        return sum(map(bool, (self.kind.narrows, self.workflow, self.person, self.label, self.since or self.until)))

    @property
    def query(self) -> dict[str, str]:
        """The filters as they stand in the address: those that differ from the usual."""
        said = {
            "status": self.status,
            "kind": str(self.kind),
            "workflow": self.workflow,
            "person": self.person,
            "label": self.label,
            "q": self.q,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "sort": "" if self.sort is Sort.NEWEST else self.sort.value,
            "size": "" if self.size == SIZES[0] else str(self.size),
        }
        return {key: value for key, value in said.items() if value}

    def but(self, **changes: Any) -> dict[str, str]:
        """Return the address of the same list with another filter: ``but(status="failed")``."""
        return replace(self, **changes).query


def asked(args: Mapping[str, str]) -> Wanted:
    """Read what a list is asked for from its address. What cannot be read is left out, and said."""
    problems: dict[str, str] = {}
    since, until = _day(args, "since", problems), _day(args, "until", problems)
    refused = until if since and until and since > until else None
    if refused:
        problems["until"] = "This day is before the first one. Choose a later day."
        until = None
    sizes = {str(each) for each in SIZES}
    size, sort, kind, status, workflow, person = (
        choice(args, name, is_known, problems)
        for name, is_known in (
            ("size", sizes.__contains__),
            ("sort", set(Sort).__contains__),
            ("kind", set(Kind).__contains__),
            ("status", {each.key for each in FILTERS}.__contains__),
            ("workflow", is_id),
            ("person", lambda said: is_id(said) or said == BY_ITSELF),
        )
    )
    return Wanted(
        status=status,
        kind=Kind(kind) if kind else Kind.OWN,
        workflow=workflow,
        person=person,
        label=_text(args, "label"),
        q=_text(args, "q"),
        since=since,
        until=until,
        sort=Sort(sort) if sort else Sort.NEWEST,
        size=int(size) if size else SIZES[0],
        problems=problems,
        refused=refused,
    )


def ranges(now: datetime, zone: str) -> list[tuple[str, date, date]]:
    """Return the days that people ask for most: their name, the first and the last."""
    today = now.astimezone(ZoneInfo(zone)).date()
    last_month = today.replace(day=1) - timedelta(days=1)
    return [
        ("Today", today, today),
        ("Last 7 days", today - timedelta(days=6), today),
        ("Last 30 days", today - timedelta(days=29), today),
        ("This month", today.replace(day=1), today),
        ("Last month", last_month.replace(day=1), last_month),
    ]


def page(
    session: Session, workspace_id: str, wanted: Wanted, *, zone: str, limit: int, before: str | None = None
) -> Sequence[Run]:
    """Return at most *limit* runs in the wanted order, after the run *before*; an unknown one is the first page."""
    return _Found(session, workspace_id, wanted, zone).after(session, before, limit)


def batches(session: Session, workspace_id: str, wanted: Wanted, *, zone: str) -> Iterator[Sequence[Run]]:
    """Yield all runs that fit, some hundred at a time; between two batches nothing is held in the database."""
    found = _Found(session, workspace_id, wanted, zone)
    last: str | None = None
    while True:
        runs = found.after(session, last, BATCH)
        last = runs[-1].id if runs else None
        session.expunge_all()
        session.rollback()
        if not runs:
            return
        yield runs


def filters(session: Session, workspace_id: str, kind: Kind) -> list[Filter]:
    """Return the buttons above the list, each with its number of runs, counted up to a thousand. Two statements."""
    those = [Run.workspace_id == workspace_id, *kinds.conditions(session, workspace_id, kind)]
    counted = [_at_most(those, kind, each, status) for each in FILTERS for status in each.statuses]
    numbers = dict.fromkeys((each.key for each in FILTERS), 0)
    for key, number in session.execute(sa.union_all(*counted)):
        numbers[key] += number
    return [
        replace(each, number=numbers[each.key] if each.statuses else sum(numbers.values()), most=MOST_COUNTED)
        for each in FILTERS
    ]


def _at_most(those: Sequence[Any], kind: Kind, button: Filter, status: str) -> sa.Select[str, int]:
    some = sa.select(Run.id).where(*those, *_in_status((status,), kind, button.said_no))
    return sa.select(sa.literal(button.key), sa.func.count()).select_from(some.limit(MOST_COUNTED).subquery())


class _Found:
    """The runs that fit, without an order. Where they are few they are found by what narrows them, then sorted."""

    def __init__(self, session: Session, workspace_id: str, wanted: Wanted, zone: str) -> None:
        self._workspace_id, self._order, self._statuses = workspace_id, ORDERS[wanted.sort], wanted.statuses
        self._matches = [search.matching(session, workspace_id, text) for text in (wanted.q, wanted.label) if text]
        of_kind = kinds.conditions(session, workspace_id, wanted.kind)
        self._is_by_workflow = not self._matches and _leads(session, wanted)
        is_by_time = self._order.is_by_time and not self._is_by_workflow
        self._is_by_status = len(wanted.statuses) > 1 and is_by_time and not wanted.kind.is_rare
        narrowing = list(_conditions(wanted, zone, is_by_status=self._is_by_status))
        self._conditions = [*narrowing, *of_kind]
        self._is_filtered = bool(narrowing) or wanted.kind.is_rare
        self._is_narrow = self._may_be_few = False
        self._looks_first = bool(self._matches) and not any(match.is_narrow for match in self._matches)
        if not self._looks_first:
            self._settle()

    def after(self, session: Session, last: str | None, limit: int) -> Sequence[Run]:
        """Return what comes after the run *last* in the wanted order, at most *limit*."""
        if self._looks_first:
            first = self._of_first(session, last, limit)
            if first is not None:
                return first
            self._narrow(session)
        if self._may_be_few:
            few = self._of_few(session, last, limit)
            if few is not None:
                return few
            self._may_be_few = False
        column = queries.without_index(self._order.by) if self._is_narrow else self._order.by
        found = self._past(session, self._runs, column, Run.id, last)
        if self._is_by_status and not self._is_narrow:
            found = queries.of_each(found, self._statuses, limit=limit, is_up=self._order.is_up)
        else:
            found = found.order_by(*queries.in_order(column, Run.id, is_up=self._order.is_up)).limit(limit)
        if self._is_narrow or self._order.is_by_name:  # sorts ids alone; names are read by their index, and no run
            return self._runs_in(session, session.execute(found.with_only_columns(Run.id)).scalars().all())
        return session.execute(found).scalars().all()

    def _settle(self) -> None:
        """Put together what the runs are asked for by."""
        conditions = [*self._conditions, *(match.condition for match in self._matches), *self._order.conditions]
        ours = (each == self._workspace_id for each in (Run.workspace_id, queries.without_index(Run.workspace_id)))
        by_workspace, by_workflow = (sa.select(Run).where(home, *conditions) for home in ours)
        self._fitting = by_workflow if self._is_by_workflow else by_workspace
        self._runs = self._fitting if self._order.is_by_time else by_workspace  # else the order's index is gone through
        self._is_narrow = any(match.is_narrow for match in self._matches)
        self._may_be_few = not self._order.is_by_time and not self._is_narrow and self._is_filtered

    def _narrow(self, session: Session) -> None:
        """Find out whether few runs have all the words that many have."""
        most, far_apart = search.RARE if self._order.is_by_time else FEW, self._order.is_by_name
        self._matches = [search.narrowed(session, match, most, far_apart=far_apart) for match in self._matches]
        self._looks_first = False
        self._settle()

    def _of_first(self, session: Session, last: str | None, limit: int) -> Sequence[Run] | None:
        """Return the page where the next :data:`LOOKED_AT` runs of the order have it; None where they have not.

        What many runs have is soon found, and what is looked up is bounded: no run after the *edge* is.
        """
        column, is_up = self._order.by, self._order.is_up
        home = sa.select(Run.id).where(Run.workspace_id == self._workspace_id, *self._order.conditions)
        home = self._past(session, home, column, Run.id, last)
        home = home.order_by(*queries.in_order(column, Run.id, is_up=is_up))
        edge = session.execute(home.with_only_columns(column, Run.id).offset(LOOKED_AT).limit(1)).first()
        if edge is not None:
            key, run_id = edge
            home = home.where(_is_past(column, Run.id, sa.literal(key, column.type), sa.literal(run_id), not is_up))
        fits = (*self._conditions, *(each for match in self._matches for each in match.conditions))
        # "is true" keeps to the index of the order; each by itself, since SQLite works all of one out
        near = home.where(*(each.is_(sa.true()) for each in fits))
        if session.get_bind().dialect.name == "postgresql":  # goes past the runs outside by the index, and reads none
            near = near.where(*(each for match in self._matches for each in match.between))
        page = near.add_columns(column.label("key")).limit(limit).subquery("page")
        in_order = queries.in_order(page.c.key, page.c.id, is_up=is_up)
        runs = session.execute(sa.select(Run).join(page, Run.id == page.c.id).order_by(*in_order)).scalars().all()
        return runs if len(runs) == limit or edge is None else None

    def _of_few(self, session: Session, last: str | None, limit: int) -> Sequence[Run] | None:
        """Return the page where at most :data:`MOST_SORTED` runs fit, each of them read once; None where more do."""
        key = queries.without_index(self._order.by).label("key")
        few = self._fitting.with_only_columns(Run.id, key).limit(MOST_SORTED + 1).cte()  # asked twice, so made once
        count = sa.select(sa.func.count()).select_from(few).scalar_subquery()
        page = self._past(session, sa.select(few.c.id, count), few.c.key, few.c.id, last)
        in_order = queries.in_order(few.c.key, few.c.id, is_up=self._order.is_up)
        rows = session.execute(page.order_by(*in_order).limit(limit)).all()
        if not rows and last is None:
            return []
        number = rows[0][1] if rows else session.execute(sa.select(count)).scalar_one()
        if number > MOST_SORTED:
            return None
        return self._runs_in(session, [row[0] for row in rows])

    def _runs_in(self, session: Session, ids: Sequence[str]) -> Sequence[Run]:
        if not ids:
            return []
        runs = {run.id: run for run in session.execute(sa.select(Run).where(Run.id.in_(ids))).scalars()}
        return [runs[run_id] for run_id in ids if run_id in runs]

    def _past(
        self, session: Session, found: sa.Select[Any], key: Any, key_id: Any, last: str | None
    ) -> sa.Select[Any]:
        """Leave out what does not come after the run *last*; an unknown one leaves out nothing."""
        if last is None:
            return found
        column = self._order.by
        known = sa.select(column).where(Run.id == last, Run.workspace_id == self._workspace_id)
        anchor = session.execute(known).scalar_one_or_none()
        if anchor is None:
            return found
        return found.where(_is_past(key, key_id, sa.literal(anchor, column.type), sa.literal(last), self._order.is_up))


def _leads(session: Session, wanted: Wanted) -> bool:
    """Tell whether the runs of the workflow are looked through: no other filter has an index, or they are few.

    SQLite would go through all runs of the workspace by time, of a status or of a person for them.
    """
    if not wanted.workflow or not (wanted.statuses or wanted.person or wanted.kind.is_rare):
        return bool(wanted.workflow)
    some = sa.select(Run.id).where(Run.workflow_id == wanted.workflow).limit(FEW + 1).subquery()
    return session.execute(sa.select(sa.func.count()).select_from(some)).scalar_one() <= FEW


def _is_past(column: Any, run_id: Any, anchor: Any, last: Any, is_up: bool) -> sa.ColumnElement[bool]:
    """Tell whether a run comes after the one that has *anchor* in the column and the id *last*.

    Written out: SQLite finds no place in an index over an expression for a pair of values.
    """
    if isinstance(column, InstrumentedAttribute):
        key, seen = sa.tuple_(column, run_id), sa.tuple_(anchor, last)
        return key > seen if is_up else key < seen
    if is_up:
        return sa.and_(column >= anchor, sa.or_(column > anchor, run_id > last))
    return sa.and_(column <= anchor, sa.or_(column < anchor, run_id < last))


def _conditions(wanted: Wanted, zone: str, *, is_by_status: bool) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what the filters say; *is_by_status* where each status is read by its index, which leads to few."""
    yield from _in_status(wanted.statuses, wanted.kind, wanted.said_no)
    if wanted.workflow:
        yield Run.workflow_id == wanted.workflow
    if wanted.person:
        person = queries.without_index(Run.started_by) if is_by_status else Run.started_by
        yield person.is_(None) if wanted.person == BY_ITSELF else person == wanted.person
    if wanted.since:
        yield Run.created_at >= _midnight(wanted.since, zone)
    if wanted.until:
        yield Run.created_at < _midnight(wanted.until + timedelta(days=1), zone)
    if wanted.label:
        yield Run.label.icontains(wanted.label, autoescape=True)


def _in_status(
    statuses: Sequence[str], kind: Kind, said_no: bool | None
) -> Iterator[sa.ColumnElement[bool]]:
    """Keep to these statuses; what has an index of its own is looked for there, not in that of the statuses."""
    if statuses:
        yield (queries.without_index(Run.status) if said_no or kind.is_rare else Run.status).in_(statuses)
    if said_no is not None:
        yield Run.last_no.is_not(None) if said_no else Run.last_no.is_(None)


def _text(args: Mapping[str, str], name: str) -> str:
    return " ".join(args.get(name, "").replace("\0", "").split())[:MOST_CHARS]


def _day(args: Mapping[str, str], name: str, problems: dict[str, str]) -> date | None:
    said = args.get(name, "").strip()
    if not said:
        return None
    try:
        found = date.fromisoformat(said)
        if not 2000 <= found.year <= 2200:
            raise ValueError
    except ValueError:
        problems[name] = f"“{said[:40]}” is not a day. Choose one in the calendar, or write it like 2026-11-30."
        return None
    return found


def _midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
