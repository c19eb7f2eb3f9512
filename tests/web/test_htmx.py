"""Page or fragment, polls, redirects."""

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from jinja2 import DictLoader

from app.core.db import db
from app.web import htmx

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    """A browser for an application with a page, a poll and a redirect."""

    templates = {"whole.html": "<html>{{ word }}</html>", "part.html": "{{ word }}"}
    web_app.jinja_env.loader = DictLoader(templates)

    def shown() -> Response:
        return htmx.page("whole.html", fragment="part.html", status=203, word="ads")

    def poll() -> Response:
        return htmx.unchanged("7-12") or htmx.page("whole.html", fragment="part.html", word="ads")

    web_app.add_url_rule("/shown", "shown", shown)
    web_app.add_url_rule("/poll", "poll", poll)
    web_app.add_url_rule("/last", "last", lambda: htmx.stop_polling("done"))
    web_app.add_url_rule("/moved", "moved", lambda: htmx.redirect("/runs/1"))
    web_app.add_url_rule("/reading", "reading", lambda: {"reading": bool(db.session.info.get("reading"))})
    return web_app.test_client()


@pytest.mark.parametrize(
    ("headers", "is_page"),
    [
        ({}, True),
        (FRAGMENT, False),
        ({**FRAGMENT, "HX-Boosted": "true"}, True),
        ({**FRAGMENT, "HX-History-Restore-Request": "true"}, True),
    ],
)
def test_htmx_gets_the_fragment_and_all_others_the_page(
    client: FlaskClient, headers: dict[str, str], is_page: bool
) -> None:
    response = client.get("/shown", headers=headers)
    assert response.status_code == 203
    assert response.text == ("<html>ads</html>" if is_page else "ads")
    assert "HX-Request" in response.headers["Vary"]


def test_a_poll_that_has_seen_it_all_gets_nothing(client: FlaskClient) -> None:
    assert client.get("/poll?seen=7-12", headers=FRAGMENT).status_code == 204
    assert client.get("/poll", headers={"If-None-Match": 'W/"7-12"'}).status_code == 304
    assert client.get("/poll?seen=7-11", headers=FRAGMENT).status_code == 200
    assert client.get("/poll", headers=FRAGMENT).status_code == 200


def test_the_last_poll_is_told_so(client: FlaskClient) -> None:
    response = client.get("/last", headers=FRAGMENT)
    assert (response.status_code, response.text) == (286, "done")


def test_redirects_follow_the_asker(client: FlaskClient) -> None:
    plain, swapped = client.get("/moved"), client.get("/moved", headers=FRAGMENT)
    assert (plain.status_code, plain.location) == (303, "/runs/1")
    assert (swapped.status_code, swapped.headers["HX-Redirect"]) == (204, "/runs/1")


def test_a_get_reads_with_the_engine_that_cannot_write(client: FlaskClient) -> None:
    assert client.get("/reading").json == {"reading": True}
