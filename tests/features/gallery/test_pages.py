"""The cards and a template's page."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from app.core.db import db
from app.engine.enums import RunStatus, StepStatus
from app.features.accounts.service import Actor
from app.features.files import service as files
from app.features.gallery import library, queries, starting
from tests.cast import Cast, Person
from tests.factories import story
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SLUGS = sorted(path.stem for path in library.FOLDER.glob("*.yaml"))
FACEBOOK = "/gallery/facebook-ads-campaign"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def sample(app: Flask, cast: Cast) -> str:
    """A seeded finished run of the Facebook template with two ads and three pictures; its id."""
    with app.app_context():
        session = db.session()
        actor = Actor(cast.alice.user_id, cast.alice.name, cast.alice.email)
        run = starting.launch(
            session,
            workspace_id=cast.alice.workspace_id,
            slug="facebook-ads-campaign",
            raw_inputs={"offer": "A <b>red</b> car"},
            actor=actor,
            trigger_kind="seed",
        )
        told = story(session, run)
        step = told.step("ads", StepStatus.COMPLETED)
        documents = told.documents(step, ["First. <script>alert(1)</script>", "Second. Text"])
        for document, image in zip(documents, told.pictures(step, 3), strict=False):
            files.attach(session, document.id, [image.id])
        told.now(RunStatus.COMPLETED)
        session.commit()
        return run.id


def test_the_gallery_shows_every_template_with_sample_facts(cast: Cast) -> None:
    response = cast.browser(cast.alice).get("/gallery")
    page = Page(response.text)
    assert response.status_code == 200
    assert page.faults == []
    assert page.text.count("sample · new here") == len(SLUGS)
    assert "6 steps · about 4 min + 1 approval free without a key · sample · new here" in page.text
    assert 'href="/gallery/facebook-ads-campaign/launch"' in response.text


def test_search_and_category_stand_in_the_address(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    assert _names(browser.get("/gallery?q=new+car+arrived").text) == [
        "Used-vehicle listing copy",
        "Facebook Ads Campaign",
    ]
    assert _names(browser.get("/gallery?category=social").text) == ["Instagram Carousel"]
    assert len(_names(browser.get("/gallery?category=nonsense&sort=nonsense").text)) == len(SLUGS)
    links = [
        each["href"]
        for each in Page(browser.get("/gallery?q=car").text).attributes("a")
        if "pill" in each.get("class", "")
    ]
    assert "/gallery?q=car&category=paid-ads" in links


@pytest.mark.parametrize(
    ("asked", "words", "button", "target"),
    [
        ("q=%3Cb%3Eboat", "Nothing goes with “<b>boat”. Try another word", "Show all templates", "/gallery"),
        ("q=boat&category=social", "Nothing under “Social” goes with “boat”. Try", "Show all templates",
         "/gallery"),
        ("q=recal&category=social&sort=name", "Nothing under “Social” goes with “recal”. 1 template elsewhere does.",
         r"Search in all categories \(1\)", "/gallery?q=recal&sort=name"),
        ("q=win+back&from=own&category=blog", "Nothing by your team under “Blog” goes with “win back”. 2 templates",
         r"Search in all categories \(2\)", "/gallery?q=win+back"),
        ("q=recal&from=own", "Nothing by your team goes with “recal”. 1", r"Search everybody’s \(1\)",
         "/gallery?q=recal"),
        ("from=own", "choose “Save as template”", "Choose a workflow", "/workflows"),
    ],
)  # fmt: skip
def test_an_empty_shelf_says_why_and_leads_on(cast: Cast, asked: str, words: str, button: str, target: str) -> None:
    response = cast.browser(cast.alice).get(f"/gallery?{asked}")
    page = Page(response.text)
    assert page.faults == []
    assert words in page.text
    assert "<b>boat" not in response.text
    links = re.findall(rf'<a class="btn" href="([^"]*)">{button}</a>', response.text)
    assert links == [target.replace("&", "&amp;")]


def test_who_cannot_make_a_template_is_led_back_to_all_of_them(cast: Cast) -> None:
    response = cast.browser(cast.bob).get("/gallery?from=own&category=social")
    assert "There is no template of your team under “Social” yet." in Page(response.text).text
    assert re.findall(r'<a class="btn" href="([^"]*)">Show all templates</a>', response.text) == ["/gallery"]


def test_a_filter_that_is_not_understood_is_said_and_the_rest_is_kept(cast: Cast) -> None:
    alice = cast.browser(cast.alice)

    html = alice.get("/gallery?category=nonsense&from=me&sort=best&view=wall&kind=car&q=recall").text
    page = Page(html)
    assert page.faults == []
    assert "the rest is kept." in page.text
    for name, said in (("Category", "nonsense"), ("Made by", "me"), ("Sort by", "best"), ("Show as", "wall")):
        assert f"{name}: “{said}” is not one of the choices." in page.text
    assert "There is no filter “kind”." in page.text
    assert 'value="recall"' in html
    assert "is understood" not in alice.get("/gallery?category=paid-ads&from=own&sort=name&view=list&page=2").text


def test_htmx_gets_the_cards_alone_and_they_are_those_of_the_page(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    whole, fragment = browser.get("/gallery?q=facebook"), browser.get("/gallery?q=facebook", headers=HTMX)
    cards, _, said = fragment.text.partition('<p id="cards-said" hx-swap-oob="innerHTML">')
    assert cards.strip().startswith('<div id="cards" class="shelf">')
    assert cards.strip() in whole.text
    assert said.strip() == "2\xa0templates found</p>"
    assert '<p class="vh" id="cards-said" role="status"></p>' in whole.text
    assert "HX-Request" in fragment.headers["Vary"]


def test_the_card_and_the_page_show_the_finished_sample_first(cast: Cast, sample: str) -> None:
    browser = cast.browser(cast.alice)
    cards, shown = browser.get("/gallery").text, browser.get(FACEBOOK)
    assert cards.count("/small") == 3
    page = Page(shown.text)
    assert page.faults == []
    assert "First" in page.text
    assert "<script>alert" not in shown.text
    assert f'href="/runs/{sample}"' in shown.text
    assert (
        page.text.index("A finished sample")
        < page.text.index("How it is made")
        < page.text.index("Have this at hand")
    )


def test_the_sample_turns_by_links(cast: Cast, sample: str) -> None:
    browser = cast.browser(cast.alice)
    second = browser.get(f"{FACEBOOK}?document=2")
    assert "2 of 2" in Page(second.text).text
    fragment = browser.get(f"{FACEBOOK}?document=2", headers=HTMX).text.strip()
    assert fragment.startswith("<section")
    assert fragment in second.text
    for odd in ("0", "3", "-1", "x", "99999999999999999999"):
        assert "1 of 2" in Page(browser.get(f"{FACEBOOK}?document={odd}").text).text


def test_without_a_finished_run_the_page_shows_sample_answers(cast: Cast) -> None:
    page = Page(cast.browser(cast.charlie).get("/gallery/new-lead-follow-up").text)
    assert page.faults == []
    assert "Your first result will stand here" in page.text
    assert "Dana Whitfield" in page.text


def test_another_workspaces_sample_is_not_shown(cast: Cast, sample: str) -> None:
    response = cast.browser(cast.charlie).get(FACEBOOK)
    assert response.status_code == 200
    assert sample not in response.text
    assert "Your first result will stand here" in response.text


@pytest.mark.parametrize("slug", SLUGS)
def test_every_template_has_a_page_without_braces(cast: Cast, slug: str) -> None:
    page = Page(cast.browser(cast.alice).get(f"/gallery/{slug}").text)
    assert page.faults == []
    assert "{{" not in page.text
    assert "Use this template" in page.text


def test_an_approver_may_look_and_sees_no_way_to_start(cast: Cast) -> None:
    browser = cast.browser(cast.bob)
    for address in ("/gallery", FACEBOOK):
        response = browser.get(address)
        assert response.status_code == 200
        assert "/launch" not in response.text


def test_an_unknown_template_is_not_found_and_a_stranger_signs_in_first(cast: Cast) -> None:
    assert cast.browser(cast.alice).get("/gallery/no-such").status_code == 404
    response = cast.browser(None).get(FACEBOOK)
    assert response.status_code == 303
    assert response.location.startswith("/sign-in?next=")


def test_cards_take_as_many_statements_for_one_template_as_for_all(
    cast: Cast, dana: Person, statements: Callable[[], int], sample: str
) -> None:
    browser = cast.browser(dana)
    counted = []
    for address in ("/gallery?category=paid-ads", "/gallery"):
        browser.get(address)
        before = statements()
        browser.get(address)
        counted.append(statements() - before)
    assert counted[0] == counted[1]


def test_the_gallery_is_empty_before_templates_are_there(app: Flask, cast: Cast) -> None:
    with app.app_context():
        for template in queries.templates(db.session(), cast.alice.workspace_id):
            db.session.delete(template)
        db.session.commit()
    page = Page(cast.browser(cast.alice).get("/gallery").text)
    assert page.faults == []
    assert "No templates yet" in page.text


def _names(html: str) -> list[str]:
    return [part.split("</a>")[0].split(">")[-1] for part in html.split("<h2>")[1:]]
