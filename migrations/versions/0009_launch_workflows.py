"""A half-filled launch form may belong to a workflow instead of a template.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the template be empty, and name a workflow."""
    with op.batch_alter_table("launch_draft") as table:
        table.alter_column("template_slug", existing_type=sa.String(length=80), nullable=True)
        table.add_column(sa.Column("workflow_id", sa.String(length=36), nullable=True))
        table.create_foreign_key(
            "fk_launch_draft_workflow_id", "workflow", ["workflow_id"], ["id"], ondelete="CASCADE"
        )
    op.create_index("ix_launch_draft_user_id_workflow_id", "launch_draft", ["user_id", "workflow_id"], unique=False)


def downgrade() -> None:
    """Forget half-filled forms of workflows."""
    op.drop_index("ix_launch_draft_user_id_workflow_id", table_name="launch_draft")
    op.execute(sa.text("DELETE FROM launch_draft WHERE template_slug IS NULL"))
    with op.batch_alter_table("launch_draft") as table:
        table.drop_constraint("fk_launch_draft_workflow_id", type_="foreignkey")
        table.drop_column("workflow_id")
        table.alter_column("template_slug", existing_type=sa.String(length=80), nullable=False)
