"""The order of names has the runs' numbers too: a search in it looks at no run that has not the word.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_NAME = sa.text("lower(substr(label, 1, 60))")


def upgrade() -> None:
    """Add them."""
    op.drop_index("ix_run_name", table_name="run")
    op.create_index("ix_run_name", "run", ["workspace_id", _NAME, "id", "number"], postgresql_include=["label"])
    if op.get_bind().dialect.name == "postgresql":
        _renew_the_number_index()


def downgrade() -> None:
    """Leave them out."""
    op.drop_index("ix_run_name", table_name="run")
    op.create_index("ix_run_name", "run", ["workspace_id", _NAME, "id"])
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
