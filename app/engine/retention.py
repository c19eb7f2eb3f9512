"""Retention: once a day the clock removes runs that ended longer ago than their workspace keeps them, a few at a time.

A run goes with its steps, calls, waits, requests, logs and messages, once these have left. Documents and pictures stay,
unless the workspace chose otherwise. It may run twice and on several machines: rows are locked, and the day is marked
when nothing is left.
"""

import time
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import events, outbox
from app.core.db import moment, table, transaction
from app.engine import store
from app.engine.enums import RUN_ENDS, RUN_OPEN, SEED
from app.engine.events import DayCleared, RunsNotRemoved, RunsRemoved
from app.engine.models import Allowance, Beat
from app.engine.ports import bound

KEEP_MONTHS = 13
CHUNK = 100
EVERY_S = 24 * 3600.0
AGAIN_S = 6 * 3600.0  # after a fault
NAME = "retention"

_log = structlog.get_logger(__name__)
_rests_until: dict[str, float] = {}  # workspaces where a fault showed
_workspace = sa.table("workspace", sa.column("id"))
_allowance, _beat, _run = table(Allowance), table(Beat), store.run


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long one workspace keeps its runs, and whether documents stay when a run goes."""

    workspace_id: str
    months: int
    documents: bool


def work(engine: Engine) -> int:
    """Remove the next few runs that nobody keeps any more; return how many. Nothing more is done today after 0."""
    with transaction(engine) as session:
        if not _is_due(session):
            return 0
        keepings = _keepings(session)
    removed = 0
    for keeping in keepings:
        if time.monotonic() < _rests_until.get(keeping.workspace_id, 0.0):
            continue
        removed += _try(engine, keeping, CHUNK - removed)
        if removed >= CHUNK:
            return removed
    with transaction(engine) as session:
        _mark(session, is_whole=not _rests_until)
    return removed


def _try(engine: Engine, keeping: Keeping, most: int) -> int:
    """Remove a few runs of a workspace; one where that fails rests for a while, and keeps no other waiting."""
    try:
        with transaction(engine) as session:
            removed = _remove(session, keeping, most)
    except Exception:  # noqa: BLE001 (the clock's edge)
        _log.exception("retention_failed", workspace_id=keeping.workspace_id, again_in_s=AGAIN_S)
        with transaction(engine) as session:
            events.publish(session, RunsNotRemoved(keeping.workspace_id))
        _rests_until[keeping.workspace_id] = time.monotonic() + AGAIN_S
        return 0
    _rests_until.pop(keeping.workspace_id, None)
    return removed


def before(now: datetime, months: int) -> datetime:
    """Return the moment *months* calendar months before *now*."""
    whole = now.year * 12 + now.month - 1 - months
    year, month = divmod(whole, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, monthrange(year, month + 1)[1]))


def _now(session: Session) -> datetime:
    """Return the time by the database's clock: what goes is gone for good, and this machine's may be years off."""
    return session.execute(sa.select(moment())).scalar_one()


def _is_due(session: Session) -> bool:
    at = session.scalar(sa.select(_beat.c.at).where(_beat.c.name == NAME))
    return at is None or (_now(session) - at).total_seconds() >= EVERY_S


def _mark(session: Session, *, is_whole: bool) -> None:
    """Note that the day's work is done; where it is not *whole*, that it goes on in a while."""
    at = _now(session) if is_whole else _now(session) - timedelta(seconds=EVERY_S - AGAIN_S)
    session.execute(store.insert_new(session, _beat, ["name"]), {"name": NAME, "at": at})
    session.execute(sa.update(_beat).where(_beat.c.name == NAME).values(at=at))
    if is_whole:
        events.publish(session, DayCleared())


def _keepings(session: Session) -> list[Keeping]:
    own = sa.select(_workspace.c.id, _allowance.c.keep_runs_months, _allowance.c.keep_documents).select_from(
        _workspace.outerjoin(_allowance, _allowance.c.workspace_id == _workspace.c.id)
    )
    return [
        Keeping(row.id, row.keep_runs_months or KEEP_MONTHS, row.keep_documents is not False)
        for row in session.execute(own.order_by(_workspace.c.id))
    ]


def _remove(session: Session, keeping: Keeping, most: int) -> int:
    cut = before(_now(session), keeping.months)
    parent, child, following = _run.alias("parent"), _run.alias("child"), _run.alias("following")
    of_child = sa.and_(store.step_run.c.run_id == _run.c.id, child.c.parent_step_run_id == store.step_run.c.id)
    is_open = [status.value for status in RUN_OPEN]
    old = (
        sa.select(_run.c.id)
        .where(
            _run.c.workspace_id == keeping.workspace_id,
            _run.c.created_at < cut,
            _run.c.finished_at < cut,
            _run.c.status.in_([status.value for status in RUN_ENDS]),
            _run.c.trigger_kind != SEED,
            ~sa.exists().where(
                parent.c.id == _run.c.parent_run_id, parent.c.status.in_(is_open)
            ),
            ~sa.exists().where(of_child, child.c.status.in_(is_open)),
            ~sa.exists().where(following.c.continues_run_id == _run.c.id, following.c.status.in_(is_open)),
            ~outbox.is_to_leave(_run.c.id),
        )
        .order_by(_run.c.created_at, _run.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.scalars(old))
    if ids:
        if not keeping.documents:
            bound.remove_made_by(session, ids)
        session.execute(sa.delete(_run).where(_run.c.id.in_(ids)))
        events.publish(session, RunsRemoved(keeping.workspace_id, len(ids), cut, not keeping.documents))
    return len(ids)
