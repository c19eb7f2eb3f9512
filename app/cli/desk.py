"""Where a command works: the application, a session, the workspace, and in whose name."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.errors import Invalid, NotFound
from app.core.settings import Settings

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

    from app.engine.models import Run
    from app.features.accounts.models import User, Workspace
    from app.features.accounts.service import Actor


@dataclass(slots=True)
class Desk:
    """What a command needs at hand. The command commits."""

    session: "Session"
    workspace: "Workspace"

    def actor(self, email: str | None = None) -> "Actor":
        """Return the person of that address in this workspace; without one, its first owner."""
        from app.features.accounts.service import Actor

        user = self.member(email)
        if user is None and email:
            raise NotFound(f"Nobody in {self.workspace.name} has the address {email}.")
        return Actor(user.id, user.name, user.email) if user else Actor(None, "Command line")

    def run(self, reference: str) -> "Run":
        """Return the run of that id or number ("12", "#12"). Raises NotFound."""
        import sqlalchemy as sa

        from app.engine.models import Run
        from app.features.runs import queries

        number = reference.removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) <= 9:
            wanted = sa.select(Run).where(Run.workspace_id == self.workspace.id, Run.number == int(number))
            found = self.session.execute(wanted).scalar_one_or_none()
            if found is not None:
                return found
        return queries.run(self.session, self.workspace.id, reference)

    def member(self, email: str | None) -> "User | None":
        """Return the person of that address in this workspace, or None; without one, its first owner."""
        import sqlalchemy as sa

        from app.features.accounts.enums import Role
        from app.features.accounts.models import Membership, User

        wanted = (
            sa.select(User)
            .join(Membership, Membership.user_id == User.id)
            .where(Membership.workspace_id == self.workspace.id, User.is_active)
            .order_by(User.created_at, User.id)
        )
        if email:
            wanted = wanted.where(User.email == email.strip().lower())
        else:
            wanted = wanted.where(Membership.role == Role.OWNER.value)
        return self.session.execute(wanted.limit(1)).scalar_one_or_none()


def settings() -> Settings:
    """Read the settings; where ``bin/dev`` has been used and nothing says otherwise, those of development."""
    environ = dict(os.environ)
    if not environ.get("GREENLIGHT_ENV", "").strip() and not environ.get("SECRET_KEY", "").strip():
        guess = Settings.from_env({**environ, "GREENLIGHT_ENV": "test", "SECRET_KEY": "-"})
        if not guess.dyno and (guess.data_path / "secret_key").exists():
            environ["GREENLIGHT_ENV"] = "development"
    return Settings.from_env(environ)


@contextmanager
def application() -> Iterator["Flask"]:
    """Open the application for a command: its tables up to date, only errors in the log."""
    from app import create_app
    from app.core import logging
    from app.core.db import db
    from app.supervisor import preflight

    chosen = settings()
    chosen = chosen.replace(log_level="error") if chosen.log_level == "info" else chosen
    logging.configure(chosen)
    preflight.check_disk(chosen)
    preflight.check_database(chosen)
    app = create_app(chosen)
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


@contextmanager
def open_desk(workspace: str | None, *, reading: bool = False) -> Iterator[Desk]:
    """Open a desk in the workspace of that name; without one in the only or the demo's. Ends with a rollback.

    A *reading* one cannot write, and does not stand in line with those who do.
    """
    from app.core.db import db

    with application():
        session = db.session()
        session.info["reading"] = reading
        try:
            yield Desk(session, find_workspace(session, workspace))
        finally:
            session.info["reading"] = False


def find_workspace(session: "Session", name: str | None) -> "Workspace":
    """Return the workspace of that name or id; without one the only one, or the demo's. Raises NotFound, Invalid."""
    import sqlalchemy as sa

    from app.features.accounts.models import Workspace

    found = session.execute(sa.select(Workspace).order_by(Workspace.created_at).limit(200)).scalars().all()
    if name is not None:
        fitting = [one for one in found if name in (one.id, one.name)] or [
            one for one in found if one.name.lower() == name.lower()
        ]
        if len(fitting) == 1:
            return fitting[0]
        raise NotFound(f"There is no workspace {name}.", fix=f"There are: {_named(found)}.")
    if len(found) == 1:
        return found[0]
    demo = [one for one in found if one.is_demo]
    if len(demo) == 1:
        return demo[0]
    if not found:
        raise NotFound(
            "There is no workspace yet.",
            fix="Make the first owner: bin/greenlight user create --email you@example.com --name You",
        )
    raise Invalid("There are several workspaces.", fix=f"Name one with --workspace: {_named(found)}.")


def _named(workspaces: "Sequence[Workspace]") -> str:
    names = [one.name for one in workspaces]
    return ", ".join(names[:12]) or "none"
