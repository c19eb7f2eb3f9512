"""A workflow's life in a browser, in a house that has an AI service and a mail server: a test asks neither of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.house import Running
from tests.e2e.steps import LIMIT_MS, expect_run
from tests.servers import ReceivedMail

pytestmark = pytest.mark.browser

NewContext = Callable[..., BrowserContext]
FILE = """
name: Price check
schema: 1
inputs:
  - {key: price, label: Price, type: money, required: true}
steps:
  - {id: ads, type: generate_copy, name: Write 3 ads, config: {prompt: "Ads for {{ inputs.price }}", count: 3}}
  - {id: pics, type: generate_image, name: Draw, config: {prompt: A car, count: 1}}
  - {id: pause, type: delay, name: Wait, after: [ads], config: {seconds: 259200}}
  - {id: check, type: review, name: The manager decides, after: [pause, pics],
     config: {documents: ads, approvers: [boss@agency.example]}}
  - {id: tell, type: notify, name: Tell, after: ["check:approved"],
     config: {to: [ann@agency.example, bob@agency.example], subject: Ready}}
"""


def test_a_workflow_is_brought_in_tested_published_compared_and_taken_back(
    paying_house: Running, new_context: NewContext, tmp_path: Path
) -> None:
    house, page = paying_house, new_context(viewport={"width": 1280, "height": 900}).new_page()
    assert house.ai is not None
    house.sign_in(page)
    address = _bring_in(house, page, tmp_path)
    asked = len(house.ai.of("chat")) + len(house.ai.of("images"))

    _see_a_sample(page, address)
    _test(page, address)

    assert len(house.ai.of("chat")) + len(house.ai.of("images")) == asked
    assert [mail.recipients for mail in house.smtp.messages if _is_of_the_test(mail)] == []

    _publish_a_change(page, address)
    _compare_and_go_back(page, address)
    _end(page, address)


def _is_of_the_test(mail: ReceivedMail) -> bool:
    whom = "".join(mail.recipients)
    return "agency.example" in whom or any(word in mail.text() for word in ("Price check", "The manager decides"))


def _bring_in(house: Running, page: Page, folder: Path) -> str:
    file = folder / "price-check.yaml"
    file.write_text(FILE)
    page.goto(f"{house.url}/workflows/import")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Before “Price check” can run")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="I have looked at what I ticked").click()
    expect(page.locator("#notices")).to_contain_text("“Price check” is switched on.")
    return page.url


def _see_a_sample(page: Page, address: str) -> None:
    page.goto(f"{address}/edit/steps/ads")
    page.get_by_role("button", name="Show me one sample").click()
    expect(page.locator("#sample .adline")).to_have_count(3, timeout=LIMIT_MS)
    expect(page.locator("#sample")).to_be_in_viewport()
    page.goto(f"{address}/edit/steps/tell")
    page.get_by_role("button", name="Show me one sample").click()
    would = "Would e-mail 2 people: ann@agency.example, bob@agency.example. “Ready”"
    expect(page.locator("#sample")).to_contain_text(would, timeout=LIMIT_MS)


def _test(page: Page, address: str) -> None:
    page.goto(f"{address}/test")
    page.get_by_label("Price").fill("28990")
    page.get_by_role("button", name="Start the test").click()
    expect_run(page, "waiting")
    expect(page.get_by_role("heading", level=1)).to_contain_text("TEST")
    run = page.url
    page.get_by_role("link", name="Open the request").click()
    page.get_by_role("button", name="Approve").first.click()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    page.goto(run)
    expect_run(page, "completed")
    would = page.locator("#would-have")
    for words in (
        "Would e-mail 2 people: ann@agency.example, bob@agency.example. “Ready”",
        "Would ask boss@agency.example by e-mail to decide: “The manager decides”.",
        "Would wait until",
    ):
        expect(would).to_contain_text(words)


def _publish_a_change(page: Page, address: str) -> None:
    page.goto(f"{address}/edit/steps/ads")
    count = page.get_by_label("How many").first
    count.fill("5")
    count.press("Tab")
    page.get_by_role("link", name="Publish version 2").click()
    expect(page.locator(".changes")).to_contain_text("“Write 3 ads” now makes 5 texts instead of 3.")
    page.get_by_label("What is new").fill("Five ads now")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.locator("#notices")).to_contain_text("Version 2 is published. The next run uses it.")


def _compare_and_go_back(page: Page, address: str) -> None:
    page.goto(f"{address}/versions")
    expect(page.locator("#version-2")).to_contain_text("Five ads now")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".changes")).to_contain_text("“Write 3 ads” now makes 5 texts instead of 3.")
    page.goto(f"{address}/versions")
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.locator("#version-3")).to_contain_text("“Write 3 ads” now makes 3 texts instead of 5.")


def _end(page: Page, address: str) -> None:
    page.goto(f"{address}/deletion")
    page.get_by_role("button", name="Delete Price check").click()
    expect(page.get_by_role("heading", name="Price check")).to_be_visible()
    page.get_by_role("button", name="Bring back").click()
    expect(page.locator("#notices")).to_contain_text("“Price check” is back, as it was.")
