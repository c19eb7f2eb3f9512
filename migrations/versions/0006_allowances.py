"""What a workspace may do at once and a day, and what it spent a day.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "allowance",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("ai_daily_microusd", sa.BigInteger(), nullable=True),
        sa.Column("steps_at_once", sa.Integer(), nullable=True),
        sa.Column("ai_at_once", sa.Integer(), nullable=True),
        sa.Column("keep_runs_days", sa.Integer(), nullable=True),
        sa.Column("keep_documents", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_allowance_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_allowance")),
    )
    op.create_table(
        "spending",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("cost_microusd", sa.BigInteger(), nullable=False),
        sa.Column("reserved_microusd", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_spending_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "day", name=op.f("pk_spending")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("spending")
    op.drop_table("allowance")
