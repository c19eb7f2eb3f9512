"""Tables of accounts."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model
from app.core.ids import new_id


class Workspace(Model):
    """A team's own house: everything else belongs to exactly one."""

    __tablename__ = "workspace"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(sa.String(120))
    timezone: Mapped[str] = mapped_column(sa.String(64), default="America/New_York")
    is_demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class User(Model):
    """A person with a password; roles are per workspace."""

    __tablename__ = "user"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)  # lower case
    name: Mapped[str] = mapped_column(sa.String(120))
    password_hash: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)
    theme: Mapped[str] = mapped_column(sa.String(8), default="")  # "", "light", "dark"
    created_at: Mapped[datetime]


class Membership(Model):
    """A person in a workspace, with one role."""

    __tablename__ = "membership"

    workspace_id: Mapped[str] = mapped_column(
        sa.ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(
        sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(sa.String(16))
    created_at: Mapped[datetime]


class SignIn(Model):
    """A server-side session: the cookie holds a random token, this row its hash."""

    __tablename__ = "sign_in"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"), index=True)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    csrf: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class OneTimeLink(Model):
    """A link that works once: set-up of the first owner, invitation, reset. Only its hash is kept."""

    __tablename__ = "one_time_link"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(12))
    email: Mapped[str | None] = mapped_column(sa.String(254))
    workspace_id: Mapped[str | None] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    role: Mapped[str | None] = mapped_column(sa.String(16))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Throttle(Model):
    """Failed sign-ins of one account or one address, and until when it must wait."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    last_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None]


class AuditEntry(Model):
    """What somebody did; only ever added to."""

    __tablename__ = "audit_entry"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str | None] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    actor_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id"))
    actor: Mapped[str] = mapped_column(sa.String(254))  # as shown: a name, an address, "system"
    action: Mapped[str] = mapped_column(sa.String(60))  # "run.started", "approval.decided"
    subject_kind: Mapped[str] = mapped_column(sa.String(24), default="")
    subject_id: Mapped[str] = mapped_column(sa.String(64), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)

    __table_args__ = (sa.Index("ix_audit_entry_workspace_id_at", "workspace_id", "at"),)
