"""A workspace may hold everything that leaves the house.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of holds, and mark account mails."""
    op.create_table(
        "sending_hold",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("by", sa.String(length=254), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_sending_hold_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_sending_hold")),
    )
    op.add_column(
        "outbox", sa.Column("is_account", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    """Take both away."""
    op.drop_column("outbox", "is_account")
    op.drop_table("sending_hold")
