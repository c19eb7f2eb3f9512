"""How many steps of a workflow may be under way at once; find those under way.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both."""
    op.add_column("run", sa.Column("at_once", sa.Integer(), nullable=True))
    op.create_index(
        "ix_step_run_under_way",
        "step_run",
        ["workspace_id"],
        postgresql_where=sa.text("status = 'running'"),
        sqlite_where=sa.text("status = 'running'"),
    )


def downgrade() -> None:
    """Take both away."""
    op.drop_index("ix_step_run_under_way", "step_run")
    op.drop_column("run", "at_once")
