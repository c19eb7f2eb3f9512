"""What people answer when a step asks, and what a run reuses of another."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("step_run", sa.Column("answer", sa.String(length=12), nullable=True))
    op.add_column("step_run", sa.Column("reused_from", sa.String(length=36), nullable=True))
    op.add_column("run", sa.Column("continues_run_id", sa.String(length=36), nullable=True))
    op.create_index("ix_run_continues_run_id", "run", ["continues_run_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_run_continues_run_id", table_name="run")
    for table, column in (
        ("run", "continues_run_id"), ("step_run", "reused_from"), ("step_run", "answer"),
    ):  # fmt: skip
        with op.batch_alter_table(table) as batch:
            batch.drop_column(column)
