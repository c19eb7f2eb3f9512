"""The decision page in a real browser: nothing decides by itself, a person can edit, approve and reject."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from werkzeug.serving import make_server

from tests.features.approvals.desk import Asked, Desk, form_of

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
SAM, EVA = "sam@northfield.example", "eva@northfield.example"
FIRST_SCREEN_BYTES = 100_000


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    """The application on a free port."""
    server = make_server("127.0.0.1", 0, desk.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A phone of 360 px whose page may not say a word on the console."""
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, device_scale_factor=2, has_touch=True
    )
    page = context.new_page()
    said: list[str] = []
    page.on(
        "console", lambda message: said.append(message.text) if "status of 4" not in message.text else None
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


def posts(page: Page) -> list[Request]:
    """Collect what is sent from now on."""
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method != "GET" else None)
    return sent


def test_a_scanner_that_runs_scripts_and_presses_keys_decides_nothing(
    desk: Desk, address: str, phone: Page
) -> None:
    asked = desk.ask(SAM)
    sent = posts(phone)
    phone.goto(address + asked.path)
    phone.wait_for_load_state("networkidle")
    for name in ("DOMContentLoaded", "load", "pageshow", "focus", "visibilitychange"):
        phone.evaluate(
            "name => { document.dispatchEvent(new Event(name)); window.dispatchEvent(new Event(name)) }", name
        )
    for link in phone.locator("a[href]").all():
        phone.request.get(address + (link.get_attribute("href") or "/").removeprefix(address))
    phone.locator("[data-edit] summary").first.click()
    phone.locator('textarea[name^="title-"]').first.press("Enter")
    phone.get_by_role("button", name="Reject all 3").click()
    phone.locator('input[type="radio"]').first.check()
    phone.locator('input[type="radio"]').first.press("Enter")
    phone.locator("h2#why-title").press("Enter")
    phone.wait_for_timeout(200)
    assert sent == []
    assert desk.approval(asked).status == "open"


def test_who_was_too_late_can_leave_and_come_back_without_sending_again(
    desk: Desk, address: str, phone: Page
) -> None:
    asked = desk.ask(SAM, EVA)
    phone.goto(address + asked.path)
    card = phone.locator("article").first
    card.locator("[data-edit] summary").click()
    card.get_by_label("Text", exact=True).fill("My own words.")
    other = desk.app.test_client()
    theirs = form_of(other.get(f"/a/{asked.tokens[EVA]}").text)
    answer = other.post(f"/a/{asked.tokens[EVA]}/decision", data={**theirs, "decision": "approved"})
    assert answer.status_code == 303
    sent = posts(phone)
    phone.get_by_role("button", name="Approve all 3").click()
    expect(phone.get_by_text("What you typed was not saved")).to_be_visible()
    expect(phone.get_by_text("My own words.")).to_be_visible()
    assert phone.url == address + asked.path
    phone.goto("about:blank")
    phone.go_back()
    expect(phone.get_by_text(f"{EVA} approved this")).to_be_visible()
    assert [request.url for request in sent] == [f"{address}{asked.path}/decision"]


def test_edit_in_place_then_approve(desk: Desk, address: str, phone: Page) -> None:
    asked = desk.ask(SAM)
    phone.goto(address + asked.path)
    card = phone.locator("article").nth(1)
    card.get_by_text("Edit").click()
    field = card.locator('textarea[name^="body-"]')
    expect(field).to_be_focused()
    field.fill("x" * 130)
    expect(card.get_by_text("130 of 125 characters: take out 5")).to_be_visible()
    field.fill("Come and drive it on Saturday.")
    expect(card.get_by_text("30 of 125 characters")).to_be_visible()
    card.get_by_role("button", name="Done").click()
    expect(card.locator("p[data-shows]")).to_have_text("Come and drive it on Saturday.")
    expect(card.get_by_text("changed by you")).to_be_visible()
    phone.get_by_role("button", name="Approve all 3").click()
    expect(phone.get_by_role("heading", name="You approved this today")).to_be_visible()
    assert [d.body for d in desk.documents(asked)][1] == "Come and drive it on Saturday."
    assert [d.version for d in desk.documents(asked)] == [1, 2, 1]


def test_undo_brings_the_old_words_back(desk: Desk, address: str, phone: Page) -> None:
    asked = desk.ask(SAM)
    phone.goto(address + asked.path)
    card = phone.locator("article").first
    card.get_by_text("Edit").click()
    card.locator('textarea[name^="title-"]').fill("Other")
    card.get_by_role("button", name="Undo my changes").click()
    expect(card.locator("h2")).to_have_text("Your next adventure, sorted")
    expect(card.get_by_text("changed by you")).to_be_hidden()


def test_reject_asks_why_in_place_and_an_error_is_focused(desk: Desk, address: str, phone: Page) -> None:
    asked = desk.ask(SAM)
    phone.goto(address + asked.path)
    phone.get_by_role("button", name="Reject all 3").click()
    expect(phone.get_by_role("heading", name="Reject all 3?")).to_be_focused()
    expect(phone.get_by_role("button", name="Approve all 3")).to_be_hidden()
    phone.get_by_role("button", name="Go back").click()
    expect(phone.get_by_role("button", name="Approve all 3")).to_be_visible()
    phone.get_by_role("button", name="Reject all 3").click()
    phone.get_by_role("button", name="Reject all 3").click()
    expect(phone.locator("#problems")).to_be_focused()
    phone.get_by_label("Not our tone").check()
    phone.get_by_label("What should they know?").fill("Too loud.")
    phone.get_by_role("button", name="Reject all 3").click()
    expect(phone.get_by_role("heading", name="You rejected this today")).to_be_visible()
    assert desk.approval(asked).reason == "Not our tone: Too loud."


def test_without_script_everything_works(desk: Desk, address: str, browser: Browser) -> None:
    asked = desk.ask(SAM)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + asked.path)
    page.locator("[data-edit] summary").first.click()
    page.locator('textarea[name^="body-"]').first.fill("By hand.")
    page.get_by_role("button", name="Reject all 3").click()
    page.get_by_label("Bad timing").check()
    page.get_by_label("Bad timing").press("Enter")
    expect(page.get_by_label("Bad timing")).to_be_checked()
    assert desk.approval(asked).status == "open"
    page.get_by_role("button", name="Reject all 3").click()
    expect(page.get_by_role("heading", name="You rejected this today")).to_be_visible()
    context.close()
    assert (desk.approval(asked).reason, desk.documents(asked)[0].body) == ("Bad timing", "By hand.")


def test_the_first_screen_is_light_and_fits(desk: Desk, address: str, phone: Page) -> None:
    asked = desk.ask(SAM, texts=10)
    sizes: dict[str, int] = {}
    names: dict[str, str] = {}
    wire = phone.context.new_cdp_session(phone)
    wire.send("Network.enable")
    wire.on("Network.responseReceived", lambda e: names.update({e["requestId"]: e["response"]["url"]}))
    wire.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]}))
    phone.goto(address + asked.path)
    phone.wait_for_load_state("networkidle")
    unseen = set(
        phone.evaluate(
            "[...document.images].filter(i => i.getBoundingClientRect().top > innerHeight).map(i => i.currentSrc)"
        )
    )
    total = sum(size for key, size in sizes.items() if names.get(key) not in unseen)
    assert 0 < total < FIRST_SCREEN_BYTES
    assert phone.evaluate("document.documentElement.scrollWidth") == 360
    assert not any("tabler" in name or "htmx" in name for name in names.values())


def _kinds(desk: Desk) -> dict[str, Asked]:
    ended = desk.ask(SAM)
    desk.end(ended, "expired")
    return {"open": desk.ask(SAM, "eva@out.example", policy="all", texts=4), "ended": ended}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_the_policy_blocks_nothing(
    desk: Desk, address: str, browser: Browser, scheme: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    kinds = _kinds(desk)
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective))"
    )
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "CSP" in message.text else None)
    for path in (kinds["open"].path, kinds["ended"].path, "/a/unknown"):
        page.goto(address + path)
        if path == kinds["open"].path:
            page.locator("[data-edit] summary").nth(1).click()
            page.get_by_role("button", name="Reject all 4").click()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    context.close()
    assert said == []
