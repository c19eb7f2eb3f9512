"""Who plays in the tests: Alice owns a workspace, Bob approves on her team, Charlie owns another one: a stranger."""

import functools
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient

from app.core.db import db
from app.features.accounts import passwords, service
from app.features.accounts.enums import Role
from app.features.accounts.models import User

PASSWORD = "seven green lamps over the bridge"


@dataclass(frozen=True)
class Person:
    """One of the cast, as rows say it."""

    user_id: str
    name: str
    email: str
    role: Role
    workspace_id: str
    password: str = PASSWORD


@dataclass(frozen=True)
class Cast:
    """The three, and browsers for them."""

    app: Flask
    alice: Person
    bob: Person
    charlie: Person

    def browser(self, person: Person | None) -> FlaskClient:
        """Return a browser without JavaScript: signed in as *person* and sending their form token, or signed out."""
        client = self.app.test_client()
        if person is None:
            return client
        with self.app.app_context():
            opened = service.sign_in(db.session(), db.session.get_one(User, person.user_id))
            db.session.commit()
        client.set_cookie("gl", opened.token)
        client.environ_base["HTTP_X_CSRF_TOKEN"] = opened.csrf
        return client

    def person(self, name: str) -> Person | None:
        """Return one of the cast by first name; ``nobody`` is somebody signed out."""
        return None if name == "nobody" else getattr(self, name)


@functools.cache
def password_hash() -> str:
    """Return the hash of the cast's password, made once a process."""
    return passwords.hash_password(PASSWORD)


def enter(app: Flask) -> Cast:
    """Put the cast into the application's database."""
    with app.app_context():
        session = db.session()
        team = service.create_workspace(session, name="Northfield Motors", timezone="America/New_York").id
        other = service.create_workspace(session, name="Southside Autos", timezone="Europe/Berlin").id
        people = [
            _person(name, role, workspace)
            for name, role, workspace in (
                ("Alice Ames", Role.OWNER, team),
                ("Bob Brown", Role.APPROVER, team),
                ("Charlie Clark", Role.OWNER, other),
            )
        ]
        session.commit()
    return Cast(app, *people)


def add_editor(cast: Cast) -> Person:
    """Put Dana, who edits on Alice's team, into the database."""
    with cast.app.app_context():
        person = _person("Dana Dole", Role.EDITOR, cast.alice.workspace_id)
        db.session.commit()
    return person


def _person(name: str, role: Role, workspace_id: str) -> Person:
    email = f"{name.split(maxsplit=1)[0].lower()}@{'north' if name[0] in 'ABD' else 'south'}.example"
    user = service.create_user(
        db.session(), email=email, name=name, password=PASSWORD, password_hash=password_hash(),
        workspace_id=workspace_id, role=role, check_password=False,
    )  # fmt: skip
    return Person(user.id, name, email, role, workspace_id)
