"""Reads of schedules, within one workspace; the clock alone looks at all."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import lookup
from app.core.db import moment_once
from app.features.triggers.models import Schedule, ScheduleSlot
from app.features.workflows.models import Workflow

AT_ONCE = 50  # schedules that one tick takes up

_due = (
    sa.select(Schedule.id)
    .where(Schedule.look_at <= moment_once())
    .order_by(Schedule.look_at)
    .limit(AT_ONCE)
)


def due(session: Session) -> list[str]:
    """Return the schedules that the clock must look at now, in all workspaces, the longest due first."""
    return list(session.scalars(_due))


def schedule(session: Session, workspace_id: str, schedule_id: str) -> Schedule:
    """Return one schedule. Raises NotFound for a missing or a stranger's one."""
    return lookup.by_id(session, _of(workspace_id), Schedule, schedule_id, "schedule")


def named(session: Session, workspace_id: str, reference: str) -> Schedule:
    """Return the schedule with this id, or the one with this name. Raises NotFound; Conflict where several have it."""
    return lookup.by_name(session, _of(workspace_id), Schedule, reference, "schedule")


def schedules(session: Session, workspace_id: str) -> Sequence[tuple[Schedule, str]]:
    """Return the workspace's schedules, each with the name of its workflow, the newest first, at most 500."""
    newest = (
        sa.select(Schedule, Workflow.name)
        .join(Workflow, Workflow.id == Schedule.workflow_id)
        .where(Schedule.workspace_id == workspace_id)
        .order_by(Schedule.created_at.desc(), Schedule.id.desc())
        .limit(500)
    )
    return [(row[0], row[1]) for row in session.execute(newest)]


def slots(session: Session, schedule: Schedule, *, limit: int = 50) -> Sequence[ScheduleSlot]:
    """Return what became of a schedule's due times, the newest first."""
    mine = sa.select(ScheduleSlot).where(ScheduleSlot.schedule_id == schedule.id)
    return session.scalars(mine.order_by(ScheduleSlot.due_at.desc()).limit(limit)).all()


def _of(workspace_id: str) -> sa.Select[Schedule]:
    return sa.select(Schedule).where(Schedule.workspace_id == workspace_id)
