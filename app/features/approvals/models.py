"""Tables of approvals."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model
from app.core.ids import new_id
from app.features.approvals.enums import ApprovalStatus


class Approval(Model):
    """One request to decide, made by a review step; it ends once."""

    __tablename__ = "approval"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    run_id: Mapped[str] = mapped_column(sa.ForeignKey("run.id", ondelete="CASCADE"), index=True)
    wait_id: Mapped[str] = mapped_column(sa.ForeignKey("wait.id", ondelete="CASCADE"), unique=True)
    title: Mapped[str] = mapped_column(sa.String(300))
    text: Mapped[str] = mapped_column(default="")
    document_ids: Mapped[list[Any]] = mapped_column(default=list)
    policy: Mapped[str] = mapped_column(sa.String(12), default="any")
    what_next: Mapped[str] = mapped_column(default="")  # one sentence: what happens after yes
    status: Mapped[str] = mapped_column(sa.String(12), default=ApprovalStatus.OPEN.value)
    undo_s: Mapped[int] = mapped_column(default=0)  # how long the decision could be taken back
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    on_expiry: Mapped[str] = mapped_column(sa.String(12), default="reject")
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(sa.String(254), default="")
    reason: Mapped[str] = mapped_column(default="")
    effective_at: Mapped[datetime | None]

    __table_args__ = (sa.Index("ix_approval_workspace_id_status", "workspace_id", "status", "requested_at"),)


# What is open in the order of its urgency, and what is over. Indexes have both, so written in one way.
IS_OPEN: sa.ColumnElement[bool] = Approval.status == sa.literal_column(f"'{ApprovalStatus.OPEN}'")
IS_OVER: sa.ColumnElement[bool] = Approval.status != sa.literal_column(f"'{ApprovalStatus.OPEN}'")
HAS_NO_END: sa.ColumnElement[bool] = Approval.expires_at.is_(None)
sa.Index(
    "ix_approval_open", Approval.workspace_id, HAS_NO_END, Approval.expires_at, Approval.requested_at, Approval.id,
    postgresql_where=IS_OPEN, sqlite_where=IS_OPEN,
)  # fmt: skip
sa.Index(
    "ix_approval_over", Approval.workspace_id, Approval.decided_at, Approval.id,
    postgresql_where=IS_OVER, sqlite_where=IS_OVER,
)  # fmt: skip


class Approver(Model):
    """One person who is asked, with their own link; only the link's hash is kept."""

    __tablename__ = "approver"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    approval_id: Mapped[str] = mapped_column(sa.ForeignKey("approval.id", ondelete="CASCADE"), index=True)
    email: Mapped[str] = mapped_column(sa.String(254), index=True)  # lower case
    name: Mapped[str] = mapped_column(sa.String(120), default="")
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    decision: Mapped[str | None] = mapped_column(sa.String(12))
    reason: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]

    __table_args__ = (
        sa.Index(
            "ix_approver_unanswered", "workspace_id", "email", "approval_id",
            postgresql_where=sa.text("decision IS NULL"), sqlite_where=sa.text("decision IS NULL"),
        ),
    )  # fmt: skip
