"""Writes of a workspace's limits. The caller commits."""

from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import table
from app.core.outbox import SendingHold
from app.engine import store
from app.engine.events import RunsNotRemoved, RunsRemoved
from app.engine.models import Allowance
from app.features.accounts import service as accounts

_hold, _allowance = table(SendingHold), table(Allowance)


def hold_sending(session: Session, workspace_id: str, *, by: str, by_id: str | None) -> bool:
    """Let nothing leave the house for this workspace from now on; False when that is so already.

    Steps that send and messages wait, in order; what is being handed over this moment still goes.
    """
    row = {"workspace_id": workspace_id, "by": by[:254], "at": clock.now()}
    new = store.insert_new(session, _hold, ["workspace_id"]).returning(_hold.c.workspace_id)
    if session.execute(new, row).first() is None:
        return False
    _audit(session, workspace_id, "sending.held", by, by_id)
    return True


def release_sending(session: Session, workspace_id: str, *, by: str, by_id: str | None) -> list[str]:
    """Let the workspace send again: what waited goes on in its order. Returns the runs to hint after the commit."""
    ended = session.execute(
        sa.delete(SendingHold)
        .where(SendingHold.workspace_id == workspace_id)
        .returning(SendingHold.workspace_id)
    )
    if ended.first() is None:
        return []
    _audit(session, workspace_id, "sending.released", by, by_id)
    return store.wake_held(session, workspace_id)


@dataclass(frozen=True, slots=True)
class Most:
    """What a workspace may do: dollars a day for AI in micro-dollars, steps at once; None: as the house has it."""

    ai_daily_microusd: int | None = None
    steps_at_once: int | None = None
    ai_at_once: int | None = None


def set_most(session: Session, workspace_id: str, most: Most, *, by: str, by_id: str | None) -> None:
    """Limit what a workspace spends on AI a day and does at once; what waits in line goes on as far as it may now."""
    own = _own(session, workspace_id)
    for name, value in asdict(most).items():
        setattr(own, name, value)
    session.flush()
    _audit(session, workspace_id, "limits.changed", by, by_id, **asdict(most))


def set_keeping(
    session: Session, workspace_id: str, *, months: int, documents: bool, by: str, by_id: str | None
) -> None:
    """Say how long the workspace keeps runs that have ended, and whether their documents stay when they go."""
    own = _own(session, workspace_id)
    own.keep_runs_months, own.keep_documents = months, documents
    session.flush()
    _audit(session, workspace_id, "retention.changed", by, by_id, months=months, documents_stay=documents)


def note_removed(session: Session, event: RunsRemoved) -> None:
    """Write down that the clock removed runs which nobody keeps any more."""
    _audit(
        session, event.workspace_id, "retention.removed", "Greenlight", None, runs=event.number,
        before=clock.iso(event.before), with_documents=event.documents,
    )  # fmt: skip


def note_not_removed(session: Session, event: RunsNotRemoved) -> None:
    """Write down that the clock could not remove them."""
    _audit(session, event.workspace_id, "retention.failed", "Greenlight", None)


def _own(session: Session, workspace_id: str) -> Allowance:
    row = {"workspace_id": workspace_id, "keep_documents": True}
    session.execute(store.insert_new(session, _allowance, ["workspace_id"]), row)
    return session.get_one(Allowance, workspace_id)


def _audit(session: Session, workspace_id: str, action: str, by: str, by_id: str | None, **detail: object) -> None:
    accounts.audit(
        session, workspace_id=workspace_id, actor=by, actor_id=by_id, action=action, subject_kind="workspace",
        subject_id=workspace_id, **detail,
    )  # fmt: skip
