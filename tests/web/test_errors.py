"""Every failure is a page or a fragment that says what happened, with a code when it was our fault."""

import logging
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from app.core.errors import Conflict, FieldError, Gone, Invalid, NotFound, Unavailable
from tests.cast import Cast
from tests.page import Page

FAILURES = {
    "crash": RuntimeError("a secret detail of ours"),
    "database": OperationalError("SELECT secret", {}, Exception("gone")),
    "busy": TimeoutError("the database is busy: a writer held it for 15 s"),
    "unavailable": Unavailable("The mail server does not answer.", fix="Try again in a minute."),
    "missing": NotFound("There is no such run."),
    "late": Conflict("Bob approved it at 10:04."),
    "over": Gone("This link was used."),
    "wrong": Invalid(
        "Two answers need a change.",
        [FieldError("/inputs/price", "money", "$289,90 is not a price.", "Try 28990.")],
    ),
}


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    """A browser for an application that fails in every way."""

    def fail(name: str) -> None:
        raise FAILURES[name]

    web_app.add_url_rule("/fail/<name>", "fail", fail)
    return web_app.test_client()


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nowhere", 404, "It may have been removed, or the address has a slip in it."),
        ("/sign-out", 405, "This address cannot do that"),
        ("/fail/crash", 500, "Something went wrong on our side"),
        ("/fail/database", 503, "Greenlight is busy"),
        ("/fail/busy", 503, "Nothing was lost. Try again in a moment."),
        ("/fail/unavailable", 503, "The mail server does not answer. Try again in a minute."),
        ("/fail/missing", 404, "There is no such run."),
        ("/fail/late", 409, "Bob approved it at 10:04."),
        ("/fail/over", 410, "This link was used."),
        ("/fail/wrong", 422, "$289,90 is not a price. Try 28990."),
    ],
)
def test_page_and_fragment_agree(client: FlaskClient, path: str, status: int, said: str) -> None:
    whole, part = client.get(path), client.get(path, headers={"HX-Request": "true"})
    page, fragment = Page(whole.text), Page(part.text)
    assert [whole.status_code, part.status_code] == [status, status]
    assert (page.faults, fragment.faults) == ([], [])
    assert said in page.text
    assert said in fragment.text
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert (part.headers["HX-Retarget"], part.headers["HX-Reswap"]) == ("#notices", "innerHTML")
    assert "HX-Request" in whole.headers["Vary"]


def test_what_is_gone_is_a_page_that_does_not_exist_or_a_part_of_one_that_does(client: FlaskClient) -> None:
    assert "This page does not exist" in Page(client.get("/fail/missing").text).text
    fragment = Page(client.get("/fail/missing", headers={"HX-Request": "true"}).text).text
    assert fragment == "This is not there any more. There is no such run."


def test_a_crash_shows_a_code_and_logs_it_with_the_trace(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = client.get("/fail/crash")
    codes = re.findall(r"GL-[2-9A-Z]{6}", response.text)
    assert len(codes) == 1
    assert "Send it to whoever runs Greenlight for you" in response.text
    assert "a secret detail" not in response.text
    assert "Traceback" not in response.text


@pytest.mark.usefixtures("client")
def test_a_code_says_whom_to_send_it_to_on_page_and_notice(cast: Cast) -> None:
    for member, said in (
        (cast.alice, "It stands in the server’s log"), (cast.bob, "Send it to an owner of your workspace: with it"),
    ):  # fmt: skip
        browser = cast.browser(member)
        for headers in ({}, {"HX-Request": "true"}):
            assert said in Page(browser.get("/fail/crash", headers=headers).text).text


def _buttons(html: str) -> dict[str, str]:
    """Return where each button leads; the most useful one comes first."""
    found = re.findall(r'<a class="(btn[^"]*)" href="([^"]*)"[^>]*>(?:<svg.*?</svg>)?([^<]+)</a>', html, re.DOTALL)
    assert ["btn-primary" in css for css, *_ in found] == [True] + [False] * (len(found) - 1)
    return {words.strip(): address for _, address, words in found}


@pytest.mark.usefixtures("client")
def test_an_error_page_offers_what_helps(cast: Cast) -> None:
    alice = cast.browser(cast.alice)
    came = {"Referer": "http://localhost/documents?q=honda"}

    crashed, missing = alice.get("/fail/crash", headers=came).text, alice.get("/runs/nothing").text
    posted = alice.post("/runs/nothing/pause", headers={"Referer": "http://localhost/runs/nothing"}).text

    assert _buttons(crashed) == {"Try again": "/fail/crash", "Go back": "/documents?q=honda", "Go home": "/"}
    assert _buttons(missing) == {"Runs": "/runs", "Go home": "/"}
    assert _buttons(posted) == {"Go back": "/runs/nothing", "Runs": "/runs", "Go home": "/"}
    assert 'data-address="/runs/nothing"' in posted  # so that coming back to it sends nothing again
    assert "data-address" not in crashed + missing
    code, = re.findall(r"GL-[2-9A-Z]{6}", Page(crashed).text)
    report, = (a["href"] for a in Page(crashed).attributes("a") if a["href"].startswith("/problems"))
    form = Page(alice.get(report).text)
    assert f"A page, code {code} . “Something went wrong on our side: /fail/crash”" in form.text
    notice = alice.get("/fail/crash", headers={"HX-Request": "true"}).text
    assert next(a["href"] for a in Page(notice).attributes("a")).startswith("/problems/new?code=GL-")


def test_an_error_page_leads_back_to_pages_of_ours_alone(client: FlaskClient) -> None:
    for referrer in (
        "http://elsewhere.example/", "http://localhost/nowhere", "http://localhost/gone", "http://localhost/sign-out",
        "http://localhost:99999999/", "nonsense", "//localhost", "javascript:alert(1)",
    ):  # fmt: skip
        answer = client.get("/nowhere", headers={"Referer": referrer})
        assert answer.status_code == 404
        assert _buttons(answer.text) == {"Go home": "/"}
    assert "Report a problem" not in answer.text  # nobody is signed in


def test_a_page_that_is_missing_has_no_code(client: FlaskClient) -> None:
    assert re.findall(r"GL-[2-9A-Z]{6}", client.get("/nowhere").text) == []


def test_405_says_what_is_allowed(client: FlaskClient) -> None:
    assert "POST" in client.get("/sign-out").headers["Allow"]


def test_a_busy_database_says_when_to_come_back(client: FlaskClient) -> None:
    assert client.get("/fail/database").headers["Retry-After"] == "5"


def test_the_error_page_stands_while_the_visitor_cannot_be_read(cast: Cast) -> None:
    from app.web.visitor import load_with

    def unreadable(_request: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    client = cast.browser(cast.alice)
    load_with(cast.app, unreadable)
    response = client.get("/settings")
    assert response.status_code == 503
    assert "Greenlight is busy" in response.text


def test_a_restored_page_is_whole(client: FlaskClient) -> None:
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in client.get("/nowhere", headers=headers).text
