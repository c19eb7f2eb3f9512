"""Progress: what a run's own lease holder writes: results of pure steps, and how far the run is.

Each statement is guarded by the run's epoch, so a lease that was lost writes nothing; zero rows say so.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from app.core import clock
from app.core.db import moment
from app.core.together import Writing
from app.engine import store
from app.engine.enums import RunStatus
from app.engine.held import Fenced, HeldRun
from app.engine.store import WORKING, Bind, run, step_run, written

_is_ours = sa.and_(
    run.c.id == sa.bindparam("g_run_id"),
    run.c.epoch == sa.bindparam("g_epoch"),
    run.c.status.in_(written(WORKING)),
)
_progress: dict[str, Any] = {
    "revision": run.c.revision + sa.literal_column("1"),
    "steps_done": sa.bindparam("g_steps_done", type_=sa.Integer()),
    "doing": sa.bindparam("g_doing", type_=sa.Text()),
    "changed_at": moment(),
    "started_at": sa.func.coalesce(run.c.started_at, moment()),
}
_end: dict[str, Any] = {
    "lease_owner": None, "lease_until": None, "due_at": None, "reserved_microusd": 0, "finished_at": moment(),
}  # fmt: skip
_advance_run = (
    sa.update(run)
    .where(_is_ours)
    .values(**_progress, status=written([RunStatus.RUNNING])[0])
    .returning(run.c.revision, run.c.workspace_id)
)
_complete_run = (
    sa.update(run)
    .where(_is_ours, run.c.revision == sa.bindparam("g_revision"))
    .values(**_progress, **_end, status=written([RunStatus.COMPLETED])[0])
    .returning(run.c.revision, run.c.workspace_id)
)
_plain_columns = ("id", "run_id", "step_id", "type", "outcome", "went_in", "output", "started_at")


def _with_result(move: sa.UpdateBase) -> sa.Insert:
    """Return one statement of *move*, a guarded UPDATE of the run, that feeds the INSERT of a plain result.

    What is the same for every plain result is written into the statement: a parameter costs more than a word.
    """
    moved = move.cte("moved")
    columns: dict[str, Any] = dict(zip(store.PLAIN, written(store.PLAIN.values()), strict=True))
    columns |= {name: sa.bindparam(f"s_{name}", type_=step_run.c[name].type) for name in _plain_columns}
    columns |= {"workspace_id": moved.c.workspace_id, "created_at": moment(), "finished_at": moment()}
    return (
        sa.insert(step_run)
        .from_select(list(columns), sa.select(*columns.values()).select_from(moved))
        .returning(sa.select(moved.c.revision).scalar_subquery().label("revision"))
    )


def _result_alone() -> sa.Insert:
    """Return the INSERT of a plain result by itself, for a database that takes it after the UPDATE."""
    columns: dict[str, Any] = dict(zip(store.PLAIN, written(store.PLAIN.values()), strict=True))
    names = (*_plain_columns, "workspace_id")
    columns |= {name: sa.bindparam(f"s_{name}", type_=step_run.c[name].type) for name in names}
    return sa.insert(step_run).values(**columns, created_at=moment(), finished_at=moment())


_fast_insert = _with_result(_advance_run)
_last_insert = _with_result(_complete_run)
_second_insert = _result_alone()
_plain_insert = sa.insert(step_run)


def record_fast(
    dialect: str, held: HeldRun, row: Mapping[str, Any], *, steps_done: int, doing: str = ""
) -> Writing[int | None]:
    """Record a plain result of a pure step and move the run on, in a small write; return the run's revision.

    One statement on PostgreSQL, two elsewhere. *row* holds id, step_id, type, outcome, went_in, output, started_at.
    None: the lease is lost, or the run is pausing or stopping; nothing was written.
    """
    statement = _fast_insert if dialect == "postgresql" else _advance_run
    return (yield from _record_plain(held, statement, _guard(held, steps_done, doing), row))


def record_last(dialect: str, held: HeldRun, row: Mapping[str, Any], *, steps_done: int) -> Writing[bool]:
    """As :func:`record_fast` for the result that completes the run; False also when the run has changed meanwhile."""
    guard = {**_guard(held, steps_done), "g_revision": held.revision}
    statement = _last_insert if dialect == "postgresql" else _complete_run
    return (yield from _record_plain(held, statement, guard, row)) is not None


def _record_plain(
    held: HeldRun, statement: sa.UpdateBase, guard: dict[str, Any], row: Mapping[str, Any]
) -> Writing[int | None]:
    values = {"s_run_id": held.id, **{f"s_{name}": value for name, value in row.items()}}
    is_at_once = statement.is_insert
    moved = yield statement, {**guard, **values} if is_at_once else guard
    if moved is None:
        return None
    if not is_at_once:
        yield _second_insert, {"s_workspace_id": held.workspace_id, **values}
    return int(moved.revision)


def _record(
    bind: Bind, held: HeldRun, move: sa.UpdateBase, guard: dict[str, Any], row: Mapping[str, Any]
) -> int | None:
    moved = bind.execute(move, guard).first()
    if moved is None:
        return None
    values = {
        **store.PLAIN,
        "workspace_id": held.workspace_id,
        "run_id": held.id,
        "created_at": clock.now(),
    }
    bind.execute(_plain_insert, {**values, **row})
    return int(moved.revision)


def move_run(bind: Bind, held: HeldRun, *, steps_done: int) -> int | None:
    """Move a run on under its lease; return its new revision, None when it is no longer ours or must not go on."""
    moved = bind.execute(_advance_run, _guard(held, steps_done)).first()
    return None if moved is None else int(moved.revision)


_move_unchanged = _advance_run.where(run.c.revision == sa.bindparam("g_revision"))


def move_unchanged(bind: Bind, held: HeldRun, *, steps_done: int) -> None:
    """As :func:`move_run` for what was planned from all that is recorded; raises :class:`Fenced` on 0 rows."""
    guard = {**_guard(held, steps_done), "g_revision": held.revision}
    if bind.execute(_move_unchanged, guard).first() is None:
        raise Fenced(held.id)


def record_pure(bind: Bind, held: HeldRun, row: Mapping[str, Any], *, steps_done: int) -> int | None:
    """Record what a pure step brought when it is more than a plain result; as :func:`record_fast`, two statements."""
    return _record(bind, held, _advance_run, _guard(held, steps_done), row)


def _guard(held: HeldRun, steps_done: int, doing: str = "") -> dict[str, Any]:
    return {"g_run_id": held.id, "g_epoch": held.epoch, "g_steps_done": steps_done, "g_doing": doing}
