"""A step between two tries: its page says when the next is, and lets a person try now or stop; a place in line."""

import re
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import db
from app.engine import line
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import Allowance, Run, StepRun
from app.features.accounts.models import AuditEntry
from tests import factories
from tests.cast import add_editor
from tests.features.runs.conftest import Yard
from tests.page import Page, token

ERROR = {"category": "busy", "code": "busy", "message": "The picture service is busy.", "fix": ""}


@pytest.fixture
def trying(yard: Yard) -> tuple[str, str]:
    """A run whose step is tried again in some ten hours; its id and the step run's."""
    run_id, = yard.make("queued")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        step = told.step(
            "pictures", StepStatus.RETRYING, error=ERROR, not_before=clock.now() + timedelta(hours=10.5),
            effect="spends",
        )  # fmt: skip
        step.attempts = 2
        told.now(RunStatus.RUNNING, done=1)
        db.session.commit()
        return run_id, step.id


def _pressed_twice(yard: Yard, run_id: str, verb: str, audited: str) -> str:
    """See that a button of the run's page does what it says, and is written down; return what it says the second time.

    Then there is nothing left to do.
    """
    alice = yard.cast.browser(yard.cast.alice)
    page = alice.get(f"/runs/{run_id}").text
    assert Page(page).faults == []
    form, = (a for a in Page(page).attributes("form") if a.get("action", "").endswith(verb))
    answer = alice.post(form["action"], data={"csrf_token": token(page)})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run_id}")
    with yard.app.app_context():
        assert db.session.query(AuditEntry).filter_by(action=audited).one().subject_id == run_id
    again = alice.post(form["action"], data={"csrf_token": token(page)})
    return f"{again.status_code} {Page(again.text).text}"


def _refused_to_others(yard: Yard, run_id: str, step_id: str, verbs: tuple[str, str], word: str) -> None:
    """See that neither a lesser role nor a stranger may press these buttons."""
    cast = yard.cast
    for verb in verbs:
        path = f"/runs/{run_id}/steps/{step_id}/{verb}"
        assert cast.browser(cast.bob).post(path).status_code == 403
        assert cast.browser(cast.charlie).post(path).status_code == 404
    assert word not in cast.browser(cast.bob).get(f"/runs/{run_id}").text


def _step(yard: Yard, step_id: str) -> StepRun:
    with yard.app.app_context():
        return db.session.get_one(StepRun, step_id)


@pytest.mark.parametrize(
    ("verb", "status", "audited"),
    [("try-now", "retrying", "run.tried_now"), ("stop-trying", "failed", "run.stopped_trying")],
)
def test_buttons_try_now_and_stop_trying(
    yard: Yard, trying: tuple[str, str], verb: str, status: str, audited: str
) -> None:
    run_id, step_id = trying
    alice = yard.cast.browser(yard.cast.alice)
    page = alice.get(f"/runs/{run_id}").text
    assert Page(page).faults == []
    assert "The picture service is busy. Trying again in 10" in Page(page).text
    assert "(3 of 6)" in Page(page).text
    assert "Trying again “Make 5 pictures” did not work yet." in " ".join(Page(page).text.split())
    assert "again=" in page  # the time until then is said anew
    again = _pressed_twice(yard, run_id, verb, audited)
    step = _step(yard, step_id)
    assert step.status == status
    assert step.not_before is None or step.not_before <= clock.now()
    if verb == "stop-trying":
        assert again.startswith("409 ")
        assert "does not wait for its next try" in again


def test_only_who_may_launch_in_this_workspace_presses_them(yard: Yard, trying: tuple[str, str]) -> None:
    run_id, step_id = trying
    _refused_to_others(yard, run_id, step_id, ("try-now", "stop-trying"), "Try now")
    assert "Try now" in yard.cast.browser(add_editor(yard.cast)).get(f"/runs/{run_id}").text
    assert _step(yard, step_id).status == "retrying"


def _in_line(yard: Yard, count: int) -> list[str]:
    runs = yard.make(*["queued"] * count)
    with yard.app.app_context():
        session = db.session()
        session.merge(Allowance(workspace_id=yard.cast.alice.workspace_id, steps_at_once=1, keep_documents=True))
        for place, run_id in enumerate(runs):
            told = factories.story(session, session.get_one(Run, run_id))
            told.at = clock.now() - timedelta(minutes=10 - place)
            told.step("ads", StepStatus.PENDING, effect="spends")
            told.now(RunStatus.RUNNING)
        session.commit()
    return runs


def test_a_run_that_nobody_has_begun_says_its_place_and_nobody_counts_far(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = yard.make("queued", "queued", "queued")
    for number, run_id in enumerate((first, second, third)):
        at = clock.now() - timedelta(minutes=3 - number)
        with yard.app.app_context():
            db.session.execute(sa.update(Run).where(Run.id == run_id).values(created_at=at, due_at=at))
            db.session.commit()
    alice = yard.cast.browser(yard.cast.alice)

    assert "In line, 2nd" in Page(alice.get(f"/runs/{second}").text).text
    monkeypatch.setattr(line, "MOST", 3)
    assert "In line, after at least 2 others." in Page(alice.get(f"/runs/{third}").text).text


def test_a_run_in_line_says_its_place_on_its_page_in_lists_and_at_home(yard: Yard) -> None:
    runs = _in_line(yard, 3)
    alice = yard.cast.browser(yard.cast.alice)
    for run_id, said in zip(runs, ("1st", "2nd", "3rd"), strict=True):
        page = Page(alice.get(f"/runs/{run_id}").text)
        assert (page.faults, f"{said} in line." in page.text, f"In line, {said}" in page.text) == ([], True, True)
    for path in ("/runs", "/runs/panel"):
        shown = Page(alice.get(path).text).text
        assert all(f"In line, {said}" in shown for said in ("1st", "2nd", "3rd")), path


def test_a_run_that_nobody_has_begun_says_its_place_too(yard: Yard) -> None:
    first, second = yard.make("queued", "queued")
    alice = yard.cast.browser(yard.cast.alice)
    assert "It starts as soon as a worker is free." in alice.get(f"/runs/{first}").text
    html = alice.get(f"/runs/{second}").text
    assert "2nd in line." in Page(html).text
    poll = next(attrs["hx-get"] for _, attrs in Page(html).tags if attrs.get("id") == "run-live")

    yard.change(first, lambda run: setattr(run, "due_at", None))  # it has left the line; nothing changed in ours

    later = re.sub(r"again=[0-9]+", "again=1", poll)
    assert later != poll
    assert "It starts as soon as a worker is free." in alice.get(later, headers={"HX-Request": "true"}).text
    assert alice.get(poll, headers={"HX-Request": "true"}).status_code == 204


@pytest.mark.parametrize(("number", "within_s"), [(1, 5), (12, 12), (80, 30)])
def test_a_place_is_said_again_the_sooner_the_nearer(
    yard: Yard, number: int, within_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, = yard.make("queued")
    monkeypatch.setattr(line, "place_of_queued", lambda *_: line.Place(number))
    began = time.time()
    again = re.search(r"again=([0-9]+)", yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)
    assert again is not None
    assert began - 1 <= int(again[1]) - within_s <= time.time()


def test_a_step_that_has_just_come_into_line_says_no_place_and_the_page_asks_again(yard: Yard) -> None:
    run_id, = yard.make("queued")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        told.at = clock.now()
        step = told.step("ads", StepStatus.PENDING, effect="spends")
        told.now(RunStatus.RUNNING)
        db.session.commit()
    alice = yard.cast.browser(yard.cast.alice)
    began = time.time()
    html = alice.get(f"/runs/{run_id}").text
    assert "1st in line" not in Page(html).text
    again = re.search(r"again=([0-9]+)", html)
    assert again is not None
    assert began < int(again[1]) + 1 <= time.time() + 7

    with yard.app.app_context():  # it stays there, and nothing else changes
        db.session.execute(
            sa.update(StepRun).where(StepRun.id == step.id).values(created_at=clock.now() - timedelta(seconds=9))
        )
        db.session.commit()
    poll = next(attrs["hx-get"] for _, attrs in Page(html).tags if attrs.get("id") == "run-live")
    later = re.sub(r"again=[0-9]+", "again=1", str(poll))
    assert "1st in line." in Page(alice.get(later, headers={"HX-Request": "true"}).text).text


def test_how_long_ago_somebody_was_asked_is_said_again(yard: Yard) -> None:
    run_id, = yard.make("waiting")
    assert "again=" in yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text


def test_a_run_that_is_out_of_money_offers_five_dollars_more(yard: Yard) -> None:
    run_id, = yard.make("queued")
    out_of_money = {"category": "budget", "code": "budget", "message": "The run’s money limit is reached.", "fix": ""}
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        step = told.step("ads", StepStatus.NEEDS_ATTENTION, error=out_of_money, effect="spends")
        told.now(RunStatus.NEEDS_ATTENTION)
        db.session.commit()
    alice = yard.cast.browser(yard.cast.alice)
    page = alice.get(f"/runs/{run_id}").text
    assert "Add $5 and continue" in Page(page).text
    given = {"csrf_token": token(page), "reply": "add_money"}
    assert alice.post(f"/runs/{run_id}/steps/{step.id}/answer", data=given).status_code == 303
    with yard.app.app_context():
        assert db.session.get_one(Run, run_id).budget_microusd == 10_000_000
        assert db.session.get_one(StepRun, step.id).status == "pending"


def test_a_step_whose_worker_stopped_says_that_it_is_begun_again(yard: Yard) -> None:
    run_id, = yard.make("queued")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        told.step("ads", StepStatus.PENDING, is_suspect=True)
        told.now(RunStatus.RUNNING)
        db.session.commit()
    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)
    assert "A worker stopped; “Write the ads” is begun again." in page.text


@pytest.fixture
def timed(yard: Yard) -> tuple[str, str]:
    """A run of which a step waits for a time; its id and the step run's."""
    run_id, = yard.make("queued")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        step = told.step("ads", StepStatus.WAITING)
        told.wait(step, kind="time", until=clock.now() + timedelta(hours=3))
        told.now(RunStatus.WAITING)
        db.session.commit()
        return run_id, step.id


@pytest.mark.parametrize(
    ("verb", "status", "audited", "logged"),
    [
        ("go-now", "completed", "run.went_on", "Went on by Alice Ames."),
        ("call-off", "skipped", "run.wait_cancelled", "The wait was cancelled by Alice Ames."),
    ],
)
def test_a_wait_for_a_time_is_ended_or_cancelled_by_a_button(
    yard: Yard, timed: tuple[str, str], verb: str, status: str, audited: str, logged: str
) -> None:
    run_id, step_id = timed
    again = _pressed_twice(yard, run_id, verb, audited)
    assert again.startswith("409 ")
    assert "does not wait for a time any more" in again
    assert _step(yard, step_id).status == status
    log = yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}/log").text
    assert logged in Page(log).text


def test_only_who_may_launch_in_this_workspace_ends_a_wait(yard: Yard, timed: tuple[str, str]) -> None:
    run_id, step_id = timed
    _refused_to_others(yard, run_id, step_id, ("go-now", "call-off"), "Go now")
    assert _step(yard, step_id).status == "waiting"


@pytest.mark.parametrize(
    ("verb", "said"),
    [("pause", "Alice Ames paused the run."), ("stop", "Alice Ames stopped the run.")],
)
def test_the_log_says_who_steered_the_run(yard: Yard, verb: str, said: str) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    alice.post(f"/runs/{run_id}/{verb}", data={"csrf_token": token(alice.get(f"/runs/{run_id}").text)})
    assert said in Page(alice.get(f"/runs/{run_id}/log").text).text
