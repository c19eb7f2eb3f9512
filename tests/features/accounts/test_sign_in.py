"""Signing in: it works, a new session each time, one text for every wrong, and where it may lead."""

import statistics
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time
from werkzeug.test import TestResponse

from app.core.clock import now
from app.core.db import db
from app.core.ids import token_hash
from app.features.accounts.models import AuditEntry, SignIn, User
from app.features.accounts.rules import safe_next
from tests.cast import PASSWORD, Cast
from tests.page import Page, token


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD, **fields: str) -> TestResponse:
    csrf = token(client.get("/sign-in").text)
    return client.post("/sign-in", data={"email": email, "password": password, "csrf_token": csrf, **fields})


def test_right_password_opens_a_session_and_leads_home(cast: Cast) -> None:
    client = cast.browser(None)
    response = sign_in(client, " Alice@North.Example ")
    assert (response.status_code, response.location) == (303, "/")
    cookie = client.get_cookie("gl")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.path, cookie.secure) == (True, "Lax", "/", False)
    with cast.app.app_context():
        rows = db.session.scalars(sa.select(SignIn)).all()
        assert [(row.token_hash, row.user_id) for row in rows] == [
            (token_hash(cookie.value), cast.alice.user_id)
        ]
        assert cookie.value not in {row.token_hash for row in rows}
    assert "Alice Ames" in client.get("/").text


def test_over_https_the_cookie_is_secure_and_bound_to_the_host(cast: Cast) -> None:
    client = cast.browser(None)
    csrf = token(client.get("/sign-in", base_url="https://localhost").text)
    data = {"email": "alice@north.example", "password": PASSWORD, "csrf_token": csrf}
    response = client.post("/sign-in", data=data, base_url="https://localhost")
    made = [line for line in response.headers.getlist("Set-Cookie") if line.startswith("__Host-gl=")]
    assert len(made) == 1
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in made[0].split(";")}
    assert response.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_signing_in_again_makes_a_new_session_and_ends_the_old(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    planted = client.get_cookie("gl")
    assert planted is not None
    csrf = client.environ_base["HTTP_X_CSRF_TOKEN"]
    client.post("/sign-in", data={"email": "bob@north.example", "password": PASSWORD, "csrf_token": csrf})
    fresh = client.get_cookie("gl")
    assert fresh is not None
    assert fresh.value != planted.value
    client.set_cookie("gl", planted.value)
    assert client.get("/").status_code == 303


def test_a_planted_session_id_is_never_taken_over(cast: Cast) -> None:
    client = cast.browser(None)
    client.set_cookie("gl", "planted-by-somebody-else")
    sign_in(client, "alice@north.example")
    cookie = client.get_cookie("gl")
    assert cookie is not None
    assert cookie.value != "planted-by-somebody-else"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("alice@north.example", "wrong but long enough"),
        ("nobody@north.example", PASSWORD),
        ("not an address", "x"),
    ],
)
def test_every_wrong_gets_the_same_answer(cast: Cast, email: str, password: str) -> None:
    client = cast.browser(None)
    response = sign_in(client, email, password)
    page = Page(response.text)
    assert response.status_code == 422
    assert page.faults == []
    assert "E-mail or password is not right." in page.text
    assert client.get_cookie("gl") is None


def test_known_and_unknown_addresses_take_the_same_time(cast: Cast) -> None:
    from app.features.accounts import service

    taken: dict[str, list[float]] = {"alice@north.example": [], "nobody@north.example": []}
    with cast.app.app_context():
        for _ in range(12):
            for email, times in taken.items():
                began = time.thread_time()
                assert (
                    service.authenticate(db.session(), email=email, password="wrong but long enough") is None
                )
                times.append(time.thread_time() - began)
    known, unknown = (statistics.median(times) for times in taken.values())
    assert abs(known - unknown) < 0.5 * known, taken  # one without a password would be a hundredth


def test_empty_fields_are_shown_beside_their_labels(cast: Cast) -> None:
    response = sign_in(cast.browser(None), "", "")
    page = Page(response.text)
    assert response.status_code == 422
    assert "Enter your e-mail address." in page.text
    assert [attrs["aria-invalid"] for attrs in page.attributes("input") if "aria-invalid" in attrs] == [
        "true",
        "true",
    ]


def test_somebody_who_left_cannot_enter(cast: Cast) -> None:
    with cast.app.app_context():
        db.session.get_one(User, cast.bob.user_id).is_active = False
        db.session.commit()
    assert sign_in(cast.browser(None), "bob@north.example").status_code == 422


def test_an_outdated_hash_is_made_anew(cast: Cast) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with cast.app.app_context():
        db.session.get_one(User, cast.alice.user_id).password_hash = old
        db.session.commit()
    assert sign_in(cast.browser(None), "alice@north.example").status_code == 303
    with cast.app.app_context():
        assert db.session.get_one(User, cast.alice.user_id).password_hash.startswith(
            "$argon2id$v=19$m=19456,t=2,p=1$"
        )


@pytest.mark.parametrize(("minutes", "status"), [(12 * 60 - 10, 200), (12 * 60 + 1, 303)])
def test_a_session_ends_after_twelve_idle_hours(cast: Cast, minutes: int, status: int) -> None:
    client = cast.browser(cast.alice)
    with freeze_time(now() + timedelta(minutes=minutes)):
        assert client.get("/settings").status_code == status


def test_a_session_in_use_ends_after_fourteen_days(cast: Cast) -> None:
    client, began = cast.browser(cast.alice), now()
    statuses = []
    for half_days in range(1, 33):
        with freeze_time(began + timedelta(hours=11 * half_days)):
            statuses.append(client.get("/more").status_code)
    assert statuses == [200] * 30 + [303] * 2


def test_signing_out_ends_the_session_on_the_server(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    kept = client.get_cookie("gl")
    assert kept is not None
    assert client.post("/sign-out").status_code == 303
    assert client.get_cookie("gl") is None
    client.set_cookie("gl", kept.value)
    assert client.get("/").status_code == 303


def test_signing_out_everywhere_ends_the_others_too(cast: Cast) -> None:
    here, there = cast.browser(cast.alice), cast.browser(cast.alice)
    here.post("/sign-out", data={"everywhere": "1"})
    assert there.get("/settings").status_code == 303


def test_a_stranger_is_sent_to_sign_in_and_back(cast: Cast) -> None:
    client = cast.browser(None)
    response = client.get("/settings?x=1")
    assert (response.status_code, response.location) == (303, "/sign-in?next=/settings?x%3D1")
    shown = Page(client.get(response.location).text)
    assert shown.fields()["next"] == "/settings?x=1"
    assert sign_in(client, "alice@north.example", next="/settings?x=1").location == "/settings?x=1"


def test_htmx_is_sent_to_sign_in_as_a_whole_page(cast: Cast) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/runs?q=ads"}
    response = cast.browser(None).get("/settings", headers=headers)
    assert (response.status_code, response.headers["HX-Redirect"]) == (204, "/sign-in?next=/runs?q%3Dads")


FOREIGN = [
    "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "/\t/evil.example", "http:evil.example", "javascript:alert(1)", "/%0d%0aX: y\n", " /settings", "/a//evil.example",
    "evil.example/settings",
    "/sign-out", "data:text/html,x", "/settings\x00", "/" + "x" * 3000, "",
]  # fmt: skip


@pytest.mark.parametrize("address", FOREIGN)
def test_sign_in_leads_to_our_own_pages_only(address: str) -> None:
    assert safe_next(address) == "/"


def test_sign_in_uses_the_guarded_address(cast: Cast) -> None:
    assert sign_in(cast.browser(None), "alice@north.example", next="//evil.example").location == "/"
    assert cast.browser(cast.alice).get("/sign-in?next=//evil.example").location == "/"


def test_sign_ins_and_failures_are_audited_without_the_password(cast: Cast) -> None:
    client = cast.browser(None)
    sign_in(client, "alice@north.example", "a wrong one with a\nnewline")
    sign_in(client, "alice@north.example")
    with cast.app.app_context():
        rows = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)).all()
    said = [(row.action, row.actor) for row in rows if row.action.startswith("user.sign")]
    assert said == [("user.sign_in_failed", "alice@north.example"), ("user.signed_in", "Alice Ames")]
    assert "wrong one" not in repr([row.detail for row in rows])


def test_the_login_reads_from_an_app_without_a_database_error(web_app: Flask) -> None:
    cookie = {"Cookie": f"gl={'x' * 5000}"}
    assert web_app.test_client().get("/", headers=cookie).status_code == 303
