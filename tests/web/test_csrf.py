"""No unsafe request without our token, none from another site; no GET that writes."""

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import Model, db
from tests.cast import PASSWORD, Cast
from tests.page import Page, token
from tests.web.routes import routes

# The approval link's form carries a token that is bound to the link; tests of approvals prove it.
WITH_A_TOKEN_OF_THEIR_OWN = {"approvals.decide_public", "approvals.undo_public", "approvals.go_on_public"}


def rows(app: Flask) -> dict[str, int]:
    """Return how many rows each table has."""
    with app.app_context():
        return {
            table.name: db.session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in Model.metadata.sorted_tables
        }


def test_every_unsafe_route_refuses_a_request_without_token(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    del client.environ_base["HTTP_X_CSRF_TOKEN"]
    before = rows(cast.app)
    unsafe = [
        route for route in routes(cast.app, unsafe=True) if route.endpoint not in WITH_A_TOKEN_OF_THEIR_OWN
    ]
    answers = {str(route): client.open(route.path, method=route.method).status_code for route in unsafe}
    assert len(answers) >= 8
    assert answers == dict.fromkeys(answers, 400)
    assert rows(cast.app) == before


def test_every_unsafe_route_refuses_another_site_even_with_the_token(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    for route in routes(cast.app, unsafe=True):
        for site in ("cross-site", "same-site"):
            response = client.open(route.path, method=route.method, headers={"Sec-Fetch-Site": site})
            assert (str(route), response.status_code) == (str(route), 403)


def test_every_unsafe_route_refuses_a_foreign_origin_of_an_older_browser(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    for route in routes(cast.app, unsafe=True):
        response = client.open(route.path, method=route.method, headers={"Origin": "https://evil.example"})
        assert (str(route), response.status_code) == (str(route), 403)


def test_no_get_writes(cast: Cast) -> None:
    client, before = cast.browser(cast.alice), rows(cast.app)
    for route in routes(cast.app, unsafe=False):
        for headers in ({}, {"HX-Request": "true"}):
            response = client.get(route.path, headers=headers, buffered=True)  # what is streamed, too
            assert response.status_code < 500 or route.endpoint == "ops.readyz", (
                f"{route}: {response.status_code}"
            )
    assert rows(cast.app) == before


@pytest.mark.parametrize("origin", ["http://localhost", "null"])
def test_our_own_pages_may_post(cast: Cast, origin: str) -> None:
    client = cast.browser(cast.alice)
    headers = {"Origin": origin} | ({"Sec-Fetch-Site": "same-origin"} if origin == "null" else {})
    assert client.post("/settings/theme", data={"theme": "dark"}, headers=headers).status_code == 303


def test_the_token_of_one_person_does_not_serve_another(cast: Cast) -> None:
    alice, bob = cast.browser(cast.alice), cast.browser(cast.bob)
    alice.environ_base["HTTP_X_CSRF_TOKEN"] = bob.environ_base["HTTP_X_CSRF_TOKEN"]
    assert alice.post("/settings/theme", data={"theme": "dark"}).status_code == 400


def test_a_strangers_token_is_bound_to_their_browser(cast: Cast) -> None:
    mine, theirs = cast.browser(None), cast.browser(None)
    taken = token(theirs.get("/sign-in").text)
    mine.get("/sign-in")
    data = {"email": "alice@north.example", "password": PASSWORD, "csrf_token": taken}
    assert mine.post("/sign-in", data=data).status_code == 400
    assert theirs.post("/sign-in", data=data).status_code == 303


def test_the_token_stands_in_forms_and_for_htmx(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    page = client.get("/settings").text
    mine = client.environ_base["HTTP_X_CSRF_TOKEN"]
    assert token(page) == mine
    assert f"""hx-headers='{{"X-CSRF-Token": "{mine}"}}'""" in page


def test_a_session_that_ended_leads_to_sign_in_not_to_an_error(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    client.post("/sign-out", data={"everywhere": "1"})
    client.set_cookie("gl", "ended")
    plain = client.post("/settings/theme", data={"theme": "dark"})
    assert (plain.status_code, plain.location) == (303, "/sign-in?next=/&lapsed=1")
    swapped = client.post(
        "/settings/theme", headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/settings"}
    )
    assert (swapped.status_code, swapped.headers["HX-Redirect"]) == (204, "/sign-in?next=/settings&lapsed=1")


@pytest.mark.parametrize("path", ["/settings/theme", "/sign-out"])
def test_who_signed_out_in_another_tab_is_told_so_and_led_back(cast: Cast, path: str) -> None:
    client = cast.browser(cast.alice)
    client.post("/sign-out")  # the other tab: the cookie is gone, the page and its token are still open
    pressed = client.post(path, data={"theme": "dark"}, headers={"Referer": "http://localhost/settings"})
    assert (pressed.status_code, pressed.location) == (303, "/sign-in?next=/settings&lapsed=1")
    page = Page(client.get(pressed.location).text)
    assert page.faults == []
    assert "You are signed out, so what you pressed was not done." in page.text
    assert "You are signed out" not in Page(client.get("/sign-in?next=/settings").text).text
