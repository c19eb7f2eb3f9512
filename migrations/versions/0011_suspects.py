"""What was being done when its process died: it is tried again alone.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for table in ("run", "step_run"):
        op.add_column(table, sa.Column("is_suspect", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take them away."""
    for table in ("step_run", "run"):
        op.drop_column(table, "is_suspect")
