"""Reads of accounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.db import glance_at
from app.core.ids import token_hash
from app.core.outbox import is_held
from app.features.accounts import rules
from app.features.accounts.enums import LinkKind, Role
from app.features.accounts.models import AuditEntry, Membership, OneTimeLink, SignIn, User, Workspace


@dataclass(frozen=True, slots=True)
class Who:
    """The signed-in person, in the workspace of their session."""

    user_id: str
    name: str
    email: str
    role: Role
    workspace_id: str
    workspace_name: str
    timezone: str
    theme: str
    is_sending_held: bool
    csrf: str
    seen_at: datetime
    token_hash: str

    is_authenticated = True  # what Flask-Login asks of a person
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """Return the id, as Flask-Login wants it."""
        return self.user_id

    def may(self, permission: str) -> bool:
        """Tell whether the person's role has *permission*."""
        return rules.may(self.role, permission)


@dataclass(frozen=True, slots=True)
class Member:
    """A person of a workspace and their role."""

    user_id: str
    name: str
    email: str
    role: Role
    is_active: bool


_who = (
    sa.select(
        User.id.label("user_id"), User.name, User.email, Membership.role, Workspace.id.label("workspace_id"),
        Workspace.name.label("workspace_name"), Workspace.timezone, User.theme, SignIn.csrf, SignIn.seen_at,
        is_held(Workspace.id).label("is_sending_held"),
    )
    .select_from(SignIn)
    .join(User, User.id == SignIn.user_id)
    .join(Workspace, Workspace.id == SignIn.workspace_id)
    .join(Membership, (Membership.user_id == User.id) & (Membership.workspace_id == Workspace.id))
    .where(
        SignIn.token_hash == sa.bindparam("b_hash"),
        SignIn.seen_at > sa.bindparam("b_idle"),
        SignIn.created_at > sa.bindparam("b_absolute"),
        User.is_active,
    )
)  # fmt: skip


Beside = tuple[sa.Select[*tuple[Any, ...]], Mapping[str, Any]]  # a statement that is built once, and its values


def who_beside(token: str, beside: Beside | None) -> tuple[Who | None, dict[str, Any] | None]:
    """Return whose session *token* opens; None when it is unknown, idle or old for too long, or the person has left.

    And, in the same statement, one row of *beside*, whose first column is never NULL. Nobody has looked yet whether the
    person may see that row: the caller does.
    """
    wanted, names = (_who, ()) if beside is None else _with(beside[0])
    moment, digest = now(), token_hash(token)
    values = {"b_hash": digest, "b_idle": moment - rules.IDLE, "b_absolute": moment - rules.ABSOLUTE}
    row = glance_at(wanted, {**values, **beside[1]} if beside else values)
    if row is None:
        return None, None
    person = dict(zip(_NAMES, row, strict=False))
    found = dict(zip(names, row[len(_NAMES) :], strict=True))
    is_there = bool(names) and found[names[0]] is not None
    return Who(**{**person, "role": Role(row.role)}, token_hash=digest), found if is_there else None


_NAMES = tuple(_who.exported_columns.keys())


@lru_cache(maxsize=8)
def _with(more: sa.Select[*tuple[Any, ...]]) -> tuple[sa.Select[*tuple[Any, ...]], tuple[str, ...]]:
    """Return the statement that asks who it is and for a row of *more*, and the names of that row's columns."""
    person, beside = _who.subquery("person"), more.subquery("beside")
    columns = [column.label(f"beside_{column.name}") for column in beside.c]
    wanted = sa.select(*person.c, *columns).select_from(person.outerjoin(beside, sa.true()))
    return wanted, tuple(beside.c.keys())


def user_by_email(session: Session, email: str) -> User | None:
    """Return the person with this address, in any workspace."""
    return session.scalars(sa.select(User).where(User.email == email.strip().lower())).one_or_none()


def first_workspace(session: Session, user_id: str) -> str | None:
    """Return the workspace that a person enters at sign-in: the one they have been in for longest."""
    order = (Membership.created_at, Membership.workspace_id)
    found = sa.select(Membership.workspace_id).where(Membership.user_id == user_id).order_by(*order)
    return session.scalars(found).first()


def members(session: Session, workspace_id: str) -> list[Member]:
    """Return the people of a workspace by name."""
    rows = session.execute(_members(workspace_id).order_by(sa.func.lower(User.name), User.id))
    return [_member(row) for row in rows]


def member_by_email(session: Session, workspace_id: str, email: str) -> Member | None:
    """Return the person of this workspace with this address."""
    row = session.execute(_members(workspace_id).where(User.email == email.strip().lower())).one_or_none()
    return None if row is None else _member(row)


def member(session: Session, workspace_id: str, user_id: str) -> Member | None:
    """Return the person of this workspace with this id."""
    row = session.execute(_members(workspace_id).where(User.id == user_id)).one_or_none()
    return None if row is None else _member(row)


def owner_exists(session: Session) -> bool:
    """Tell whether anybody owns a workspace."""
    owners = (
        sa.select(Membership.user_id).join(User).where(Membership.role == Role.OWNER.value, User.is_active)
    )
    return session.execute(sa.select(owners.exists())).scalar_one()


def usable_link(session: Session, token: str, kind: LinkKind) -> OneTimeLink | None:
    """Return the one-time link that *token* opens, None when it is unknown, used or expired."""
    link = session.get(OneTimeLink, token_hash(token))
    if link is None or link.kind != kind or link.used_at is not None or link.expires_at <= now():
        return None
    return link


def _member(row: sa.Row[str, str, str, str, bool]) -> Member:
    user_id, name, email, role, is_active = row
    return Member(user_id, name, email, Role(role), is_active)


def _members(workspace_id: str) -> sa.Select[str, str, str, str, bool]:
    return (
        sa.select(User.id, User.name, User.email, Membership.role, User.is_active)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == workspace_id)
    )


def changers(session: Session, workspace_id: str, subject_id: str, action: str) -> dict[str, str]:
    """Return who was the last to change each of what an action's entries name as ``changed``: of the newest 50."""
    rows = session.execute(
        sa.select(AuditEntry.actor, AuditEntry.detail)
        .where(
            AuditEntry.workspace_id == workspace_id,
            AuditEntry.subject_id == subject_id,
            AuditEntry.action == action,
        )
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(50)
    ).all()
    return {name: row.actor for row in reversed(rows) for name in row.detail.get("changed", ())}
