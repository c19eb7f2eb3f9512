"""Runs are kept by months.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count in months; nothing could set the days yet."""
    op.execute("ALTER TABLE allowance RENAME COLUMN keep_runs_days TO keep_runs_months")


def downgrade() -> None:
    """Count in days again."""
    op.execute("ALTER TABLE allowance RENAME COLUMN keep_runs_months TO keep_runs_days")
