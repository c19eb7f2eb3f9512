"""Waits: how one ends without a person, by its time or because its step has ended."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import events
from app.core.db import changed, moment
from app.engine import store
from app.engine.enums import WaitStatus
from app.engine.events import WaitEnded
from app.engine.held import HeldRun
from app.engine.planner import Key
from app.engine.store import Recorded


def take_effect(session: Session, held: HeldRun, recorded: Recorded, step: str, item: int) -> None:
    """Let a wait's time take effect: the decision made before, or its expiry.

    Each is a write that waits for whoever takes the decision back or makes one in this moment, and then finds nothing.
    """
    wait, wait_id = store.wait, recorded.waits[step, item]
    decided = session.execute(
        sa.update(wait)
        .where(wait.c.id == wait_id, wait.c.status == WaitStatus.DECIDED, wait.c.effective_at <= moment())
        .values(effective_at=wait.c.effective_at)
        .returning(wait.c.outcome, wait.c.output)
    ).first()
    if decided is not None:
        outcome, output = decided.outcome, decided.output
    else:
        row = session.execute(sa.select(wait).where(wait.c.id == wait_id)).one()
        outcome, output = row.on_until, dict(row.detail.get("on_until_output") or {})
        expired = sa.update(wait).where(
            wait.c.id == wait_id, wait.c.status == WaitStatus.WAITING, wait.c.until <= moment()
        )
        ended = {"status": WaitStatus.DECIDED.value, "outcome": outcome, "output": output}
        if changed(session.execute(expired.values(**ended, decided_at=moment(), effective_at=moment()))) != 1:
            return
        events.publish(session, WaitEnded(wait_id, held.workspace_id, held.id, row.kind, outcome, "expired"))
    store.end_wait(session, recorded.ids[step, item], outcome=outcome, output=output)


def withdraw(session: Session, held: HeldRun, recorded: Recorded, keys: Iterable[Key]) -> None:
    """End the waits of these steps that nobody has ended yet."""
    for key in keys:
        wait_id = recorded.waits.get(key)
        if wait_id is None:
            continue
        row = session.execute(
            sa.update(store.wait)
            .where(store.wait.c.id == wait_id, store.wait.c.status == WaitStatus.WAITING)
            .values(status=WaitStatus.WITHDRAWN.value, decided_at=moment())
            .returning(store.wait.c.kind)
        ).first()
        if row is not None:
            events.publish(session, WaitEnded(wait_id, held.workspace_id, held.id, row.kind, "", "withdrawn"))
