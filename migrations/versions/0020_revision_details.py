"""A draft's revision keeps what the workflow was called and about, so that undo takes that back too.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was saved before has what the workflow is called now."""
    with op.batch_alter_table("draft_revision") as table:
        table.add_column(sa.Column("details", sa.JSON(), nullable=True))
    words = [sa.column(name, sa.String) for name in ("id", "name", "description", "category", "icon")]
    workflow = sa.table("workflow", *words, sa.column("tags", sa.JSON))
    row = sa.table("draft_revision", sa.column("workflow_id", sa.String), sa.column("details", sa.JSON))
    connection = op.get_bind()
    for found in connection.execute(sa.select(workflow)).mappings().all():
        details = {name: value for name, value in found.items() if name != "id"}
        connection.execute(sa.update(row).where(row.c.workflow_id == found["id"]).values(details=details))
    with op.batch_alter_table("draft_revision") as table:
        table.alter_column("details", existing_type=sa.JSON(), nullable=False)


def downgrade() -> None:
    """Take it away."""
    with op.batch_alter_table("draft_revision") as table:
        table.drop_column("details")
