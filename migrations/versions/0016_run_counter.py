"""The count of a workspace's runs stands in a row of its own, which no other row points to; words find their run.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move it."""
    op.create_table(
        "run_counter",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspace.id"],
            name=op.f("fk_run_counter_workspace_id_workspace"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_run_counter")),
    )
    op.execute("INSERT INTO run_counter (workspace_id, next_number) SELECT id, next_run_number FROM workspace")
    op.drop_column("workspace", "next_run_number")
    if op.get_bind().dialect.name == "postgresql":
        _renew_the_number_index()


def _renew_the_number_index() -> None:
    """Make the index that a run's words are checked with the newest of its table's.

    PostgreSQL takes the newest of several that cost the same, and in a table without statistics they all do: each word
    of a new run went through all runs of its workspace in the order of their names.
    """
    op.drop_constraint("fk_run_word_workspace_id_number_run", "run_word", type_="foreignkey")
    op.drop_constraint("uq_run_workspace_id_number", "run", type_="unique")
    op.create_unique_constraint("uq_run_workspace_id_number", "run", ["workspace_id", "number"])
    op.create_foreign_key(
        "fk_run_word_workspace_id_number_run",
        "run_word",
        "run",
        ["workspace_id", "number"],
        ["workspace_id", "number"],
        ondelete="CASCADE",
    )


def downgrade() -> None:
    """Move it back."""
    op.add_column("workspace", sa.Column("next_run_number", sa.Integer(), nullable=False, server_default="1"))
    op.execute(
        "UPDATE workspace SET next_run_number = (SELECT next_number FROM run_counter WHERE workspace_id = workspace.id)"
        " WHERE id IN (SELECT workspace_id FROM run_counter)"
    )
    with op.batch_alter_table("workspace") as workspace:
        workspace.alter_column("next_run_number", existing_type=sa.Integer(), server_default=None)
    op.drop_table("run_counter")
