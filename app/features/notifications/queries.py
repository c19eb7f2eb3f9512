"""Reads of the outbox, always within one workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import InvalidToken
from sqlalchemy.orm import Session, defer

from app.core.errors import NotFound
from app.core.outbox import OutboxRow
from app.engine.models import Run


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as the outbox shows it, with the run that it is about."""

    row: OutboxRow
    run_number: int | None
    run_label: str
    content: Mapping[str, Any] | None = None  # None in a list, and where the key that it was stored under is gone


def mails(session: Session, workspace_id: str, *, limit: int, before: str | None = None) -> Sequence[Mail]:
    """Return the newest messages first, without their content; *before* is the last id seen."""
    wanted = _mails(workspace_id).options(defer(OutboxRow.content)).limit(limit)
    if before is not None:
        last = _one(session, workspace_id, before).row
        place = sa.tuple_(OutboxRow.created_at, OutboxRow.id)
        wanted = wanted.where(place < sa.tuple_(sa.literal(last.created_at), sa.literal(last.id)))
    return [Mail(row[0], row[1], row[2] or "") for row in session.execute(wanted)]


def mail(session: Session, workspace_id: str, row_id: str) -> Mail:
    """Return one message with its content, as far as a key opens it. Raises NotFound."""
    found = _one(session, workspace_id, row_id)
    try:
        return replace(found, content=found.row.content)
    except InvalidToken:
        return found


def _one(session: Session, workspace_id: str, row_id: str) -> Mail:
    wanted = _mails(workspace_id).where(OutboxRow.id == row_id)
    row = session.execute(wanted.options(defer(OutboxRow.content))).first()
    if row is None:
        raise NotFound("This mail does not exist.")
    return Mail(row[0], row[1], row[2] or "")


def _mails(workspace_id: str) -> sa.Select[OutboxRow, int, str]:
    return (
        sa.select(OutboxRow, Run.number, Run.label)
        .outerjoin(Run, Run.id == OutboxRow.run_id)
        .where(OutboxRow.workspace_id == workspace_id, OutboxRow.channel == "email")
        .order_by(OutboxRow.created_at.desc(), OutboxRow.id.desc())
    )
