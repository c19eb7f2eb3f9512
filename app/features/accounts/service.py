"""What changes people, workspaces, sessions and links. The caller commits."""

import re
import secrets
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.errors import Conflict, FieldError, Forbidden, Gone, Invalid, NotFound
from app.core.ids import new_id, new_token, token_hash
from app.features.accounts import passwords, queries, rules
from app.features.accounts.enums import LinkKind, Role
from app.features.accounts.models import AuditEntry, Membership, OneTimeLink, SignIn, User, Workspace

DEMO_PASSWORD = "greenlight-demo"  # noqa: S105 (development only, printed by bin/dev)
_demo_allowed = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: a person (with *user_id*), a link's holder or the system."""

    user_id: str | None
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class DemoPeople:
    """The demo workspace and who is in it; all three have *password*."""

    workspace: Workspace
    owner: User
    editor: User
    approver: User
    password: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that was just opened: the cookie's token and the form token that belongs to it."""

    token: str
    csrf: str


def configure(*, demo_allowed: bool) -> None:
    """Say whether demo people may exist in this process: never in production."""
    global _demo_allowed
    _demo_allowed = demo_allowed


# --- people and workspaces ---


def create_workspace(session: Session, *, name: str, timezone: str, is_demo: bool = False) -> Workspace:
    """Create a workspace; raises :class:`Invalid` for an empty name or an unknown time zone."""
    problems = []
    if not name.strip() or len(name) > 120:
        problems.append(FieldError("workspace", "name", "Give the workspace a name of up to 120 characters."))
    if not _is_timezone(timezone):
        message = f"{timezone[:60]!r} is not a time zone."
        problems.append(FieldError("timezone", "timezone", message, "Try America/New_York."))
    if problems:
        raise Invalid("The workspace cannot be made like this.", problems)
    workspace = Workspace(name=_line(name), timezone=timezone, is_demo=is_demo, created_at=now())
    session.add(workspace)
    session.flush()
    return workspace


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)  # keeps what it found; the list of all is read from the disk every time
    except (KeyError, ValueError, OSError):  # not there; no name at all; a folder
        return False
    return True


def take_turn(session: Session, workspace_id: str) -> None:
    """Wait for whoever else took a workspace's turn, until the caller commits: for what one alone may make of a name.

    Runs start and people work meanwhile: what points to the workspace is not held up.
    """
    session.execute(sa.select(Workspace.id).where(Workspace.id == workspace_id).with_for_update(key_share=True))


def create_user(
    session: Session, *, email: str, name: str, password: str, workspace_id: str, role: Role | str,
    check_password: bool = True, password_hash: str | None = None,
) -> User:  # fmt: skip
    """Create a person in a workspace; raises :class:`Invalid` with every problem, or :class:`Conflict`.

    Hashing takes some 20 ms while a writing session may hold the database's lock: a view passes *password_hash*.
    """
    address = checked_person(email=email, name=name, password=password if check_password else None)
    digest = password_hash or passwords.hash_password(password)
    if queries.user_by_email(session, address) is not None:
        raise Conflict(f"There is a person with the address {address} already.", code="email_taken")
    if session.get(Workspace, workspace_id) is None:
        raise NotFound("There is no such workspace.")
    user = User(email=address, name=_line(name), password_hash=digest, created_at=now())
    session.add(user)
    session.flush()
    session.add(
        Membership(workspace_id=workspace_id, user_id=user.id, role=Role(role).value, created_at=now())
    )
    audit(session, workspace_id=workspace_id, actor=address, actor_id=None, action="user.created",
          subject_kind="user", subject_id=user.id, role=Role(role).value)  # fmt: skip
    session.flush()
    return user


def checked_person(*, email: str, name: str, password: str | None) -> str:
    """Return the address in its kept form (lower case); raises :class:`Invalid` with every problem found."""
    problems: list[FieldError] = []
    address = ""
    try:
        found = validate_email(email.strip(), check_deliverability=False, test_environment=True)
        address = found.normalized.lower()
    except EmailNotValidError:
        message = "This is not an e-mail address."
        problems.append(FieldError("email", "email", message, "Write it like name@example.com."))
    if not name.strip() or len(name) > 120:
        problems.append(FieldError("name", "name", "Give a name of up to 120 characters."))
    if password is not None:
        try:
            passwords.check(password, about=(email, name))
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid("The person cannot be added like this.", problems)
    return address


def set_password(session: Session, user: User, *, password_hash: str, keep: str = "") -> None:
    """Give a person a new password (checked and hashed before); end their sessions but the one with hash *keep*."""
    user.password_hash = password_hash
    session.add(user)
    end_sessions(session, user.id, keep=keep)


def set_role(
    session: Session, *, workspace_id: str, user_id: str, role: Role, actor: str, actor_id: str | None
) -> None:
    """Give a member another role and end their sessions; raises :class:`Conflict` for the last owner."""
    membership = session.get(Membership, (workspace_id, user_id))
    if membership is None:
        raise NotFound("There is no such person in this workspace.")
    if membership.role == Role.OWNER and role != Role.OWNER and _owners(session, workspace_id) == 1:
        raise Conflict("A workspace needs an owner. Make somebody else an owner first.")
    membership.role = role.value
    end_sessions(session, user_id)
    audit(session, workspace_id=workspace_id, actor=actor, actor_id=actor_id, action="user.role_changed",
          subject_kind="user", subject_id=user_id, role=role.value)  # fmt: skip


def set_theme(session: Session, *, user_id: str, theme: str) -> None:
    """Keep how a person likes pages: ``light``, ``dark`` or empty for what their system says."""
    if theme not in rules.THEMES:
        raise Invalid("The theme is light, dark or the system’s.")
    session.execute(sa.update(User).where(User.id == user_id).values(theme=theme))


# --- sessions ---


def authenticate(session: Session, *, email: str, password: str) -> User | None:
    """Return the person when address and password are right; takes the same time when nobody has the address.

    Reads only. The throttle is the caller's matter: it counts in a transaction of its own.
    """
    user = queries.user_by_email(session, email) if "\x00" not in email else None
    digest = user.password_hash if user is not None and user.is_active else None
    return user if passwords.is_right(digest, password[: passwords.LONGEST]) else None


def sign_in(
    session: Session, user: User, *, workspace_id: str | None = None, address: str = ""
) -> NewSession:
    """Open a new session for a person and forget their ended ones; raises :class:`Forbidden` without a workspace."""
    home = workspace_id or queries.first_workspace(session, user.id)
    if home is None:
        raise Forbidden("You are in no workspace any more. Ask an owner to add you.")
    opened = NewSession(new_token(), secrets.token_urlsafe(32))
    moment = now()
    session.execute(
        sa.delete(SignIn).where(
            SignIn.user_id == user.id,
            sa.or_(SignIn.seen_at < moment - rules.IDLE, SignIn.created_at < moment - rules.ABSOLUTE),
        )
    )
    session.add(
        SignIn(
            token_hash=token_hash(opened.token),
            user_id=user.id,
            workspace_id=home,
            csrf=opened.csrf,
            created_at=moment,
            seen_at=moment,
        )
    )
    audit(
        session,
        workspace_id=home,
        actor=user.name,
        actor_id=user.id,
        action="user.signed_in",
        address=address,
    )
    return opened


def sign_out(session: Session, token: str) -> None:
    """End the session that *token* opens; an unknown one is no error."""
    session.execute(sa.delete(SignIn).where(SignIn.token_hash == token_hash(token)))


def end_sessions(session: Session, user_id: str, *, keep: str = "") -> None:
    """End every session of a person, save the one whose token has the hash *keep*."""
    session.execute(sa.delete(SignIn).where(SignIn.user_id == user_id, SignIn.token_hash != keep))


def touch(session: Session, digest: str) -> None:
    """Note that a session was used now."""
    session.execute(sa.update(SignIn).where(SignIn.token_hash == digest).values(seen_at=now()))


# --- the first owner ---


def setup_link(session: Session, base_url: str) -> str | None:
    """Return the address that makes the first workspace and owner, None when there is an owner; earlier ones end."""
    if queries.owner_exists(session):
        return None
    token, moment = new_token(), now()
    is_open = (OneTimeLink.kind == LinkKind.SETUP.value) & OneTimeLink.used_at.is_(None)
    session.execute(sa.delete(OneTimeLink).where(is_open))
    session.add(
        OneTimeLink(
            token_hash=token_hash(token),
            kind=LinkKind.SETUP.value,
            created_at=moment,
            expires_at=moment + rules.SETUP_LIFE,
        )
    )
    return f"{base_url.rstrip('/')}/setup/{token}"


def set_up(
    session: Session, token: str, *, workspace: str, timezone: str, name: str, email: str, password_hash: str
) -> User:
    """Use a set-up link: make the workspace and its owner; raises :class:`Gone` when it was used or is over."""
    moment = now()
    used = session.execute(
        sa.update(OneTimeLink)
        .where(
            OneTimeLink.token_hash == token_hash(token),
            OneTimeLink.kind == LinkKind.SETUP.value,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > moment,
        )
        .values(used_at=moment)
        .returning(OneTimeLink.token_hash)
    )
    if used.scalar_one_or_none() is None or queries.owner_exists(session):
        raise Gone(
            "This set-up link was used or is over.",
            fix="While there is no owner, a restart writes a new one.",
        )
    made = create_workspace(session, name=workspace, timezone=timezone)
    return create_user(
        session, email=email, name=name, password="", password_hash=password_hash, workspace_id=made.id,
        role=Role.OWNER, check_password=False,
    )  # fmt: skip


def ensure_demo(session: Session) -> DemoPeople:
    """Return the demo workspace with an owner, an editor and an approver, made when missing; refused in production."""
    if not _demo_allowed:
        raise Forbidden("Demo people exist in development only.", code="demo_refused")
    workspace = session.scalars(sa.select(Workspace).where(Workspace.is_demo)).first()
    if workspace is None:
        workspace = create_workspace(
            session, name="Northfield Motors", timezone="America/New_York", is_demo=True
        )
    people = {
        "owner": ("Olivia Marsh", Role.OWNER),
        "editor": ("Marcus Cole", Role.EDITOR),
        "approver": ("Sam Ortiz", Role.APPROVER),
    }
    made = {
        key: _demo_person(session, workspace.id, f"{key}@demo.example", name, role)
        for key, (name, role) in people.items()
    }
    return DemoPeople(workspace=workspace, password=DEMO_PASSWORD, **made)


def _demo_person(session: Session, workspace_id: str, email: str, name: str, role: Role) -> User:
    return queries.user_by_email(session, email) or create_user(
        session, email=email, name=name, password=DEMO_PASSWORD, workspace_id=workspace_id, role=role,
        check_password=False,
    )  # fmt: skip


# --- audit ---


def audit(
    session: Session, *, workspace_id: str | None, actor: str, actor_id: str | None, action: str,
    subject_kind: str = "", subject_id: str = "", **detail: Any,
) -> None:  # fmt: skip
    """Write down who did what to what; *detail* must hold no secret and nobody's text."""
    session.add(
        AuditEntry(
            **entry(
                workspace_id=workspace_id,
                actor=actor,
                actor_id=actor_id,
                action=action,
                subject_kind=subject_kind,
                subject_id=subject_id,
                detail=detail,
            )
        )
    )


def audit_of(session: Session, subject: Any, by: Actor, action: str, **detail: Any) -> None:
    """Write down who did what to a row of a workspace: a run, a workflow; *detail* as in :func:`audit`."""
    audit(
        session,
        workspace_id=subject.workspace_id,
        actor=by.name,
        actor_id=by.user_id,
        action=action,
        subject_kind=subject.__tablename__,
        subject_id=subject.id,
        **detail,
    )


def entry(
    *, workspace_id: str | None, actor: str, actor_id: str | None, action: str, subject_kind: str, subject_id: str,
    detail: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return the columns of an audit entry, for whoever writes it in a statement of their own; as :func:`audit`."""
    return {
        "id": new_id(),
        "workspace_id": workspace_id,
        "at": now(),
        "actor": _line(actor)[:254],
        "actor_id": actor_id,
        "action": action,
        "subject_kind": subject_kind,
        "subject_id": subject_id,
        "detail": detail,
    }


def _owners(session: Session, workspace_id: str) -> int:
    is_owner = (Membership.workspace_id == workspace_id) & (Membership.role == Role.OWNER.value)
    return session.execute(sa.select(sa.func.count()).where(is_owner)).scalar_one()


def _line(text: str) -> str:
    """Return text on one line without control characters: names end up in mail headers and logs."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", text).strip()
