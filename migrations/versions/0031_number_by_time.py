"""The index of runs by time has their numbers, which their words are looked up by: a search reads no run for them.

Revision ID: 0031
Revises: 0030
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index anew with the number."""
    _make_index("number")


def downgrade() -> None:
    """Make it anew without."""
    _make_index()


def _make_index(*last: str) -> None:
    op.drop_index("ix_run_workspace_id_created_at", table_name="run")
    op.create_index(
        "ix_run_workspace_id_created_at", "run", ["workspace_id", "created_at", "id", *last],
        postgresql_with={"fillfactor": 70},
    )  # fmt: skip
    if op.get_bind().dialect.name == "postgresql":
        _renew_the_number_index()


def _renew_the_number_index() -> None:
    """Make the index that a run's words are checked with the newest again, see 0016."""
    op.drop_constraint("fk_run_word_workspace_id_number_run", "run_word", type_="foreignkey")
    op.drop_constraint("uq_run_workspace_id_number", "run", type_="unique")
    op.create_unique_constraint("uq_run_workspace_id_number", "run", ["workspace_id", "number"])
    op.execute("ALTER INDEX uq_run_workspace_id_number SET (fillfactor = 70)")
    op.create_foreign_key(
        "fk_run_word_workspace_id_number_run",
        "run_word",
        "run",
        ["workspace_id", "number"],
        ["workspace_id", "number"],
        ondelete="CASCADE",
    )
