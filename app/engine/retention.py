"""Retention: once a day the clock removes what nobody keeps any more, a few rows a transaction, until nothing is left.

A run that ended longer ago than its workspace keeps it goes with its steps, calls, waits, requests, logs and messages,
once these have left; messages of no run go as late. Documents and pictures stay, unless the workspace chose otherwise.
What others keep goes through :func:`also`. It may run twice and on several machines: rows are locked, and the day is
marked when nothing is left.
"""

import time
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import events, outbox
from app.core.db import AWAY, insist, moment, table, transaction
from app.engine import store
from app.engine.enums import RUN_ENDS, RUN_OPEN, SEED
from app.engine.events import RunsNotRemoved, RunsRemoved
from app.engine.models import Allowance, Beat
from app.engine.ports import bound

KEEP_MONTHS = 13
CHUNK = 100
MOST_STEPS = 2_000  # of the runs of one transaction
TURN_S = 0.5  # after that the clock does what else is due
EVERY_S = 24 * 3600.0
AGAIN_S = 6 * 3600.0  # after a fault
MOST_STUCK = 3  # runs of a workspace that rest alone; where more fail it is no fault of theirs
NAME = "retention"

Removal = Callable[[Session, int], int]

_log = structlog.get_logger(__name__)
_others: dict[str, Removal] = {}
# Where a fault showed: a workspace or what others remove, and the run of the workspace, "" for all.
_rests_until: dict[tuple[str, str], float] = {}
_tried: dict[str, list[str]] = {}  # by workspace, the runs of the last transaction
_workspace = sa.table("workspace", sa.column("id"))
_allowance, _beat, _run = table(Allowance), table(Beat), store.run


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long one workspace keeps its runs, and whether documents stay when a run goes."""

    workspace_id: str
    months: int
    documents: bool


def also(name: str, remove: Removal) -> None:
    """Have *remove* called once a day until it returns 0, each time in a transaction; twice is once.

    It removes a few rows, at most the number that it is given, and returns how many. It may run on several machines.
    """
    _others[name] = remove


def work(engine: Engine) -> int:
    """Remove the next few of what nobody keeps any more; return how many. Nothing more is done today after 0."""
    with transaction(engine) as session:
        if not _is_due(session):
            return 0
        keepings = _keepings(session)
    began, removed, is_whole = time.monotonic(), 0, True
    for key, until in list(_rests_until.items()):
        if until <= began:
            del _rests_until[key]
    tasks: dict[str, Removal] = {each.workspace_id: partial(_remove, each) for each in keepings} | _others
    for name, remove in tasks.items():
        if (name, "") in _rests_until:
            is_whole = False
            continue
        while number := _try(engine, name, remove, CHUNK - removed):
            removed += number
            if removed >= CHUNK or time.monotonic() - began > TURN_S:
                return removed
        is_whole = is_whole and not any(of == name for of, _ in _rests_until)
    with transaction(engine) as session:
        _mark(session, is_whole=is_whole)
    return removed


def _try(engine: Engine, name: str, remove: Removal, most: int) -> int:
    """Remove a few rows; what fails rests for a while, a run alone where it is one, and keeps nothing else waiting."""
    _tried.pop(name, None)
    try:
        return insist(engine, lambda session: remove(session, most), patience_s=0)
    except Exception as error:  # noqa: BLE001 (the clock's edge)
        runs = _tried.get(name, [])
        if len(runs) > 1 and not isinstance(error, AWAY):
            return _try(engine, name, remove, len(runs) // 2)  # to find which of them it is
        run_id = runs[0] if len(runs) == 1 and len(_resting(name)) < MOST_STUCK else ""
        _rests_until[name, run_id] = time.monotonic() + AGAIN_S
        _log.exception("retention_failed", of=name, run_id=run_id or None, again_in_s=AGAIN_S)
    if name not in _others:
        with transaction(engine) as session:
            events.publish(session, RunsNotRemoved(name))
    return _try(engine, name, remove, most) if run_id else 0


def _resting(workspace_id: str) -> list[str]:
    """Return the runs of a workspace that could not be removed a while ago."""
    return [run_id for of, run_id in _rests_until if of == workspace_id]


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


def _keepings(session: Session) -> list[Keeping]:
    own = sa.select(_workspace.c.id, _allowance.c.keep_runs_months, _allowance.c.keep_documents).select_from(
        _workspace.outerjoin(_allowance, _allowance.c.workspace_id == _workspace.c.id)
    )
    return [
        Keeping(row.id, row.keep_runs_months or KEEP_MONTHS, row.keep_documents is not False)
        for row in session.execute(own.order_by(_workspace.c.id))
    ]


def _remove(keeping: Keeping, session: Session, most: int) -> int:
    cut = before(_now(session), keeping.months)
    return _remove_runs(session, keeping, cut, most) or outbox.remove_old(session, keeping.workspace_id, cut, most)


def _remove_runs(session: Session, keeping: Keeping, cut: datetime, most: int) -> int:
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
            _run.c.id.not_in(_resting(keeping.workspace_id)),
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
    ids = _tried[keeping.workspace_id] = _few(session, list(session.scalars(old)))
    if ids:
        if not keeping.documents:
            bound.remove_made_by(session, ids)
        session.execute(sa.delete(_run).where(_run.c.id.in_(ids)))
        events.publish(session, RunsRemoved(keeping.workspace_id, len(ids), cut, not keeping.documents))
    return len(ids)


def _few(session: Session, ids: list[str]) -> list[str]:
    """Return the first of these runs that together have not too many steps: one has three, another ten thousand."""
    steps = sa.select(store.step_run.c.run_id, sa.func.count()).where(store.step_run.c.run_id.in_(ids))
    number: dict[str, int] = dict(session.execute(steps.group_by("run_id")).all())
    total = list(accumulate(number.get(run_id, 0) for run_id in ids))
    return ids[: max(1, bisect_right(total, MOST_STEPS))]


def _remove_strays(session: Session, most: int) -> int:
    """Remove old messages of no workspace."""
    return outbox.remove_old(session, None, before(_now(session), KEEP_MONTHS), most)


also("messages", _remove_strays)
