"""An index of the reviews that ended without a yes: which runs are finished and not ready is found by it.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_IS_NO = sa.text("type = 'review' AND outcome IN ('rejected', 'expired')")


def upgrade() -> None:
    """Add it."""
    op.create_index(
        "ix_step_run_no", "step_run", ["workspace_id", "run_id"], postgresql_where=_IS_NO, sqlite_where=_IS_NO
    )


def downgrade() -> None:
    """Leave it out."""
    op.drop_index("ix_step_run_no", table_name="step_run")
