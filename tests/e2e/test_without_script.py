"""Without script: nothing is offered that only a script could do, and what stands in for one stands in its place."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.stage import Stage

pytestmark = pytest.mark.browser


@pytest.fixture
def plain(stage: Stage, browser: Browser) -> Iterator[Page]:
    """A page without script, signed in to the full workspace."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": "gl", "value": stage.scenes["full"].cookie, "url": stage.url}])
    yield context.new_page()
    context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A small page without script, of somebody without an account."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    yield context.new_page()
    context.close()


def test_reject_leads_to_the_question_why_and_a_problem_to_its_field(stage: Stage, phone: Page) -> None:
    phone.goto(stage.url + "/a/{token}".format(**stage.scenes["full"].refs))
    first = phone.get_by_role("article").first
    first.get_by_text("Edit").click()
    first.get_by_role("textbox", name="Text").fill("")
    phone.get_by_role("button", name="Reject").click()
    expect(phone.get_by_role("heading", name=re.compile("^Reject .*[?]$"))).to_be_in_viewport()
    phone.get_by_role("button", name="Reject").click()
    phone.get_by_role("link", name="is empty").click()
    for said in (first.get_by_text("Text", exact=True), first.get_by_text("is empty")):
        expect(said).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/active", "/runs", "/runs/{run}", "/runs/{waiting}", "/runs/{run}/log", "/documents/{document}",
        "/approvals/{approval}", "/a/{token}", "/workflows/{workflow}", "/gallery/facebook-ads-campaign",
    ],
)  # fmt: skip
def test_no_button_is_shown_that_does_nothing(stage: Stage, plain: Page, path: str) -> None:
    plain.goto(stage.url + path.format(**stage.scenes["full"].refs))
    for closed in plain.locator("main summary").all():
        if closed.is_visible():
            closed.click()
    buttons = plain.locator("main button[type=button]:not([aria-disabled])").all()
    assert [each.inner_text() for each in buttons if each.is_visible()] == []


def test_the_page_of_an_open_run_offers_to_load_it_again_at_the_edge(stage: Stage, plain: Page) -> None:
    plain.goto(stage.url + "/runs/{waiting}".format(**stage.scenes["full"].refs))
    head, again = plain.locator(".page-head"), plain.get_by_role("link", name="Load this page again")
    edges = [box["x"] + box["width"] for box in (head.bounding_box(), again.bounding_box()) if box]
    assert len(edges) == 2
    assert abs(edges[0] - edges[1]) < 1
