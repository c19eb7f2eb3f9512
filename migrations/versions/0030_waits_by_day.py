"""Waits for a time are found by their day, and runs by an amount however it is written: 22500 for "$22,500".

Revision ID: 0030
Revises: 0029
"""

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

BATCH = 500
_IS_TIME = sa.text("kind = 'time' AND status = 'waiting'")
_GROUPED = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?!\d)")


def upgrade() -> None:
    """Add the index, and the amounts among the words of the runs that there are."""
    op.create_index(
        "ix_wait_time", "wait", ["workspace_id", "until", "id"], postgresql_where=_IS_TIME, sqlite_where=_IS_TIME
    )
    _write_amounts(op.get_bind())


def downgrade() -> None:
    """Drop the index; the words do no harm."""
    op.drop_index("ix_wait_time", table_name="wait")


def _write_amounts(connection: sa.Connection) -> None:
    run = sa.table(
        "run", sa.column("id"), sa.column("workspace_id"), sa.column("number"), sa.column("label"),
        sa.column("version_id"), sa.column("inputs", sa.JSON()),
    )  # fmt: skip
    word = sa.table("run_word", sa.column("workspace_id"), sa.column("number"), sa.column("word"))
    tables: dict[str, set[str]] = {}
    last = ""
    while found := connection.execute(sa.select(run).where(run.c.id > last).order_by(run.c.id).limit(BATCH)).all():
        last = found[-1].id
        for row in found:
            if row.version_id not in tables:
                tables[row.version_id] = _tables(connection, row.version_id)
            texts = [row.label, *_texts(row.inputs, tables[row.version_id])]
            amounts = {each.replace(",", "")[:40] for text in texts for each in _GROUPED.findall(text)}
            mine = word.c.workspace_id == row.workspace_id, word.c.number == row.number
            if amounts:
                amounts -= set(connection.execute(sa.select(word.c.word).where(*mine)).scalars())
            if amounts:
                key = {"workspace_id": row.workspace_id, "number": row.number}
                connection.execute(sa.insert(word), [{**key, "word": each} for each in sorted(amounts)[:60]])


def _tables(connection: sa.Connection, version_id: str) -> set[str]:
    """Return the questions of a version whose answers are no sentences: commas mean something else there."""
    version = sa.table("version", sa.column("id"), sa.column("definition", sa.JSON()))
    definition: Any = connection.execute(sa.select(version.c.definition).where(version.c.id == version_id)).scalar()
    asked = (definition or {}).get("inputs") or []
    return {str(each.get("key")) for each in asked if each.get("type") in ("csv", "json", "document")}


def _texts(inputs: Any, left_out: set[str]) -> Iterator[str]:
    for key, value in (inputs or {}).items():
        if key not in left_out:
            several = value if isinstance(value, list) else [value]
            yield from (text[:20_000] for text in several if isinstance(text, str))
