"""The builder in a browser: from an empty workspace to a run, by mouse, by keys alone, without script."""

import re
from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.e2e.house import OWNER, PASSWORD, Running
from tests.e2e.steps import RUN_URL, expect_run, way_to
from tests.servers import wait_until

pytestmark = pytest.mark.browser

NewContext = Callable[..., BrowserContext]
BOSS, BOSS_PASSWORD = "boss@westfield.example", "a quiet lot at dawn"
DESK = {"viewport": {"width": 1280, "height": 1000}}
# As what leads away from a form that saves itself: gone when all is saved.
LEAVING = """() => {
  window.left = false;
  const go = () => { window.left = true; };
  if (document.dispatchEvent(new CustomEvent("greenlight:leave", { detail: go, cancelable: true }))) go();
}"""


def test_a_workflow_is_built_tested_published_run_changed_and_taken_back(
    house: Running, new_context: NewContext
) -> None:
    page = new_context(**DESK).new_page()
    faults = _listen(page)
    house.move_in(BOSS, BOSS_PASSWORD, "Westfield Cars")
    house.sign_in(page, BOSS, BOSS_PASSWORD)
    way_to(page, "Workflows").click()
    expect(page.get_by_role("main")).to_contain_text("No workflows yet")
    _begin(page, "Price check")
    _ask_the_price(page)
    _build(page, BOSS)
    expect(page.locator("#builder-state")).to_contain_text("Everything is in order.")
    edit_url = re.sub(r"/edit.*", "/edit", page.url)

    page.get_by_role("link", name="Test run").click()
    page.get_by_role("textbox", name="What does it cost?").fill("28990")
    page.get_by_role("button", name="Start the test").click()
    page.wait_for_url(RUN_URL)
    expect_run(page, "waiting")
    expect(page.get_by_role("heading", level=1)).to_contain_text("TEST")

    page.goto(edit_url)
    page.get_by_role("link", name="Publish version 1").click()
    page.get_by_role("button", name="Publish version 1").click()
    page.get_by_role("link", name="Start", exact=True).click()
    page.get_by_role("textbox", name="What does it cost?").fill("28990")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(RUN_URL)
    run_url = page.url
    expect_run(page, "waiting")

    page.goto(f"{edit_url}/steps/tell_people")
    page.get_by_role("textbox", name="Subject").fill("The offer may go out")
    page.get_by_role("textbox", name="Subject").blur()
    expect(page.locator("#builder-head")).to_contain_text("changed since version 1")
    page.get_by_role("link", name="Publish version 2").click()
    expect(page.get_by_role("main")).to_contain_text("The offer may go out")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.locator("#notices")).to_contain_text("Version 2 is published")
    page.goto(run_url)
    expect(page.get_by_role("main")).to_contain_text("2 is newer")
    page.get_by_role("link", name="Open the request").first.click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Go on now").click()
    page.goto(run_url)
    expect_run(page, "completed")
    # what was under way kept to version 1, in its words too
    wait_until(lambda: "Approved" in house.subjects(BOSS))
    assert "The offer may go out" not in house.subjects(BOSS)

    page.get_by_role("link", name="Price check", exact=True).first.click()
    page.get_by_role("link", name="Versions").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".changes")).to_contain_text("The offer may go out")
    page.get_by_role("link", name="Versions").click()
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.locator("#version-3")).to_contain_text("Current")
    page.goto(edit_url)
    expect(page.locator("#builder-head")).to_contain_text("As version 3")
    assert faults == []


def _begin(page: Page, name: str) -> None:
    way_to(page, "Workflows").click()
    page.get_by_role("link", name="New workflow").click()
    expect(page.get_by_label("What is it called?")).to_be_focused()
    page.get_by_label("What is it called?").fill(name)
    page.get_by_role("button", name="Start building").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.wait_for_load_state()  # its scripts too


def _ask_the_price(page: Page) -> None:
    page.get_by_role("link", name="Questions").click()
    page.get_by_label("Ask one more").fill("What does it cost?")
    page.get_by_role("button", name="Add", exact=True).last.click()
    expect(_title(page)).to_have_text("What does it cost?")
    page.get_by_label("Kind of answer").select_option(label="Money")
    _saved(page)
    page.get_by_role("group", name="Must be answered").get_by_text("Yes").click()
    _saved(page)


def _build(page: Page, boss: str) -> None:
    """Price check → condition → two lanes → merge → review → notify, by mouse; *boss* decides and is told."""
    page.get_by_role("link", name="Close").click()
    _add(page, "Choose a way")
    line = page.get_by_role("group", name="Condition", exact=True)
    line.get_by_label("Value").select_option(label="What does it cost?")
    _saved(page)
    line.get_by_label("Comparison").select_option(label="is more than")
    _saved(page)
    line.get_by_role("textbox", name="Compared with").fill("$30,000")
    line.get_by_role("textbox", name="Compared with").blur()
    expect(page.locator("#about-step")).to_contain_text("more than 30,000")

    _plus(page, "Add a step after Choose a way: yes").click()
    _add(page, "Write texts")
    page.get_by_role("textbox", name="What should be written?").fill("Offer a test drive of a car for ")
    page.get_by_role("button", name="Insert a value").first.click()
    page.get_by_role("group", name="Values").get_by_role("button", name="What does it cost?").click()
    expect(page.locator("#about-step")).to_contain_text("Offer a test drive")
    expect(page.locator("#step-form").locator("[name=c-prompt]")).to_have_value(
        "Offer a test drive of a car for {{ inputs.what_does_it_cost | money }}"
    )
    expect(page.locator("#step-form .editor").first).to_have_text(
        "Offer a test drive of a car for What does it cost?"
    )

    _plus(page, "Add a step after Choose a way: no").click()
    _add(page, "Write texts")
    page.get_by_role("textbox", name="What should be written?").fill("Say that the price is right.")
    page.locator("#more-name summary").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Write the plain offer")
    page.get_by_role("textbox", name="Name", exact=True).blur()
    expect(page.locator("#box-write_texts_2")).to_contain_text("Write the plain offer")

    _plus(page, "Add a step after Write texts").click()
    _add(page, "Bring together")
    expect(page.get_by_label("Write the plain offer", exact=True)).to_be_checked()
    expect(page.get_by_label("Go on after the first")).to_be_checked()  # only one of the two is ever taken

    _plus(page, "Add a step after Bring together").click()
    _add(page, "Ask for approval")
    for lane in ("Write texts", "Write the plain offer"):
        expect(page.get_by_label(lane, exact=True)).to_be_checked()
    page.get_by_role("textbox", name="Who decides 1").fill(boss)
    page.get_by_role("textbox", name="Who decides 1").blur()
    _saved(page)

    _plus(page, "Add a step after Ask for approval: approved").click()
    _add(page, "Tell people")
    expect(page.locator("#builder-state")).to_contain_text("“Tell people” is not filled in yet.")
    expect(page.get_by_role("textbox", name="Subject")).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("button", name="Publish version 1")).to_be_disabled()
    _plus(page, "Add a step between Choose a way: yes and Write texts").click()
    expect(page.get_by_role("textbox", name="Subject")).to_have_count(0)
    page.get_by_role("link", name="Fix this").click()
    expect(page.get_by_role("textbox", name="Subject")).to_be_focused()
    page.wait_for_url("**/steps/tell_people")
    expect(page.get_by_role("textbox", name="Subject")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("textbox", name="Whom 1").fill(boss)
    page.get_by_role("textbox", name="Whom 1").blur()
    page.get_by_role("textbox", name="Subject").fill("Approved")
    page.get_by_role("textbox", name="Subject").blur()
    expect(page.get_by_role("textbox", name="Subject")).not_to_have_attribute("aria-invalid", "true")


def _plus(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=name, exact=True).locator("visible=true").first


def _add(page: Page, kind: str) -> None:
    page.locator("#panel").get_by_role("button", name=re.compile(f"^{kind}")).click()
    expect(page.locator("#step-form")).to_be_visible()
    expect(page.locator("#panel").get_by_role("heading", level=2).first).to_contain_text(kind)
    expect(page.locator("#step-form [data-chips]:visible")).to_have_count(0)  # their editors stand in their places


def _title(page: Page) -> Locator:
    return page.locator("#panel-title")


def _saved(page: Page) -> None:
    """Have all saved that is changed, and wait until nothing is on its way."""
    page.evaluate(LEAVING)
    page.wait_for_function("() => window.left")
    expect(page.locator(".htmx-request")).to_have_count(0)


def _listen(page: Page) -> list[str]:
    """Note what scripts complain about."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    return faults


def test_the_same_is_done_by_keys_alone(house: Running, new_context: NewContext) -> None:
    page = new_context(**DESK).new_page()
    faults = _listen(page)
    page.goto(f"{house.url}/sign-in")
    keys = Keys(page)
    keys.enter("E-mail", OWNER)
    keys.enter("Password", PASSWORD)
    keys.follow("Sign in")
    _build_by_keys(keys)
    _test_by_keys(keys)
    _publish_and_start_by_keys(keys)
    _change_by_keys(keys)
    _compare_and_go_back_by_keys(keys)
    assert faults == []


def _build_by_keys(keys: "Keys") -> None:
    """Condition → two lanes → merge → review → notify; after each press the focus is where one goes on."""
    page = keys.page
    keys.follow("Workflows")
    keys.follow("New workflow")
    keys.enter("What is it called?", "Checked by keys")
    keys.follow("Start building")
    expect(_title(page)).to_be_focused()
    keys.add("Choose a way")
    keys.to("Value", exact=True)
    page.keyboard.type("Ask a")
    expect(page.get_by_label("What to ask whoever starts it")).to_be_focused()
    page.keyboard.type("Price")
    keys.choose("Kind of answer", "Number")
    keys.press("Ask it")
    keys.at("Value")
    keys.choose("Comparison", "is more than")
    keys.write("Compared with", "30000")
    keys.plus("Add a step after Choose a way: yes")
    keys.add("Write texts")
    keys.write("What should be written?", "Offer a test drive.")
    expect(page.locator("#builder-said")).to_contain_text("Saved. Everything is in order.")
    keys.plus("Add a step after Choose a way: no")
    keys.add("Write texts")
    keys.write("What should be written?", "Say that the price is right.")
    keys.plus("Add a step after Write texts")
    keys.add("Bring together")
    keys.plus("Add a step after Bring together")
    keys.add("Ask for approval")
    keys.write("Who decides 1", OWNER)
    keys.plus("Add a step after Ask for approval: approved")
    keys.add("Tell people")
    expect(page.locator("#builder-said")).to_have_text("Saved. “Tell people” is not filled in yet.")
    keys.write("Whom 1", OWNER)
    keys.write("Subject", "Approved")
    expect(page.locator("#builder-said")).to_have_text("Saved. Everything is in order.")
    keys.press("Move up")
    keys.at("Move up")
    keys.press("Undo", back=True)
    keys.at("Undo")
    keys.choose("Move to", "Between Choose a way: no and Write texts 2")  # another lane
    keys.to("Move", exact=True)
    page.keyboard.press("Enter")
    expect(page.locator("#builder-told")).to_contain_text("Moved “Tell people”. Undo takes it back.")
    expect(_title(page)).to_be_focused()
    expect(page.get_by_label("Choose a way: no", exact=True)).to_be_checked()
    keys.press("Undo", back=True)
    keys.at("Undo")
    expect(page.get_by_label("Ask for approval: approved", exact=True)).to_be_checked()
    keys.press("Close")
    keys.at("Tell people")
    expect(page.locator("#builder-state")).to_contain_text("Everything is in order.")


def _test_by_keys(keys: "Keys") -> None:
    page = keys.page
    keys.follow("Test run", back=True)
    keys.enter("Price", "28990")
    keys.follow("Start the test")
    expect_run(page, "waiting")
    expect(page.get_by_role("heading", level=1)).to_contain_text("TEST")
    keys.follow("Open the request")
    keys.follow("Approve")
    keys.follow("See run")
    expect_run(page, "completed")
    expect(page.locator("#would-have")).to_contain_text(f"Would e-mail {OWNER}. “Approved”")


def _publish_and_start_by_keys(keys: "Keys") -> None:
    keys.follow("Checked by keys")
    keys.follow("Publish")
    keys.follow("Publish version 1")
    expect(keys.page.locator("#notices")).to_be_focused()
    keys.follow("Start", exact=True)
    keys.enter("Price", "28990")
    keys.follow("Continue")
    keys.follow("Start", exact=True)
    expect_run(keys.page, "waiting")


def _change_by_keys(keys: "Keys") -> None:
    page = keys.page
    keys.follow("Checked by keys")
    keys.follow("Edit")
    keys.press("Tell people")
    keys.write("Subject", "The offer may go out")
    expect(page.locator("#builder-head")).to_contain_text("changed since version 1")
    keys.follow("Publish version 2", back=True)
    expect(page.get_by_role("main")).to_contain_text("The offer may go out")
    keys.follow("Publish version 2")
    keys.follow("Runs")
    keys.follow("Checked by keys")
    expect(page.get_by_role("main")).to_contain_text("version 1 (2 is newer)")


def _compare_and_go_back_by_keys(keys: "Keys") -> None:
    page = keys.page
    keys.follow("Checked by keys")
    keys.follow("Versions")
    keys.to("with")
    keys.follow("Compare")
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 2 against version 1")
    expect(page.locator(".changes")).to_contain_text("The offer may go out")
    keys.follow("Versions")
    keys.follow("Go back to version 1")
    expect(page.locator("#notices")).to_be_focused()
    expect(page.locator("#version-3")).to_contain_text("Current")


NAME_OF_FOCUS = """() => {
  const it = document.activeElement;
  const labelled = document.getElementById(it.getAttribute("aria-labelledby"))?.innerText;
  const name = it.getAttribute("aria-label") || labelled || it.labels?.[0]?.innerText || it.innerText || "";
  return [name.trim().replace(/\\s+/g, " "), it.type === "checkbox" && it.checked];
}"""


class Keys:
    """Walks a page by Tab and Shift+Tab, as somebody without a mouse does."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, name: str, *, back: bool = False, unchecked: bool = False, exact: bool = False) -> None:
        """Go to the next (or the last) thing whose name begins with *name*, or is *exact*."""
        met = []
        for _ in range(150):
            found, is_checked = self.page.evaluate(NAME_OF_FOCUS)
            if (found == name if exact else found.startswith(name)) and not (unchecked and is_checked):
                return
            met.append(found)
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"{name!r} is not reached by Tab: {met}")

    def at(self, name: str) -> None:
        """See that the focus is on what is called so, or comes there."""
        self.page.wait_for_function(f"name => ({NAME_OF_FOCUS})()[0].startsWith(name)", arg=name)

    def press(self, name: str, *, back: bool = False) -> None:
        """Press a button or a link of this page, and wait for what it brings."""
        self.to(name, back=back)
        self.page.keyboard.press("Enter")
        _saved(self.page)

    def follow(self, name: str, *, back: bool = False, exact: bool = False) -> None:
        """Press a button or a link that leads to another page."""
        self.to(name, back=back, exact=exact)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def enter(self, name: str, words: str) -> None:
        """Write into a field of a form that is sent by a button."""
        self.to(name)
        self.page.keyboard.type(words)

    def choose(self, name: str, words: str) -> None:
        """Choose an option of a list by typing its first letters; the list keeps the focus."""
        self.to(name)
        self.page.keyboard.type(words)
        _saved(self.page)
        self.at(name)

    def write(self, name: str, words: str) -> None:
        """Write into a field that saves itself in place of what stands there, and leave it."""
        self.to(name)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(words)
        self.page.keyboard.press("Tab")
        _saved(self.page)

    def plus(self, name: str) -> None:
        """Open a "+" of the diagram."""
        self.to(name, back=True, exact=True)
        self.page.keyboard.press("Enter")
        _saved(self.page)

    def add(self, kind: str) -> None:
        """Add a step of a kind."""
        self.press(kind)
        expect(_title(self.page)).to_be_focused()


LINE = """\
steps:
  - {id: one, type: transform, name: One, config: {set: {a: 1}}}
  - {id: two, type: transform, name: Two, after: [one], config: {set: {a: 2}}}
  - {id: three, type: transform, name: Three, after: [two], config: {set: {a: 3}}}
"""
MAIL = """\
inputs:
  - {key: price, label: "What does it cost?", type: money}
steps:
  - {id: one, type: notify, name: One, config: {to: [alice@example.com], subject: Offer, body: "{{ inputs.price }}"}}
"""


def test_a_step_is_moved_by_dragging_it_with_the_mouse_and_with_a_finger(
    house: Running, new_context: NewContext
) -> None:
    page = new_context(**DESK).new_page()
    faults = _listen(page)
    house.sign_in(page)
    edit_url = _line(page, "Moved by hand")

    _drag(page, page.locator("#box-three"), "Add a step between One and Two")
    _order(page, "One", "Three", "Two")
    expect(page.locator("#builder-told")).to_contain_text("Moved “Three”. Undo takes it back.")
    _middle(page.locator("#box-one"), page.mouse.move)
    page.mouse.down()
    page.mouse.move(600, 700, steps=4)
    page.mouse.up()  # beside every place: nothing moves, nothing opens
    _order(page, "One", "Three", "Two")
    expect(page.locator("#panel-title")).to_have_text("Three")
    page.get_by_role("link", name="As text").locator("visible=true").click()
    text = page.get_by_label("The workflow as text").get_by_role("textbox")
    text.fill(text.input_value().replace("name: Three", "name: Third"))
    _order(page, "One", "Third", "Two")
    expect(page.locator("#panel-title")).to_have_text("Third")
    expect(text).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    _order(page, "One", "Three", "Two")
    expect(text).to_have_value(re.compile("name: Three"))
    assert faults == []

    phone = new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True).new_page()
    phone.context.add_cookies(page.context.cookies())  # type: ignore[arg-type]  # of the same shape
    phone.goto(edit_url)
    finger = phone.context.new_cdp_session(phone)

    def touch(kind: str, at: tuple[float, float] | None = None) -> None:
        points = [{"x": at[0], "y": at[1]}] if at else []
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def carry(under: str) -> None:
        """Move the finger to the place after a step and let go."""
        place = phone.locator("#builder-list").get_by_role("link", name=f"Add a step after {under}")
        for shift in (40, 0):
            _middle(place, lambda x, y, shift=shift: touch("touchMove", (x, y + shift)))
        expect(phone.locator("#builder-list .place.target")).to_have_count(1)
        touch("touchEnd")

    cards = phone.locator("#builder-list li")
    cards.filter(has_text="1. One").scroll_into_view_if_needed()
    _middle(phone.locator("#builder-list [data-grip]").nth(2), lambda x, y: touch("touchStart", (x, y)))
    carry("One")
    expect(phone.locator("#builder-told")).to_contain_text("Moved “Two”. Undo takes it back.")
    names = phone.locator("#builder-list li a.strong")
    expect(names).to_have_text(["1. One", "2. Two", "3. Three"])

    cards.filter(has_text="3. Three").scroll_into_view_if_needed()
    _middle(names.nth(2), lambda x, y: touch("touchStart", (x, y)))  # held, a card itself is lifted
    expect(phone.locator(".drag-ghost")).to_have_text("Three")
    assert phone.evaluate(_ASK_FOR_A_MENU, "#builder-list li:nth-child(3) a.strong") is False  # the system's stays away
    carry("One")
    expect(names).to_have_text(["1. One", "2. Three", "3. Two"])
    expect(phone).to_have_url(edit_url)  # the press opened nothing

    phone.evaluate("window.scrollTo(0, 0)")
    phone.evaluate(_HOLD_TIMERS)  # moved before its time is over, however slow the machine is: the page scrolls
    _middle(names.nth(0), lambda x, y: touch("touchStart", (x, y)))
    for shift in range(20, 200, 20):
        _middle(names.nth(0), lambda x, y, shift=shift: touch("touchMove", (x, y - shift)))
    phone.evaluate("rings.forEach(ring => ring())")
    touch("touchEnd")
    phone.wait_for_function("() => scrollY > 0")
    expect(phone.locator(".drag-ghost")).to_have_count(0)
    expect(names).to_have_text(["1. One", "2. Three", "3. Two"])

    tablet = new_context(viewport={"width": 1180, "height": 820}, has_touch=True, is_mobile=True).new_page()
    tablet.context.add_cookies(page.context.cookies())  # type: ignore[arg-type]  # of the same shape
    tablet.goto(edit_url)
    finger = tablet.context.new_cdp_session(tablet)
    _middle(tablet.locator("#box-two"), lambda x, y: touch("touchStart", (x, y)))
    expect(tablet.locator(".drag-ghost")).to_have_text("Two")
    assert tablet.evaluate(_ASK_FOR_A_MENU, "#box-two") is False
    plus = tablet.locator("#builder-diagram .plus").and_(tablet.get_by_label("Add a step between One and Three"))
    for shift in (40, 0):
        _middle(plus, lambda x, y, shift=shift: touch("touchMove", (x, y + shift)))
    expect(tablet.locator(".plus.target")).to_have_count(1)
    touch("touchEnd")
    expect(tablet.locator("#builder-told")).to_contain_text("Moved “Two”. Undo takes it back.")
    _order(tablet, "One", "Two", "Three")


_ASK_FOR_A_MENU = """(at) => document.querySelector(at).dispatchEvent(
    new MouseEvent("contextmenu", {bubbles: true, cancelable: true}))"""

_HOLD_TIMERS = """() => {
  window.rings = [];
  window.setTimeout = ring => rings.push(ring);
  window.clearTimeout = number => delete rings[number - 1];
}"""


def test_what_leads_away_from_a_form_waits_until_its_change_is_saved(
    house: Running, new_context: NewContext
) -> None:
    page = new_context(**DESK).new_page()
    faults = _listen(page)
    house.sign_in(page)
    edit_url = _line(page, "Left in a hurry")
    held: list[Route] = []
    page.route(
        re.compile(r"/steps/\w+$"), lambda route: held.append(route) if _posts(route) else route.continue_()
    )

    def rename(step: str, name: str) -> None:
        page.goto(f"{edit_url}/steps/{step}")
        page.locator("#more-name summary").click()
        page.get_by_role("textbox", name="Name", exact=True).fill(name)

    def is_held() -> None:
        expect(page.locator(".htmx-request").first).to_be_attached()
        wait_until(lambda: page.title() and len(held) == 1)  # asking the page lets it tell what it holds

    rename("one", "First")
    page.locator("#box-two").click()  # drawn in the page: another form comes into the panel
    is_held()
    expect(_title(page)).to_have_text("One")
    held.pop().continue_()
    expect(_title(page)).to_have_text("Two")
    _order(page, "First", "Two", "Three")

    rename("one", "Begin")
    _drag(page, page.locator("#box-three"), "Add a step between First and Two")
    is_held()
    _order(page, "First", "Two", "Three")
    held.pop().continue_()
    _order(page, "Begin", "Three", "Two")
    page.get_by_role("button", name="Undo").click()
    _order(page, "Begin", "Two", "Three")

    rename("two", "Second")
    page.get_by_role("link", name="Publish version 1").click()  # another page
    is_held()
    held.pop().continue_()
    page.wait_for_url("**/publish")
    page.goto(edit_url)
    _order(page, "Begin", "Second", "Three")
    assert faults == []

    rename("three", "Third")
    page.locator("#box-two").click()
    is_held()
    held.pop().fulfill(status=500)  # refused: nothing is left, once
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Third")
    expect(page.locator(".htmx-request")).to_have_count(0)
    expect(page.locator("#notices")).to_contain_text("cannot be reached")
    page.locator("#box-two").click()
    expect(_title(page)).to_have_text("Second")

    # what could not reach the server is saved by itself when it is there again
    rename("three", "Third")
    page.get_by_role("textbox", name="Name", exact=True).blur()
    is_held()
    held.pop().abort()
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.evaluate("dispatchEvent(new Event('online'))")
    is_held()
    held.pop().continue_()
    expect(page.locator("#notices")).to_be_empty()
    _order(page, "Begin", "Second", "Third")

    # what was typed when the session had ended is there after signing in, and saved
    rename("three", "Last")
    page.context.clear_cookies()
    page.get_by_role("textbox", name="Name", exact=True).blur()
    is_held()
    held.pop().continue_()
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    is_held()
    held.pop().continue_()
    _order(page, "Begin", "Second", "Last")


def test_what_is_still_being_typed_is_saved_and_the_answer_leaves_who_types_alone(
    house: Running, new_context: NewContext
) -> None:
    page = new_context(**DESK).new_page()
    faults = _listen(page)
    house.sign_in(page)
    edit_url = _line(page, "Typed in one go", MAIL, ["One"])
    held: list[Route] = []
    page.route(
        re.compile(r"/(steps|questions)/\w+$"),
        lambda route: held.append(route) if _posts(route) else route.continue_(),
    )

    def is_held(words: str = "") -> Route:
        expect(page.locator("form.htmx-request")).to_have_count(1)
        wait_until(lambda: page.title() and len(held) == 1)  # asking the page lets it tell what it holds
        answer = held.pop()
        if words in (answer.request.post_data or ""):
            return answer
        answer.continue_()  # of the field that was left before
        return is_held(words)

    def is_still() -> None:
        expect(page.locator("form.htmx-request")).to_have_count(0)

    page.goto(f"{edit_url}/steps/one")
    subject = page.get_by_role("textbox", name="Subject", exact=True)
    subject.press("End")
    page.keyboard.insert_text(" from Mon")  # in the editor of chips, and nowhere else after it
    answer = is_held()
    page.keyboard.insert_text("day")
    answer.continue_()
    is_still()
    page.keyboard.insert_text(" on")
    expect(subject).to_have_text("Offer from Monday on")
    expect(subject).to_be_focused()
    is_held().continue_()
    is_still()
    page.reload()
    expect(subject).to_have_text("Offer from Monday on")

    # a list gets its next row when one leaves it, not under who types
    first = page.locator("[name='c-to-1']")
    rows = page.locator("[name^='c-to-']:not(select)")
    page.locator("[id='c-to-1-editor']").click()
    page.keyboard.insert_text("bob@ex")
    answer = is_held()
    page.keyboard.insert_text("ample")
    answer.continue_()
    is_still()
    expect(rows).to_have_count(2)
    page.keyboard.insert_text(".com")
    is_held().continue_()
    is_still()
    expect(page.locator("[id='c-to-1-editor']")).to_be_focused()
    page.keyboard.press("Tab")
    is_held().continue_()
    expect(rows).to_have_count(3)
    expect(first).to_have_value("bob@example.com")
    page.locator("[id='c-to-2-editor']").click()
    page.keyboard.insert_text("eve@example.com")
    page.keyboard.press("Enter")
    is_held().continue_()
    expect(page.locator("[id='c-to-3-editor']")).to_be_focused()
    page.locator("[id='c-to-1-editor']").click()
    page.keyboard.insert_text("m")  # then on to "Remove", which is not pressed by that
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Remove bob@example.com")).to_be_focused()
    is_held().continue_()
    is_still()
    expect(rows).to_have_count(4)

    # what one left is drawn anew as a whole; what is typed in another field meanwhile goes on in the new one
    page.goto(f"{edit_url}/questions/price")
    bound = page.get_by_label("At least")
    bound.press_sequentially("abc")  # no number: refused beside it, and still there
    is_held().continue_()
    expect(page.locator("[id='q-min-notes'] .err")).to_have_count(1)
    expect(bound).to_be_focused()
    bound.press("ControlOrMeta+a")
    page.keyboard.insert_text("5")
    is_held().continue_()
    is_still()
    expect(page.locator("[id='q-min-notes'] .err")).to_have_count(0)
    page.get_by_label("Short name").fill("cost")
    page.get_by_label("Short name").blur()
    answer = is_held("q-key=cost")
    hint = page.get_by_label("Help under the question")
    hint.press_sequentially("In dollars")
    answer.continue_()
    page.wait_for_url("**/questions/cost")
    expect(hint).to_be_focused()
    page.keyboard.insert_text(", please")
    expect(hint).to_have_value("In dollars, please")
    is_held().continue_()
    is_still()
    page.reload()
    expect(hint).to_have_value("In dollars, please")
    assert faults == []


def test_nothing_typed_is_lost_by_going_back_by_another_window_or_by_a_session_that_ends(
    house: Running, new_context: NewContext
) -> None:
    page = new_context(**DESK).new_page()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept())[1])
    house.sign_in(page)
    edit_url = _line(page, "Kept in any case")
    name = page.get_by_role("textbox", name="Name", exact=True)
    saved = page.locator("#builder-head .saved")

    def rename(to: str) -> None:
        page.locator("#more-name summary").click()
        name.fill(to)

    # "Back" to another form waits until it is saved
    page.goto(f"{edit_url}/steps/one")
    page.locator("#box-two").click()
    page.wait_for_url("**/steps/two")
    expect(_title(page)).to_have_text("Two")
    rename("Second")
    page.go_back()
    page.wait_for_url("**/steps/one")
    expect(_title(page)).to_have_text("One")  # the address changes before what was typed is saved and the page loads
    _order(page, "One", "Second", "Three")
    assert asked == []

    # what is on its way for long is not called saved
    held: list[Route] = []
    page.route(re.compile(r"/steps/one$"), lambda route: held.append(route) if _posts(route) else route.continue_())
    rename("First")
    name.blur()
    expect(saved).to_have_text("Saving…")
    wait_until(lambda: page.title() and len(held) == 1)  # asking the page lets it tell what it holds
    held.pop().continue_()
    expect(saved).to_contain_text("Saved")
    page.unroute_all()

    # the step is deleted in another window: it is brought back with what was typed
    page.goto(f"{edit_url}/steps/three")
    other = page.context.new_page()
    other.goto(f"{edit_url}/steps/three")
    other.get_by_role("button", name="Delete").click()
    expect(other.locator("#builder-told")).to_contain_text("Deleted “Three”")
    rename("Last")
    name.blur()
    expect(page.locator("#builder-told")).to_contain_text("You deleted this step in another window.")
    expect(saved).to_have_text("Not saved")
    _order(page, "First", "Second")
    page.get_by_role("button", name="Undo").click()
    _order(page, "First", "Second", "Last")

    # the session ends while the text beside the diagram is written
    page.goto(edit_url)
    page.locator("#as-text").click()
    text = page.locator("#pane-text")
    expect(text).to_be_visible()
    page.context.clear_cookies()
    text.fill(text.input_value().replace("First", "Begin"))
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    _order(page, "Begin", "Second", "Last")
    expect(text).to_have_value(re.compile("Begin"))
    assert asked == []


def test_a_day_that_there_is_not_takes_nothing_away_and_says_so(house: Running, new_context: NewContext) -> None:
    page = new_context(**DESK).new_page()
    faults = _listen(page)
    house.sign_in(page)
    _begin(page, "Half a day")
    page.get_by_role("link", name="Questions").click()
    page.get_by_label("Ask one more").fill("When does it end?")
    page.get_by_role("button", name="Add", exact=True).last.click()
    page.get_by_label("Kind of answer").select_option(label="Date")
    _saved(page)
    begins = page.get_by_label("Answer to begin with")
    begins.fill("2026-12-31")
    begins.blur()
    _saved(page)
    begins.press("2")  # the month, in one key: at no moment is there another day to save
    page.get_by_label("Help under the question").fill("The last day")
    _saved(page)
    expect(page.locator("#q-default-notes .err")).not_to_be_empty()
    expect(begins).to_have_attribute("aria-invalid", "true")
    page.reload()
    expect(begins).to_have_value("2026-12-31")
    expect(page.get_by_label("Help under the question")).to_have_value("The last day")
    assert faults == []


def _line(page: Page, name: str, text: str = LINE, steps: Sequence[str] = ("One", "Two", "Three")) -> str:
    """Make a workflow of *steps* in a line from a text; return the builder's address."""
    _begin(page, name)
    edit_url = re.sub(r"/edit.*", "/edit", page.url)
    page.goto(f"{edit_url}/text")
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name="Use this text").click()
    _order(page, *steps)
    return edit_url


def _posts(route: Route) -> bool:
    return route.request.method == "POST"


def _middle(target: Locator, do: Callable[..., object], **options: int) -> None:
    """Do something at the middle of what is seen."""
    box = target.bounding_box()
    assert box is not None
    do(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, **options)


def _drag(page: Page, box: Locator, onto: str) -> None:
    """Drag a step of the diagram by the mouse onto the "+" with this name."""
    _middle(box, page.mouse.move)
    page.mouse.down()
    _middle(page.locator("#builder-diagram .plus").and_(page.get_by_label(onto)), page.mouse.move, steps=6)
    expect(page.locator("#builder-diagram .plus.target")).to_have_count(1)
    page.mouse.up()


def _order(page: Page, *names: str) -> None:
    expect(page.locator("#builder-diagram a[data-step] text.t")).to_have_text(list(names))


def test_without_script_a_workflow_is_changed_by_plain_forms(house: Running, new_context: NewContext) -> None:
    page = new_context(**DESK, java_script_enabled=False).new_page()
    house.sign_in(page)
    _begin(page, "Without script")
    page.get_by_role("button", name=re.compile("^Tell people")).click()
    page.get_by_label("Whom 1").fill("{{ run.started_by.email }}")
    page.get_by_role("textbox", name="Subject").fill("Hello")
    page.get_by_role("group", name="Only when").get_by_role("button", name="Add a condition").click()
    page.get_by_label("Value", exact=True).select_option(label="run number")
    page.get_by_label("Comparison", exact=True).select_option(label="is not empty")
    page.get_by_role("button", name="Save").last.click()
    expect(page.locator("#builder-state")).to_contain_text("Everything is in order.")
    expect(page.locator("#about-step")).to_contain_text("Hello")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#builder-state")).to_contain_text("to fix before you can publish")
