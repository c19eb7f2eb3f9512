"""The frame of every page: navigation by role, counts, assets, paging, the limiter."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.ids import new_id
from app.core.settings import ROOT, Settings
from app.web import nav
from app.web.paging import before, cut
from tests.cast import Cast, add_editor, enter
from tests.page import Page


def places(page: Page) -> list[str]:
    """Return where the side leads."""
    return [attrs["href"] for attrs in page.attributes("a") if attrs.get("class") == "item"]


def test_the_side_shows_what_the_role_may_do(cast: Cast) -> None:
    dana = add_editor(cast)
    shown = {
        who.name: places(Page(cast.browser(who).get("/more").text)) for who in (cast.alice, cast.bob, dana)
    }
    everyday = ["/", "/gallery", "/approvals", "/runs", "/documents"]
    assert shown["Alice Ames"] == [*everyday, "/workflows", "/settings", "/help"]
    assert shown["Dana Dole"] == shown["Alice Ames"]
    assert shown["Bob Brown"] == ["/", "/approvals", "/runs", "/documents", "/settings", "/help"]


def test_the_place_one_is_at_is_marked(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    for path in ("/", "/gallery", "/approvals", "/runs", "/documents", "/settings", "/help"):
        side = [link for link in Page(client.get(path).text).attributes("a") if link.get("class") == "item"]
        marked = [link["href"] for link in side if link.get("aria-current") == "page"]
        assert marked == [path]


def test_counts_stand_beside_their_places(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        nav._counters, "waiting", lambda asker: sa.case((asker.email == cast.bob.email, 3), else_=1)
    )
    bob, alice = (Page(cast.browser(who).get("/more").text).text for who in (cast.bob, cast.alice))
    assert "3 wait for you" in bob
    assert "1 waits for you" in alice


def test_counts_are_put_together_once_for_all_who_may_do_the_same(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def one(asker: nav.Asker) -> sa.ColumnElement[int]:
        asked.append(asker.may("manage"))
        return sa.literal(1)

    monkeypatch.setitem(nav._counters, "waiting", one)
    for who in (cast.alice, cast.bob, cast.charlie, cast.alice, cast.bob):
        assert "1 waits for you" in Page(cast.browser(who).get("/more").text).text
    assert sorted(asked) == [False, True]


def test_the_phone_has_five_tabs_and_more_leads_to_the_rest(cast: Cast) -> None:
    html = cast.browser(cast.alice).get("/more").text
    tabs = html[html.index('<nav class="tabbar"') :]
    assert re.findall(r'<a href="([^"]+)"', tabs) == ["/", "/approvals", "/gallery", "/runs", "/more"]
    listed = html[html.index('aria-label="More places"') : html.index('<nav class="tabbar"')]
    assert re.findall(r'href="(/[a-z]+)"', listed) == ["/documents", "/workflows", "/settings", "/help"]


def test_the_htmx_config_is_strict(cast: Cast) -> None:
    html = cast.browser(cast.alice).get("/").text
    for part in (
        '"allowEval":false', '"includeIndicatorStyles":false', '"selfRequestsOnly":true', '"historyCacheSize":0',
        '"allowScriptTags":false', '{"code":"422","swap":true}', '{"code":"204","swap":false}',
    ):  # fmt: skip
        assert part in html
    assert "inlineScriptNonce" not in html


def test_bundles_hold_every_component_and_are_cached_by_hash(web_app: Flask) -> None:
    client = web_app.test_client()
    html = client.get("/sign-in").text
    address = re.findall(r'href="(/assets/[0-9a-f]{16}/app.css)"', html)[0]
    zipped = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert zipped.headers["Content-Encoding"] == "gzip"
    css = gzip.decompress(zipped.data).decode()
    assert css == client.get(address, headers={"Accept-Encoding": "identity"}).text
    for path in sorted((ROOT / "static/css").rglob("*.css")):
        assert (path.read_text().strip() in css) == (path.name != "public.css")
    assert client.get("/assets/0/other.css").status_code == 404


def test_the_public_style_is_small(web_app: Flask) -> None:
    with web_app.test_request_context():
        bundle = web_app.extensions["assets"].bundle("public.css")
    assert len(bundle.compressed) < 9000
    assert b"tblr-alert" not in bundle.plain


def test_no_style_or_script_names_another_host() -> None:
    for path in [
        *ROOT.glob("static/css/**/*.css"),
        *ROOT.glob("static/js/**/*.js"),
        *ROOT.glob("templates/**/*.html"),
    ]:
        if "emails" in Path(path).parts:
            continue
        found = re.findall(r"(?:https?:)?//(?!www\.w3\.org)[a-z0-9.-]+\.[a-z]{2,}/", path.read_text())
        assert found == [], path


def test_pages_are_cut_by_key(web_app: Flask) -> None:
    class Row:
        def __init__(self) -> None:
            self.id = new_id()

    rows = [Row() for _ in range(4)]
    first, last = cut(rows, 3), cut(rows[:3], 3)
    assert (list(first.items), first.next) == (rows[:3], rows[2].id)
    assert (list(last.items), last.next) == (rows[:3], None)
    for given, key in ((rows[2].id, rows[2].id), ("'; DROP", None), ("", None)):
        with web_app.test_request_context("/", query_string={"before": given}):
            assert before() == key


@pytest.mark.parametrize("redis_url", ["", "redis://127.0.0.1:1/0"])
def test_what_is_dear_is_limited_even_without_redis(
    web_settings: Settings, make_app: Callable[[Settings], Flask], redis_url: str
) -> None:
    cast = enter(make_app(web_settings.replace(redis_url=redis_url)))
    client = cast.browser(cast.alice)
    answers = [client.post("/settings/password", data={}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert "Too many tries" in answers[-1].text
    assert int(answers[-1].headers["Retry-After"]) <= 60
