"""One's own settings: password, theme, and who else is there."""

import pytest
import sqlalchemy as sa

from app.core.db import db
from app.core.errors import Conflict
from app.features.accounts import service
from app.features.accounts.enums import Role
from app.features.accounts.models import AuditEntry, User
from tests.cast import PASSWORD, Cast
from tests.page import Page

NEW = "eleven small boats on the river"


def change(**given: str) -> dict[str, str]:
    return {"current": PASSWORD, "password": NEW, "again": NEW, **given}


def test_the_owner_sees_the_people_and_the_approver_does_not(cast: Cast) -> None:
    alice, bob = (Page(cast.browser(who).get("/settings").text) for who in (cast.alice, cast.bob))
    assert (alice.faults, bob.faults) == ([], [])
    assert "bob@north.example" in alice.text
    assert "charlie@south.example" not in alice.text
    assert "alice@north.example" not in bob.text
    assert ["bin/greenlight user create" in page.text for page in (alice, bob)] == [True, False]


def test_a_new_password_ends_every_other_session(cast: Cast) -> None:
    here, there = cast.browser(cast.alice), cast.browser(cast.alice)
    assert here.post("/settings/password", data=change()).status_code == 303
    assert "Your password is changed." in here.get("/settings").text
    assert there.get("/settings").status_code == 303
    with cast.app.app_context():
        assert service.authenticate(db.session(), email=cast.alice.email, password=PASSWORD) is None
        assert service.authenticate(db.session(), email=cast.alice.email, password=NEW) is not None
        assert db.session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id.desc())).first() == (
            "user.password_changed"
        )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"current": "something else entirely"}, "This is not your present password."),
        ({"password": "short", "again": "short"}, "A password has at least 12 characters."),
        (
            {"password": "Password1234!", "again": "Password1234!"},
            "This password is one of those that are guessed first.",
        ),
        ({"again": "eleven small boats on the lake"}, "This is not the same."),
        ({"current": ""}, "This needs an answer."),
    ],
)
def test_a_wrong_password_form_changes_nothing(cast: Cast, given: dict[str, str], said: str) -> None:
    client = cast.browser(cast.alice)
    response = client.post("/settings/password", data=change(**given))
    page = Page(response.text)
    assert (response.status_code, page.faults) == (422, [])
    assert said in page.text
    with cast.app.app_context():
        assert service.authenticate(db.session(), email=cast.alice.email, password=PASSWORD) is not None


def test_the_theme_is_kept_and_shown(cast: Cast) -> None:
    client = cast.browser(cast.bob)
    assert "data-bs-theme" not in client.get("/more").text
    assert client.post("/settings/theme", data={"theme": "dark"}).status_code == 303
    assert '<html lang="en" data-bs-theme="dark">' in client.get("/more").text
    assert client.post("/settings/theme", data={"theme": "pink"}).status_code == 422
    with cast.app.app_context():
        assert [db.session.get_one(User, who.user_id).theme for who in (cast.alice, cast.bob)] == ["", "dark"]


def test_another_role_ends_the_sessions_and_holds_at_once(cast: Cast) -> None:
    client = cast.browser(cast.bob)
    with cast.app.app_context():
        service.set_role(
            db.session(), workspace_id=cast.bob.workspace_id, user_id=cast.bob.user_id, role=Role.EDITOR,
            actor="Alice Ames", actor_id=cast.alice.user_id,
        )  # fmt: skip
        db.session.commit()
    assert client.get("/settings").status_code == 303
    assert "Start something" in cast.browser(cast.bob).get("/more").text


def test_the_last_owner_stays_one(cast: Cast) -> None:
    with cast.app.app_context(), pytest.raises(Conflict):
        service.set_role(
            db.session(), workspace_id=cast.alice.workspace_id, user_id=cast.alice.user_id, role=Role.EDITOR,
            actor="Alice Ames", actor_id=cast.alice.user_id,
        )  # fmt: skip
