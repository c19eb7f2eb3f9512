"""A session that ends while somebody types: after signing in again the words are there."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.house import OWNER, PASSWORD, Running

pytestmark = pytest.mark.browser

NewContext = Callable[..., BrowserContext]
LAUNCH = "/gallery/facebook-ads-campaign/launch?page=2"


def test_what_was_typed_is_there_after_signing_in_again(house: Running, new_context: NewContext) -> None:
    page = new_context().new_page()
    house.sign_in(page)
    page.goto(house.url + LAUNCH)
    brief = page.locator("main textarea").first

    page.context.clear_cookies()
    page.route("**/keep?*", lambda route: None)  # what is kept by itself learns later of it than who presses
    brief.fill("Typed, then Continue was pressed")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/sign-in?**")
    page.unroute("**/keep?*")
    _sign_in_again(page)
    expect(brief).to_have_value("Typed, then Continue was pressed")
    expect(page.get_by_text("Your answers are kept. You can leave")).to_be_visible()  # it is saved by now

    page.context.clear_cookies()
    brief.fill("Typed, and kept by itself")
    _sign_in_again(page)
    expect(brief).to_have_value("Typed, and kept by itself")

    page.goto(f"{house.url}/documents")
    page.locator("main a[href^='/documents/']").first.click()
    page.get_by_role("link", name="Edit").first.click()
    page.wait_for_load_state()
    words = page.locator("main textarea").first
    words.fill("A long text of an hour")
    page.context.clear_cookies()
    page.locator("main form button[type=submit]").first.click()
    _sign_in_again(page)
    expect(words).to_have_value("A long text of an hour")

    page.reload()  # put back once, not for ever
    expect(words).not_to_have_value("A long text of an hour")


def _sign_in_again(page: Page) -> None:
    """Sign in on the page that came instead, and come back."""
    page.wait_for_url("**/sign-in?**")
    expect(page.get_by_role("alert")).to_contain_text("You are signed out")
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
