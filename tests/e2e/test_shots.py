"""Pictures of the main pages, to look at: ``instance/shots/<page>-<width>-<theme>.png``.

The README's pictures are made here too, when asked: ``UPDATE_SCREENSHOTS=1 bin/test tests/e2e/test_shots.py``.
"""

import json
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e import stage, steps
from tests.e2e.house import OWNER, Running

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "instance" / "shots"
DOCS = ROOT / "docs" / "images"
SCREENS = {"1280": {"width": 1280, "height": 820}, "360": {"width": 360, "height": 740}}
SMALL_BYTES = 150_000
OFFER = (
    "One-owner 2022 Honda CR-V EX-L with all-wheel drive, 21,400 miles and heated leather seats, for $28,990. "
    "Your first two oil changes are on us."
)
TEMPLATE = "/gallery/facebook-ads-campaign"


def test_main_pages_are_pictured_light_and_dark_on_desk_and_phone(
    house: Running, new_context: Callable[..., BrowserContext]
) -> None:
    camera = Camera(new_context(reduced_motion="reduce", device_scale_factor=1).new_page())
    page = camera.page
    page.goto(f"{house.url}/sign-in")
    camera.take("sign-in")
    house.sign_in(page)
    for name, path in (
        ("gallery", "/gallery"), ("preview", TEMPLATE), ("launch-1", f"{TEMPLATE}/launch"), ("more", "/more"),
        ("settings", "/settings"), ("help", "/help"), ("not-found", "/runs/nothing"),
    ):  # fmt: skip
        page.goto(house.url + path)
        camera.take(name)
    page.goto(house.url)
    steps.answer(page, OFFER, approver=OWNER)
    camera.take("check")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(steps.RUN_URL)
    run_url = page.url
    steps.expect_run(page, "waiting")
    camera.take("run", "run.png")
    page.goto(house.url)
    camera.take("home", "home.png")
    page.goto(f"{house.url}/approvals")
    camera.take("approvals")
    page.goto(house.link(house.mail(OWNER, OFFER)))
    camera.take("approve", phone="approve-phone.png")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("You approved")
    camera.take("approved")
    page.get_by_role("button", name="Go on now").click()
    page.goto(run_url)
    steps.expect_run(page, "completed")
    camera.take("run-ready")
    for name, path in (
        ("runs", "/runs"), ("documents", "/documents"), ("pictures", "/images"), ("workflows", "/workflows"),
        ("outbox", "/settings/outbox"),
    ):  # fmt: skip
        page.goto(house.url + path)
        camera.take(name)
    for name, path in (("document", "/documents"), ("workflow", "/workflows"), ("mail", "/settings/outbox")):
        page.goto(house.url + path)
        page.get_by_role("main").get_by_role("article").get_by_role("link").or_(
            page.get_by_role("main").locator("h2 a, td a")
        ).first.click()
        camera.take(name)
    assert camera.faults == []


def test_the_builder_is_pictured_for_its_guide(house: Running, new_context: Callable[..., BrowserContext]) -> None:
    camera = Camera(new_context(reduced_motion="reduce", device_scale_factor=1).new_page())
    page = camera.page
    house.sign_in(page)
    page.goto(house.url + TEMPLATE)
    page.get_by_role("button", name="Copy to the builder").click()
    expect(page.locator("#builder-state")).to_be_visible()
    edit_url = page.url.partition("/edit")[0] + "/edit"
    page.goto(f"{edit_url}/steps/pictures")
    camera.take("builder-step", "builder.png")
    page.goto(f"{edit_url}/text")
    camera.take("builder-text")
    page.goto(edit_url)
    camera.take("builder", phone="builder-phone.png")
    assert camera.faults == []


def test_every_state_of_the_builder_is_pictured(house: Running, new_context: Callable[..., BrowserContext]) -> None:
    camera = Camera(new_context(reduced_motion="reduce", device_scale_factor=1).new_page())
    page = camera.page
    house.sign_in(page)
    page.goto(f"{house.url}/workflows/new")
    page.get_by_label("What is it called?").fill("In every state")
    page.get_by_role("button", name="Start building").click()
    camera.take("builder-empty")
    edit_url = page.url.partition("/edit")[0] + "/edit"
    page.goto(f"{edit_url}/questions")
    camera.take("builder-no-questions")
    page.goto(f"{edit_url}/add")
    page.get_by_role("button", name="Tell people").click()
    expect(page.locator("#builder-state")).to_contain_text("is not filled in yet")
    page.reload()
    expect(page.locator("#builder-state")).to_contain_text("to fix before you can publish")
    camera.take("builder-one-step-with-problems")
    assert page.evaluate("document.documentElement.scrollHeight - innerHeight") == 0  # the form scrolls, not the page
    page.get_by_role("textbox", name="Whom 1").fill(OWNER)
    page.get_by_role("textbox", name="Subject").fill("Ready")
    page.get_by_role("textbox", name="Subject").blur()
    expect(page.locator("#builder-state")).to_contain_text("Everything is in order.")
    camera.take("builder-one-step")
    for name, definition in (("builder-30-steps", stage.thirty_steps()), ("builder-text-problems", stage.BROKEN)):
        page.goto(f"{edit_url}/text?as=json")
        page.get_by_label("Text", exact=True).fill(json.dumps(definition))
        page.get_by_role("button", name="Use this text").click()
        expect(page.locator(".htmx-request")).to_have_count(0)
        camera.take(name)
    assert camera.faults == []


class Camera:
    """Takes a page's picture on both screens in both themes."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        SHOTS.mkdir(parents=True, exist_ok=True)

    def take(self, name: str, desk: str = "", phone: str = "") -> None:
        """Save four pictures; *desk* and *phone* name those of the documentation, the light ones without scrolling."""
        expect(self.page.locator("[aria-busy=true], .htmx-request")).to_have_count(0)
        for width, screen in SCREENS.items():
            self.page.set_viewport_size(screen)  # type: ignore[arg-type]
            shots = [self._shot(name, width, theme) for theme in ("dark", "light")]
            if shots[0] == shots[1]:
                self.faults.append(f"{name} at {width} is the same in both themes")
            wanted = {"1280": desk, "360": phone}[width]
            if wanted and os.environ.get("UPDATE_SCREENSHOTS"):
                _save_small(self.page.screenshot(), DOCS / wanted)
        self.page.set_viewport_size(SCREENS["1280"])  # type: ignore[arg-type]

    def _shot(self, name: str, width: str, theme: str) -> bytes:
        self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        self.page.evaluate("document.querySelectorAll('img[loading=lazy]').forEach(img => { img.loading = 'eager' })")
        self.page.evaluate("Promise.all([...document.images].map(image => image.decode().catch(() => {})))")
        return self.page.screenshot(path=SHOTS / f"{name}-{width}-{theme}.png", full_page=True)


def _save_small(png: bytes, path: Path) -> None:
    """Write a picture with few colours, small enough for a repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)
    assert path.stat().st_size < SMALL_BYTES, f"{path.name} is too large for a repository"
