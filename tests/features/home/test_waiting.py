"""What waits for a person on the first page: requests, runs that ask, runs that failed; and its count everywhere."""

from datetime import timedelta
from typing import Any

from freezegun import freeze_time

from app.core import clock
from app.core.db import db
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import Run
from app.features.accounts.models import Membership
from tests import factories
from tests.cast import Person, add_editor
from tests.features.runs.conftest import Yard, statements, yard
from tests.page import Page

__all__ = ["yard"]


def _asking(yard: Yard, **columns: Any) -> str:
    """Make a run whose step is not sure that its mail was sent."""
    run_id, = yard.make("running", label="Letters <b>")
    error = {"category": "unsure", "code": "unsure", "message": "Nobody knows whether the mail was sent."}
    with yard.app.app_context():
        run = db.session.get_one(Run, run_id)
        factories.story(db.session(), run).step("tell", StepStatus.NEEDS_ATTENTION, error=error)
        for name, value in {"status": RunStatus.NEEDS_ATTENTION, "changed_at": clock.now(), **columns}.items():
            setattr(run, name, value)
        db.session.commit()
    return run_id


def _failed(yard: Yard, **columns: Any) -> str:
    run_id, = yard.make("failed", label="Failed ads")
    yard.change(run_id, lambda run: [setattr(run, name, value) for name, value in columns.items()] and None)
    return run_id


def _listed(yard: Yard, person: Person) -> list[str]:
    page = Page(yard.cast.browser(person).get("/waiting").text)
    assert page.faults == []
    return [a["id"].removeprefix("waiting-") for a in page.attributes("article")]


def test_runs_that_ask_and_that_failed_wait_for_who_started_them(yard: Yard) -> None:
    failed, asking = _failed(yard), _asking(yard)
    yard.make("running", "finished", "waiting")

    page = Page(yard.cast.browser(yard.cast.alice).get("/waiting").text)

    assert page.faults == []
    assert _listed(yard, yard.cast.alice) == [asking, failed]
    text = page.text.replace("\u00a0", " ")
    assert "Waiting for you 2" in text
    assert "Letters <b> Nobody knows whether the mail was sent. At the same time: 1 of 2 done. asked" in text
    assert "Answer : Letters <b>" in text
    assert "See why : Failed ads" in text
    asks = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{asking}").text).text
    assert "Nobody knows whether the mail was sent. It is “Mail the finished ads” that asks." in asks
    assert [a["href"] for a in page.attributes("a") if "btn" in a.get("class", "")] == [
        f"/runs/{asking}",
        f"/runs/{failed}",
    ]


def test_a_failed_run_is_counted_until_its_days_are_over_however_long_the_house_runs(yard: Yard) -> None:
    _failed(yard)
    for days, title in ((0, "(1) Help"), (2, "(1) Help"), (4, "Help")):
        with freeze_time(clock.now() + timedelta(days=days), tick=True):
            alice = yard.cast.browser(yard.cast.alice)
            assert f"<title>{title} · Greenlight</title>" in alice.get("/help").text


def test_the_badge_the_title_the_words_and_the_list_agree(yard: Yard) -> None:
    _failed(yard)
    _asking(yard)
    alice = yard.cast.browser(yard.cast.alice)

    home, drawer = alice.get("/").text, alice.get("/active").text

    assert "<title>(2) Home · Greenlight</title>" in home
    assert "Two things wait for you." in Page(home).text.replace("\u00a0", " ")
    assert "Nobody knows whether the mail was sent." in Page(home).text  # without script, too
    assert "2 wait for you" in Page(home).text
    assert "Waiting for you 2" in Page(drawer).text
    assert "Nobody knows whether the mail was sent." in Page(drawer).text


def test_others_and_strangers_have_nothing_waiting(yard: Yard) -> None:
    _failed(yard)
    asking = _asking(yard)
    dana = add_editor(yard.cast)

    for person in (dana, yard.cast.bob, yard.cast.charlie):
        assert _listed(yard, person) == []
        assert "Nothing waits for you." in yard.cast.browser(person).get("/").text
    yard.change(asking, lambda run: setattr(run, "started_by", dana.user_id))
    assert _listed(yard, dana) == [asking]
    assert yard.cast.browser(None).get("/waiting").location.startswith("/sign-in")


def test_a_run_of_nobody_and_of_somebody_who_left_asks_who_may_answer(yard: Yard) -> None:
    nobodys, dana = _asking(yard, started_by=None), add_editor(yard.cast)
    left = _asking(yard, started_by=dana.user_id)
    with yard.app.app_context():
        db.session.query(Membership).filter_by(user_id=dana.user_id).delete()
        db.session.commit()

    assert _listed(yard, yard.cast.alice) == [nobodys, left]
    assert _listed(yard, yard.cast.bob) == []  # he may not answer


def test_a_failed_run_that_is_old_a_test_a_part_or_taken_up_does_not_wait(yard: Yard) -> None:
    _failed(yard, finished_at=clock.now() - timedelta(days=4))
    _failed(yard, test=True)
    _failed(yard, parent_run_id="above")
    _failed(yard, trigger_kind="seed")
    again, = yard.make("running")
    taken_up = _failed(yard)
    assert _listed(yard, yard.cast.alice) == [taken_up]

    yard.change(again, lambda run: setattr(run, "continues_run_id", taken_up))
    assert _listed(yard, yard.cast.alice) == []


def test_a_poll_answers_204_until_something_changes(yard: Yard, monkeypatch: Any) -> None:
    monkeypatch.setattr("app.features.home.views.SAID_AGAIN_S", 1e12)
    asking = _asking(yard)
    alice = yard.cast.browser(yard.cast.alice)
    address, = (a["hx-get"] for a in Page(alice.get("/waiting").text).attributes("section"))

    assert alice.get(address).status_code == 204
    yard.change(asking, lambda run: setattr(run, "status", "running"))
    assert "Nothing waits for you." in alice.get(address).text


def test_reads_as_often_for_three_as_for_one_and_says_how_many_more_there_are(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    _failed(yard)
    _asking(yard)
    alice.get("/waiting")
    with statements(yard.app) as one:
        alice.get("/waiting")
    for _ in range(3):
        _failed(yard)
        _asking(yard)
    with statements(yard.app) as more:
        answer = alice.get("/waiting")

    assert len(more) == len(one)
    assert "2 more wait for you" in Page(answer.text).text.replace("\u00a0", " ")
