"""Since when a run's working time is counted anew.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it."""
    op.add_column("run", sa.Column("work_from", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("run", "work_from")
