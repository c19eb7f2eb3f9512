"""Runs that are open, neither tests nor samples, are counted by workflow in an index of theirs.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_OPEN = {
    "postgresql": "finished_at IS NULL AND test IS false AND trigger_kind != 'seed'",
    "sqlite": "finished_at IS NULL AND test IS 0 AND trigger_kind != 'seed'",
}


def upgrade() -> None:
    """Make it."""
    those = sa.text(_OPEN[op.get_bind().dialect.name])
    op.create_index("ix_run_real_open", "run", ["workflow_id"], postgresql_where=those, sqlite_where=those)


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_run_real_open", table_name="run")
