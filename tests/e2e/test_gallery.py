"""The gallery in a browser: found with the letters mixed up, compared, its table's columns named, nothing lost."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.stage import Stage

pytestmark = pytest.mark.browser
OWNERS = "Owner Name;VIN;E-Mail;Cell;Opt-in;Last service\nDana Dole;2HGFC2F59HH512345;dana@x.example;;yes;2025-04-02\n"


@pytest.fixture
def page(stage: Stage, context: BrowserContext) -> Page:
    """The gallery as the owner of a workspace with one run sees it."""
    context.add_cookies([{"name": "gl", "value": stage.scenes["one"].cookie, "url": stage.url}])
    page = context.new_page()
    page.goto(f"{stage.url}/gallery")
    return page


@contextmanager
def _held(page: Page) -> Iterator[None]:
    """Hold what the gallery answers to a search until the block ends."""
    address, held = re.compile("/gallery[?]"), list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    page.route(address, hold)
    yield
    for route in held:
        route.continue_()
    page.unroute(address)


def _search_shows_bars(page: Page, text: str, places: str, words: str) -> None:
    """Search, and see meanwhile that every place stays where it is and its words are bars."""
    where = "all => all.map(one => [one.offsetLeft, one.offsetTop, one.offsetWidth, one.offsetHeight])"
    before = page.locator(places).evaluate_all(where)
    with _held(page):
        page.get_by_label("Search templates").press_sequentially(text, delay=15)
        expect(page.locator("#cards")).to_have_class(re.compile("htmx-request"))
        assert page.locator(places).evaluate_all(where) == before
        for word in page.locator(places).first.locator(words).all():
            expect(word).to_have_css("color", "rgba(0, 0, 0, 0)")
            look = word.evaluate("it => [getComputedStyle(it).backgroundColor, getComputedStyle(it).backgroundImage]")
            assert look != ["rgba(0, 0, 0, 0)", "none"]
    expect(page.locator(places)).to_have_count(1)
    expect(page.locator(places).locator(words).first).not_to_have_css("color", "rgba(0, 0, 0, 0)")


def test_a_search_with_typing_errors_finds_the_right_template_and_keeps_what_was_ticked(
    page: Page, stage: Stage
) -> None:
    page.get_by_label("Compare Facebook Ads Campaign").check()
    _search_shows_bars(page, "recal leter", "article", "h2 a, p, .foot-x a, .form-check-label")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("article")).to_contain_text("Service-recall outreach")
    expect(page).to_have_url(re.compile("q=recal.{1,3}leter"))
    page.get_by_label("Compare Service-recall outreach").check()
    expect(page.locator("[data-names]")).to_have_text("2 chosen: Facebook Ads Campaign, Service-recall outreach")
    page.get_by_role("button", name="Compare").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare two templates")
    page.get_by_role("link", name="Remove Facebook Ads Campaign").click()
    expect(page.get_by_role("columnheader")).to_have_count(1)
    page.go_back()
    page.get_by_role("link", name="Use Service-recall outreach").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The recall")
    page.goto(f"{stage.url}/gallery?view=list")
    _search_shows_bars(page, "recal leter", "tbody tr", "a, p, td:nth-child(n+3):not(:last-child)")


def test_a_table_is_mapped_and_half_filled_answers_survive_closing_the_browser(
    page: Page, stage: Stage, context: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "owners.csv").write_text(OWNERS, "utf-8")
    page.goto(f"{stage.url}/gallery/service-recall-outreach/launch")
    page.get_by_label("What is the campaign’s number?").fill("26V-418")
    page.get_by_label("What is repaired").fill("Airbag inflator")
    expect(page.locator("#told")).to_contain_text("You can leave and come back")
    page.close()

    page = context.new_page()
    page.goto(f"{stage.url}/gallery/service-recall-outreach/launch")
    expect(page.get_by_label("What is the campaign’s number?")).to_have_value("26V-418")
    page.get_by_role("textbox", name="What does the manufacturer say?").fill("The inflator may take up moisture.")
    page.get_by_role("button", name="Continue").click()
    page.locator("input[name=f_owners]").set_input_files(tmp_path / "owners.csv")
    page.get_by_label("Which number can they call?").fill("call me")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("2 things need another look")
    expect(page.get_by_label("Mobile", exact=True)).to_have_value("Cell")
    page.get_by_label("Which number can they call?").fill("+1 555 010 1987")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approval and follow-up")
    page.go_back()  # onto the page that was refused: nothing is sent again, and the answers are there
    expect(page.get_by_label("Which number can they call?")).to_have_value("+1 555 010 1987")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approval and follow-up")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("1 row: name, vin, email, mobile, consent, last_visit")).to_be_visible()
    expect(page.get_by_role("button", name="Test run: nothing sent or spent")).to_be_visible()


def test_a_number_with_two_ends_is_slid_or_counted_by_keys(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.url}/gallery/facebook-ads-campaign/launch?page=2")
    ads, slider = page.get_by_label("How many ads?"), page.locator("[data-slides=q_copies]")
    expect(slider).to_have_value("10")
    slider.fill("17")
    expect(ads).to_have_value("17")
    ads.press("ArrowUp")
    expect(slider).to_have_value("18")
    ads.fill("many")
    expect(slider).to_have_value("18")
    with page.expect_response(lambda answer: "q_copies=20" in (answer.request.post_data or "")):
        slider.fill("20")
    ads.press("ArrowUp")
    expect(ads).to_have_value("20")
    page.reload()
    expect(ads).to_have_value("20")
    expect(slider).to_have_value("20")


def test_files_that_are_too_big_are_named_before_anything_is_sent(page: Page, stage: Stage, tmp_path: Path) -> None:
    page.goto(f"{stage.url}/gallery/import")
    file, alert = page.get_by_label("A file"), page.get_by_role("alert")
    for name, mb in (("cars.yaml", 14), ("few.yaml", 1)):
        with (tmp_path / name).open("wb") as made:
            made.truncate(mb * 2**20)
    page.get_by_label("The template as text").fill("name: Cars")
    file.set_input_files(tmp_path / "cars.yaml")
    expect(alert).to_have_text("“cars.yaml” has 14 MB. At most 12 MB can be sent at once: choose a smaller one.")
    page.get_by_role("button", name="Import").click()
    expect(file).to_be_focused()
    expect(page.get_by_label("The template as text")).to_have_value("name: Cars")
    file.set_input_files(tmp_path / "few.yaml")
    expect(alert).to_have_count(0)
    page.get_by_role("button", name="Import").click()
    expect(alert).not_to_contain_text("at once")


@pytest.mark.parametrize(
    ("path", "name", "most"),
    [
        ("/gallery/facebook-ads-campaign/launch", "What is the offer?", "2,000"),
        ("/workflows/{draft}/edit/steps/s0", "What should be written?", "20,000"),
    ],
)
def test_a_text_far_longer_than_its_field_keeps_is_left_out_and_the_limit_is_said(
    stage: Stage, context: BrowserContext, path: str, name: str, most: str
) -> None:
    scene = stage.scenes["full"]
    context.add_cookies([{"name": "gl", "value": scene.cookie, "url": stage.url}])
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(stage.url + path.format(**scene.refs))
    field, alert = page.get_by_role("textbox", name=name), page.locator(".err[role=alert]")
    text = "field => field.value ?? field.textContent"
    before = field.evaluate(text)

    page.evaluate("navigator.clipboard.writeText('x'.repeat(2_000_000))")
    field.press("Control+v")
    expect(alert).to_contain_text(f"“{name}” keeps at most {most} characters. With what you put in it would have 2,")
    assert field.evaluate(text) == before

    page.evaluate("navigator.clipboard.writeText('A few words')")
    field.press("Control+a")
    field.press("Control+v")
    expect(alert).to_have_count(0)
    assert field.evaluate(text) == "A few words"


def test_a_date_that_there_is_not_keeps_the_form_here_and_says_so(stage: Stage, context: BrowserContext) -> None:
    scene = stage.scenes["full"]
    context.add_cookies([{"name": "gl", "value": scene.cookie, "url": stage.url}])
    page = context.new_page()
    page.goto(f"{stage.url}/workflows/{scene.refs['every']}/launch?page=2")
    day, moment = page.get_by_label("The date", exact=False).first, page.get_by_label("The datetime", exact=False)
    day.focus()
    page.keyboard.type("02302027")
    page.get_by_role("button", name="Continue").click()
    expect(day).to_be_focused()
    assert day.evaluate("field => field.validity.badInput && field.validationMessage !== ''")
    day.focus()
    page.keyboard.type("02282027")
    moment.focus()
    page.keyboard.type("11302027")  # and no time
    page.get_by_role("button", name="Continue").click()
    expect(moment).to_be_focused()
    moment.focus()
    page.keyboard.type("113020270900AM")  # the year ends after four digits
    expect(moment).to_have_value("2027-11-30T09:00")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/launch?page=3")


def test_leaving_a_vin_fills_in_what_it_says_and_nothing_that_was_typed(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.url}/gallery/used-vehicle-listing-copy/launch")
    page.get_by_label("Make").fill("TOYOTA")
    page.get_by_label("VIN").press_sequentially("5tddzrbh1ms104417")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Stock number")).to_be_focused()
    page.keyboard.type("P2208")

    expect(page.get_by_label("Year")).to_have_value("2021")
    expect(page.locator("#vin-car")).to_have_text("From the VIN: 2021 Toyota, made in the United States.")
    expect(page.get_by_label("Make")).to_have_value("TOYOTA")
    expect(page.get_by_label("Stock number")).to_have_value("P2208")
    expect(page.get_by_label("Stock number")).to_be_focused()
    expect(page.locator("#told")).to_contain_text("2021 TOYOTA")

    page.get_by_label("Year").fill("")  # what somebody empties stays empty while they type on
    page.get_by_label("Model").fill("Highlander")
    expect(page.locator("#told")).to_contain_text("Highlander")
    expect(page.get_by_label("Year")).to_have_value("")
    page.get_by_label("Year").fill("2019")
    expect(page.locator("#vin-car")).to_have_text("The VIN says year 2021. Is it the right VIN?")
    page.reload()
    expect(page.get_by_label("Year")).to_have_value("2019")
    for width, wide in ((360, 1), (1280, 4)):
        page.set_viewport_size({"width": width, "height": 800})
        boxes = [page.get_by_label(name).bounding_box() for name in ("Year", "Make", "Model", "Trim")]
        assert len({box["y"] for box in boxes if box}) == (1 if wide == 4 else 2)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_script_the_gallery_is_searched_compared_and_launched(stage: Stage, browser: object) -> None:
    context = browser.new_context(java_script_enabled=False)  # type: ignore[attr-defined]
    context.add_cookies([{"name": "gl", "value": stage.scenes["one"].cookie, "url": stage.url}])
    page = context.new_page()
    page.goto(f"{stage.url}/gallery")
    page.get_by_label("Search templates").fill("facebok")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("article").first).to_contain_text("Facebook Ads Campaign")
    page.goto(f"{stage.url}/gallery")
    for name in ("Email Campaign", "Blog with Social"):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare two templates")
    page.get_by_role("link", name="Use Email Campaign").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The mail")
    context.close()
