"""The first owner comes by a link that works once; the demo people never come in production."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from freezegun import freeze_time

from app.core.clock import now
from app.core.db import db
from app.core.errors import Forbidden
from app.core.settings import Settings
from app.features.accounts import queries, service
from app.features.accounts.enums import Role
from app.features.accounts.models import OneTimeLink, User, Workspace
from tests.cast import Cast, enter
from tests.page import Page, token

ANSWERS = {
    "workspace": "Northfield Motors", "timezone": "America/Chicago", "name": "Alice Ames",
    "email": "Alice@North.example", "password": "seven green lamps over the bridge",
}  # fmt: skip


def link(app: Flask) -> str:
    with app.app_context():
        address = service.setup_link(db.session(), "http://localhost/")
        db.session.commit()
    assert address is not None
    return address.removeprefix("http://localhost")


def test_the_link_makes_workspace_and_owner_and_signs_in(web_app: Flask) -> None:
    path, client = link(web_app), web_app.test_client()
    asked = client.get(path)
    assert (asked.status_code, Page(asked.text).faults) == (200, [])
    assert asked.headers["Referrer-Policy"] == "no-referrer"
    response = client.post(path, data={**ANSWERS, "csrf_token": token(asked.text)})
    assert (response.status_code, response.location) == (303, "/")
    assert "Alice Ames" in client.get("/").text
    with web_app.app_context():
        workspace = db.session.scalars(sa.select(Workspace)).one()
        assert (workspace.name, workspace.timezone, workspace.is_demo) == (
            "Northfield Motors",
            "America/Chicago",
            False,
        )
        member = queries.member_by_email(db.session(), workspace.id, "alice@north.example")
        assert member is not None
        assert member.role == Role.OWNER


def test_the_link_works_once(web_app: Flask) -> None:
    path, client = link(web_app), web_app.test_client()
    csrf = token(client.get(path).text)
    client.post(path, data={**ANSWERS, "csrf_token": csrf})
    other = web_app.test_client()
    assert other.get(path).status_code == 410
    again = other.post(
        path, data={**ANSWERS, "email": "m@x.example", "csrf_token": token(other.get("/sign-in").text)}
    )
    assert again.status_code == 410
    with web_app.app_context():
        assert db.session.scalars(sa.select(User.email)).all() == ["alice@north.example"]


def test_a_newer_link_ends_the_older_and_both_end_after_a_day(web_app: Flask) -> None:
    first, second, client = link(web_app), link(web_app), web_app.test_client()
    assert [client.get(path).status_code for path in (first, second, "/setup/made-up")] == [410, 200, 410]
    with freeze_time(now() + timedelta(hours=24, minutes=1)):
        assert client.get(second).status_code == 410


def test_only_the_hash_of_the_link_is_kept(web_app: Flask) -> None:
    path = link(web_app)
    with web_app.app_context():
        kept = db.session.scalars(sa.select(OneTimeLink)).one()
    assert path.rpartition("/")[2] not in repr([kept.token_hash, kept.email])


def test_there_is_no_link_while_somebody_owns(cast: Cast) -> None:
    with cast.app.app_context():
        assert service.setup_link(db.session(), "http://localhost") is None


def test_bad_answers_are_all_shown_and_nothing_is_made(web_app: Flask) -> None:
    path, client = link(web_app), web_app.test_client()
    wrong = {
        "workspace": "N",
        "timezone": "America/Chicago",
        "name": " ",
        "email": "alice",
        "password": "short",
    }
    response = client.post(path, data={**wrong, "csrf_token": token(client.get(path).text)})
    page = Page(response.text)
    assert (response.status_code, page.faults) == (422, [])
    assert "Give a name of up to 120 characters." in page.text or "This needs an answer." in page.text
    wrong["name"] = "Alice"
    page = Page(client.post(path, data={**wrong, "csrf_token": token(client.get(path).text)}).text)
    assert "This is not an e-mail address." in page.text
    assert "A password has at least 12 characters." in page.text
    assert "short" not in page.fields()["password"]
    with web_app.app_context():
        assert db.session.scalars(sa.select(sa.func.count()).select_from(User)).one() == 0
    assert client.get(path).status_code == 200


def test_demo_people_exist_once_and_can_sign_in(web_app: Flask) -> None:
    with web_app.app_context():
        first = service.ensure_demo(db.session())
        again = service.ensure_demo(db.session())
        assert [first.owner.id, first.editor.id, first.approver.id] == [
            again.owner.id,
            again.editor.id,
            again.approver.id,
        ]
        assert (
            service.authenticate(db.session(), email="editor@demo.example", password=first.password)
            == first.editor
        )
        roles = {member.email: member.role for member in queries.members(db.session(), first.workspace.id)}
    assert roles == {
        "owner@demo.example": Role.OWNER, "editor@demo.example": Role.EDITOR, "approver@demo.example": Role.APPROVER,
    }  # fmt: skip


def test_demo_people_are_refused_in_production(
    web_settings: Settings, make_app: Callable[[Settings], Flask]
) -> None:
    app = make_app(web_settings.replace(environment="production"))
    with app.app_context():
        with pytest.raises(Forbidden):
            service.ensure_demo(db.session())
        assert db.session.scalars(sa.select(sa.func.count()).select_from(User)).one() == 0


def test_the_cast_is_made_of_real_rows(web_app: Flask) -> None:
    cast = enter(web_app)
    with web_app.app_context():
        assert [member.name for member in queries.members(db.session(), cast.alice.workspace_id)] == [
            "Alice Ames",
            "Bob Brown",
        ]
