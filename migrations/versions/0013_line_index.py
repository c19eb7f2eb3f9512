"""Find the steps in line, those between two tries among them.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put the wider index in the narrower one's place."""
    op.drop_index("ix_step_run_pending", "step_run")
    _index("ix_step_run_line", "status IN ('pending', 'retrying')")


def downgrade() -> None:
    """Put the narrower one back."""
    op.drop_index("ix_step_run_line", "step_run")
    _index("ix_step_run_pending", "status = 'pending'")


def _index(name: str, where: str) -> None:
    op.create_index(
        name, "step_run", ["created_at"], postgresql_where=sa.text(where), sqlite_where=sa.text(where)
    )
