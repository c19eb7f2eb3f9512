"""How a workspace's runs stand: what works, waits, asks and failed, for the home page, the panels and their counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, aliased

from app.core import clock
from app.core.db import Value
from app.engine import line
from app.engine.enums import RUN_OPEN, RunStatus
from app.engine.models import RUN_SAMPLE, Run
from app.features.accounts.models import Membership, Workspace
from app.features.runs import queries
from app.web.filters import up_to

_WORKING = ("queued", "running", "pausing", "stopping")
_OPEN = sorted(status.value for status in RUN_OPEN)
_HELD = frozenset({RunStatus.WAITING, RunStatus.NEEDS_ATTENTION, RunStatus.PAUSED})
_IS_OURS = sa.not_(RUN_SAMPLE)  # samples make themselves: nobody waits for them
MOST = 100  # the counts of the frame end here: "99+"
MOST_HELD = 1000  # runs that wait, for days perhaps, are counted so far


@dataclass(frozen=True, slots=True)
class Counts:
    """What a workspace's runs do: *running*, *in_line* and *waiting* now, *failed_today* since its last midnight.

    *waiting* is counted up to :data:`MOST_HELD`.
    """

    running: int = 0
    in_line: int = 0
    waiting: int = 0
    failed_today: int = 0

    @property
    def active(self) -> int:
        """How many runs need nothing but a machine."""
        return self.running + self.in_line

    @property
    def waiting_said(self) -> str:
        """How many wait, as the page says it: "12", "1,000+"."""
        return up_to(self.waiting, MOST_HELD)


def open_runs(session: Session, workspace_id: str, *, limit: int = 6) -> Sequence[Run]:
    """Return runs that have not ended, samples aside: those that work before those that wait, the newest first."""
    found = list(working(session, workspace_id, limit=limit))
    held = queries.runs(session, workspace_id, status=_HELD, limit=limit, those=(_IS_OURS,))
    return [*found, *held][:limit]


def working(session: Session, workspace_id: str, *, limit: int) -> Sequence[Run]:
    """Return the runs that a machine works on, then those that stand in line, the newest of each first."""
    wanted = sa.select(Run).where(Run.workspace_id == workspace_id, Run.status.in_(_WORKING), _IS_OURS)
    last = sa.case((_is_in_line(workspace_id), 1), else_=0)
    return session.execute(wanted.order_by(last, Run.created_at.desc(), Run.id.desc()).limit(limit)).scalars().all()


def failed_today(session: Session, workspace_id: str, *, limit: int) -> Sequence[Run]:
    """Return the runs that failed since the workspace's last midnight, the last one first."""
    wanted = sa.select(Run).where(*_failed_today(session, workspace_id)).order_by(Run.finished_at.desc()).limit(limit)
    return session.execute(wanted).scalars().all()


def asking(session: Session, workspace_id: str, user_id: str, *, limit: int) -> Sequence[Run]:
    """Return the runs that cannot go on without this person's answer, the one that waits longest first."""
    wanted = sa.select(Run).where(*_asking(workspace_id, user_id)).order_by(Run.changed_at, Run.id).limit(limit)
    return session.execute(wanted).scalars().all()


def given_up(
    session: Session, workspace_id: str, user_id: str, since: datetime, *, limit: int
) -> Sequence[Run]:
    """Return this person's runs that failed since then and that nobody took up or started over, the last one first."""
    wanted = sa.select(Run).where(*_given_up(workspace_id, user_id, since))
    return session.execute(wanted.order_by(Run.finished_at.desc()).limit(limit)).scalars().all()


def for_person_count(workspace_id: Value[str], user_id: Value[str], since: Value[datetime]) -> sa.ColumnElement[int]:
    """Count what :func:`asking` and :func:`given_up` return, each up to :data:`MOST`, as part of a statement."""
    either = (_asking(workspace_id, user_id), _given_up(workspace_id, user_id, since))
    some = (sa.select(Run.id).where(*conditions).limit(MOST).subquery() for conditions in either)
    asks, failed = (sa.select(sa.func.count()).select_from(ids).scalar_subquery() for ids in some)
    return asks + failed


def ended_since(
    session: Session, workspace_id: str, user_id: str, since: datetime, *, limit: int
) -> Sequence[Run]:
    """Return the runs of a person that ended since then, the last one first, tests aside."""
    wanted = sa.select(Run).where(
        Run.workspace_id == workspace_id,
        Run.started_by == user_id,
        Run.finished_at > since,
        _IS_OURS,
        Run.test.is_(False),
    )
    return session.execute(wanted.order_by(Run.finished_at.desc()).limit(limit)).scalars().all()


def counts(session: Session, workspace_id: str) -> Counts:
    """Count what runs, stands in line and waits, and what failed today in the workspace. Two statements."""
    number = sa.func.count()
    failed = sa.select(number).where(*_failed_today(session, workspace_id))
    ours = (Run.workspace_id == workspace_id, _IS_OURS)
    active = (*ours, Run.status.in_(_WORKING))
    held = sa.select(Run.id).where(*ours, Run.status.in_(sorted(_HELD))).limit(MOST_HELD)
    working, in_line, waiting, failed_today = session.execute(
        sa.select(
            sa.select(number).where(*active).scalar_subquery(),
            sa.select(number).where(*active, _is_in_line(workspace_id)).scalar_subquery(),
            sa.select(number).select_from(held.subquery()).scalar_subquery(),
            failed.scalar_subquery(),
        )
    ).one()
    return Counts(working - in_line, in_line, waiting, failed_today)


def open_count(workspace_id: Value[str], *, is_held: bool) -> sa.ScalarSelect[int]:
    """Count what waits or is paused (*is_held*), or what is active, up to :data:`MOST`: polls ask for it."""
    kinds = _HELD if is_held else RUN_OPEN - _HELD
    ours = sa.select(Run.id).where(Run.workspace_id == workspace_id, Run.status.in_(sorted(kinds)), _IS_OURS)
    some = ours.limit(MOST)
    return sa.select(sa.func.count()).select_from(some.subquery()).scalar_subquery()


def panel_mark(bind: Session | Connection, workspace_id: str) -> tuple[int, datetime | None]:
    """Return how many runs are open and when one of them changed last: what a poll of the panel compares."""
    wanted = sa.select(sa.func.count(), sa.func.max(Run.changed_at)).where(
        Run.workspace_id == workspace_id, Run.status.in_(_OPEN), _IS_OURS
    )
    number, changed_at = bind.execute(wanted).one()
    return number, changed_at


def _is_in_line(workspace_id: str) -> sa.ColumnElement[bool]:
    """Return the condition that lists say of an active run that it is in line."""
    has_begun = Run.status == RunStatus.RUNNING.value
    return sa.or_(Run.status == RunStatus.QUEUED.value, sa.and_(has_begun, Run.id.in_(line.run_ids(workspace_id))))


def _asking(workspace_id: Value[str], user_id: Value[str]) -> tuple[sa.ColumnElement[bool], ...]:
    """Keep the runs that need an answer and that the person started, or nobody who is in the workspace still."""
    starter = sa.exists().where(Membership.workspace_id == workspace_id, Membership.user_id == Run.started_by)
    return (
        Run.workspace_id == workspace_id,
        Run.status == RunStatus.NEEDS_ATTENTION.value,
        sa.or_(Run.started_by == user_id, sa.not_(starter)),
    )


def _given_up(
    workspace_id: Value[str], user_id: Value[str], since: Value[datetime]
) -> tuple[sa.ColumnElement[bool], ...]:
    following = aliased(Run)
    return (
        Run.workspace_id == workspace_id,
        Run.status == sa.literal_column("'failed'"),  # as the partial index has it
        Run.finished_at >= since,
        queries.without_index(Run.started_by) == user_id,  # few runs fail; many of a person's have ended
        Run.test.is_(False),
        Run.parent_run_id.is_(None),  # else the run above it says so
        _IS_OURS,
        sa.not_(sa.exists().where(following.continues_run_id == Run.id)),
    )


def _failed_today(session: Session, workspace_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Run.workspace_id == workspace_id,
        Run.status == sa.literal_column("'failed'"),  # as the partial index has it
        Run.finished_at >= _midnight(session, workspace_id),
    )


def _midnight(session: Session, workspace_id: str) -> datetime:
    zone = session.execute(sa.select(Workspace.timezone).where(Workspace.id == workspace_id)).scalar_one_or_none()
    local = clock.now().astimezone(ZoneInfo(zone or "UTC"))
    return local.replace(hour=0, minute=0, second=0, microsecond=0)
