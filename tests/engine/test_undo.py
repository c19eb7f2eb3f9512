"""A decision that takes effect later: taken back, or let go on now, once."""

import threading
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from app.core import clock
from app.core.db import transaction
from app.core.errors import Conflict
from app.engine import control
from app.engine.models import WaitRow
from tests.engine.rig import House

STEPS = [
    {"id": "ask", "type": "ask", "config": {}},
    {"id": "yes", "type": "echo", "after": ["ask:approved"], "config": {"say": "{{ steps.ask.by }}"}},
    {"id": "no", "type": "echo", "after": ["ask:rejected"], "config": {"say": 0}},
]


@pytest.fixture
def decided(house: House) -> tuple[str, str]:
    """A run whose wait is decided, to take effect in ten minutes; its id and the wait's."""
    run_id = house.start(STEPS)
    house.work(run_id)
    wait_id = house.wait(run_id).id
    with house.session() as session:
        assert control.decide(session, wait_id, outcome="approved", output={"by": "Sam"}, undo_s=600)
    house.work()
    return run_id, wait_id


def change(house: House, function: object, wait_id: str) -> bool:
    with house.session() as session:
        return bool(function(session, wait_id))  # type: ignore[operator]


def at(house: House, wait_id: str, **moments: float) -> None:
    """Move the moments of a wait, in seconds from now."""
    with transaction(house.engine) as session:
        values = {name: clock.now() + timedelta(seconds=after_s) for name, after_s in moments.items()}
        session.execute(sa.update(WaitRow).where(WaitRow.id == wait_id).values(**values))


def test_undo_makes_the_wait_wait_again_once(house: House, decided: tuple[str, str]) -> None:
    run_id, wait_id = decided
    assert house.run(run_id).due_at is not None
    assert [change(house, control.undo, wait_id) for _ in range(2)] == [True, False]
    house.work()
    wait = house.wait(run_id)
    assert (wait.status, wait.outcome, wait.decided_at, wait.effective_at) == ("waiting", None, None, None)
    assert (house.run(run_id).status, house.run(run_id).due_at) == ("waiting", None)
    assert set(house.steps(run_id)) == {"ask"}
    with house.session() as session:
        assert control.decide(session, wait_id, outcome="rejected", output={"by": "Kim"})
    house.work()
    assert (house.steps(run_id)["no"].status, house.steps(run_id)["yes"].status) == ("completed", "skipped")


def test_go_on_lets_it_take_effect_now_once(house: House, decided: tuple[str, str]) -> None:
    run_id, wait_id = decided
    assert [change(house, control.go_on, wait_id) for _ in range(2)] == [True, False]
    house.work()
    assert (house.run(run_id).status, house.steps(run_id)["yes"].output) == ("completed", {"said": "Sam"})
    assert change(house, control.undo, wait_id) is False


def test_after_it_took_effect_undo_is_too_late(house: House, decided: tuple[str, str]) -> None:
    run_id, wait_id = decided
    at(house, wait_id, effective_at=-1)
    assert change(house, control.undo, wait_id) is False
    assert change(house, control.go_on, wait_id) is False
    house.work(run_id)
    assert house.run(run_id).status == "completed"


def test_when_the_time_to_answer_is_over_the_decision_stands(house: House, decided: tuple[str, str]) -> None:
    _, wait_id = decided
    at(house, wait_id, until=-1)
    assert change(house, control.undo, wait_id) is False
    at(house, wait_id, until=60)
    assert change(house, control.undo, wait_id) is True


def test_undo_works_while_paused_and_not_after_stop(house: House, decided: tuple[str, str]) -> None:
    run_id, wait_id = decided
    with house.session() as session:
        control.pause(session, run_id)
    house.work()
    assert change(house, control.undo, wait_id) is True
    house.work()
    assert (house.run(run_id).status, house.wait(run_id).status) == ("paused", "waiting")
    with house.session() as session:
        assert control.decide(session, wait_id, outcome="approved", output={"by": "Sam"}, undo_s=600)
        control.stop(session, run_id)
    house.work()
    assert house.run(run_id).status == "stopped"
    assert change(house, control.undo, wait_id) is False
    assert change(house, control.go_on, wait_id) is False



def test_undo_in_the_moment_in_which_it_takes_effect_is_one_or_the_other(house: House) -> None:
    run_id = house.start(STEPS)
    house.work(run_id)
    wait_id = house.wait(run_id).id
    with house.session() as session:
        control.decide(session, wait_id, outcome="approved", output={"by": "Sam"}, undo_s=600)
    house.work()
    written, may_end = threading.Event(), threading.Event()
    undone, effective_at = list[bool](), list[datetime]()

    def undo() -> None:
        at(house, wait_id, effective_at=6)  # so long the undoing may take to begin
        effective_at.append(house.wait(run_id).effective_at)
        with house.session() as session:
            session.connection()
            event.listen(session.connection(), "before_cursor_execute", hold)
            undone.append(control.undo(session, wait_id))

    def hold(_connection: object, _cursor: object, text: str, *_rest: object) -> None:
        if text.startswith("UPDATE run "):  # the wait is written, the run not yet
            written.set()
            may_end.wait(4)  # with a lock that it holds the other one waits for this

    thread = threading.Thread(target=undo)
    thread.start()
    assert written.wait(60)
    threading.Event().wait(max(0.0, (effective_at[0] - clock.now()).total_seconds()))
    house.work(run_id)
    may_end.set()
    thread.join(60)
    house.work()
    assert undone == [True]
    assert (house.wait(run_id).status, house.steps(run_id)["ask"].status) == ("waiting", "waiting")
    assert set(house.steps(run_id)) == {"ask"}, "nothing has begun"


TIMED = [
    {"id": "rest", "type": "ask", "config": {"kind": "time", "seconds": 3600, "on_until": "done"}},
    {"id": "after", "type": "echo", "after": ["rest"], "config": {"say": 1}},
    {"id": "aside", "type": "echo", "after": [], "config": {"say": 2}},
]


def test_a_wait_for_a_time_ends_now_once(house: House) -> None:
    run_id = house.start(TIMED)
    house.work(run_id)
    rest = house.steps(run_id)["rest"].id
    with house.session() as session:
        control.go_now(session, run_id, rest, by="Sam")
    house.work()
    assert house.run(run_id).status == "completed"
    assert {row.step_id: row.status for row in house.steps(run_id).values()} == dict.fromkeys(
        ("rest", "after", "aside"), "completed"
    )
    assert house.steps(run_id)["rest"].output["until"] == clock.iso(house.wait(run_id).decided_at)
    for late in (control.go_now, control.call_off):
        with pytest.raises(Conflict), house.session() as session:
            late(session, run_id, rest, by="Sam")


def test_a_wait_that_is_cancelled_skips_what_comes_after_it_alone(house: House) -> None:
    run_id = house.start(TIMED)
    house.work(run_id)
    with house.session() as session:
        control.call_off(session, run_id, house.steps(run_id)["rest"].id, by="Sam")
    house.work()
    steps = house.steps(run_id)
    assert {name: (row.status, row.reason) for name, row in steps.items() if row.status == "skipped"} == {
        "rest": ("skipped", "Sam cancelled the wait"),
        "after": ("skipped", steps["after"].reason),
    }
    assert (house.run(run_id).status, steps["aside"].status, house.wait(run_id).status) == (
        "completed", "completed", "withdrawn",
    )  # fmt: skip


def test_only_a_wait_for_a_time_of_this_run_ends_before_its_time(house: House) -> None:
    asks, timed = house.start(STEPS), house.start(TIMED)
    for run_id in (asks, timed):
        house.work(run_id)
    for run_id, step in ((asks, house.steps(asks)["ask"].id), (asks, house.steps(timed)["rest"].id)):
        for change_it in (control.go_now, control.call_off):
            with pytest.raises(Conflict), house.session() as session:
                change_it(session, run_id, step, by="Sam")
    assert house.steps(timed)["rest"].status == "waiting"
