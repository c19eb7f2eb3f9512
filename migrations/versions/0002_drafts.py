"""Drafts of workflows as numbered revisions; tags and an icon for a workflow.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("workflow", sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("workflow", sa.Column("icon", sa.String(length=40), nullable=False, server_default=""))
    for name in ("draft_number", "draft_last", "draft_base"):
        op.add_column("workflow", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "draft_revision",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("workflow_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.String(length=36), nullable=True),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["saved_by"], ["user.id"], name=op.f("fk_draft_revision_saved_by")),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflow.id"], name=op.f("fk_draft_revision_workflow_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_draft_revision_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_revision")),
        sa.UniqueConstraint("workflow_id", "number", name=op.f("uq_draft_revision_workflow_id_number")),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("draft_revision")
    for name in ("draft_base", "draft_last", "draft_number", "icon", "tags"):
        op.drop_column("workflow", name)
