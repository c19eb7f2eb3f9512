"""The outbox: what leaves the house is first a row, written with what it tells about, then sent by ``relay``."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import clock
from app.core.crypto import EncryptedJson
from app.core.db import Model
from app.core.ids import new_id


class OutboxRow(Model):
    """One message to one recipient. *content* (encrypted) is what the channel sends: for mail, MailContent as JSON."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str | None] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    run_id: Mapped[str | None] = mapped_column(sa.ForeignKey("run.id", ondelete="CASCADE"), index=True)
    step_run_id: Mapped[str | None] = mapped_column(sa.String(36))
    channel: Mapped[str] = mapped_column(sa.String(12))  # email
    dedupe_key: Mapped[str] = mapped_column(sa.String(300), unique=True)
    recipient: Mapped[str] = mapped_column(sa.String(254))
    subject: Mapped[str] = mapped_column(sa.String(300), default="")
    content: Mapped[dict[str, Any]] = mapped_column(EncryptedJson)
    status: Mapped[str] = mapped_column(sa.String(12), default="pending")  # pending kept sent parked unsure
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")
    due_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(sa.String(80))
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    message_id: Mapped[str] = mapped_column(sa.String(200), default="")
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        sa.Index("ix_outbox_due_at", "due_at", postgresql_where=sa.text("due_at IS NOT NULL"),
                 sqlite_where=sa.text("due_at IS NOT NULL")),
        sa.Index("ix_outbox_workspace_id_created_at", "workspace_id", "created_at"),
        sa.CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", name="lease_together"),
    )


def post(
    session: Session,
    *,
    channel: str,
    recipient: str,
    subject: str,
    content: dict[str, Any],
    dedupe_key: str,
    workspace_id: str | None = None,
    run_id: str | None = None,
    step_run_id: str | None = None,
) -> str:
    """Put one message into the outbox in the caller's transaction; return its id. Twice under one key raises."""
    moment = clock.now()
    row = OutboxRow(
        id=new_id(),
        workspace_id=workspace_id,
        run_id=run_id,
        step_run_id=step_run_id,
        channel=channel,
        dedupe_key=dedupe_key,
        recipient=recipient,
        subject=subject[:300],
        content=content,
        due_at=moment,
        created_at=moment,
    )
    session.add(row)
    session.flush()
    return row.id


# --- channels: how a kind of message leaves the house ---

Deliver = Callable[[dict[str, Any], str, str], None]
_channels: dict[str, Deliver] = {}


class Refused(Exception):
    """The message was refused for good: trying again would change nothing. The text says why, for people."""


class Retry(Exception):
    """The message could not be handed over now; *retry_after_s* is what the other side asked for, where it did."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Kept(Exception):
    """No way out is set up: the message stays in the outbox, to be read there."""


def channel(name: str, deliver: Deliver) -> None:
    """Register how messages of the channel *name* leave: ``deliver(content, recipient, message_id)``.

    It returns when the message was accepted and raises :class:`Refused`, :class:`Retry` or :class:`Kept`. The same
    *message_id* is given in every try of a row.
    """
    _channels[name] = deliver


def deliver(name: str, content: dict[str, Any], recipient: str, message_id: str) -> None:
    """Hand one message to its channel; raises what the channel raises, Refused when there is no such channel."""
    if name not in _channels:
        raise Refused(f"There is no channel named {name}.")
    _channels[name](content, recipient, message_id)
