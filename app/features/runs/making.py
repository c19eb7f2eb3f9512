"""Writing a new run with its number, its audit entry and the words it is found by: one statement on PostgreSQL.

A workspace counts its runs in one row, so whoever starts a run holds that row until the commit: the fewer round trips
in between, the more starts a second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.orm import Session, make_transient_to_detached

from app.core.db import moment, table
from app.core.together import Writing
from app.engine.enums import RunStatus
from app.engine.models import Run
from app.features.accounts.models import AuditEntry, Workspace
from app.features.runs.models import RunCounter, RunWord

_run, _entry, _word = table(Run), table(AuditEntry), table(RunWord)
_counter, _workspace = table(RunCounter), table(Workspace)
_ONCE = ["workspace_id", "dedupe_key"]
# What every run begins with. It is due by the clock of the database, which decides when it is taken up.
_FIRST: dict[str, Any] = {
    "status": RunStatus.QUEUED.value, "revision": 1, "epoch": 0, "doing": "", "steps_done": 0, "cost_microusd": 0,
    "reserved_microusd": 0, "tokens_in": 0, "tokens_out": 0,
}  # fmt: skip
_GIVEN = (
    "id", "workspace_id", "workflow_id", "version_id", "label", "test", "inputs", "facts", "started_by",
    "trigger_kind", "trigger_id", "dedupe_key", "parent_step_run_id", "parent_run_id", "steps_total",
    "budget_microusd", "at_once", "created_at", "changed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """What a start takes away: where it is gone, nothing is started. *statement* is built once, a DELETE."""

    statement: sa.Delete
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class New:
    """A run to be written: its columns, the audit entry's, and its words.

    Its number, and what of its workspace stands in its facts, are added when it is written.
    """

    row: Mapping[str, Any]
    entry: Mapping[str, Any]
    words: Sequence[str]
    number: int | None = None  # taken before, where its name holds it


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it. *is_new* False: a run with this ``dedupe_key`` was there, and *number* went to nobody."""

    is_new: bool
    number: int
    row: Mapping[str, Any] = field(default_factory=dict)


def write(dialect: str, new: New, claim: Claim | None = None) -> Writing[Written | None]:
    """Write a run in line, in a small write; None, and nothing is written, where what it claims is gone."""
    row = {f"r_{name}": new.row[name] for name in _GIVEN}
    taking: dict[str, Any] = {"w_take": int(new.number is None), "w_number": new.number}
    if dialect == "postgresql":
        entry = {f"a_{name}": value for name, value in new.entry.items()}
        values = {**row, **taking, **entry, "b_words": list(new.words), **(claim.values if claim else {})}
        found = yield _in_one(claim.statement if claim else None), values
        return None if found is None else _written(new, found.is_new, found.number, found.name, found.timezone)
    if claim is not None and (yield _claiming(claim.statement), claim.values) is None:
        return None
    place = {"workspace_id": new.row["workspace_id"]}
    number, name, timezone = yield _take[dialect], {"r_workspace_id": new.row["workspace_id"], **taking}
    written = _written(new, True, number, name, timezone)
    row |= {"r_facts": written.row["facts"], "r_number": number}
    if (yield _insert_run, row) is None:
        return Written(False, number)
    yield _insert_entry, {**new.entry, "detail": {**new.entry["detail"], "number": number}}
    if new.words:
        yield _insert_word, [{**place, "number": number, "word": word} for word in new.words]
    return written


def as_read(session: Session, written: Written) -> Run:
    """Return the run that was written, known to *session* as if it had been read: setting each attribute is dear."""
    run = Run()
    sa.inspect(run).dict.update(_FIRST, **written.row)
    make_transient_to_detached(run)
    session.add(run)
    return run


def take_number(session: Session, workspace_id: str) -> int:
    """Take the next number; the workspace's counter is locked until the caller commits, so nobody starts in between."""
    return int(_count(session, workspace_id, w_take=1).number)


def give_number_back(session: Session, workspace_id: str) -> None:
    """Give a number back that was taken in this transaction."""
    _count(session, workspace_id, w_take=-1)


def _count(session: Session, workspace_id: str, *, w_take: int) -> Any:
    values = {"r_workspace_id": workspace_id, "w_take": w_take, "w_number": None}
    return session.execute(_take[session.get_bind().dialect.name], values).one()


def _written(new: New, is_new: bool, number: int, name: str, timezone: str) -> Written:
    workspace = {"name": name, "timezone": timezone}
    facts = {**new.row["facts"], "number": number, "workspace": workspace}
    return Written(is_new, number, {**new.row, "number": number, "facts": facts})


# --- the statements, each built once ---


def _given(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(f"r_{name}", type_=_run.c[name].type)


def _taking(insert: Callable[[Any], Any], claimed: sa.CTE | None = None) -> Any:
    """Count on, where *claimed* has a row; the first run of a workspace makes its counter."""
    count = sa.bindparam("w_take", type_=sa.Integer)
    is_home = _workspace.c.id == _given("workspace_id")
    is_meant = is_home if claimed is None else is_home & sa.exists(sa.select(claimed.c.one))
    number = sa.func.coalesce(sa.bindparam("w_number", type_=sa.Integer), _counter.c.next_number - 1)
    return (
        insert(_counter)
        .from_select(["workspace_id", "next_number"], sa.select(_workspace.c.id, 1 + count).where(is_meant))
        .on_conflict_do_update(
            index_elements=[_counter.c.workspace_id], set_={"next_number": _counter.c.next_number + count}
        )
        .returning(
            number.label("number"),
            *(sa.select(column).where(is_home).scalar_subquery().label(column.name) for column in _OF_HOME),
        )
    )


@lru_cache(maxsize=8)
def _claiming(statement: sa.Delete) -> Any:
    return statement.returning(sa.literal(1).label("one"))


_OF_HOME = (_workspace.c.name, _workspace.c.timezone)
_FIRST_WRITTEN: dict[str, sa.ColumnElement[Any]] = {
    name: sa.literal_column(f"'{value}'" if isinstance(value, str) else str(value), _run.c[name].type)
    for name, value in _FIRST.items()
} | {"due_at": moment()}


@lru_cache(maxsize=8)
def _in_one(claiming: sa.Delete | None) -> sa.Select[Any]:
    claimed = None if claiming is None else _claiming(claiming).cte("claimed")
    home = _taking(insert_postgresql, claimed).cte("home")
    late = sa.func.jsonb_build_object(
        "number", home.c.number,
        "workspace", sa.func.jsonb_build_object("name", home.c.name, "timezone", home.c.timezone),
    )  # fmt: skip
    values = {name: _given(name) for name in _GIVEN} | _FIRST_WRITTEN | {
        "number": home.c.number,
        "facts": _with(sa.bindparam("r_facts", type_=JSONB), late),
    }  # fmt: skip
    made = (
        insert_postgresql(_run)
        .from_select(list(values), sa.select(*values.values()).select_from(home))
        .on_conflict_do_nothing(index_elements=_ONCE)
        .returning(_run.c.id, _run.c.number)
        .cte("made")
    )
    entry = {column.name: sa.bindparam(f"a_{column.name}", type_=column.type) for column in _entry.c} | {
        "detail": _with(sa.bindparam("a_detail", type_=JSONB), sa.func.jsonb_build_object("number", made.c.number))
    }
    noted = sa.insert(_entry).from_select(list(entry), sa.select(*entry.values()).select_from(made)).cte("noted")
    listed = sa.func.unnest(sa.bindparam("b_words", type_=ARRAY(sa.String)))
    found = (
        sa.insert(_word)
        .from_select(
            ["workspace_id", "number", "word"],
            sa.select(_given("workspace_id"), made.c.number, listed).select_from(made),
        )
        .cte("found")
    )
    return (
        sa.select(made.c.id.is_not(None).label("is_new"), home.c.number, home.c.name, home.c.timezone)
        .select_from(home)
        .outerjoin(made, sa.true())
        .add_cte(*([] if claimed is None else [claimed]), noted, found)
    )


def _with(given: Any, late: Any) -> Any:
    return sa.cast(given.op("||")(late), sa.JSON)


_take = {"postgresql": _taking(insert_postgresql), "sqlite": _taking(insert_sqlite)}
_insert_run = (
    insert_sqlite(_run)
    .values({name: _given(name) for name in (*_GIVEN, "number")} | _FIRST_WRITTEN)
    .on_conflict_do_nothing(index_elements=_ONCE)
    .returning(_run.c.id)
)
_insert_entry, _insert_word = sa.insert(_entry), sa.insert(_word)
