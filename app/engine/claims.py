"""Claims of step runs: whoever claims one holds it until a lease ends, and writes what becomes of it by its fence.

As in ``store``: each function runs in the caller's transaction, and zero rows means that somebody was quicker.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from app.core.db import changed, moment
from app.core.outbox import is_held
from app.core.together import Writing
from app.engine import limits
from app.engine.enums import Effect, StepStatus
from app.engine.held import Fenced, HeldStep
from app.engine.limits import is_counted
from app.engine.store import WORKING, Bind, log, run, step_run, wake, written

MAX_CRASHES = 2  # deaths of a process in which the step was alone: then a person must look

OPEN_ITEMS = "items"  # the answer in a row whose items the run's planner finds: it is no step that anybody does


def is_step(step: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a pending row is to be done, and does not wait for its items to be found."""
    return step.c.answer.is_distinct_from(sa.literal_column(f"'{OPEN_ITEMS}'"))


def is_hinted(step: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that the planner has let a pending row begin: of many items only so many at a time."""
    return step.c.hinted_at.is_not(None)


claimable = sa.or_(
    sa.and_(step_run.c.status == StepStatus.PENDING, is_step(step_run)),
    sa.and_(step_run.c.status == StepStatus.RETRYING, step_run.c.not_before <= moment()),
)
_is_abandoned = sa.and_(step_run.c.status == StepStatus.RUNNING, step_run.c.lease_until < moment())
_tested = run.alias("tested")
_run_is_working = sa.exists().where(run.c.id == step_run.c.run_id, run.c.status.in_(WORKING))


def may_leave(step: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a step may begin as far as its workspace lets things leave the house.

    Of a test nothing leaves, so nothing holds it up.
    """
    is_test = sa.exists().where(_tested.c.id == step.c.run_id, _tested.c.test)
    return sa.or_(step.c.effect != Effect.SENDS.value, sa.not_(is_held(step.c.workspace_id)), is_test)


def is_trusted(step: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a step need not be done alone: nobody died of it, or it is not done any more."""
    return sa.or_(sa.not_(step.c.is_suspect), step.c.crashes >= MAX_CRASHES)


_claim_values = {
    "status": StepStatus.RUNNING.value,
    "fence": step_run.c.fence + 1,
    "attempts": step_run.c.attempts + sa.case((step_run.c.status == StepStatus.RUNNING, 0), else_=1),
    "lease_owner": sa.bindparam("b_owner"),
    "lease_until": moment(sa.bindparam("b_lease_s", type_=sa.Float())),
    "started_at": sa.func.coalesce(step_run.c.started_at, moment()),
    "not_before": None,
}
_claimed = (
    step_run.c.id,
    step_run.c.workspace_id,
    step_run.c.run_id,
    step_run.c.step_id,
    step_run.c.item,
    step_run.c.type,
    step_run.c.fence,
    step_run.c.attempts,
    step_run.c.crashes,
    step_run.c.started_at,
    step_run.c.answer,
)


def claiming(*conditions: sa.ColumnElement[bool]) -> sa.Update:
    """Return the statement that claims a step run of a run that goes on, where *conditions* hold; one row at most."""
    return (
        sa.update(step_run).where(*conditions, _run_is_working).values(_claim_values).returning(*_claimed)
    )


_is_free = (claimable, is_trusted(step_run), may_leave(step_run), sa.not_(is_counted(step_run)))
_claim_trusted = claiming(
    step_run.c.id
    == sa.select(step_run.c.id)
    .where(step_run.c.id == sa.bindparam("b_id"), *_is_free)
    .with_for_update(skip_locked=True)  # claims are written in company, which waits for nobody's steps
    .scalar_subquery()
)
_claim_in_turn = claiming(step_run.c.id == sa.bindparam("b_id"), *_is_free)
_claim_any = claiming(
    step_run.c.id == sa.bindparam("b_id"),
    sa.or_(
        sa.and_(claimable, sa.or_(step_run.c.is_suspect, sa.not_(is_counted(step_run)))), _is_abandoned
    ),
    may_leave(step_run),
)
_other = step_run.alias("other")
_sibling = (
    sa.select(_other.c.id)
    .where(
        _other.c.run_id == sa.bindparam("b_run_id"),
        _other.c.status == StepStatus.PENDING,
        is_step(_other),
        is_hinted(_other),
        _other.c.effect.in_(sa.bindparam("b_effects", expanding=True)),
        may_leave(_other),
        is_trusted(_other),
        sa.not_(is_counted(_other)),
    )
    .order_by(_other.c.created_at, _other.c.id)
    .limit(1)
)
_claim_sibling = claiming(
    step_run.c.id == _sibling.with_for_update(skip_locked=True).scalar_subquery(),
    step_run.c.status == StepStatus.PENDING,
)


def held_row(row: Any) -> HeldStep:
    """Return what is known of a step run that nobody holds, from its whole row."""
    return HeldStep(
        row.id, row.workspace_id, row.run_id, row.step_id, row.item, row.type, row.fence, row.attempts, row.crashes,
        row.started_at,
    )  # fmt: skip


def log_failure(bind: Bind, row: Any, error: Mapping[str, Any]) -> None:
    """Add to the run's log why a step failed that nobody held, from its whole row."""
    detail = {"code": error["code"], "category": error["category"]}
    log(bind, held_row(row), "failed", error["message"], level="error", detail=detail)


def claim_trusted(step_run_id: str, owner: str, lease_s: float) -> Writing[HeldStep | None]:
    """Claim one step run that no process has died of, pending or due for a retry, in a small write.

    None when there is none, or somebody has its row at the moment. One that a limit counts stands in line instead:
    :mod:`app.engine.line`.
    """
    values = {"b_id": step_run_id, "b_owner": owner, "b_lease_s": lease_s, "b_house_limit": limits.has_house()}
    row = yield _claim_trusted, values
    return HeldStep(**row._mapping) if row else None


def claim_in_turn(bind: Bind, step_run_id: str, owner: str, lease_s: float) -> HeldStep | None:
    """As :func:`claim_trusted`, after whoever has its row at the moment."""
    row = bind.execute(_claim_in_turn, {"b_id": step_run_id, "b_owner": owner, "b_lease_s": lease_s}).first()
    return HeldStep(**row._mapping) if row else None


def claim_step(bind: Bind, step_run_id: str, owner: str, lease_s: float) -> HeldStep | None:
    """As :func:`claim_trusted`, also one under a dead lease, or that a process has died of."""
    row = bind.execute(_claim_any, {"b_id": step_run_id, "b_owner": owner, "b_lease_s": lease_s}).first()
    return HeldStep(**row._mapping) if row else None


_uncounted: dict[str, Any] = {  # pending again, as if nobody had claimed it
    "status": StepStatus.PENDING.value, "fence": step_run.c.fence + 1, "attempts": step_run.c.attempts - 1,
    "lease_owner": None, "lease_until": None,
}  # fmt: skip
_drop_lost = (
    sa.update(step_run)
    .where(
        step_run.c.id == sa.bindparam("b_id"),
        step_run.c.status == StepStatus.RUNNING,
        step_run.c.lease_owner == sa.bindparam("b_owner"),
        step_run.c.fence != sa.bindparam("b_fence"),
    )
    .values(**_uncounted)
)


def drop_lost(bind: Bind, step_run_id: str, owner: str, known_fence: int | None) -> None:
    """Drop a claim of *owner* that it does not know of: the answer to it was lost."""
    bind.execute(_drop_lost, {"b_id": step_run_id, "b_owner": owner, "b_fence": known_fence or 0})


_suspect = sa.select(step_run.c.id).where(
    step_run.c.id == sa.bindparam("b_id"),
    sa.or_(sa.and_(claimable, step_run.c.is_suspect), _is_abandoned),
    may_leave(step_run),
    _run_is_working,
)


def is_suspect(bind: Bind, step_run_id: str) -> bool:
    """Tell whether a step run could be done now, but only alone: its process died, or its lease ran out."""
    return bind.execute(_suspect, {"b_id": step_run_id}).first() is not None


def place_of(bind: Bind, step_run_id: str) -> tuple[str, str] | None:
    """Return the version of a step run's definition and the step's id in it."""
    statement = sa.select(run.c.version_id, step_run.c.step_id).select_from(step_run.join(run))
    row = bind.execute(statement.where(step_run.c.id == step_run_id)).first()
    return (row.version_id, row.step_id) if row else None


def has_sibling(bind: Bind, run_id: str, *, effects: Iterable[Effect]) -> bool:
    """Tell whether :func:`claim_sibling` would find one."""
    return bind.execute(_sibling, _wanted(run_id, effects)).first() is not None


def claim_sibling(
    bind: Bind, run_id: str, owner: str, lease_s: float, *, effects: Iterable[Effect]
) -> HeldStep | None:
    """Claim any other pending step of the run whose effect is one of *effects*."""
    values = {**_wanted(run_id, effects), "b_owner": owner, "b_lease_s": lease_s}
    row = bind.execute(_claim_sibling, values).first()
    return HeldStep(**row._mapping) if row else None


def _wanted(run_id: str, effects: Iterable[Effect]) -> dict[str, Any]:
    return {"b_run_id": run_id, "b_effects": [effect.value for effect in effects]}


_leave = (
    sa.update(step_run)
    .where(
        step_run.c.id == sa.bindparam("b_id"),
        step_run.c.status == StepStatus.RUNNING,
        step_run.c.fence == sa.bindparam("b_fence"),
    )
    .values(
        **_uncounted,
        hinted_at=moment(sa.bindparam("b_ago_s", type_=sa.Float())),
    )
)


def leave_step(bind: Bind, step: HeldStep, *, sooner_s: float = 0.0) -> None:
    """Put a claimed step back, uncounted, for a worker that can do it.

    It is hinted again as any other that shows nothing, or *sooner_s* before.
    """
    bind.execute(_leave, {"b_id": step.id, "b_fence": step.fence, "b_ago_s": -sooner_s})


_end_step = sa.update(step_run).where(
    step_run.c.id == sa.bindparam("b_id"),
    step_run.c.status == StepStatus.RUNNING,
    step_run.c.fence == sa.bindparam("b_fence"),
)


def end_step(bind: Bind, step: HeldStep, **values: Any) -> None:
    """Write the end of a try (a result, a retry, a wait) and drop the lease; raises :class:`Fenced` on 0 rows."""
    ended = {"lease_owner": None, "lease_until": None, "is_suspect": False, **values}
    result = bind.execute(_end_step.values(**ended), {"b_id": step.id, "b_fence": step.fence})
    if changed(result) != 1:
        raise Fenced(step.id)


_is_ours = (  # else a group that has a run's row would wait for whoever has a step's and wants the run's
    sa.select(step_run.c.id)
    .where(
        step_run.c.id == sa.bindparam("b_id"),
        step_run.c.status == written([StepStatus.RUNNING])[0],
        step_run.c.fence == sa.bindparam("b_fence"),
    )
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_plain_end = (
    sa.update(step_run)
    .where(step_run.c.id == _is_ours)
    .values(
        status=written([StepStatus.COMPLETED])[0], reason=written([""])[0], doing=written([""])[0], error=sa.null(),
        is_suspect=sa.false(), lease_owner=sa.null(), lease_until=sa.null(), finished_at=moment(),
        **{name: sa.bindparam(f"b_{name}", type_=step_run.c[name].type) for name in ("outcome", "went_in", "output")},
    )
    .returning(step_run.c.run_id)
)  # fmt: skip
_ended = _plain_end.cte("ended")
_end_and_wake = wake.where(run.c.id == sa.select(_ended.c.run_id).scalar_subquery()).returning(run.c.id)
_wake_after = wake.where(run.c.id == sa.bindparam("b_run_id"))


def end_plain(dialect: str, step: HeldStep, result: Mapping[str, Any]) -> Writing[bool]:
    """Write a plain result (outcome, went_in, output) and wake the run, in a small write; False when it did not.

    Then the step is no longer ours, or somebody has its row at the moment: :func:`end_step` finds out.
    """
    values = {"b_id": step.id, "b_fence": step.fence, **{f"b_{name}": value for name, value in result.items()}}
    if dialect == "postgresql":
        return (yield _end_and_wake, values) is not None
    if (yield _plain_end, values) is None:
        return False
    yield _wake_after, {"b_run_id": step.run_id}
    return True


_hold_step = sa.update(step_run).where(
    step_run.c.id == sa.bindparam("b_id"),
    step_run.c.status == StepStatus.RUNNING,
    step_run.c.fence == sa.bindparam("b_fence"),
)


def note_step(bind: Bind, step: HeldStep, **values: Any) -> None:
    """Write something about a step that goes on (progress, what went in); raises :class:`Fenced` on 0 rows."""
    result = bind.execute(_hold_step.values(**values), {"b_id": step.id, "b_fence": step.fence})
    if changed(result) != 1:
        raise Fenced(step.id)
