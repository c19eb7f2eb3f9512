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
