"""By keys alone: what has the focus can be seen, whatever bar stays at the edge of the screen."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.stage import Stage

pytestmark = pytest.mark.browser

PHONE, LOW_DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 600}
MOST_STOPS = 60
HIDDEN = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return "";
  const shown = focused.labels?.[0]?.contains(focused) ? focused.labels[0] : focused;
  const box = shown.getBoundingClientRect();
  const [middle, centre] = [box.left + box.width / 2, box.top + box.height / 2];
  const points = [[box.left + 4, box.top + 4], [box.right - 4, box.bottom - 4], [middle, centre]];
  const isSeen = points.some(([left, top]) => {
    const there = document.elementFromPoint(left, top);
    return there && (shown.contains(there) || there.contains(shown));
  });
  return isSeen ? "" : focused.outerHTML.slice(0, 200);
}"""


@pytest.mark.parametrize("screen", [pytest.param(PHONE, id="360"), pytest.param(LOW_DESK, id="600 px high")])
@pytest.mark.parametrize(
    "path",
    [
        "/approvals/{approval}", "/runs/{waiting}", "/workflows/{workflow}", "/gallery/facebook-ads-campaign",
        "/workflows/{draft}/edit", "/workflows/{draft}/edit/steps/s1", "/workflows/{draft}/edit/questions/price",
    ],
)  # fmt: skip
def test_what_has_the_focus_is_not_under_a_bar(
    stage: Stage, context: BrowserContext, path: str, screen: dict[str, int]
) -> None:
    scene = stage.scenes["full"]
    context.add_cookies([{"name": "gl", "value": scene.cookie, "url": stage.url}])
    page = context.new_page()
    page.set_viewport_size(screen)  # type: ignore[arg-type]
    page.emulate_media(reduced_motion="reduce")
    page.goto(stage.url + path.format(**scene.refs))
    hidden = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if found := page.evaluate(HIDDEN):
            hidden.append(found)
    assert hidden == []


def test_the_tab_key_leads_to_the_end_of_a_text_and_back_to_where_one_was_in_it(
    stage: Stage, context: BrowserContext
) -> None:
    page = _in_the_prompt(stage, context)
    editor, stored = page.locator("#c-prompt-editor"), page.locator("[name=c-prompt]")
    text = stored.input_value()
    assert text
    expect(editor).to_be_focused()
    page.keyboard.type("Be brief.")
    assert stored.input_value() == f"{text}Be brief."
    for _ in " brief.":
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(editor).to_be_focused()
    page.keyboard.type(" very")
    assert stored.input_value() == f"{text}Be very brief."


def test_a_value_that_is_put_in_by_keys_goes_to_the_caret_where_braces_were_typed_too(
    stage: Stage, context: BrowserContext
) -> None:
    page = _in_the_prompt(stage, context)
    stored = page.locator("[name=c-prompt]")
    page.keyboard.type(" For {{ inputs.price }}, by ")
    text = stored.input_value()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#c-prompt-editor")).to_be_focused()
    assert stored.input_value().startswith(f"{text}{{{{ ")


def _in_the_prompt(stage: Stage, context: BrowserContext) -> Page:
    """Open a step in the builder and go to its text by the Tab key."""
    scene = stage.scenes["full"]
    context.add_cookies([{"name": "gl", "value": scene.cookie, "url": stage.url}])
    page = context.new_page()
    page.goto(stage.url + "/workflows/{draft}/edit/steps/s5".format(**scene.refs))
    page.get_by_role("link", name="Close").focus()
    page.keyboard.press("Tab")
    return page
