"""What is going on, beside every page: the panel, the frame's poll, words about runs that have ended."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import db
from app.engine.models import Run
from app.features.runs import standing
from app.features.workflows.models import Workflow
from app.web import nav
from tests.features.runs.conftest import Yard, statements, yard
from tests.page import Page

__all__ = ["yard"]


def _end(run: Run, status: str = "completed") -> None:
    run.status, run.finished_at, run.changed_at = status, clock.now(), clock.now()


def _poll(html: str, name: str = "active-mark") -> str:
    found, = (a["hx-get"] for tag in ("div", "section") for a in Page(html).attributes(tag) if a.get("id") == name)
    return found


def test_panel_says_what_runs_what_waits_and_what_failed_today(yard: Yard) -> None:
    yard.make("running", label="Honda ads")
    failed, old = yard.make("failed", "failed", label="Letters")
    yard.change(failed, lambda run: _end(run, "failed"))
    yard.change(old, lambda run: setattr(run, "finished_at", clock.now() - timedelta(days=2)))
    alice = yard.cast.browser(yard.cast.alice)

    page = alice.get("/active").text
    fragment = alice.get("/active", headers={"HX-Request": "true"}).text

    assert Page(page).faults == Page(fragment).faults == []
    assert fragment.strip() in page
    text = Page(fragment).text
    assert "Running 1 All of them" in text
    assert "Honda ads" in text
    assert "Waiting for you 2 All on the home page" in text.replace("\u00a0", " ")
    assert "Failed today 1 All failed It stands above: nobody has taken it up yet." in text.replace("\u00a0", " ")
    assert "Nothing waits for you." in Page(yard.cast.browser(yard.cast.bob).get("/active").text).text
    assert "Honda" not in yard.cast.browser(yard.cast.charlie).get("/active").text
    polls = [alice.get(_poll(html, "active")).status_code for html in (page, alice.get("/active").text)]
    assert 204 in polls  # "3 min ago" is said anew twice a minute


def test_every_page_has_the_count_in_its_title(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    assert "<title>Runs · Greenlight</title>" in alice.get("/runs").text
    yard.make("running", "running")
    assert "<title>(2) Runs · Greenlight</title>" in alice.get("/runs").text
    with yard.app.app_context():
        workflow_id = db.session.scalar(sa.select(Workflow.id).limit(1))
    builder = alice.get(f"/workflows/{workflow_id}/edit").text
    assert "<title>(2) Edit " in builder
    assert Page(builder).faults == []
    for part in ("active-mark", "small-running", "toasts", "drawer-in"):
        assert f'id="{part}"' in builder
    brought = alice.get(_poll(builder).replace("seen=", "seen=x")).text
    assert re.findall(r'id="([\w-]+)"[^>]*hx-swap-oob', brought) == ["active-mark", "small-running"]


def test_counts_end_at_99_and_so_does_counting(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "MOST", 2)
    yard.make("running", "running", "running", "queued")
    alice = yard.cast.browser(yard.cast.alice)
    assert "<title>(2) Runs · Greenlight</title>" in alice.get("/runs").text

    monkeypatch.setitem(nav._counters, "active", lambda _person: sa.literal(100))
    shown = alice.get("/help").text
    assert "<title>(99+) Help · Greenlight</title>" in shown
    assert "99+ active" in Page(shown).text
    assert 'data-count="99+"' in alice.get(_poll(shown)).text


def test_frames_poll_costs_one_read_while_nothing_changes(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    first = alice.get(_poll(alice.get("/help").text))
    again = _poll(first.text)

    with statements(yard.app) as seen:
        assert alice.get(again).status_code == 204
    assert len([each for each in seen if "sign_in" not in each]) == 1
    yard.change(run_id, lambda run: setattr(run, "changed_at", clock.now()))
    assert alice.get(again).status_code == 200


def test_a_run_that_ended_meanwhile_is_said_to_who_started_it(yard: Yard) -> None:
    run_id, earlier = yard.make("running", "finished", label="Honda <ads>")
    yard.change(earlier, lambda run: setattr(run, "finished_at", clock.now() - timedelta(minutes=5)))
    alice, bob = yard.cast.browser(yard.cast.alice), yard.cast.browser(yard.cast.bob)
    address = _poll(alice.get("/help").text)
    yard.change(run_id, _end)

    answer = alice.get(address).text
    said = [a["data-toast"] for a in Page(answer).attributes("div") if "data-toast" in a]

    assert Page(answer).faults == []
    assert said == [run_id]
    assert "Honda <ads>" in Page(answer).text
    assert "data-toast" not in bob.get(address).text
    on_its_page = {"HX-Request": "true", "HX-Current-URL": f"http://localhost/runs/{run_id}"}
    assert "data-toast" not in alice.get(address, headers=on_its_page).text
    assert "data-toast" not in alice.get(_poll(answer)).text
    assert alice.get("/active/mark?since=nonsense").status_code == 200


def test_panel_reads_as_often_for_three_runs_as_for_one(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    yard.make("running", "failed")
    alice.get("/active")
    with statements(yard.app) as one:
        alice.get("/active")
    yard.make("running", "running", "failed", "failed")
    with statements(yard.app) as three:
        alice.get("/active")

    assert len(three) == len(one)
