"""The outbox: what leaves the house is first a row, written with what it tells about, then sent by ``relay``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import clock, crash, events
from app.core.crypto import EncryptedJson, opened
from app.core.db import Model, insist, moment, moment_once, table, transaction
from app.core.ids import new_id

_log = structlog.get_logger(__name__)


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
    # pending kept sent parked unsure test withdrawn
    status: Mapped[str] = mapped_column(sa.String(12), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")
    due_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(sa.String(80))
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    message_id: Mapped[str] = mapped_column(sa.String(200), default="")
    sent_at: Mapped[datetime | None]
    is_account: Mapped[bool] = mapped_column(default=False)  # about a sign-in: leaves while sending is held
    created_at: Mapped[datetime]

    __table_args__ = (
        sa.Index(
            "ix_outbox_due_at",
            "due_at",
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        ),
        sa.Index("ix_outbox_workspace_id_created_at", "workspace_id", "created_at"),
        sa.CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", name="lease_together"),
    )


class SendingHold(Model):
    """A workspace that sends nothing now: what would leave waits, in order. The row's end is the hold's end."""

    __tablename__ = "sending_hold"

    workspace_id: Mapped[str] = mapped_column(
        sa.ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True
    )
    by: Mapped[str] = mapped_column(sa.String(254))
    at: Mapped[datetime]


def is_held(workspace_id: Any) -> sa.ColumnElement[bool]:
    """Return the condition that a workspace (an id or a column with one) sends nothing now."""
    hold = table(SendingHold)
    return sa.exists().where(hold.c.workspace_id == workspace_id)


def _may_leave() -> sa.ColumnElement[bool]:
    row = table(OutboxRow)
    return sa.or_(row.c.is_account, sa.not_(is_held(row.c.workspace_id)))


def _is_off() -> sa.ColumnElement[bool]:
    row = table(OutboxRow)
    return sa.and_(sa.not_(row.c.is_account), sa.or_(sa.false(), *(rule(row) for rule in _off_rules)))


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
    is_account: bool = False,
) -> str:
    """Put one message into the outbox in the caller's transaction; return its id. Twice under one key raises.

    *is_account* is for what a person needs to sign in (a set-up, a new password): it leaves while sending is held.
    A message of a test run is kept as ``test`` and never leaves, whoever posts it.
    """
    is_test = run_id is not None and any(rule(session, run_id) for rule in _test_rules)
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
        is_account=is_account,
        status=TEST if is_test else "pending",
        due_at=None if is_test else moment(),  # by the clock that it is asked for by: ours may be an hour off
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row.id


TEST, WITHDRAWN = "test", "withdrawn"
_test_rules: list[Callable[[Session, str], bool]] = []
_off_rules: list[Callable[[sa.Table], sa.ColumnElement[bool]]] = []


def hold_tests(is_test: Callable[[Session, str], bool]) -> None:
    """Register what tells whether a run is a test; twice is once."""
    if is_test not in _test_rules:
        _test_rules.append(is_test)


def call_off(is_off: Callable[[sa.Table], sa.ColumnElement[bool]]) -> None:
    """Register the condition that a message (a row of the table) is not to leave any more; twice is once.

    It is asked at the moment of sending: of what is off then nothing leaves.
    """
    if is_off not in _off_rules:
        _off_rules.append(is_off)


def withdraw(session: Session, run_id: str) -> Sequence[str]:
    """Let no message of a run leave that is not being handed over at the moment; return whom they were for.

    Of one that is, :func:`relay` records what became of it, and does not try it again.
    """
    row = table(OutboxRow)
    statement = (
        sa.update(row)
        .where(row.c.run_id == run_id, row.c.due_at.is_not(None), row.c.lease_owner.is_(None))
        .where(sa.not_(row.c.is_account))
        .values(status=WITHDRAWN, due_at=None)
        .returning(row.c.recipient)
    )
    return sorted(session.scalars(statement))


def bring_back(session: Session, run_id: str, step_run_id: str) -> None:
    """Let what was withdrawn of a step leave after all: what it asks for is open again."""
    row = table(OutboxRow)
    gone = (row.c.run_id == run_id, row.c.step_run_id == step_run_id, row.c.status == WITHDRAWN)
    session.execute(sa.update(row).where(*gone).values(status="pending", due_at=moment(), attempts=0, error=""))


def is_to_leave(run_id: Any) -> sa.ColumnElement[bool]:
    """Return the condition that a message of a run (an id or a column with one) has not left yet, and will."""
    row = table(OutboxRow)
    return sa.exists().where(row.c.run_id == run_id, row.c.due_at.is_not(None))


def remove_old(session: Session, workspace_id: str | None, before: datetime, most: int) -> int:
    """Remove at most so many messages of no run that were written *before* a moment; return how many. May run twice.

    One that is still to leave stays; those of a run go with it.
    """
    row = table(OutboxRow)
    old = (
        sa.select(row.c.id)
        .where(row.c.workspace_id == workspace_id, row.c.created_at < before)
        .where(row.c.run_id.is_(None), row.c.due_at.is_(None))
        .order_by(row.c.created_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.scalars(old))
    session.execute(sa.delete(row).where(row.c.id.in_(ids)))
    return len(ids)


def hand_over(session: Session, run_id: str, to: str, steps: sa.Select[Any]) -> None:
    """Let another run send what these steps (their ids) of a run have written and what has not left."""
    row = table(OutboxRow)
    waits = (row.c.run_id == run_id, row.c.due_at.is_not(None))
    session.execute(sa.update(row).where(*waits, row.c.step_run_id.in_(steps)).values(run_id=to))


def withdrawn(run_id: str) -> sa.Select[Any]:
    """Select the steps (the ids of their step runs) of which a message was withdrawn from a run."""
    row = table(OutboxRow)
    return sa.select(row.c.step_run_id).where(
        row.c.run_id == run_id, row.c.status == WITHDRAWN, row.c.step_run_id.is_not(None)
    )


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


# --- sending: a row is claimed by lease, sent, marked; a crash in between repeats it under the same message id ---


@dataclass(frozen=True, slots=True)
class Marked:
    """What became of a message of a run was recorded; published in the transaction that records it."""

    workspace_id: str | None
    run_id: str
    status: str
    recipient: str


BROKEN = "Something went wrong on our side."
CUT_OFF = "It is not wanted any more, and it was being handed over when that was cut off: it may have arrived."
DIED = "Our side stopped each time while it was handing it over: it may have arrived."
LEASE_S = 120.0
ATTEMPTS = 8
FIRST_DELAY_S, LONGEST_DELAY_S = 15.0, 3600.0


def due(session: Session, *, limit: int = 200) -> list[str]:
    """Return the rows that are due and push each 10 s on, so that two askers do not both take one.

    What a workspace holds stays due: it leaves in its order when the hold ends.
    """
    row = table(OutboxRow)
    ids = (
        sa.select(row.c.id)
        .where(row.c.due_at <= moment_once(), _may_leave())
        .order_by(row.c.due_at, row.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        sa.update(row)
        .where(row.c.id.in_(ids.scalar_subquery()))
        .values(due_at=moment(10.0))
        .returning(row.c.id)
    )
    return [found.id for found in session.execute(statement)]


def relay(engine: Engine, row_id: str, *, owner: str) -> None:
    """Send one row if it is not sent and nobody else is sending it; record what became of it. May run twice."""
    row = _claim(engine, row_id, owner)
    if row is None:
        return
    if row.attempts > ATTEMPTS:  # whoever tried it last died of it
        _mark(engine, row, status="unsure", error=DIED)
        return
    message_id = row.message_id or f"gl-{row.id}"
    try:
        crash.point("after_intent")
        deliver(row.channel, opened(row.sealed), row.recipient, message_id)
        crash.point("after_effect")
    except Kept:
        _mark(engine, row, status="kept", error="")
    except Refused as refused:
        _mark(engine, row, status="parked", error=str(refused))
    except Retry as retry:
        _again(engine, row, str(retry), retry.retry_after_s)
    except Exception:  # noqa: BLE001 (a fault of ours: it must not come back for ever)
        _log.exception("relay_failed", row_id=row.id)
        _again(engine, row, BROKEN, None)
    else:
        _mark(engine, row, status="sent", error="", sent_at=moment(), message_id=message_id)


def _claim(engine: Engine, row_id: str, owner: str) -> Any:
    """Take a row to send it; return what of it that takes, its content as it is stored: no key may fit any more.

    One that is off is withdrawn instead.
    """
    free = sa.or_(OutboxRow.lease_until.is_(None), OutboxRow.lease_until < moment())
    statement = (
        sa.update(OutboxRow)
        .where(
            OutboxRow.id == row_id, OutboxRow.due_at.is_not(None), OutboxRow.status != TEST, free, _may_leave()
        )
        .values(
            lease_owner=owner,
            lease_until=moment(LEASE_S),
            due_at=moment(LEASE_S),
            fence=OutboxRow.fence + 1,
            attempts=OutboxRow.attempts + 1,
            # what an earlier try met is not what became of one whose sender died
            error=sa.case((OutboxRow.lease_owner.is_not(None), ""), else_=OutboxRow.error),
        )
        .returning(
            *(OutboxRow.id, OutboxRow.workspace_id, OutboxRow.run_id, OutboxRow.channel, OutboxRow.recipient),
            *(OutboxRow.message_id, OutboxRow.attempts, OutboxRow.error, OutboxRow.fence),
            sa.type_coerce(OutboxRow.content, sa.Text()).label("sealed"),
        )
    )
    with transaction(engine) as session:
        row = session.execute(statement).first()
        # not in RETURNING: SQLite leaves out the names of the tables there
        if row is None or not session.scalar(sa.select(_is_off()).where(OutboxRow.id == row.id)):
            return row
        was_cut_off = row.attempts > 1 and not row.error  # whoever tried it last died of it
        status, error = ("unsure", CUT_OFF) if was_cut_off else (WITHDRAWN, row.error)
        _write(session, row, status=status, error=error)
        return None


def _again(engine: Engine, row: Any, error: str, retry_after_s: float | None) -> None:
    if row.attempts >= ATTEMPTS:
        _mark(engine, row, status="parked", error=error)
        return
    delay = min(FIRST_DELAY_S * 2 ** (row.attempts - 1), LONGEST_DELAY_S)
    again_at = moment(max(delay, retry_after_s or 0.0))
    status, due_at = sa.case((_is_off(), WITHDRAWN), else_="pending"), sa.case((_is_off(), None), else_=again_at)
    _mark(engine, row, status=status, error=error, due_at=due_at)


def _mark(engine: Engine, row: Any, **values: Any) -> None:
    """Write what became of a row; unmarked, what has left would leave again."""
    insist(engine, lambda session: _write(session, row, **values))


def _write(session: Session, row: Any, **values: Any) -> None:
    """Write what became of a row, if it is still ours, and drop its lease."""
    statement = (
        sa.update(OutboxRow)
        .where(OutboxRow.id == row.id, OutboxRow.fence == row.fence)
        .values(**{"lease_owner": None, "lease_until": None, "due_at": None, **values})
        .returning(OutboxRow.status)
    )
    status = session.scalar(statement)
    if row.run_id and status is not None:
        events.publish(session, Marked(row.workspace_id, row.run_id, status, row.recipient))
