"""The run page in a browser while the run goes on."""

import re
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from werkzeug.serving import make_server

from app.core import clock
from app.core.db import db
from app.engine.models import Run, RunLog, StepRun
from tests.factories import TEXTS
from tests.features.runs.conftest import Yard

pytestmark = pytest.mark.browser
NewContext = Callable[..., BrowserContext]
COUNT_CELEBRATIONS = """() => {
  window.celebrations = 0;
  const isOne = (node) => node.matches?.("canvas.confetti");
  const look = (changes) => {
    for (const change of changes) window.celebrations += [...change.addedNodes].filter(isOne).length;
  };
  new MutationObserver(look).observe(document.body, { childList: true });
}"""

# What is said for a moment, on the button that is pressed and aloud.
HEAR = """button => {
  const heard = window.heard = new Set();  // each press its own: what an earlier button still says is not heard
  const hear = () => {
    if (button.innerText.includes("Copied")) heard.add("button");
    if ([...document.querySelectorAll("p[role=status]")].some(p => p.innerText === "Copied")) heard.add("aloud");
  };
  new MutationObserver(hear).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


@pytest.fixture
def address(yard: Yard) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, yard.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


def _open(yard: Yard, address: str, new_context: NewContext, path: str, **options: object) -> tuple[Page, list[str]]:
    page = _signed_in(yard, address, new_context(**options))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/live" in request.url else None)
    page.on("console", lambda message: pytest.fail(message.text) if message.type == "error" else None)
    page.goto(address + path)
    return page, asked


def _signed_in(yard: Yard, address: str, context: BrowserContext) -> Page:
    cookie = yard.cast.browser(yard.cast.alice).get_cookie("gl")
    assert cookie is not None
    context.add_cookies([{"name": "gl", "value": cookie.value, "url": address}])
    return context.new_page()


def _go_on(run: Run) -> None:
    run.doing, run.cost_microusd, run.changed_at = "Making picture 5 of 5", 400_000, clock.now()


def _end(run: Run) -> None:
    run.status, run.finished_at, run.changed_at = "completed", clock.now(), clock.now()


def test_the_turning_sign_of_a_step_stays_within_its_box(yard: Yard, address: str, new_context: NewContext) -> None:
    run_id = yard.make("running")[0]
    page, _ = _open(yard, address, new_context, f"/runs/{run_id}", reduced_motion="no-preference")

    outside = page.evaluate(
        """() => {
          const place = element => element.getBoundingClientRect();
          const signs = [...document.querySelectorAll("#run-diagram .spin-g")];
          const turns = signs.flatMap(sign => sign.getAnimations());
          turns.forEach(turn => { turn.pause(); turn.currentTime = 600; });
          return [turns.length, signs.filter(sign => {
            const at = place(sign), box = place(sign.closest("a").querySelector(".n"));
            return at.left < box.left || at.right > box.right || at.top < box.top || at.bottom > box.bottom;
          }).length];
        }"""
    )

    assert outside == [1, 0]


@pytest.mark.parametrize("width", [768, 1280])
def test_how_a_step_stands_and_what_it_cost_are_said_on_one_line(
    yard: Yard, address: str, new_context: NewContext, width: int
) -> None:
    run_id = yard.make("running")[0]

    def cheap_and_asking(run: Run) -> None:
        steps = {step.step_id: step for step in db.session.query(StepRun).filter_by(run_id=run.id)}
        steps["ads"].cost_microusd = 900
        steps["pictures"].status, run.status = "needs_attention", "needs_attention"

    yard.change(run_id, cheap_and_asking)
    page, _ = _open(yard, address, new_context, f"/runs/{run_id}", viewport={"width": width, "height": 800})

    expect(page.locator("#step-ads > summary > .num").last).to_have_text("under $0.01")
    expect(page.locator("#step-pictures > summary > .chip")).to_have_text("Needs an answer")
    lines = page.locator("details.step > summary > :is(.chip, .num)").evaluate_all(
        """parts => parts.flatMap(part => {
          const texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT), found = [];
          while (texts.nextNode()) {
            const words = document.createRange();
            words.selectNodeContents(texts.currentNode);
            if (texts.currentNode.data.trim()) found.push([texts.currentNode.data, words.getClientRects().length]);
          }
          return found;
        })"""
    )
    assert {text: count for text, count in lines if count != 1} == {}


def test_page_follows_the_run_and_keeps_what_the_reader_did(
    yard: Yard, address: str, new_context: NewContext
) -> None:
    run_id = yard.make("running")[0]
    page, _ = _open(yard, address, new_context, f"/runs/{run_id}", reduced_motion="no-preference")
    page.locator("#step-ads > summary").click()
    page.locator("#step-pictures > summary").click()
    page.locator("#step-pictures-open").focus()
    page.evaluate("document.getElementById('step-ads').dataset.mark = 'same'")
    page.evaluate("scrollTo({top: 300, behavior: 'instant'})")
    scrolled = page.evaluate("scrollY")

    def more(run: Run) -> None:
        _go_on(run)
        step = db.session.query(StepRun).filter_by(run_id=run.id, step_id="pictures").one()
        step.done, step.doing = 4, "Making picture 5 of 5"

    yard.change(run_id, more)

    expect(page.locator("#run-sentence")).to_have_text("Making picture 5 of 5.")
    expect(page.locator("#run-said")).to_have_text("Making picture 5 of 5.")
    expect(page.locator("#step-pictures .chip")).to_have_text("4 of 5")
    expect(page.locator("#step-ads")).to_have_attribute("open", "")
    expect(page.locator("#step-pictures")).to_have_attribute("open", "")
    # a part that says the same as before was left alone
    expect(page.locator("#step-ads")).to_have_attribute("data-mark", "same")
    expect(page.locator("#step-pictures-open")).to_be_focused()
    assert page.evaluate("scrollY") == scrolled
    _copies(page)


def _copies(page: Page) -> None:
    """Copy what a step wrote, what it drew, and one text on its own page; each is said on the button and aloud."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def copied(press: Locator) -> str:
        press.evaluate(HEAR)
        press.click()
        page.wait_for_function("() => window.heard.has('button') && window.heard.has('aloud')")
        return str(page.evaluate("navigator.clipboard.readText()")).replace("\r\n", "\n")

    assert copied(page.locator("#step-ads .copy-x")) == "\n\n\n".join(TEXTS)
    drawn = copied(page.locator("#step-pictures .copy-x"))
    assert re.fullmatch(r"(The car on a coast road, view \d\nhttp://\S+/images/\S+\s*){3}", drawn)
    page.locator("#step-ads .made-texts a").first.click()
    page.wait_for_load_state()
    assert copied(page.locator("[data-copy]")) == TEXTS[0]


def test_page_celebrates_once_and_asks_no_more_when_the_run_is_ready(
    yard: Yard, address: str, new_context: NewContext
) -> None:
    run_id = yard.make("running")[0]
    page, asked = _open(yard, address, new_context, f"/runs/{run_id}", reduced_motion="no-preference")
    page.evaluate(COUNT_CELEBRATIONS)
    log = page.context.new_page()
    _log_grows(yard, log, address, run_id)

    yard.change(run_id, _end)

    expect(log.locator("#log-tail")).to_have_text("")
    expect(log.locator("#log-tail[hx-get]")).to_have_count(0)
    log.close()
    page.wait_for_function("() => window.celebrations === 1")
    expect(page.locator("#run-now .chip")).to_have_text("Ready")
    expect(page.locator("canvas.confetti")).to_have_count(0)
    before = len(asked)
    page.wait_for_timeout(2500)
    assert len(asked) == before
    page.reload()
    page.wait_for_timeout(300)
    assert page.locator("canvas.confetti").count() == 0


def _log_grows(yard: Yard, log: Page, address: str, run_id: str) -> None:
    """See a line come to the end of an open log, within what is asked for, while another one is read."""
    log.goto(f"{address}/runs/{run_id}/log?from=2020-01-01T00:00&step=ads")
    lines = log.locator("#log-rows > details")
    before = lines.count()
    lines.first.locator("summary").click()

    def note(run: Run) -> None:
        for step_id in ("ads", "pictures"):
            said = {"level": "warning", "event": "note", "message": f"Said of {step_id}.", "at": clock.now()}
            db.session.add(RunLog(workspace_id=run.workspace_id, run_id=run.id, step_id=step_id, **said))
        _go_on(run)

    yard.change(run_id, note)
    expect(lines.last).to_contain_text("Said of ads.")
    expect(lines).to_have_count(before + 1)
    expect(lines.first).to_have_attribute("open", "")
    expect(log.locator("#log-tail")).to_contain_text("New lines appear by themselves.")


def test_page_has_no_confetti_for_those_who_want_less_motion(
    yard: Yard, address: str, new_context: NewContext
) -> None:
    run_id = yard.make("running")[0]
    page, _ = _open(yard, address, new_context, f"/runs/{run_id}", reduced_motion="reduce")

    yard.change(run_id, _end)

    expect(page.locator("#run-now .chip")).to_have_text("Ready")
    assert page.locator("canvas.confetti").count() == 0


def test_stop_asks_first_and_escape_leaves_the_run_alone(
    yard: Yard, address: str, new_context: NewContext
) -> None:
    run_id = yard.make("running")[0]
    page, _ = _open(yard, address, new_context, f"/runs/{run_id}")
    button = page.get_by_role("button", name="Stop the run")
    expect(button).to_be_hidden()

    page.locator("#run-stop-open").click()
    expect(button).to_be_visible()
    page.keyboard.press("Escape")
    expect(button).to_be_hidden()
    page.locator("#run-stop-open").click()
    button.click()

    expect(page.locator("#run-now .chip")).to_have_text("Stopping")


def test_page_without_script_has_a_link_to_load_it_again(yard: Yard, address: str, new_context: NewContext) -> None:
    run_id = yard.make("running")[0]
    page, _ = _open(yard, address, new_context, f"/runs/{run_id}", java_script_enabled=False)
    yard.change(run_id, _go_on)

    page.get_by_role("link", name="Load this page again").click()

    expect(page.locator("#run-now")).to_contain_text("$0.40")


def test_panel_opens_beside_a_page_and_an_end_is_said(yard: Yard, address: str, new_context: NewContext) -> None:
    run_id = yard.make("running", label="Honda ads")[0]
    page, _ = _open(yard, address, new_context, "/help")
    expect(page).to_have_title("(1) Help · Greenlight")
    page.locator("#top-running").focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="What is going on")
    expect(panel.get_by_role("link", name="Honda ads")).to_be_visible()
    expect(page.locator("#drawer:focus-within")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("#top-running")).to_be_focused()
    expect(page.locator("#active")).to_have_count(0)

    yard.change(run_id, _end)

    toast = page.locator("#toasts [data-toast]")
    expect(toast).to_contain_text("Honda ads")
    toast.hover()  # it stays while it is looked at
    expect(page).to_have_title("Help · Greenlight")
    expect(page.locator("#top-running")).to_contain_text("0 active")
    toast.get_by_role("button", name="Close this message").focus()
    page.keyboard.press("Enter")
    expect(toast).to_have_count(0)
    expect(page.locator("#top-running")).to_be_focused()


def test_page_catches_up_at_once_when_it_is_online_again_or_slept(
    yard: Yard, address: str, new_context: NewContext
) -> None:
    run_id = yard.make("waiting")[0]
    context = new_context()
    page = _signed_in(yard, address, context)
    page.goto(f"{address}/runs/{run_id}")
    poll = "document.getElementById('run-live')"

    context.set_offline(True)
    page.evaluate(f"{poll}.dataset.pollNow = 3600; htmx.trigger({poll}, 'poll')")
    expect(page.locator("#no-connection")).to_contain_text("cannot be reached")  # it asks again in half a minute
    yard.change(run_id, _go_on)
    context.set_offline(False)
    expect(page.locator("#run-now")).to_contain_text("$0.40", timeout=25_000)
    expect(page.locator("#no-connection")).to_have_count(0)

    page.route("**/live?*", lambda route: None)  # what was asked before the lid was closed is never answered
    with page.expect_request("**/live?*"):
        page.evaluate(f"htmx.trigger({poll}, 'poll')")
    page.unroute("**/live?*")
    yard.change(run_id, _end)
    page.evaluate("const real = Date.now; Date.now = () => real() + 3_600_000")
    expect(page.locator("#run-now .chip")).to_have_text("Ready")


def test_what_failed_that_the_page_asks_by_itself_is_taken_back(
    yard: Yard, address: str, new_context: NewContext
) -> None:
    run_id = yard.make("waiting")[0]
    page = _signed_in(yard, address, new_context())
    page.goto(f"{address}/runs/{run_id}")
    ask = "htmx.trigger(document.getElementById('run-live'), 'poll')"
    notice = {"body": '<div class="note care" role="alert">Greenlight is busy</div>', "content_type": "text/html"}
    aimed = {"HX-Retarget": "#notices", "HX-Reswap": "innerHTML"}

    page.route("**/live?*", lambda route: route.fulfill(status=503, headers=aimed, **notice))
    page.evaluate(ask)
    expect(page.locator("#notices")).to_have_text("Greenlight is busy")
    page.unroute("**/live?*")
    page.evaluate(ask)
    expect(page.locator("#notices > *")).to_have_count(0)

    page.route("**/live?*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    page.evaluate(ask)
    expect(page.locator("#no-connection")).to_be_visible()
    expect(page.locator("h1")).not_to_have_text("Bad gateway")
    page.unroute("**/live?*")
    page.evaluate(ask)
    expect(page.locator("#no-connection")).to_have_count(0)
