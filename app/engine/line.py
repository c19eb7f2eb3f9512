"""The line: steps that a limit keeps back, or that found no free thread, the oldest first; people read it, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import moment
from app.engine import catalog, claims, limits, store
from app.engine.enums import Effect, RunStatus, StepStatus
from app.engine.held import HeldStep

LOCK = 7_206_101  # one number for all who count before they claim
SAMPLES = 20
LEAST_SAMPLES = 5
A_MOMENT_S = 2.0  # so long a step stands there before anybody is told: most are gone by then
MOST = 100  # a run that nobody has begun stands behind so many others, or more

_step, _run, _own = store.step_run.alias("s"), store.run.alias("r"), limits.allowance.alias("a")


def _queued_at(step: sa.FromClause) -> sa.ColumnElement[object]:
    return sa.func.coalesce(step.c.not_before, step.c.created_at)


def _in_line(step: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(
        step.c.status.in_(store.written([StepStatus.PENDING, StepStatus.RETRYING])),  # as the index has it
        step.c.effect != Effect.NONE.value,
        claims.is_step(step),
        sa.or_(step.c.status != StepStatus.RETRYING.value, step.c.not_before <= moment()),
    )


_oldest = (
    sa.select(_step.c.id)
    .join(_run, _run.c.id == _step.c.run_id)
    .outerjoin(_own, _own.c.workspace_id == _step.c.workspace_id)
    .where(
        _in_line(_step),
        _run.c.status.in_(store.written(store.WORKING)),
        claims.may_leave(_step),
        claims.is_trusted(_step),
        sa.or_(_step.c.status == StepStatus.RETRYING.value, claims.is_hinted(_step)),
        _step.c.type.in_(sa.bindparam("b_types", expanding=True)),  # others are a newer worker's
        limits.has_room(_step, _run, _own),
    )
    .order_by(_queued_at(_step), _step.c.id)
    .limit(1)
    .with_for_update(skip_locked=True, of=_step)
    .scalar_subquery()
)
_claimed = store.step_run.c
_has_just_come = sa.and_(_claimed.status == StepStatus.RETRYING.value, _claimed.not_before > moment(-A_MOMENT_S))
_claim_oldest = claims.claiming(_claimed.id == _oldest, _in_line(store.step_run)).values(
    # as if it began now: one that was tried before, or given back, has stood in line since
    started_at=sa.case((_has_just_come, sa.func.coalesce(_claimed.started_at, moment())), else_=moment())
)
_is_kept = sa.select(limits.is_counted(store.step_run).label("is_kept")).where(
    store.step_run.c.id == sa.bindparam("b_id"), claims.claimable, claims.may_leave(store.step_run)
)


def is_kept(bind: store.Bind, step_run_id: str) -> bool | None:
    """Tell whether a limit decides when this step begins, so that it stands in line; None where it cannot begin."""
    row = bind.execute(_is_kept, {"b_id": step_run_id}).first()
    return None if row is None else bool(row.is_kept)


def claim_oldest(session: Session, owner: str, lease_s: float) -> HeldStep | None:
    """Claim the oldest in line for which every limit has room; None when there is none.

    Whoever counts and claims does it alone: two cannot both take the last place.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    values = {"b_owner": owner, "b_lease_s": lease_s, "b_types": list(catalog.step_types())}
    row = session.execute(_claim_oldest, values).first()
    return HeldStep(**row._mapping, is_counted=True) if row else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands in line: *number* from 1, of runs, and about how long it takes, None where none can tell."""

    number: int
    wait_s: float | None = None


def places(session: Session, workspace_id: str, run_ids: Sequence[str]) -> Mapping[str, Place]:
    """Return the place in line of each of these runs that has nothing under way but steps in line: three statements.

    None of a run whose steps have only just come there.
    """
    if not run_ids:
        return {}
    found = {row.run_id: (row.number, row.steps) for row in session.execute(_places(workspace_id, run_ids))}
    if not found:
        return {}
    took, width = _median_s(session, workspace_id), _width(session, workspace_id)
    return {
        run_id: Place(number, None if took is None else took * -(-steps // width))
        for run_id, (number, steps) in found.items()
    }


def run_ids(workspace_id: str) -> sa.Select[str]:
    """Select the runs that :func:`places` would place, for a part of a statement: nothing of them is under way."""
    step = store.step_run.alias("stands")
    return sa.select(step.c.run_id).where(
        step.c.workspace_id == workspace_id,
        _in_line(step),
        claims.may_leave(step),
        _queued_at(step) <= moment(-A_MOMENT_S),
        sa.not_(_is_busy(step)),
    )


def place_of_queued(session: Session, run_id: str, created_at: datetime) -> Place | None:
    """Return where a run stands that nobody has begun; None when it is the only one. Nobody counts beyond MOST."""
    run = store.run
    so_far = sa.select(run.c.id).where(
        run.c.status.in_(store.written([RunStatus.QUEUED])),  # a part of the index of open runs
        run.c.due_at.is_not(None),
        sa.tuple_(run.c.created_at, run.c.id) <= (created_at, run_id),
    )
    number = session.scalar(sa.select(sa.func.count()).select_from(so_far.limit(MOST).subquery()))
    return Place(number) if number and number > 1 else None


def stands(status: str, effect: str) -> bool:
    """Tell whether a step run may stand in line."""
    return effect != Effect.NONE and status in (StepStatus.PENDING, StepStatus.RETRYING)


def _places(workspace_id: str, run_ids: Sequence[str]) -> sa.Select[str, int, int]:
    """Select the places of runs among runs, and of their first steps among steps."""
    step = store.step_run
    line = sa.select(
        step.c.run_id,
        step.c.workspace_id,
        _queued_at(step).label("since"),
        sa.func.row_number().over(order_by=(_queued_at(step), step.c.id)).label("number"),
    ).where(_in_line(step), claims.may_leave(step))
    if not (limits.house() or limits.house_ai()):
        line = line.where(step.c.workspace_id == workspace_id)
    ranked = line.subquery()
    first = sa.func.min(ranked.c.number)
    runs = (
        sa.select(
            ranked.c.run_id,
            ranked.c.workspace_id,
            first.label("steps"),
            sa.func.min(ranked.c.since).label("since"),
            sa.func.row_number().over(order_by=first).label("number"),
        )
        .group_by(ranked.c.run_id, ranked.c.workspace_id)
        .subquery()
    )
    return sa.select(runs.c.run_id, runs.c.number, runs.c.steps).where(
        runs.c.run_id.in_(run_ids),
        runs.c.workspace_id == workspace_id,
        runs.c.since <= moment(-A_MOMENT_S),
        sa.not_(_is_busy(runs)),
    )


def _is_busy(of: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a step of *of*'s run is under way, or is soon tried again."""
    busy = store.step_run.alias("busy")
    return sa.exists().where(
        busy.c.run_id == of.c.run_id,
        sa.or_(
            sa.and_(busy.c.status == StepStatus.RUNNING.value, busy.c.lease_owner.is_not(None)),
            sa.and_(busy.c.status == StepStatus.RETRYING.value, busy.c.not_before > moment()),
        ),
    )


def _median_s(session: Session, workspace_id: str) -> float | None:
    """Return how long the workspace's last steps of this kind took, None when too few have ended."""
    step = store.step_run
    ended = (
        sa.select(step.c.started_at, step.c.finished_at)
        .where(
            step.c.workspace_id == workspace_id,
            step.c.effect != Effect.NONE.value,
            step.c.status == StepStatus.COMPLETED.value,
            step.c.reused_from.is_(None),
            step.c.started_at.is_not(None),
            step.c.run_id.in_(
                sa.select(store.run.c.id)
                .where(store.run.c.workspace_id == workspace_id)
                .order_by(store.run.c.created_at.desc())
                .limit(SAMPLES)
            ),
        )
        .limit(SAMPLES * 5)
    )
    took = sorted((row.finished_at - row.started_at).total_seconds() for row in session.execute(ended))
    return took[len(took) // 2] if len(took) >= LEAST_SAMPLES else None


def _width(session: Session, workspace_id: str) -> int:
    """Return how many may be under way at once: the least of what holds for the workspace."""
    own = session.execute(
        sa.select(limits.allowance.c.steps_at_once, limits.allowance.c.ai_at_once).where(
            limits.allowance.c.workspace_id == workspace_id
        )
    ).first()
    known = [limits.house(), limits.house_ai(), *(own or ())]
    return min((most for most in known if most), default=1)
