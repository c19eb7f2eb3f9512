"""Indexes for runs in the order of their duration and their name, for what ended since, and for a version's runs.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_HAS_ENDED = "finished_at IS NOT NULL"
_TOOK = {
    "postgresql": "CAST(EXTRACT(epoch FROM finished_at - started_at) AS DOUBLE PRECISION)",
    "sqlite": "round((julianday(finished_at) - julianday(started_at)) * 86400.0, 3)",
}
_NAME = "lower(substr(label, 1, 60))"


def upgrade() -> None:
    """Make them."""
    kind = op.get_bind().dialect.name
    partial = {"postgresql_where": sa.text(_HAS_ENDED), "sqlite_where": sa.text(_HAS_ENDED)}
    op.create_index("ix_run_version_id", "run", ["version_id"])
    op.create_index("ix_run_ended", "run", ["workspace_id", "started_by", "finished_at"], **partial)
    op.create_index("ix_run_took", "run", ["workspace_id", sa.text(_TOOK[kind]), "id"], **partial)
    op.create_index("ix_run_name", "run", ["workspace_id", sa.text(_NAME), "id"])


def downgrade() -> None:
    """Take them away."""
    for name in ("ix_run_name", "ix_run_took", "ix_run_ended", "ix_run_version_id"):
        op.drop_index(name, table_name="run")
