"""An index of the step runs that took over a result, by whose it was.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_IS_REUSED = sa.text("reused_from IS NOT NULL")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_step_run_reused_from", "step_run", ["reused_from"],
        postgresql_where=_IS_REUSED, sqlite_where=_IS_REUSED,
    )  # fmt: skip


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_step_run_reused_from", table_name="step_run")
