"""Schedules, and what became of each of their due times.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "schedule",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("workspace_id", sa.String(36), nullable=False),
        sa.Column("workflow_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("cron", sa.String(120), nullable=False),
        sa.Column("every_minutes", sa.Integer(), nullable=True),
        sa.Column("anchor_at", moment, nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("overlap", sa.String(8), nullable=False),
        sa.Column("missed", sa.String(8), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("next_due_at", moment, nullable=True),
        sa.Column("look_at", moment, nullable=True),
        sa.Column("last_run_id", sa.String(36), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("problem_at", moment, nullable=True),
        sa.Column("made_by", sa.String(36), nullable=True),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_schedule_workspace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflow.id"], name=op.f("fk_schedule_workflow_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["made_by"], ["user.id"], name=op.f("fk_schedule_made_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
    )
    op.create_index("ix_schedule_look_at", "schedule", ["look_at"])
    op.create_index("ix_schedule_workflow_id", "schedule", ["workflow_id"])
    op.create_index("ix_schedule_workspace_id_created_at", "schedule", ["workspace_id", "created_at"])
    op.create_table(
        "schedule_slot",
        sa.Column("schedule_id", sa.String(36), nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedule.id"], name=op.f("fk_schedule_slot_schedule_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_schedule_slot_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("schedule_id", "due_at", name=op.f("pk_schedule_slot")),
        sa.UniqueConstraint("run_id", name=op.f("uq_schedule_slot_run_id")),
    )
    waiting = sa.text("status = 'waiting'")
    op.create_index(
        "ix_schedule_slot_waiting",
        "schedule_slot",
        ["schedule_id", "due_at"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("schedule_slot")
    op.drop_table("schedule")
