"""What a person does in the main job, and sees, step by step."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.house import APPROVER, Running

RUN_URL = re.compile(r".*/runs/[0-9a-f-]{36}$")
LIMIT_MS = 180_000  # pictures of the sample writer on a busy machine


def bring_to_review(house: Running, page: Page, offer: str) -> None:
    """Sign in, start the run, and watch it until it waits for a person."""
    house.sign_in(page)
    answer(page, offer)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(RUN_URL)
    expect_run(page, "waiting")


def answer(page: Page, offer: str, *, approver: str = APPROVER) -> None:
    """Walk from the home page by links, through the preview and the questions, to the check page."""
    way_to(page, "Start").click()
    page.get_by_role("link", name="Facebook Ads Campaign", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Facebook Ads Campaign")
    page.get_by_role("link", name="Use this template").click()
    page.get_by_label("What is the offer?").fill(offer)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("How many ads?").fill("10")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Who approves?").fill(approver)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your answers")
    expect(page.get_by_role("main")).to_contain_text(offer)
    expect(page.get_by_role("main")).to_contain_text(approver)


def way_to(page: Page, name: str) -> Locator:
    """Return the link in the side or, on a phone, in the bar of tabs."""
    links = page.get_by_role("navigation").get_by_role("link", name=re.compile(f"^{name}"))
    return links.locator("visible=true").first


def press_twice(page: Page) -> None:
    """Press Start twice and see that it is one run."""
    before = newest_run(page)
    page.get_by_role("button", name="Start", exact=True).dblclick()
    expect(page).to_have_url(RUN_URL, timeout=LIMIT_MS)  # waiting for a page to load would end with the first press's
    assert newest_run(page) == before + 1


def newest_run(page: Page) -> int:
    """Return the number of the newest run, read in another tab."""
    listed = page.context.new_page()
    listed.goto(page.url.partition("/gallery")[0].partition("/runs")[0] + "/runs")
    words = listed.locator(".run-row .facts span").first
    number = int(words.inner_text().removeprefix("Run ")) if words.count() else 0
    listed.close()
    return number


def expect_run(page: Page, status: str) -> None:
    """See the run come to *status* on its page."""
    expect(page.locator("#run-live")).to_have_attribute("data-status", status, timeout=LIMIT_MS)


def go_on_now(guest: Page) -> None:
    """End the time in which the decision on this page can be taken back."""
    guest.get_by_role("button", name="Go on now").click()
    expect(guest.get_by_role("button")).to_have_count(0)
    expect(guest.get_by_role("heading", level=1)).to_contain_text("You ")
