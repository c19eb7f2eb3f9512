"""Leases: a run's is taken and given back; all are extended by the heartbeat, voided when their owner ends or dies.

And the runs that are due. Each function runs in the caller's transaction. How a step run is claimed is in ``claims``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.core.db import changed, moment, moment_once
from app.core.together import Writing
from app.engine.enums import RunStatus, StepStatus
from app.engine.held import HeldRun
from app.engine.planner import HINT_AGAIN_S
from app.engine.store import OPEN, Bind, run, step_run, written

# Constants, not parameters: SQLite takes a partial index only where it reads that the rows are in it.
_is_open = run.c.status.in_(written(OPEN))
_is_under_way = step_run.c.status == written([StepStatus.RUNNING])[0]
_is_queued = run.c.status == written([RunStatus.QUEUED])[0]
_take_run = (
    sa.update(run)
    .where(
        run.c.id == sa.bindparam("b_run_id"),
        run.c.status.in_(written(OPEN)),
        sa.or_(run.c.lease_until.is_(None), run.c.lease_until < moment()),
    )
    .values(
        epoch=run.c.epoch + 1,
        lease_owner=sa.bindparam("b_owner"),
        lease_until=moment(sa.bindparam("b_lease_s", type_=sa.Float())),
        due_at=moment(sa.bindparam("b_lease_s", type_=sa.Float())),
        # Here, not with the first result: this update moves the row in its indexes anyway, the later ones need not.
        status=sa.case((_is_queued, written([RunStatus.RUNNING])[0]), else_=run.c.status),
        started_at=sa.case((_is_queued, moment()), else_=run.c.started_at),
        changed_at=sa.case((_is_queued, moment()), else_=run.c.changed_at),
        is_suspect=sa.or_(run.c.is_suspect, run.c.lease_owner.is_not(None)),
    )
    .returning(
        run.c.id,
        run.c.workspace_id,
        run.c.version_id,
        run.c.number,
        run.c.label,
        run.c.test,
        run.c.trigger_kind,
        run.c.status,
        run.c.revision,
        run.c.epoch,
        run.c.inputs,
        run.c.facts,
        run.c.work_from,
        run.c.is_suspect,
        moment().label("now"),
        # By the parameter: SQLite's RETURNING leaves out the table's name, and "id" would be the step run's.
        sa.exists().where(step_run.c.run_id == sa.bindparam("b_run_id")).label("has_steps"),
    )
)


def take_run(run_id: str, owner: str, lease_s: float) -> Writing[HeldRun | None]:
    """Take the run's lease, in a small write; None when it has ended or somebody has it."""
    row = yield _take_run, {"b_run_id": run_id, "b_owner": owner, "b_lease_s": lease_s}
    if row is None:
        return None
    return HeldRun(**{**row._mapping, "status": RunStatus(row.status)})


_drop_lost = (
    sa.update(run)
    .where(
        run.c.id == sa.bindparam("b_run_id"),
        run.c.lease_owner == sa.bindparam("b_owner"),
        run.c.epoch != sa.bindparam("b_epoch"),
    )
    .values(lease_owner=None, lease_until=None)
)


def drop_lost(bind: Bind, run_id: str, owner: str, known_epoch: int | None) -> None:
    """Drop a lease of *owner* that it does not know of: the answer to its taking was lost."""
    bind.execute(_drop_lost, {"b_run_id": run_id, "b_owner": owner, "b_epoch": known_epoch or 0})


def release_run(
    bind: Bind,
    held: HeldRun,
    *,
    status: RunStatus,
    due_at: datetime | None,
    doing: str,
    steps_done: int,
    error: Mapping[str, Any] | None = None,
) -> bool:
    """Give the lease back with the run's new status; False: the run changed meanwhile (or the lease was lost)."""
    values: dict[str, Any] = {
        "lease_owner": None,
        "lease_until": None,
        "is_suspect": False,
        "due_at": due_at,
        "status": status.value,
        "doing": doing,
        "steps_done": steps_done,
        "changed_at": moment(),
        "started_at": sa.func.coalesce(run.c.started_at, moment()),
    }
    if not status.is_open:
        values |= {
            "finished_at": moment(), "due_at": None, "reserved_microusd": 0, "error": error, "is_paused_above": False,
        }  # fmt: skip
    statement = sa.update(run).where(
        run.c.id == held.id, run.c.epoch == held.epoch, run.c.revision == held.revision, run.c.status.in_(OPEN)
    )
    return changed(bind.execute(statement.values(**values))) == 1


_hand_back = (
    sa.update(run)
    .where(run.c.id == sa.bindparam("b_run_id"), run.c.epoch == sa.bindparam("b_epoch"))
    .values(lease_owner=None, lease_until=None, due_at=moment(), revision=run.c.revision + 1)
)


def hand_back_run(bind: Bind, held: HeldRun) -> None:
    """Give the lease back at once and leave the run due: somebody else goes on."""
    bind.execute(_hand_back, {"b_run_id": held.id, "b_epoch": held.epoch})


def let_go(bind: Bind, held: HeldRun, *, after_s: float) -> None:
    """Drop a lease after a fault of ours; the run is due again *after_s* seconds from now."""
    statement = (
        sa.update(run)
        .where(run.c.id == held.id, run.c.epoch == held.epoch)
        .values(lease_owner=None, lease_until=None, due_at=moment(after_s))
    )
    bind.execute(statement)


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
