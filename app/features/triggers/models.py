"""Tables of schedules."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model
from app.core.ids import new_id
from app.features.triggers.enums import Missed, Overlap


class Schedule(Model):
    """Starts runs of a workflow with fixed answers, by a *cron* rule or every so many minutes from *anchor_at*.

    *next_due_at* moves in the transaction that starts the run; *look_at* is when the clock looks at it next, which is
    earlier while a due time waits for the run before. Both are empty while it is switched off.
    """

    __tablename__ = "schedule"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    workflow_id: Mapped[str] = mapped_column(sa.ForeignKey("workflow.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(sa.String(120))
    cron: Mapped[str] = mapped_column(sa.String(120), default="")
    every_minutes: Mapped[int | None]
    anchor_at: Mapped[datetime]
    timezone: Mapped[str] = mapped_column(sa.String(64))
    inputs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    overlap: Mapped[str] = mapped_column(sa.String(8), default=Overlap.SKIP.value)
    missed: Mapped[str] = mapped_column(sa.String(8), default=Missed.ONCE.value)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    next_due_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None] = mapped_column(index=True)
    last_run_id: Mapped[str | None] = mapped_column(sa.String(36))  # the one that the next one may meet
    problem: Mapped[str] = mapped_column(default="")  # why the last run could not be started, in words
    problem_at: Mapped[datetime | None]
    made_by: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id"))  # in whose name it starts runs
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (sa.Index("ix_schedule_workspace_id_created_at", "workspace_id", "created_at"),)


class ScheduleSlot(Model):
    """One due time of a schedule that has come, once: what became of it, and the run that it started."""

    __tablename__ = "schedule_slot"

    schedule_id: Mapped[str] = mapped_column(sa.ForeignKey("schedule.id", ondelete="CASCADE"), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(8))
    run_id: Mapped[str | None] = mapped_column(sa.ForeignKey("run.id", ondelete="CASCADE"), unique=True)
    note: Mapped[str] = mapped_column(default="")  # why it started no run, in words
    at: Mapped[datetime]  # when that was decided

    __table_args__ = (
        sa.Index(
            "ix_schedule_slot_waiting", "schedule_id", "due_at", postgresql_where=sa.text("status = 'waiting'"),
            sqlite_where=sa.text("status = 'waiting'"),
        ),
    )
