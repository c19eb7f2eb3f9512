"""Every page in every state, light and dark, on a desk and on a phone: for everyone to read, and within our own rules.

Axe finds nothing, the browser refuses nothing (content security policy), no script fails, nothing asked for is missing,
nothing is wider than the screen, no field or button lies on another, no style or script stands in the page, and the
HTML is valid.

The addresses come from the application's routes: a rule that answers GET needs a row in ``PAGES``, with its states or
with the reason why it is no page. ``PICTURES=folder`` keeps a picture of each.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python  # type: ignore[import-untyped]
import html5lib
import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from tests import page as reader
from tests.conftest import Databases
from tests.e2e import stage as stages
from tests.e2e.stage import SLUG, Scene, Stage
from tests.features.lifecycle.test_upkeep import TWELVE

pytestmark = pytest.mark.browser

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
# A page has a dozen colours in a thousand places, and axe works each out anew: a quarter of its time.
READ_COLOURS_ONCE = """(() => {
  const known = new Map();
  const colour = axe.commons.color.Color.prototype;
  const read = colour.parseString;
  colour.parseString = function (text) {
    if (!known.has(text)) {
      read.call(this, text);
      known.set(text, [this.r, this.g, this.b, this.alpha]);
    }
    [this.r, this.g, this.b, this.alpha] = known.get(text);
    return this;
  };
})();"""
# Contrast is four fifths of axe's work: of every element it works out what only those with words of their own can fail,
# and it judges each row of a list, and at each width again what looks the same at both. What has passed stands for all
# that look as it does, with all around them.
JUDGE_A_LOOK_ONCE = """(() => {
  const STYLES = ["color", "background-color", "background-image", "opacity", "filter", "mix-blend-mode", "font-size",
    "font-weight", "text-shadow", "text-indent", "-webkit-text-stroke", "transform", "position", "inset"];
  const rule = axe._audit.rules.find(each => each.id === "color-contrast");
  const check = axe._audit.checks["color-contrast"];
  const {matches} = rule, {evaluate} = check;
  const passed = new Set(), numbers = new Map();
  let looks;
  const hasWords = element => element.matches("input, select, textarea")
    || [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const lookAt = element => {
    if (!element) return 0;
    if (!looks.has(element)) {
      const style = getComputedStyle(element), around = lookAt(element.parentElement);
      const look = [around, ...STYLES.map(name => style.getPropertyValue(name))].join("|");
      if (!numbers.has(look)) numbers.set(look, numbers.size + 1);
      // What is taken out of its place may lie on anything.
      const stays = around !== null && ["static", "relative"].includes(style.position);
      looks.set(element, stays ? numbers.get(look) : null);
    }
    return looks.get(element);
  };
  rule.matches = (element, ...more) => {
    return hasWords(element) && !passed.has(lookAt(element)) && matches.call(rule, element, ...more);
  };
  check.evaluate = function (element, ...more) {
    const look = lookAt(element);
    if (passed.has(look)) return true;
    let told;
    const verdict = evaluate.call({...this, data: is => { told = is; this.data(is); }}, element, ...more);
    if (verdict === true && told?.contrastRatio && look !== null) passed.add(look);  // and not because it is hidden
    return verdict;
  };
  axe.lookAfresh = () => { looks = new Map(); };
})();"""
# A theme changes colours and nothing else, so that a second look in the other theme is at these rules.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
# What differs where two scenes have the same page: ids, tokens, the names of the scene, the moment.
OF_THE_SCENE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=value=\")[\w.-]{40,}|(?<=Motors, )\w+|(?<=@)\w+(?=\.example)|\d+\.\d{3,}"
)
NOWHERE = "01a1f900-0000-7000-8000-000000000000"
LISTEN = """
window.refused = [];
document.addEventListener("securitypolicyviolation", event => {
  refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample} ${event.sourceFile}`);
});
"""
# Fields and buttons that lie on each other, but for bars that float and for what is scrolled out of sight.
OVERLAPS = """() => {
  const floats = element => ["fixed", "sticky", "absolute"].includes(getComputedStyle(element).position);
  const scrolls = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowY);
  const up = element => element ? [element, ...up(element.parentElement)] : [];
  const stands = element => element.checkVisibility({visibilityProperty: true}) && !up(element).some(floats)
    && !up(element.parentElement).some(scrolls);
  const name = element => element.outerHTML.slice(0, 80);
  const all = [...document.querySelectorAll("main :is(.form-control, .form-select, .btn)")].filter(stands);
  const places = all.map(element => element.getBoundingClientRect());
  const isOn = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  return all.flatMap((one, i) => all.slice(i + 1).filter((_, j) => isOn(places[i], places[i + 1 + j]))
    .map(other => `${name(one)} lies on ${name(other)}`));
}"""

Act = Callable[[Page], None]
Theme = Literal["light", "dark"]
Rules = Literal["all", "colours"]


@dataclass(frozen=True)
class Visit:
    """An address (``{name}`` is one of the scene's), in whose scene it is opened, and what is done there first."""

    path: str
    scene: str = ""
    act: Act | None = None


Cell = str | Visit | list[str | Visit]


@dataclass(frozen=True)
class Pages:
    """A rule's addresses in each state. A scene is named where it is not the state's own."""

    empty: Cell
    one: Cell
    full: Cell
    error: Cell

    def of(self, state: str) -> list[Visit]:
        """Return the state's visits."""
        cell = getattr(self, state)
        return [Visit(each) if isinstance(each, str) else each for each in (cell if isinstance(cell, list) else [cell])]


def _bare(path: str) -> Visit:
    return Visit(path, "bare")


def _guest(path: str, scene: str, act: Act | None = None) -> Visit:
    return Visit(path, f"guest of {scene}", act)


def _bad_import(page: Page) -> None:
    page.get_by_label("Or paste it here").fill(TWELVE)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(12)  # each fault by itself


def _wrong_password(page: Page) -> None:
    page.get_by_label("E-mail").fill("alice@one.example")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()


def _empty_password(page: Page) -> None:
    page.get_by_role("button", name="Change the password").click()
    page.locator(".err").first.wait_for()


def _empty_setup(page: Page) -> None:
    page.get_by_role("main").get_by_role("button").click()
    page.locator(".err").first.wait_for()


def _ask_why(page: Page) -> None:
    page.get_by_role("button", name="Reject").click()
    page.get_by_role("heading", name="Reject").wait_for()


def _no_reason(page: Page) -> None:
    _ask_why(page)
    page.get_by_role("button", name="Reject").click()
    page.get_by_role("alert").wait_for()


def _too_long(page: Page) -> None:
    page.get_by_role("article").first.get_by_text("Edit").click()
    page.get_by_role("article").first.get_by_role("textbox", name="Text").fill("A very long text. " * 20)
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("alert").wait_for()


def _editing(page: Page) -> None:
    page.get_by_role("article").first.get_by_text("Edit").click()
    page.get_by_role("button", name="Done").wait_for()


def _no_amount(page: Page) -> None:
    page.get_by_label("Most that AI may cost a day").fill("a lot")
    page.get_by_label("Most steps that ask AI at once").fill("0")
    page.get_by_role("button", name="Set the limits").click()
    page.locator(".err").first.wait_for()


def _no_months(page: Page) -> None:
    page.get_by_label("Keep runs for").fill("1000")
    page.get_by_role("button", name="Keep them like this").click()
    page.locator(".err").first.wait_for()


def _open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('main details').forEach(details => { details.open = true })")


def _press_main(page: Page) -> None:
    page.get_by_role("button", name="Start building").click()
    page.locator(".err, [role=alert]").first.wait_for()


def _no_name(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_role("button", name="Save").click()
    page.locator("#panel .err").first.wait_for()


def _bad_text(page: Page) -> None:
    text = "steps:\n  - {id: a, type: glue, after: [b]}\n  - {id: a, type: merge, when: 3}\n"
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name="Use this text").click()
    page.get_by_role("alert").wait_for()


def _drawer(page: Page) -> None:
    page.locator("a[data-drawer]").locator("visible=true").first.click()
    page.get_by_role("heading", name="What is going on").wait_for()


def _values(page: Page) -> None:
    page.get_by_role("button", name="Insert a value").first.click()
    page.get_by_role("group", name="Values").wait_for()


def _beside(page: Page) -> None:
    page.get_by_role("link", name="As text").locator("visible=true").click()
    page.get_by_label("The workflow as text").get_by_role("textbox").wait_for()


def _two_windows(page: Page) -> None:
    other = page.context.new_page()
    for each, tags in ((other, f"theirs {page.evaluate('Date.now()')}"), (page, "mine")):
        if each is other:
            each.goto(page.url)
        each.get_by_label("Tags").fill(tags)
        each.get_by_role("button", name="Save").click()
        if each is other:
            expect(each.locator("[name=was-tags]")).to_have_value(tags)
            each.close()
    page.get_by_role("heading", name="You changed this workflow in two windows").wait_for()


PAGES: dict[str, Pages | str] = {
    "/": Pages("/", "/", "/", "/"),
    "/a/<token>": Pages(
        empty=_guest("/a/{token}", "bare"),
        one=[_guest("/a/{token}", "one"), _guest("/a/{token}", "one", _ask_why)],
        full=[
            _guest("/a/{token}", "full"), _guest("/a/{token}", "full", _editing), _guest("/a/{undoable}", "full"),
        ],
        error=[
            _guest("/a/{used}", "error"), _guest("/a/{over}", "error"), _guest("/a/" + "x" * 43, "error"),
            _guest("/a/{open}", "error", _no_reason), _guest("/a/{open}", "error", _too_long),
        ],
    ),
    "/active": Pages("/active", "/active", "/active", "/active"),
    "/approvals": Pages("/approvals", "/approvals", "/approvals", ["/approvals", "/approvals?show=decided"]),
    "/approvals/<approval_id>": Pages(
        empty=_bare("/approvals/{approval}"),
        one="/approvals/{approval}",
        full=["/approvals/{approval}", Visit("/approvals/{approval}", act=_editing), "/approvals/{undoable_approval}"],
        error=[
            "/approvals/{approval}", "/approvals/{expired}", f"/approvals/{NOWHERE}",
            Visit("/approvals/{open_approval}", act=_no_reason),
        ],
    ),
    "/documents": Pages(
        empty="/documents", one="/documents", full=["/documents", "/documents?run={run}"],
        error=["/documents?status=rejected", "/documents?run={run}", f"/documents?run={NOWHERE}"],
    ),
    "/documents/<document_id>": Pages(
        empty=_bare("/documents/{document}"), one="/documents/{document}", full="/documents/{document}",
        error=["/documents/{document}", f"/documents/{NOWHERE}"],
    ),
    "/documents/<document_id>/edit": Pages(
        empty=_bare("/documents/{document}/edit"), one="/documents/{document}/edit",
        full="/documents/{document}/edit", error=f"/documents/{NOWHERE}/edit",
    ),
    "/gallery": Pages(
        empty="/gallery", one="/gallery", full=["/gallery", "/gallery?view=list"],
        error=["/gallery?q=submarines&category=social", "/gallery?from=own", "/gallery?category=no-such"],
    ),
    "/gallery/compare": Pages(
        empty="/gallery/compare", one=f"/gallery/compare?t={SLUG}",
        full=f"/gallery/compare?t={SLUG}&t=email-campaign&t=service-recall-outreach",
        error="/gallery/compare?t=no-such",
    ),
    "/gallery/<slug>": Pages(
        empty=f"/gallery/{SLUG}", one=f"/gallery/{SLUG}",
        full=[Visit(f"/gallery/{SLUG}?document=7", act=_open_all), Visit("/gallery/{ours}", act=_open_all)],
        error="/gallery/no-such-template",
    ),
    "/gallery/import": Pages(*["/gallery/import"] * 4),
    "/gallery/<slug>/customise": Pages(
        *[f"/gallery/{SLUG}/customise"] * 3, error="/gallery/no-such/customise"
    ),
    "/gallery/<slug>/launch": Pages(
        empty=[f"/gallery/{SLUG}/launch", *(f"/gallery/{SLUG}/launch?page={page}" for page in (2, 3))],
        one=[f"/gallery/{SLUG}/launch", f"/gallery/{SLUG}/launch?page=check"],
        full=[f"/gallery/{SLUG}/launch?page={page}" for page in ("1", "2", "check")],
        error=[*(f"/gallery/{SLUG}/launch?page={page}&fix=1" for page in (1, 2, 3)), "/gallery/nothing/launch"],
    ),
    "/workflows/<workflow_id>/launch": Pages(
        empty=_bare("/workflows/{workflow}/launch"), one="/workflows/{workflow}/launch",
        full=["/workflows/{workflow}/launch", *(f"/workflows/{{every}}/launch?page={page}" for page in (1, 2, 3, 4))],
        error=f"/workflows/{NOWHERE}/launch",
    ),
    "/help": Pages("/help", "/help", "/help", "/help"),
    "/images": Pages("/images", "/images", ["/images", "/images?run={run}"], f"/images?run={NOWHERE}"),
    "/more": Pages("/more", "/more", "/more", "/more"),
    "/runs": Pages(
        "/runs", "/runs",
        [Visit("/runs?sort=oldest", act=_open_all), Visit("/runs", act=_drawer), "/runs?q=donau&since=2020-01-01"],
        ["/runs?status=failed", "/runs?q=submarines", "/runs?since=soon&until=2020-01-01", "/runs"],
    ),
    "/runs/calendar": Pages(
        "/runs/calendar", "/runs/calendar", ["/runs/calendar?day={wait_day}", "/runs/calendar?month=2031-03"],
        "/runs/calendar?day=2031-02-30&month=soon",
    ),
    "/runs/<run_id>": Pages(
        empty=_bare("/runs/{run}"),
        one=["/runs/{run}", Visit("/runs/{run}", act=_open_all)],
        full=[
            Visit("/runs/{run}", act=_open_all), Visit("/runs/{running}", act=_open_all), "/runs/{waiting}",
            "/runs/{undoable_run}",
        ],
        error=[
            Visit("/runs/{run}", act=_open_all), "/runs/{paused}", "/runs/{stopped}",
            Visit("/runs/{puzzled}", act=_open_all), f"/runs/{NOWHERE}",
        ],
    ),
    "/runs/<run_id>/would-have": Pages(
        empty=_bare("/runs/{test}/would-have"), one="/runs/{test}/would-have", full="/runs/{run}/would-have",
        error=["/runs/{test}/would-have", f"/runs/{NOWHERE}/would-have"],
    ),
    "/runs/<run_id>/continue": Pages(
        empty=_bare("/runs/{run}/continue"), one="/runs/{run}/continue", full="/runs/{run}/continue?step=check",
        error=["/runs/{paused}/continue", f"/runs/{NOWHERE}/continue"],
    ),
    "/runs/<run_id>/log": Pages(
        empty=_bare("/runs/{run}/log"), one="/runs/{run}/log", full=Visit("/runs/{run}/log", act=_open_all),
        error=[
            Visit("/runs/{run}/log?level=error", act=_open_all), "/runs/{run}/log?q=submarines&from=soon",
            f"/runs/{NOWHERE}/log",
        ],
    ),
    "/runs/<run_id>/problems/new": Pages(
        empty=_bare("/runs/{run}/problems/new"), one="/runs/{run}/problems/new", full="/runs/{run}/problems/new",
        error=["/runs/{run}/problems/new", f"/runs/{NOWHERE}/problems/new"],
    ),
    "/runs/<run_id>/steps/<step_run_id>": Pages(
        empty=_bare("/runs/{asking}/steps/{step_run}"), one="/runs/{run}/steps/{step_run}",
        full="/runs/{run}/steps/{step_run}", error=["/runs/{run}/steps/{step_run}", f"/runs/{{run}}/steps/{NOWHERE}"],
    ),
    "/runs/<run_id>/timeline": Pages(
        empty=_bare("/runs/{run}/timeline"), one="/runs/{run}/timeline",
        full=[Visit("/runs/{run}/timeline", act=_open_all), "/runs/{running}/timeline"],
        error=["/runs/{run}/timeline", f"/runs/{NOWHERE}/timeline"],
    ),
    "/settings": Pages("/settings", "/settings", "/settings", Visit("/settings", act=_empty_password)),
    "/problems/new": Pages(*["/problems/new?code=GL-7F3K9Q&said=It+broke:+/runs/1"] * 4),
    "/settings/problems": Pages(
        "/settings/problems", "/settings/problems", "/settings/problems",
        ["/settings/problems", "/settings/problems?show=closed"],
    ),
    "/settings/outbox": Pages("/settings/outbox", "/settings/outbox", "/settings/outbox", "/settings/outbox"),
    "/settings/outbox/<row_id>": Pages(
        empty=_bare("/settings/outbox/{mail}"), one="/settings/outbox/{mail}", full="/settings/outbox/{mail}",
        error=["/settings/outbox/{mail}", f"/settings/outbox/{NOWHERE}"],
    ),
    "/settings/ai": Pages("/settings/ai", "/settings/ai", "/settings/ai", Visit("/settings/ai", act=_no_amount)),
    "/settings/retention": Pages(
        *["/settings/retention"] * 3, error=Visit("/settings/retention", act=_no_months)
    ),
    "/settings/sending": Pages(*["/settings/sending"] * 4),
    "/setup/<token>": Pages(
        empty=_guest("/setup/{setup}", "unowned"), one=_guest("/setup/{setup}", "unowned"),
        full=_guest("/setup/{setup}", "unowned"),
        error=[_guest("/setup/{setup}", "unowned", _empty_setup), _guest("/setup/" + "x" * 43, "one")],
    ),
    "/sign-in": Pages(
        empty=_guest("/sign-in", "empty"), one=_guest("/sign-in?next=/runs", "one"), full=_guest("/sign-in", "full"),
        error=_guest("/sign-in", "error", _wrong_password),
    ),
    "/workflows/<workflow_id>/checklist": Pages(
        empty=_bare("/workflows/{changed}/checklist"),
        one="/workflows/{brought}/checklist",
        full="/workflows/{brought}/checklist",
        error=["/workflows/{brought}/checklist", f"/workflows/{NOWHERE}/checklist"],
    ),
    "/workflows/<workflow_id>/deactivation": Pages(
        empty=_bare("/workflows/{changed}/deactivation"),
        one="/workflows/{changed}/deactivation",
        full="/workflows/{changed}/deactivation",
        error=["/workflows/{changed}/deactivation", f"/workflows/{NOWHERE}/deactivation"],
    ),
    "/workflows/<workflow_id>/deletion": Pages(
        empty=_bare("/workflows/{changed}/deletion"),
        one="/workflows/{changed}/deletion",
        full="/workflows/{changed}/deletion",
        error=["/workflows/{changed}/deletion", f"/workflows/{NOWHERE}/deletion"],
    ),
    "/workflows/<workflow_id>/publish": Pages(
        empty=_bare("/workflows/{changed}/publish"),
        one="/workflows/{changed}/publish",
        full="/workflows/{changed}/publish",
        error=["/workflows/{changed}/publish", f"/workflows/{NOWHERE}/publish"],
    ),
    "/workflows/<workflow_id>/template": Pages(
        empty=_bare("/workflows/{changed}/template"),
        one="/workflows/{changed}/template",
        full="/workflows/{workflow}/template",
        error=["/workflows/{brought}/template", f"/workflows/{NOWHERE}/template"],
    ),
    "/workflows/<workflow_id>/test": Pages(
        empty=_bare("/workflows/{changed}/test"), one="/workflows/{changed}/test", full="/workflows/{changed}/test",
        error=["/workflows/{changed}/test", f"/workflows/{NOWHERE}/test"],
    ),
    "/workflows/<workflow_id>/versions": Pages(
        empty=_bare("/workflows/{changed}/versions"),
        one="/workflows/{changed}/versions",
        full="/workflows/{changed}/versions",
        error=["/workflows/{changed}/versions", f"/workflows/{NOWHERE}/versions"],
    ),
    "/workflows/<workflow_id>/versions/compare": Pages(
        empty=_bare("/workflows/{changed}/versions/compare?from=1&to=1"),
        one="/workflows/{changed}/versions/compare?from=1&to=1",
        full="/workflows/{changed}/versions/compare?from=1&to=1",
        error="/workflows/{changed}/versions/compare?from=1&to=9",
    ),
    "/workflows/<workflow_id>/samples/<run_id>": Pages(
        empty=_bare("/workflows/{changed}/samples/{test}"),
        one="/workflows/{changed}/samples/{test}",
        full="/workflows/{changed}/samples/{test}",
        error=["/workflows/{changed}/samples/{test}", "/workflows/{changed}/samples/nothing"],
    ),
    "/workflows/deleted": Pages(*["/workflows/deleted"] * 4),
    "/workflows/import": Pages(*["/workflows/import"] * 3, Visit("/workflows/import", act=_bad_import)),
    "/workflows/new": Pages(*["/workflows/new"] * 3, Visit("/workflows/new", act=_press_main)),
    "/workflows/<workflow_id>/edit": Pages(
        _bare("/workflows/{blank}/edit"), "/workflows/{workflow}/edit", "/workflows/{draft}/edit",
        ["/workflows/{draft}/edit", f"/workflows/{NOWHERE}/edit"],
    ),
    "/workflows/<workflow_id>/edit/steps/<step_id>": Pages(
        _bare("/workflows/{workflow}/edit/steps/attach"),
        [f"/workflows/{{workflow}}/edit/steps/{step}" for step in ("ads", "check", "tell")],
        ["/workflows/{draft}/edit/steps/s1", "/workflows/{draft}/edit/steps/s2",
         *(Visit("/workflows/{draft}/edit/steps/s5", act=act) for act in (_values, _beside))],
        [*(f"/workflows/{{draft}}/edit/steps/{step}" for step in ("ads", "check", "glue")),
         Visit("/workflows/{draft}/edit/steps/ads", act=_open_all), "/workflows/{draft}/edit/steps/gone"],
    ),
    "/workflows/<workflow_id>/edit/add": Pages(
        _bare("/workflows/{blank}/edit/add"), "/workflows/{workflow}/edit/add?after=ads&before=attach",
        "/workflows/{draft}/edit/add?after=s2:rejected&after=s2:expired", "/workflows/{draft}/edit/add?after=gone",
    ),
    "/workflows/<workflow_id>/edit/questions": Pages(
        _bare("/workflows/{blank}/edit/questions"), "/workflows/{workflow}/edit/questions",
        ["/workflows/{draft}/edit/questions", "/workflows/{every}/edit/questions"], "/workflows/{draft}/edit/questions",
    ),
    "/workflows/<workflow_id>/edit/questions/<key>": Pages(
        _bare("/workflows/{workflow}/edit/questions/offer"), "/workflows/{workflow}/edit/questions/offer",
        "/workflows/{draft}/edit/questions/price",
        ["/workflows/{draft}/edit/questions/offer", "/workflows/{draft}/edit/questions/gone"],
    ),
    "/workflows/<workflow_id>/edit/details": Pages(
        _bare("/workflows/{blank}/edit/details"), "/workflows/{workflow}/edit/details",
        ["/workflows/{draft}/edit/details", Visit("/workflows/{draft}/edit/details", act=_two_windows)],
        Visit("/workflows/{draft}/edit/details", act=_no_name),
    ),
    "/workflows/<workflow_id>/edit/text": Pages(
        _bare("/workflows/{blank}/edit/text"), "/workflows/{workflow}/edit/text?as=json",
        "/workflows/{draft}/edit/text",
        Visit("/workflows/{draft}/edit/text", act=_bad_text),
    ),
    "/workflows": Pages("/workflows", "/workflows", "/workflows", "/workflows"),
    "/workflows/<workflow_id>": Pages(
        empty=_bare("/workflows/{workflow}"), one="/workflows/{workflow}", full="/workflows/{workflow}",
        error=["/workflows/{workflow}?version=99", f"/workflows/{NOWHERE}"],
    ),
    "/for-tests/broken": Pages(*["/for-tests/broken"] * 4),
    "/a/<token>/images/<image_id>": "a picture",
    "/active/mark": "parts of every page",
    "/approvals/of/<wait_id>": "leads on to the request",
    "/approvals/of/<wait_id>/decision": "a part of the run's page",
    "/assets/<digest>/<name>": "a file",
    "/documents.zip": "a file",
    "/documents/panel": "a part of the home page",
    "/gallery/<slug>/export": "a file",
    "/healthz": "JSON",
    "/images/<image_id>": "a picture",
    "/images/<image_id>/<any(original, small):variant>": "a picture",
    "/readyz": "JSON",
    "/runs.<any(csv, json):form>": "a file",
    "/runs/<run_id>/log/tail": "lines of the log",
    "/runs/<run_id>/live": "parts of the run's page",
    "/runs/<run_id>/made/<step_id>": "plain text, to copy",
    "/runs/panel": "a part of the home page",
    "/waiting": "a part of the home page",
    "/settings/outbox/<row_id>/html": "the mail itself, shown in a frame of its page",
    "/static/<path:filename>": "a file",
    "/workflows/<workflow_id>/export": "a file",
}  # fmt: skip

STATES = [each.name for each in fields(Pages)]
CASES = [
    pytest.param(visit, state, id=f"{rule}-{state}-{number}" if number else f"{rule}-{state}")
    for rule, pages in PAGES.items()
    if isinstance(pages, Pages)
    for state in STATES
    for number, visit in enumerate(pages.of(state))
]


@pytest.fixture(scope="module")
def unowned(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The application before anybody set it up."""
    url = databases.create("sqlite")
    with stages.serve(url, str(tmp_path_factory.mktemp("unowned")), stages.before_setup) as stage:
        yield stage
    databases.drop(url)


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator["Contexts"]:
    """One open browser window a scene."""
    made = Contexts(browser)
    yield made
    made.close()


def test_every_rule_that_answers_get_has_a_row(stage: Stage) -> None:
    rules = _rules(stage.app)
    assert sorted(rules - set(PAGES)) == [], "give these a row in PAGES: their states, or why they are no page"
    assert sorted(set(PAGES) - rules) == [], "these rules are gone"


@pytest.mark.parametrize(("visit", "state"), CASES)
def test_page(visit: Visit, state: str, contexts: "Contexts", request: pytest.FixtureRequest) -> None:
    name = visit.scene or state
    scene_name = name.removeprefix("guest of ")
    stage: Stage = request.getfixturevalue("unowned" if scene_name == "unowned" else "stage")
    scene = stage.scenes[scene_name]
    page = contexts.page(stage, None if name.startswith("guest of ") else scene)
    watch = Watch(page, request.node.callspec.id.partition("-")[2])
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    answer = page.goto(stage.url + visit.path.format(**scene.refs), wait_until="load")
    assert answer is not None
    html = answer.text()
    watch.faults += _faults_of_source(answer, html)
    if visit.act is not None:
        visit.act(page)
    expect(page.locator("[aria-busy=true], .htmx-request")).to_have_count(0)
    if contexts.are_new(html, visit) or os.environ.get("PICTURES"):
        watch.look(DESK, "light", "all")
        watch.look(DESK, "dark", "colours")
        watch.look(PHONE, "dark", "colours")
        watch.look(PHONE, "light", "all")
    watch.stop()
    assert not watch.faults, "\n".join(watch.faults)


@pytest.mark.parametrize("path", ["/runs", "/documents", "/workflows", "/approvals", "/"])
def test_a_row_leads_where_its_title_leads_wherever_a_thumb_comes_down(
    path: str, contexts: "Contexts", stage: Stage
) -> None:
    page = contexts.page(stage, stage.scenes["full"])
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(stage.url + path)
    row = page.locator(".run-row, .item-row").first
    href = str(row.locator(":is(h2, h3) > a").get_attribute("href"))

    row.click(position={"x": 4, "y": 4})

    expect(page).to_have_url(stage.url + href)


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ("full", "/"), ("one", "/runs"), ("one", "/runs/{run}"), ("one", "/runs/{run}/log"), ("one", "/gallery"),
        ("full", "/gallery/facebook-ads-campaign/launch?page=2"), ("full", "/workflows/{every}/launch?page=2"),
        ("one", "/gallery/compare?t=facebook-ads-campaign&t=email-campaign"), ("one", "/approvals/{approval}"),
        ("full", "/approvals"), ("one", "/documents"), ("one", "/workflows/{workflow}/edit"),
        ("one", "/workflows/{workflow}/edit/steps/check"), ("full", "/workflows/{changed}/versions"),
        ("full", "/workflows/{changed}/versions/compare?from=1&to=2"),
    ],
)  # fmt: skip
def test_text_twice_as_large_fits_a_phone(state: str, path: str, contexts: "Contexts", stage: Stage) -> None:
    scene = stage.scenes[state]
    page = contexts.page(stage, scene)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(stage.url + path.format(**scene.refs))

    page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")
    page.evaluate("document.documentElement.style.fontSize = '200%'")

    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.evaluate("document.querySelector('.skip').getBoundingClientRect().bottom") <= 0


def test_forced_colours_still_tell_which_page_is_open_and_how_far_a_run_is(contexts: "Contexts", stage: Stage) -> None:
    scene = stage.scenes["full"]
    page = contexts.page(stage, scene)
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    page.goto(f"{stage.url}/runs/{scene.refs['running']}")

    page.emulate_media(forced_colors="active")
    style = "element => [getComputedStyle(element).outlineStyle, getComputedStyle(element).forcedColorAdjust]"
    told = [page.locator(each).first.evaluate(style) for each in (".side [aria-current]", "main progress")]
    page.emulate_media(forced_colors="none")

    assert (told[0][0], told[1][1]) == ("solid", "none")


def test_text_too_pale_is_found_in_every_place_and_theme(contexts: "Contexts", stage: Stage) -> None:
    page = contexts.page(stage, None)
    page.goto(f"{stage.url}/sign-in")
    page.evaluate(
        """document.querySelector("main").replaceChildren(...["#555", "#ccc", "#555", "#ccc"].map(colour => {
          const text = Object.assign(document.createElement("p"), {className: colour, textContent: "Text"});
          text.style.color = colour;
          return text;
        }))"""
    )
    watch = Watch(page, "pale")
    themes: tuple[Theme, ...] = ("light", "dark", "light")

    found = []
    for theme in themes:
        watch.look(DESK, theme, "colours")
        found.append([re.findall('class="(.*?)"', fault) for fault in watch.faults])
        watch.faults.clear()
    watch.stop()

    assert found == [[["#ccc"], ["#ccc"]], [["#555"], ["#555"]], [["#ccc"], ["#ccc"]]]


def test_text_too_pale_on_a_phone_alone_is_found_whatever_passed_on_a_desk(contexts: "Contexts", stage: Stage) -> None:
    page = contexts.page(stage, None)
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    page.goto(f"{stage.url}/sign-in")
    page.evaluate(
        """() => {
          const style = new CSSStyleSheet();
          style.replaceSync(`main p { color: #333 } main div { background: #fff } .phone { display: none }
            @media (max-width: 500px) {
              .paler, .phone, .moved { color: #ccc }
              .dark { background: #222 }
              .faint { opacity: .4 }
              .phone { display: block }
              .moved { position: absolute; top: 0; left: 0 }
            }`);
          document.adoptedStyleSheets = [style];
          const put = (around, name) => {
            const box = document.createElement("div"), text = document.createElement("p");
            box.className = around; text.className = name; text.textContent = "Text"; box.append(text); return box;
          };
          document.querySelector("main").replaceChildren(put("", "same"), put("", "paler"), put("dark", "in-dark"),
            put("faint", "in-faint"), put("", "phone"), put("", "moved"));
        }"""
    )
    watch = Watch(page, "pale")

    watch.look(DESK, "light", "all")
    on_a_desk = [fault for fault in watch.faults if "color-contrast" in fault]
    watch.look(PHONE, "light", "colours")
    watch.stop()

    found = [re.findall('class="(.*?)"', fault)[0] for fault in watch.faults if "color-contrast" in fault]
    assert (on_a_desk, found) == ([], ["paler", "in-dark", "in-faint", "phone", "moved"])


def test_a_page_of_another_scene_is_looked_at_again_where_its_contents_differ(browser: Browser) -> None:
    contexts, visit = Contexts(browser), Visit("/more")
    page = '<nav>{}</nav><main><a href="/runs/{}">{}</a> Northfield Motors, {}</main>'
    one, other = "01a1f900-0000-7000-8000-000000000001", "01a1f900-0000-7000-8000-000000000002"

    assert contexts.are_new(page.format("Alice", one, "A run", "one"), visit)
    assert not contexts.are_new(page.format("A long name", other, "A run", "full"), visit)
    assert contexts.are_new(page.format("Alice", one, "A longer run", "one"), visit)
    assert contexts.are_new(page.format("Alice", one, "A run", "one"), Visit("/more", act=_open_all))


@cache
def _rules(app: Flask) -> set[str]:
    return {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}


# --- how a page is looked at ---


class Contexts:
    """Windows of one browser, one a person, each kept open."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._made: dict[str, BrowserContext] = {}
        self._seen: set[tuple[str, Act | None]] = set()

    def page(self, stage: Stage, scene: Scene | None) -> Page:
        """Return the window of the scene's owner, or of somebody signed out."""
        cookie = scene.cookie if scene else ""
        if cookie not in self._made:
            context = self._browser.new_context(
                locale="en-US", timezone_id="America/New_York", reduced_motion="reduce"
            )
            # Before the page's own scripts, not sent anew for each page: a tenth of a page's time.
            context.add_init_script(LISTEN + f"if (window === top) {{ {AXE + READ_COLOURS_ONCE + JUDGE_A_LOOK_ONCE} }}")
            if cookie:
                context.add_cookies([{"name": "gl", "value": cookie, "url": stage.url}])
            context.new_page()
            self._made[cookie] = context
        return self._made[cookie].pages[0]

    def are_new(self, html: str, visit: Visit) -> bool:
        """Tell whether no page had these contents yet; its frame is looked at with every other page of its scene."""
        contents = html.partition("<main")[2].partition("</main>")[0]
        assert contents
        before = len(self._seen)
        self._seen.add((OF_THE_SCENE.sub("", contents), visit.act))
        return len(self._seen) > before

    def close(self) -> None:
        """Close them."""
        for context in self._made.values():
            context.close()


class Watch:
    """Notes what goes wrong on a page; ``faults`` says it in words."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self._name = re.sub(r"[^a-z0-9_]+", "-", name).strip("-")
        self.faults: list[str] = []
        self._listeners: dict[str, Callable[[Any], None]] = {
            "console": lambda message: self._note("console", message.text, message.type == "error"),
            "pageerror": lambda error: self._note("script", str(error)),
            "response": lambda answer: self._note("missing", answer.url, self._is_missing(answer)),
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)  # type: ignore[call-overload]

    def look(self, screen: dict[str, int], theme: Theme, rules: Rules) -> None:
        """Look at the page on this screen in this theme."""
        where = f"{screen['width']} {theme}"
        self.page.set_viewport_size(screen)  # type: ignore[arg-type]
        self.page.emulate_media(color_scheme=theme)
        self.page.evaluate(
            "Promise.allSettled(document.getAnimations().filter(a => a instanceof CSSTransition).map(a => a.finished))"
        )
        if folder := os.environ.get("PICTURES"):
            self.page.screenshot(path=Path(folder, f"{self._name} {where}.png"), full_page=True, caret="initial")
        self.faults += [f"{where}: {fault}" for fault in self._axe(rules)]
        self.faults += [f"{where}: {fault}" for fault in self.page.evaluate(OVERLAPS)]
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.faults.append(f"{where}: {wide} px too wide: {self._widest()}")

    def stop(self) -> None:
        """Note what the browser refused, and listen no more."""
        self.faults += [f"refused: {line}" for line in self.page.evaluate("window.refused")]
        styled = self.page.evaluate("[...document.querySelectorAll('[style]')].map(element => element.outerHTML)")
        self.faults += [f"inline style: {element[:160]}" for element in styled]
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)

    def _note(self, kind: str, words: str, counts: bool = True) -> None:
        # The browser itself says it when an answer is an error: errors are pages here, and tested as such.
        if counts and not words.startswith(("Failed to load resource", "Response Status Error Code 409")):
            self.faults.append(f"{kind}: {words}")

    def _is_missing(self, answer: Response) -> bool:
        is_form_sent_back = answer.status in (409, 422) and answer.request.method == "POST"
        return answer.status >= 400 and not is_form_sent_back and not answer.request.is_navigation_request()

    def _axe(self, rules: Rules) -> list[str]:
        only = {"type": "tag", "values": TAGS} if rules == "all" else {"type": "rule", "values": COLOUR_RULES}
        options = json.dumps({"runOnly": only, "resultTypes": ["violations"]})
        found = self.page.evaluate(f"axe.lookAfresh(); axe.run({options}).then(results => results.violations)")
        return [
            f"{violation['id']}: {node['html'][:160]} {' '.join(node['failureSummary'].split())[:200]}"
            for violation in found
            for node in violation["nodes"]
        ]

    def _widest(self) -> str:
        """Name what stands out at the right, the innermost last."""
        return str(
            self.page.evaluate(
                """() => {
                  const most = document.documentElement.clientWidth + 0.5;
                  const right = element => {
                    const left = element.getBoundingClientRect().left;
                    return left + Math.max(element.scrollWidth, element.offsetWidth ?? 0);
                  };
                  const wide = [...document.querySelectorAll("body *")].filter(element => right(element) > most);
                  const name = element => `${right(element)}: ${element.outerHTML.slice(0, 120)}`;
                  return wide.slice(-3).map(name).join(" | ");
                }"""
            )
        )


def _faults_of_source(answer: Response, html: str) -> list[str]:
    """Return what is wrong with the HTML as it was sent."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    parser = html5lib.HTMLParser()
    parser.parse(html)
    errors = [f"line {place[0]}: {code} {values}" for place, code, values in parser.errors]
    return [f"source: {fault}" for fault in [*reader.Page(html).faults, *errors]]
