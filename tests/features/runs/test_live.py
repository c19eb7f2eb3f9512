"""What a poll of the run page brings: nothing while nothing changed, the changed parts, and an end."""

import re

from sqlalchemy import event
from sqlalchemy.orm import Session

from app.core import clock
from app.engine.models import Run
from tests.features.runs.conftest import Yard, statements
from tests.page import Page

HTMX = {"HX-Request": "true"}


def _seen(html: str) -> str:
    match = re.search(r'hx-get="([^"]+)"', html)
    assert match
    return match[1].replace("&amp;", "&")


def test_live_unchanged_is_204_after_one_read_by_key(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    poll = _seen(alice.get(f"/runs/{run_id}").text)

    with statements(yard.app) as seen:
        answer = alice.get(poll, headers=HTMX)

    assert (answer.status_code, answer.data) == (204, b"")
    signing_in = [statement for statement in seen if "sign_in" in statement]
    assert len(seen) - len(signing_in) == 1
    assert len(signing_in) == 1
    with yard.app.app_context():
        from sqlalchemy import text

        from app.core.db import db

        last = seen[-1].replace("?", "'x'")
        plan = " ".join(str(row) for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {last}")))
        assert "SCAN" not in plan
        assert "USING INDEX" in plan


def test_a_poll_begins_no_transaction_while_nothing_has_changed(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    page, panel = alice.get(f"/runs/{run_id}").text, alice.get("/runs/panel").text
    polls = [_seen(page), *re.findall(r'hx-get="(/runs/panel[^"]+)"', panel)]
    begun: list[object] = []

    def note(session: Session, *_: object) -> None:
        begun.append(session)

    event.listen(Session, "after_begin", note)
    try:
        answers = [alice.get(poll.replace("&amp;", "&"), headers=HTMX).status_code for poll in polls]
    finally:
        event.remove(Session, "after_begin", note)

    assert answers == [204, 204]
    assert begun == []


def test_live_unchanged_is_304_for_if_none_match(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    first = alice.get(f"/runs/{run_id}/live", headers=HTMX)

    answer = alice.get(f"/runs/{run_id}/live", headers={**HTMX, "If-None-Match": first.headers["ETag"]})

    assert (answer.status_code, answer.data) == (304, b"")


def test_live_after_a_change_brings_every_part_under_its_id(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    page = alice.get(f"/runs/{run_id}").text
    yard.change(run_id, lambda run: (setattr(run, "cost_microusd", 400_000), setattr(run, "changed_at", clock.now())))

    answer = alice.get(_seen(page), headers=HTMX)

    assert answer.status_code == 200
    fragment = Page(answer.text)
    assert fragment.faults == []
    swapped = {attrs["id"] for tag, attrs in fragment.tags if "hx-swap-oob" in attrs}
    assert swapped == {
        "run-live", "run-said", "run-now", "run-diagram", "run-arriving", "step-ads", "step-pictures", "step-attach",
        "step-check", "step-tell", "step-tell_rejected", "side-count-approvals", "side-count-runs",
        "tab-count-approvals", "top-running", "small-running", "top-waiting",
    }  # fmt: skip
    assert swapped <= {attrs.get("id") for _, attrs in Page(page).tags}
    assert "$0.40" in fragment.text
    assert _seen(answer.text) != _seen(page)


def test_live_and_page_are_the_same_markup(yard: Yard) -> None:
    run_id, = yard.make("waiting")
    alice = yard.cast.browser(yard.cast.alice)

    page, fragment = alice.get(f"/runs/{run_id}").text, alice.get(f"/runs/{run_id}/live", headers=HTMX).text

    def region(html: str) -> str:
        found = re.search(r'<section class="box" id="run-arriving".*?</section>', html, re.DOTALL)
        assert found
        return found[0].replace(' hx-swap-oob="true"', "")

    assert region(page) == region(fragment)


def test_live_ends_the_poll_when_the_run_ends(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    poll = _seen(alice.get(f"/runs/{run_id}").text)

    def end(run: Run) -> None:
        run.status, run.finished_at, run.changed_at = "stopped", clock.now(), clock.now()

    yard.change(run_id, end)
    last = alice.get(poll, headers=HTMX)
    seen = last.headers["ETag"].removeprefix("W/").strip('"')
    again = alice.get(f"{poll.split('?')[0]}?seen={seen}", headers=HTMX)

    assert last.status_code == 286
    assert "data-poll" not in last.text
    assert "Stopped" in last.text
    assert (again.status_code, again.data) == (286, b"")


def test_live_polls_every_two_seconds_while_running_and_less_while_waiting(yard: Yard) -> None:
    running, waiting = yard.make("running", "waiting")
    alice = yard.cast.browser(yard.cast.alice)

    def pauses(run_id: str) -> tuple[str, str]:
        live, = (a for a in Page(alice.get(f"/runs/{run_id}").text).attributes("div") if a.get("id") == "run-live")
        return live["data-poll"], live["data-poll-most"]

    assert pauses(running) == ("2", "2")
    assert pauses(waiting) == ("5", "30")
    for status in ("pausing", "stopping"):  # what is under way ends in a moment
        yard.change(running, lambda run, status=status: setattr(run, "status", status))
        assert pauses(running) == ("2", "2")
    yard.change(running, lambda run: setattr(run, "status", "paused"))
    assert pauses(running) == ("5", "30")


def test_live_after_the_session_ended_sends_htmx_to_the_sign_in(yard: Yard) -> None:
    run_id, = yard.make("running")

    answer = yard.cast.browser(None).get(f"/runs/{run_id}/live", headers=HTMX)

    assert answer.headers["HX-Redirect"].startswith("/sign-in")


def test_panel_shows_open_runs_and_is_204_while_nothing_changes(yard: Yard) -> None:
    running, waiting, _finished = yard.make("running", "waiting", "finished")
    alice = yard.cast.browser(yard.cast.alice)

    first = alice.get("/runs/panel", headers=HTMX)

    page = Page(first.text)
    assert page.faults == []
    assert {f"runs-panel-{running}", f"runs-panel-{waiting}"} == {
        a["id"] for a in page.attributes("a") if a.get("id", "").startswith("runs-panel-")
    }
    with statements(yard.app) as seen:
        assert alice.get(_seen(first.text), headers=HTMX).status_code == 204
    assert len([statement for statement in seen if "sign_in" not in statement]) == 1
    yard.change(running, lambda run: setattr(run, "changed_at", clock.now()))
    assert alice.get(_seen(first.text), headers=HTMX).status_code == 200


def test_panel_of_a_stranger_is_empty(yard: Yard) -> None:
    yard.make("running")

    page = Page(yard.cast.browser(yard.cast.charlie).get("/runs/panel").text)

    assert "Nothing runs now." in page.text
    assert "RAV4" not in page.text


def test_panel_shows_what_works_before_what_waits_and_counts_both(yard: Yard) -> None:
    working, *_ = yard.make("running", *["waiting"] * 6)

    page = Page(yard.cast.browser(yard.cast.alice).get("/runs/panel").text)

    shown = [a["id"] for a in page.attributes("a") if a.get("id", "").startswith("runs-panel-")]
    assert page.faults == []
    assert (shown[0], len(shown)) == (f"runs-panel-{working}", 6)
    assert "Running now 1 6 runs wait All runs" in page.text.replace("\u00a0", " ")
