"""Without script: nothing is offered that only a script could do, and what stands in for one stands in its place."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.stage import Stage

pytestmark = pytest.mark.browser


@pytest.fixture
def plain(stage: Stage, browser: Browser) -> Iterator[Page]:
    """A page without script, signed in to the full workspace."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": "gl", "value": stage.scenes["full"].cookie, "url": stage.url}])
    yield context.new_page()
    context.close()


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
