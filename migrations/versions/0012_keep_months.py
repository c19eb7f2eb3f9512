"""Runs are kept by months.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count in months; nothing could set the days yet."""
    op.add_column("allowance", sa.Column("keep_runs_months", sa.Integer(), nullable=True))
    op.drop_column("allowance", "keep_runs_days")


def downgrade() -> None:
    """Count in days again."""
    op.add_column("allowance", sa.Column("keep_runs_days", sa.Integer(), nullable=True))
    op.drop_column("allowance", "keep_runs_months")
