"""Reads of a workspace's limits."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.outbox import OutboxRow, SendingHold
from app.engine.enums import Effect, StepStatus
from app.engine.models import StepRun


@dataclass(frozen=True, slots=True)
class Sending:
    """Whether a workspace sends, who switched it off and when, and what waits to leave."""

    is_held: bool
    by: str
    at: datetime | None
    messages: int
    steps: int


def sending(session: Session, workspace_id: str) -> Sending:
    """Return whether the workspace sends, and how much waits."""
    hold = session.get(SendingHold, workspace_id)
    messages = sa.select(sa.func.count()).where(
        OutboxRow.workspace_id == workspace_id, OutboxRow.due_at.is_not(None)
    )
    steps = sa.select(sa.func.count()).where(
        StepRun.workspace_id == workspace_id,
        StepRun.status == StepStatus.PENDING.value,
        StepRun.effect == Effect.SENDS.value,
    )
    waiting, pending = session.execute(sa.select(messages.scalar_subquery(), steps.scalar_subquery())).one()
    return Sending(hold is not None, hold.by if hold else "", hold.at if hold else None, waiting, pending)
