"""Addresses and forms with characters that no database keeps: one verdict on both databases, and never a 500."""

import re

import pytest
from flask import Flask

from tests.cast import enter
from tests.page import Page
from tests.web.routes import WITHOUT_A_VIEW_OF_OURS

ODD = ("%00", "a%00b", "%ED%A0%80", "%F0%9F%98%80", "9" * 400, "x")
QUERIES = ("q", "status", "before", "show", "category", "run", "page")


def _rules(app: Flask, method: str, *, with_argument: bool) -> list[str]:
    return [
        rule.rule
        for rule in app.url_map.iter_rules()
        if method in (rule.methods or ())
        and bool(rule.arguments) == with_argument
        and rule.endpoint not in WITHOUT_A_VIEW_OF_OURS
    ]


def test_no_page_breaks_on_an_odd_id(app: Flask) -> None:
    cast = enter(app)
    client = cast.browser(cast.alice)
    paths = [re.sub(r"<[^>]+>", odd, rule) for odd in ODD for rule in _rules(app, "GET", with_argument=True)]
    answers = {path: client.get(path).status_code for path in paths}
    assert {path: status for path, status in answers.items() if status not in (303, 404, 410)} == {}


def test_a_nul_in_a_query_is_refused_before_the_database_sees_it(app: Flask) -> None:
    cast = enter(app)
    client = cast.browser(cast.alice)
    for path in _rules(app, "GET", with_argument=False):
        for name in QUERIES:
            assert (path, client.get(f"{path}?{name}=a%00b").status_code) == (path, 400)
    assert "The address holds a character that is not text." in Page(client.get("/runs?q=%00").text).text


@pytest.mark.parametrize("draft", ["\x00", "x", "😀", "9" * 5000])
def test_an_odd_draft_is_not_found(app: Flask, draft: str) -> None:
    cast = enter(app)
    client = cast.browser(cast.alice)
    assert client.post("/gallery/facebook-ads-campaign/launch/run", data={"draft": draft}).status_code == 404
