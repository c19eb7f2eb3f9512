"""The history of runs: words to find them by, saved views, reported problems, a fault's trace in the log.

Revision ID: 0005
Revises: 0004
"""

import json
import re
import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BATCH = 500


def upgrade() -> None:
    """Make the tables and indexes, and write the words of the runs that there are."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "run_word",
        sa.Column("workspace_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("word", sa.String(40, collation="C").with_variant(sa.String(40), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "number"],
            ["run.workspace_id", "run.number"],
            name=op.f("fk_run_word_workspace_id_number_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "number", "word", name=op.f("pk_run_word")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_word_workspace_id_word", "run_word", ["workspace_id", "word", "number"])
    op.create_table(
        "run_view",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("workspace_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
            name=op.f("fk_run_view_workspace_id_workspace"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_run_view_user_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_view")),
        sa.UniqueConstraint("workspace_id", "user_id", "name", name=op.f("uq_run_view_workspace_id_user_id_name")),
    )
    op.create_index(op.f("ix_run_view_user_id"), "run_view", ["user_id"])
    op.create_table(
        "problem",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("workspace_id", sa.String(36), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("step_id", sa.String(64), nullable=False),
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("reported_by", sa.String(36), nullable=True),
        sa.Column("reporter", sa.String(254), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("closed_at", moment, nullable=True),
        sa.Column("closed_by", sa.String(254), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
            name=op.f("fk_problem_workspace_id_workspace"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_problem_run_id_run"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["reported_by"], ["user.id"], name=op.f("fk_problem_reported_by_user"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem")),
    )
    op.create_index(op.f("ix_problem_run_id"), "problem", ["run_id"])
    op.create_index("ix_problem_workspace_id_created_at", "problem", ["workspace_id", "created_at", "id"])
    op.create_index(
        "ix_run_workspace_id_started_by", "run", ["workspace_id", "started_by", "created_at", "id"]
    )
    op.create_index("ix_run_workspace_id_cost_microusd", "run", ["workspace_id", "cost_microusd", "id"])
    failed = sa.text("status = 'failed'")
    op.create_index(
        "ix_run_failed", "run", ["workspace_id", "finished_at"], postgresql_where=failed, sqlite_where=failed
    )
    op.add_column("run_log", sa.Column("detail", sa.JSON(), nullable=True))
    op.drop_index("ix_run_log_run_id_at", table_name="run_log")
    op.create_index("ix_run_log_run_id_at", "run_log", ["run_id", "at", "id"])
    if not op.get_context().as_sql:
        _write_words(op.get_bind())


def downgrade() -> None:
    """Take them away again."""
    op.drop_index("ix_run_log_run_id_at", table_name="run_log")
    op.create_index("ix_run_log_run_id_at", "run_log", ["run_id", "at"])
    op.drop_column("run_log", "detail")
    op.drop_index("ix_run_failed", table_name="run")
    op.drop_index("ix_run_workspace_id_cost_microusd", table_name="run")
    op.drop_index("ix_run_workspace_id_started_by", table_name="run")
    op.drop_table("problem")
    op.drop_table("run_view")
    op.drop_table("run_word")


def _write_words(connection: sa.Connection) -> None:
    """Write label and answers of each run as words; runs to come are more choosy about long answers."""
    run = sa.table(
        "run", sa.column("id"), sa.column("workspace_id"), sa.column("number"), sa.column("label"),
        sa.column("inputs", sa.JSON()),
    )  # fmt: skip
    word = sa.table("run_word", sa.column("workspace_id"), sa.column("number"), sa.column("word"))
    last = ""
    while found := connection.execute(sa.select(run).where(run.c.id > last).order_by(run.c.id).limit(BATCH)).all():
        rows = [
            {"workspace_id": row.workspace_id, "number": row.number, "word": each}
            for row in found
            for each in _words(f"{row.label} {json.dumps(row.inputs, ensure_ascii=False)}")
        ]
        if rows:
            connection.execute(sa.insert(word), rows)
        last = found[-1].id


def _words(text: Any) -> list[str]:
    plain = unicodedata.normalize("NFKD", str(text)).casefold()
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    found = (each[:40] for each in re.findall(r"[^\W_]+", plain) if len(each) > 1 or each.isdigit())
    return list(dict.fromkeys(found))[:60]
