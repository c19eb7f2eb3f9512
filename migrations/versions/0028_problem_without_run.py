"""A reported problem may be about a page instead of a run.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the run be empty."""
    with op.batch_alter_table("problem", reflect_kwargs={"resolve_fks": False}) as table:
        table.alter_column("run_id", existing_type=sa.String(length=36), nullable=True)


def downgrade() -> None:
    """Forget the problems of pages."""
    op.execute(sa.text("DELETE FROM problem WHERE run_id IS NULL"))
    with op.batch_alter_table("problem", reflect_kwargs={"resolve_fks": False}) as table:
        table.alter_column("run_id", existing_type=sa.String(length=36), nullable=False)
