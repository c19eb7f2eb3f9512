"""The main job in a browser: from the gallery to ten approved ads with pictures; on a phone too, and without script."""

import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.e2e.house import APPROVER, OWNER, Running
from tests.e2e.steps import LIMIT_MS, RUN_URL, answer, bring_to_review, expect_run, go_on_now, press_twice

pytestmark = pytest.mark.browser

NewContext = Callable[..., BrowserContext]
DESK = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
AFTER_THE_LAST_POLL_MS = 3_000


@pytest.mark.parametrize("screen", [pytest.param(DESK, id="1280"), pytest.param(PHONE, id="360")])
def test_ten_ads_with_pictures(house: Running, new_context: NewContext, screen: dict[str, Any], tmp_path: Path) -> None:
    page = new_context(**screen).new_page()
    offer = f"A 2022 Honda CR-V for $28,990, seen at {screen['viewport']['width']} px"
    asks = _ask_on(page)
    house.sign_in(page)
    answer(page, offer)
    press_twice(page)
    page.evaluate("window.neverLoadedAgain = true")

    expect_run(page, "waiting")
    link = house.link(house.mail(APPROVER, offer))
    guest = new_context(**screen).new_page()
    guest.goto(link)
    expect(guest.get_by_role("article")).to_have_count(10)
    expect(guest.locator("article img")).to_have_count(10)
    first = guest.get_by_role("article").first
    first.get_by_text("Edit").click()
    first.get_by_role("textbox", name="Text").fill("Sure-footed before the first snow. Come and drive it this week.")
    first.get_by_role("button", name="Done").click()
    expect(first.get_by_text("changed by you")).to_be_visible()
    guest.get_by_role("button", name="Approve").click()
    expect(guest.get_by_role("heading", level=1)).to_contain_text("You approved")
    guest.get_by_role("button", name="Undo").click()
    expect(guest.get_by_text("Taken back. Nothing is decided")).to_be_visible()
    guest.get_by_role("button", name="Approve").click()
    guest.goto(link)
    expect(guest.get_by_role("heading", level=1)).to_contain_text("You approved")
    expect(page.locator("#run-now")).to_contain_text("The next step starts")
    go_on_now(guest)

    expect_run(page, "completed")
    assert page.evaluate("window.neverLoadedAgain") is True
    _expect_quiet(page, asks)
    _expect_ten_documents(page, tmp_path)
    page.get_by_role("link", name="Sure-footed").or_(page.locator("article h2 a").first).first.click()
    expect(page.get_by_text("Sure-footed before the first snow.")).to_be_visible()
    assert house.mail(OWNER, offer, "Approved").message["Subject"] == "Your Facebook ads are ready"


def test_the_mail_says_the_same_in_both_parts_and_shows_pictures(house: Running, new_context: NewContext) -> None:
    offer = "A mail about the 2021 Kia Sportage"
    bring_to_review(house, new_context(**DESK).new_page(), offer)
    mail = house.mail(APPROVER, offer)
    assert mail.message.get_content_type().startswith("multipart/")
    assert house.link(mail) == house.link(mail, "html")
    plain, html = mail.text(), mail.text("html")
    for words in (offer, "Opening the page decides nothing"):
        assert words in plain
        assert words in html
    assert "<script" not in html
    reader = new_context(**PHONE, java_script_enabled=False).new_page()
    reader.set_content(html)
    assert reader.locator("img").count() >= 3
    assert all(picture.get_attribute("alt") for picture in reader.locator("img").all())
    assert reader.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_rejection_needs_a_reason_and_the_run_goes_its_other_way(house: Running, new_context: NewContext) -> None:
    page = new_context(**DESK).new_page()
    offer = "Rejected: the 2020 Mazda CX-5"
    bring_to_review(house, page, offer)
    guest = new_context(**PHONE).new_page()
    guest.goto(house.link(house.mail(APPROVER, offer)))
    guest.get_by_role("button", name="Reject").click()
    expect(guest.get_by_role("heading", name=re.compile("^Reject .*\\?$"))).to_be_focused()
    guest.get_by_role("button", name="Reject").click()
    expect(guest.get_by_role("alert")).to_be_visible()
    guest.get_by_role("radio").last.check()
    guest.get_by_label("What should they know?").fill("The price is wrong: it is $27,490.")
    guest.get_by_role("button", name="Reject").click()
    expect(guest.get_by_role("heading", level=1)).to_contain_text("You rejected")
    go_on_now(guest)
    expect_run(page, "completed")
    expect(page.locator("#step-tell_rejected")).to_contain_text("Done")
    expect(page.locator("#step-tell")).to_contain_text("Skipped")
    assert "The price is wrong: it is $27,490." in house.mail(OWNER, offer, "Not approved").text()


def test_pause_resume_and_stop_by_the_buttons(house: Running, new_context: NewContext) -> None:
    page = new_context(**DESK).new_page()
    offer = "Stopped: the 2019 Subaru Outback"
    house.sign_in(page)
    answer(page, offer)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(RUN_URL)
    page.get_by_role("button", name="Pause", exact=True).click()
    expect_run(page, "paused")
    page.get_by_role("button", name="Resume").click()
    expect_run(page, "waiting")
    link = house.link(house.mail(APPROVER, offer))
    page.get_by_text("Stop", exact=True).click()
    page.get_by_role("button", name="Stop the run").click()
    expect_run(page, "stopped")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_have_count(0)
    guest = new_context(**PHONE).new_page()
    shown = guest.goto(link)
    assert shown is not None
    assert shown.status == 410
    expect(guest.get_by_role("button")).to_have_count(0)


def test_launch_and_approve_without_script(house: Running, new_context: NewContext, tmp_path: Path) -> None:
    context = new_context(**DESK, java_script_enabled=False)
    page = context.new_page()
    offer = "Without script: the 2023 Ford Maverick"
    house.sign_in(page)
    answer(page, offer)
    press_twice(page)
    _load_until(page, "waiting", by_link=True)
    guest = new_context(**PHONE, java_script_enabled=False).new_page()
    guest.goto(house.link(house.mail(APPROVER, offer)))
    first = guest.get_by_role("article").first
    first.get_by_text("Edit").click()
    first.get_by_role("textbox", name="Text").fill("Small outside, a truck inside.")
    guest.get_by_role("button", name="Reject").first.click()
    guest.get_by_role("button", name="Go back").click()
    expect(first.get_by_role("textbox", name="Text")).to_have_value("Small outside, a truck inside.")
    guest.get_by_role("button", name="Approve").click()
    expect(guest.get_by_role("heading", level=1)).to_contain_text("You approved")
    go_on_now(guest)
    _load_until(page, "completed")
    _expect_ten_documents(page, tmp_path)
    expect(page.get_by_text("Small outside, a truck inside.")).to_be_visible()


def test_opening_the_link_decides_nothing(house: Running, new_context: NewContext) -> None:
    page = new_context(**DESK).new_page()
    offer = "Scanned: the 2018 Audi Q5"
    bring_to_review(house, page, offer)
    link = house.link(house.mail(APPROVER, offer))
    scanner = new_context(**PHONE)
    for _ in range(3):
        visit = scanner.new_page()
        shown = visit.goto(link, wait_until="networkidle")
        assert shown is not None
        assert shown.status == 200
        assert scanner.request.head(link).status == 200
        visit.close()
    assert scanner.cookies() == []
    page.reload()
    expect_run(page, "waiting")
    broken = scanner.new_page()
    shown = broken.goto(link[:-1] + ("A" if link[-1] != "A" else "B"))
    assert shown is not None
    assert shown.status == 404
    expect(broken.get_by_role("heading", level=1)).to_have_text("This link does not work")


def test_on_postgresql_with_an_ai_service_the_cost_is_the_sum_of_its_calls(
    paying_house: Running, new_context: NewContext, tmp_path: Path
) -> None:
    assert paying_house.ai is not None
    asked = len(paying_house.ai.of("chat")), len(paying_house.ai.of("images"))
    page = new_context(**DESK).new_page()
    offer = "Paid for: the 2024 Toyota RAV4"
    paying_house.sign_in(page)
    answer(page, offer)
    press_twice(page)
    expect_run(page, "waiting")
    assert (len(paying_house.ai.of("chat")), len(paying_house.ai.of("images"))) == (asked[0] + 1, asked[1] + 5)
    guest = new_context(**PHONE).new_page()
    guest.goto(paying_house.link(paying_house.mail(APPROVER, offer)))
    guest.get_by_role("button", name="Approve").click()
    expect(guest.get_by_role("heading", level=1)).to_contain_text("You approved")
    go_on_now(guest)
    expect_run(page, "completed")

    costs = _costs_in_database(paying_house, page.url)
    assert costs.run > 0
    assert costs.run == costs.calls == costs.steps
    shown = f"${costs.run / 1e6:.2f}"
    expect(page.locator("#run-now")).to_contain_text(shown)
    _expect_ten_documents(page, tmp_path)


@dataclass
class Costs:
    """What a run cost, in micro-dollars, as three tables say it."""

    run: int
    steps: int
    calls: int


def _costs_in_database(house: Running, run_url: str) -> Costs:
    import psycopg

    run_id = run_url.rpartition("/")[2]
    with psycopg.connect(house.house.environ["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT (SELECT cost_microusd FROM run WHERE id = %(run)s), "
            "(SELECT sum(cost_microusd) FROM step_run WHERE run_id = %(run)s), "
            "(SELECT sum(cost_microusd) FROM call WHERE run_id = %(run)s)",
            {"run": run_id},
        ).fetchone()
    assert row is not None
    return Costs(*(int(value or 0) for value in row))


# --- what a person sees ---


def _load_until(page: Page, status: str, *, by_link: bool = False) -> None:
    """Load the run's page again, as a person without script does, until the run has come to *status*."""
    until = time.monotonic() + LIMIT_MS / 1000
    while (seen := page.locator("#run-live").get_attribute("data-status")) != status:
        assert time.monotonic() < until, f"the run is {seen}"
        page.wait_for_timeout(250)
        if by_link:
            page.get_by_role("link", name="Load this page again").click()
        else:
            page.reload()


def _ask_on(page: Page) -> list[str]:
    """Collect the addresses that the page's own script asks for of its run."""
    seen: list[str] = []

    def note(request: Request) -> None:
        if request.resource_type in ("xhr", "fetch") and "/runs/" in request.url:
            seen.append(request.url)

    page.on("request", note)
    return seen


def _expect_quiet(page: Page, asks: list[str]) -> None:
    """A run that has ended is not asked for again."""
    assert asks
    expect(page.locator("#run-live")).not_to_have_attribute("data-poll", re.compile(""))
    asks.clear()
    page.wait_for_timeout(AFTER_THE_LAST_POLL_MS)
    assert asks == []


def _expect_ten_documents(page: Page, folder: Path) -> None:
    """See ten approved documents, each with its own picture, and hold them as files."""
    with page.expect_download() as caught:
        page.get_by_role("link", name="Download all").click()
    target = folder / "documents.zip"
    caught.value.save_as(target)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        texts = [name for name in names if name.endswith((".txt", ".md"))]
        pictures = [name for name in names if name.endswith((".png", ".jpg", ".jpeg", ".webp"))]
        assert len(texts) == 10
        assert len(pictures) >= 5
        assert all(archive.read(name).strip() for name in texts)
    page.get_by_role("link", name="Open as documents").click()
    expect(page.locator("article")).to_have_count(10)
    expect(page.locator("article img")).to_have_count(10)
    expect(page.locator("article .chip", has_text="Approved")).to_have_count(10)
    for picture in page.locator("article img").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("picture => picture.naturalWidth") > 0
