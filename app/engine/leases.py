"""Leases: extended by the heartbeat, voided when their owner ends or dies; and the runs that are due.

Each function runs in the caller's transaction. What a lease is taken for, is in ``store``.
"""

from typing import Any

import sqlalchemy as sa

from app.core.db import moment, moment_once
from app.engine.enums import StepStatus
from app.engine.planner import HINT_AGAIN_S
from app.engine.store import OPEN, Bind, run, step_run, written

# Constants, not parameters: SQLite takes a partial index only where it reads that the rows are in it.
_is_open = run.c.status.in_(written(OPEN))
_is_under_way = step_run.c.status == written([StepStatus.RUNNING])[0]
_heartbeat_runs = (
    sa.update(run)
    .where(
        run.c.id == sa.bindparam("b_id"),
        run.c.epoch == sa.bindparam("b_token"),
        run.c.lease_owner.is_not(None),
    )
    .values(
        lease_until=moment(sa.bindparam("b_lease_s", type_=sa.Float())),
        due_at=moment(sa.bindparam("b_lease_s", type_=sa.Float())),
    )
)
_heartbeat_steps = (
    sa.update(step_run)
    .where(
        step_run.c.id == sa.bindparam("b_id"),
        step_run.c.fence == sa.bindparam("b_token"),
        step_run.c.status == StepStatus.RUNNING,
    )
    .values(lease_until=moment(sa.bindparam("b_lease_s", type_=sa.Float())))
)


def extend_leases(bind: Bind, runs: list[dict[str, Any]], steps: list[dict[str, Any]]) -> None:
    """Extend leases: rows of ``b_id``, ``b_token`` (epoch or fence), ``b_lease_s``; what is lost stays lost."""
    if steps:
        bind.execute(_heartbeat_steps, steps)
    if runs:
        bind.execute(_heartbeat_runs, runs)


def give_back_steps(bind: Bind, owner: str, *, is_dead: bool, was_alone: bool) -> list[str]:
    """Void the step leases of *owner*: the steps are pending again at once; return the runs concerned.

    What a dead owner held is suspect; counted only where it was alone. The fence moves, so a late result is refused.
    """
    told = {"is_suspect": True} if is_dead else {}
    statement = (
        sa.update(step_run)
        .where(step_run.c.lease_owner == owner, _is_under_way)
        .values(
            status=StepStatus.PENDING.value,
            fence=step_run.c.fence + 1,
            lease_owner=None,
            lease_until=None,
            hinted_at=None,
            crashes=step_run.c.crashes + (1 if is_dead and was_alone else 0),
            attempts=sa.case((step_run.c.attempts > 0, step_run.c.attempts - 1), else_=0),
            **told,
        )
        .returning(step_run.c.run_id)
    )
    return sorted({row.run_id for row in bind.execute(statement)}, reverse=True)


_give_back_dead = (
    sa.update(step_run)
    .where(
        step_run.c.run_id == sa.bindparam("b_run_id"),
        step_run.c.status == StepStatus.RUNNING,
        step_run.c.lease_until < moment(),
    )
    .values(
        status=StepStatus.PENDING.value, fence=step_run.c.fence + 1, lease_owner=None, lease_until=None,
        hinted_at=None, is_suspect=True, attempts=sa.case((step_run.c.attempts > 0, step_run.c.attempts - 1), else_=0),
    )
)  # fmt: skip


def give_back_dead(bind: Bind, run_id: str) -> None:
    """Void the step leases of a run that have ended: while it is paused nobody takes those steps up, and each would
    hold a place that a limit counts.
    """
    bind.execute(_give_back_dead, {"b_run_id": run_id})


def give_back_runs(bind: Bind, owner: str, *, is_dead: bool) -> list[str]:
    """Void the run leases of *owner* and leave those runs due; return them. A dead owner's are suspect."""
    told = {"is_suspect": True} if is_dead else {}
    statement = (
        sa.update(run)
        .where(run.c.lease_owner == owner, _is_open)
        .values(
            lease_owner=None,
            lease_until=None,
            epoch=run.c.epoch + 1,
            revision=run.c.revision + 1,
            due_at=moment(),
            **told,
        )
        .returning(run.c.id)
    )
    return [row.id for row in bind.execute(statement)]


def due_runs(bind: Bind, *, hint_again_s: float = HINT_AGAIN_S, limit: int = 500) -> list[str]:
    """Return runs that are due and push each on by *hint_again_s*, so that two tickers cannot both take one."""
    due = (
        sa.select(run.c.id)
        .where(run.c.due_at <= moment_once(), _is_open)
        .order_by(run.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        sa.update(run)
        .where(run.c.id.in_(due.scalar_subquery()))
        .values(due_at=moment(hint_again_s))
        .returning(run.c.id)
    )
    return [row.id for row in bind.execute(statement)]
