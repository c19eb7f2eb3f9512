"""An index that counts the ended runs of a workflow that somebody wanted, for what the gallery's cards say.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_REAL = {
    "postgresql": "finished_at IS NOT NULL AND test IS false AND trigger_kind != 'seed'",
    "sqlite": "finished_at IS NOT NULL AND test IS 0 AND trigger_kind != 'seed'",
}


def upgrade() -> None:
    """Make it."""
    those = sa.text(_REAL[op.get_bind().dialect.name])
    op.create_index("ix_run_real", "run", ["workflow_id", "status"], postgresql_where=those, sqlite_where=those)


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_run_real", table_name="run")
