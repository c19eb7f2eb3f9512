"""Reads of a workspace's limits."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.outbox import OutboxRow, SendingHold
from app.engine import money
from app.engine.enums import Effect, StepStatus
from app.engine.models import Allowance, Spending, StepRun


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


@dataclass(frozen=True, slots=True)
class Limits:
    """What a workspace may do, what holds for every workspace, and what AI cost it today."""

    own: Allowance
    most_a_day: int | None
    spent_microusd: int
    reserved_microusd: int


def limits(session: Session, workspace_id: str, *, zone: str) -> Limits:
    """Return the workspace's limits with what it spent today, in its zone."""
    own = session.get(Allowance, workspace_id) or Allowance(workspace_id=workspace_id, keep_documents=True)
    today = session.get(Spending, (workspace_id, money.day_of(clock.now(), zone)))
    return Limits(
        own, money.most_a_day(), today.cost_microusd if today else 0, today.reserved_microusd if today else 0
    )
