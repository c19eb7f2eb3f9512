"""Indexes of runs keep room for new places of their rows, and the table of runs less; names have their text as a key.

A run moves in its indexes when it is taken and when it ends. A full page is then split in halves that stay half empty,
since later runs come behind; one with room takes the new places, and drops the old ones before it splits. PostgreSQL
does not look for old ones where an index includes a column that is no key.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_NAME = sa.text("lower(substr(label, 1, 60))")
_INDEXES = (
    "pk_run", "uq_run_workspace_id_number", "ix_run_workspace_id_created_at", "ix_run_workflow_id_created_at",
    "ix_run_workspace_id_started_by", "ix_run_workspace_id_cost_microusd",
)  # fmt: skip


def upgrade() -> None:
    """Set how full pages are filled that are yet to come; the index of names is made anew."""
    _make_index("label", postgresql_with={"fillfactor": 70})
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE run SET (fillfactor = 70)")
        for index in _INDEXES:
            op.execute(f"ALTER INDEX {index} SET (fillfactor = 70)")


def downgrade() -> None:
    """Fill them as before."""
    _make_index(postgresql_include=["label"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE run SET (fillfactor = 60)")
        for index in _INDEXES:
            op.execute(f"ALTER INDEX {index} RESET (fillfactor)")


def _make_index(*last: str, **options: object) -> None:
    op.drop_index("ix_run_name", table_name="run")
    op.create_index("ix_run_name", "run", ["workspace_id", _NAME, "id", "number", *last], **options)
    if op.get_bind().dialect.name == "postgresql":
        _renew_the_number_index()


def _renew_the_number_index() -> None:
    """Make the index that a run's words are checked with the newest again, see 0016."""
    op.drop_constraint("fk_run_word_workspace_id_number_run", "run_word", type_="foreignkey")
    op.drop_constraint("uq_run_workspace_id_number", "run", type_="unique")
    op.create_unique_constraint("uq_run_workspace_id_number", "run", ["workspace_id", "number"])
    op.create_foreign_key(
        "fk_run_word_workspace_id_number_run",
        "run_word",
        "run",
        ["workspace_id", "number"],
        ["workspace_id", "number"],
        ondelete="CASCADE",
    )
