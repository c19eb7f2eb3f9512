"""The gallery's order, filters and pages; the comparison; five hundred templates."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.features.gallery import figures, queries, shelf
from app.features.gallery.enums import Sort, Whose
from app.features.gallery.figures import Figures
from app.features.gallery.models import Template
from app.features.workflows.enums import Category
from tests.cast import Cast
from tests.page import Page
from tests.speed import took_s

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FACEBOOK, INSTAGRAM, RECALL = "facebook-ads-campaign", "instagram-carousel", "service-recall-outreach"


def _own(session: Session, workspace_id: str, slug: str, **changes: Any) -> Template:
    """Give a workspace a template of its own, like the Facebook one."""
    ours = session.scalars(sa.select(Template).where(Template.slug == FACEBOOK)).first()
    values = {column.key: getattr(ours, column.key) for column in Template.__table__.columns if column.key != "id"}
    own = Template(**{**values, "id": new_id(), "workspace_id": workspace_id, "slug": slug, "name": slug, **changes})
    session.add(own)
    session.flush()
    return own


def _arranged(session: Session, cast: Cast, known: dict[str, Figures] | None = None, **wanted: Any) -> list[str]:
    listed = queries.listed(session, cast.alice.workspace_id)
    asked = shelf.Wanted(**wanted)
    return [one.slug for one in shelf.arrange(shelf.found(listed, asked), known or {}, asked)]


def test_the_shelf_stands_in_every_order(cast: Cast, session: Session) -> None:
    known = {INSTAGRAM: Figures(used=9), RECALL: Figures(used=12)}
    assert _arranged(session, cast, known)[:2] == [RECALL, INSTAGRAM]
    assert _arranged(session, cast, sort=Sort.NAME)[0] == "aged-inventory-price-move"
    fast = {FACEBOOK: Figures(used=9, ended=9, ready=9, minutes=0.2)}
    assert _arranged(session, cast, fast, sort=Sort.FASTEST)[0] == FACEBOOK
    assert _arranged(session, cast, sort=Sort.FASTEST)[0] == "new-lead-follow-up"
    _own(session, cast.alice.workspace_id, "own", updated_at=clock.now() + timedelta(hours=1))
    assert _arranged(session, cast, sort=Sort.NEWEST)[0] == "own"
    assert _arranged(session, cast, whose=Whose.OWN) == ["own"]
    assert "own" not in _arranged(session, cast, whose=Whose.OURS)
    assert _arranged(session, cast, text="recal leter", sort=Sort.NAME) == [RECALL]
    assert _arranged(session, cast, category=Category.BLOG) == ["blog-with-social"]


def test_the_categories_count_what_the_search_finds_in_each(cast: Cast) -> None:
    browser = cast.browser(cast.alice)

    def numbers(asked: str) -> dict[str, int]:
        pills = re.findall(r'<a class="pill"[^>]*>([^<]+) <span>(\d+)</span>', browser.get(f"/gallery?{asked}").text)
        return {html.unescape(name): int(number) for name, number in pills}

    everything, found = numbers(""), numbers("q=used")
    assert list(found) == list(everything)
    assert 0 < found["All"] < everything["All"]
    assert found["All"] == sum(number for name, number in found.items() if name != "All")
    for category in Category:
        if category.label in found:
            cards = browser.get(f"/gallery?q=used&category={category.value}").text.count('class="box tcard"')
            assert cards == found[category.label], category
            assert numbers(f"q=used&category={category.value}") == found


def test_cards_and_list_show_the_same_templates_and_keep_the_filters(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    cards = Page(browser.get("/gallery?category=sell-this-car&sort=name").text)
    rows = Page(browser.get("/gallery?category=sell-this-car&sort=name&view=list").text)
    assert cards.faults == rows.faults == []
    names = [{a["value"] for a in page.attributes("input") if a.get("name") == "t"} for page in (cards, rows)]
    assert names[0] == names[1]
    assert len(names[0]) == 4
    links = [a["href"] for a in rows.attributes("a") if "pill" in a.get("class", "")]
    assert "/gallery?category=social&sort=name&view=list" in links
    assert "/gallery?sort=name&view=list" in links


def test_two_or_three_stand_side_by_side(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    answer = browser.get(f"/gallery/compare?t={FACEBOOK}&t={INSTAGRAM}")
    page = Page(answer.text)
    assert answer.status_code == 200
    assert page.faults == []
    for words in ("two templates", "You get", "You supply", "Who approves", "Approval time here", "Not known yet"):
        assert words in page.text
    gets = re.findall(r"</b><ul class=\"cmp-steps\">(.*?)</ul></td>", answer.text)
    lists = re.findall(r'<ol class="cmp-steps small">(.*?)</ol>', answer.text)
    with cast.app.app_context():
        for slug, listed in zip((FACEBOOK, INSTAGRAM), lists, strict=True):
            steps = db.session.scalars(sa.select(Template).where(Template.slug == slug)).one().definition["steps"]
            names = re.findall(r"<li>(.*?)</li>", html.unescape(listed))
            assert sorted(names) == sorted(step["name"] for step in steps)
        for slug, listed in zip((FACEBOOK, INSTAGRAM), gets[:2], strict=True):
            template = db.session.scalars(sa.select(Template).where(Template.slug == slug)).one()
            assert re.findall(r"<li>(.*?)</li>", html.unescape(listed)) == template.gets
    assert "free without a key, about $0.23 with one" in page.text
    assert f'href="/gallery/{FACEBOOK}/launch"' in answer.text
    assert answer.text.count("btn-primary") == 1
    named = re.findall(r'<b class="only-phone small">(.*?)</b>', answer.text)
    assert len(named) == 2 * 9  # on a phone each fact says whose it is
    three = Page(browser.get(f"/gallery/compare?t={FACEBOOK}&t={INSTAGRAM}&t={RECALL}&t=review-response").text)
    assert "Compare three templates" in three.text
    assert "Review response" not in three.text
    assert "Add a" not in three.text


def test_three_take_as_many_statements_as_one(cast: Cast, statements: Callable[[], int]) -> None:
    browser, counted = cast.browser(cast.alice), []
    for address in (f"t={FACEBOOK}", f"t={FACEBOOK}&t={INSTAGRAM}&t={RECALL}"):
        before = statements()
        browser.get(f"/gallery/compare?{address}")
        counted.append(statements() - before)
    assert counted[0] == counted[1]


def test_a_comparison_of_nothing_or_of_strangers_asks_to_choose(app: Flask, cast: Cast) -> None:
    with app.app_context():
        _own(db.session(), cast.charlie.workspace_id, "charlies")
        db.session.commit()
    for address in ("/gallery/compare", "/gallery/compare?t=charlies&t=no-such"):
        page = Page(cast.browser(cast.alice).get(address).text)
        assert page.faults == []
        assert "Choose two or three" in page.text
        assert "charlies" not in page.text
        assert "Add a first" in page.text
    assert cast.browser(None).get("/gallery/compare").status_code == 303


def test_who_may_only_look_compares_without_starting(cast: Cast) -> None:
    text = cast.browser(cast.bob).get(f"/gallery/compare?t={FACEBOOK}&t={INSTAGRAM}").text
    assert "Compare two templates" in text
    assert "/launch" not in text


def test_five_hundred_templates_take_a_moment_and_no_more_statements(
    app: Flask, cast: Cast, statements: Callable[[], int]
) -> None:
    browser = cast.browser(cast.alice)
    few = _counted(browser, statements)
    with app.app_context():
        session = db.session()
        for number in range(488):
            _own(session, cast.alice.workspace_id, f"own-{number}", name=f"Template {number} of ours")
        session.commit()
    many = _counted(browser, statements)
    assert many == few
    page = Page(browser.get("/gallery?sort=name").text)
    assert f"Page 1 of {-(-500 // shelf.PAGE)}" in page.text
    assert len([a for a in page.attributes("input") if a.get("name") == "t"]) == shelf.PAGE
    last = Page(browser.get(f"/gallery?sort=name&page={-(-500 // shelf.PAGE)}").text)
    assert "Used-vehicle listing copy" in last.text
    for address in ("/gallery", "/gallery?q=recal+leter", "/gallery?view=list&sort=fastest"):
        assert took_s(partial(browser.get, address), tries=3) < 0.1


def _counted(browser: Any, statements: Callable[[], int]) -> int:
    before = statements()
    assert browser.get("/gallery").status_code == 200
    return statements() - before


def test_a_page_beyond_the_last_shows_the_last(cast: Cast) -> None:
    assert shelf.pages([]) == 0
    assert shelf.page([], 7) == []
    assert "Review response" in cast.browser(cast.alice).get("/gallery?page=999").text


def test_facts_of_a_template_that_costs_nothing_yet_name_its_own_figure(cast: Cast, session: Session) -> None:
    template = queries.template(session, cast.alice.workspace_id, FACEBOOK)
    free = figures.facts_of(template, Figures(9, 9, 9, minutes=2.0, waited_minutes=90.0, cost_microusd=0))
    assert (free.cost_microusd, free.minutes, free.waited_minutes, free.is_sample) == (230_000, 2.0, 90.0, False)
