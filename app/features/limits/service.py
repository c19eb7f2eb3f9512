"""Writes of a workspace's limits. The caller commits."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.outbox import SendingHold
from app.engine import store
from app.features.accounts import service as accounts


def hold_sending(session: Session, workspace_id: str, *, by: str, by_id: str | None) -> bool:
    """Let nothing leave the house for this workspace from now on; False when that is so already.

    Steps that send and messages wait, in order; what is being handed over this moment still goes.
    """
    if session.get(SendingHold, workspace_id) is not None:
        return False
    session.add(SendingHold(workspace_id=workspace_id, by=by[:254], at=clock.now()))
    session.flush()
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


def _audit(session: Session, workspace_id: str, action: str, by: str, by_id: str | None, **detail: object) -> None:
    accounts.audit(
        session, workspace_id=workspace_id, actor=by, actor_id=by_id, action=action, subject_kind="workspace",
        subject_id=workspace_id, **detail,
    )  # fmt: skip
