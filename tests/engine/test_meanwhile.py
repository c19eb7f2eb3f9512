"""What happens to a run while a step of it is being done, and results that cannot be kept."""

import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from app.core import clock
from app.engine import control, heartbeat, leases, runner, turn, worktime
from app.engine.models import Run, RunLog, StepRun
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.engine.steps import meanwhile
from tests.factories import until_locked


def _pure(name: str, *after: str, **config: object) -> dict[str, object]:
    return {"id": name, "type": "meanwhile", "after": list(after), "config": config}


@pytest.mark.parametrize(("act", "end"), [(control.pause, "paused"), (control.stop, "stopped")])
def test_pause_and_stop_take_effect_at_once_in_a_chain_of_pure_steps(
    house: House, act: object, end: str
) -> None:
    def press(run_id: str) -> None:
        with house.session() as session:
            act(session, run_id)  # type: ignore[operator]

    meanwhile.happens["press"] = press
    run_id = house.start([_pure("a"), _pure("b", "a", what="press"), _pure("c", "b")])
    runner.advance(house.seat(), run_id)
    run = house.run(run_id)
    assert run.status == end
    assert run.lease_owner is None
    if end == "paused":
        meanwhile.happens["press"] = lambda run_id: None
        with house.session() as session:
            control.resume(session, run_id)
        house.work(run_id)
        assert house.run(run_id).status == "completed"


def within(moment: datetime, begin: datetime) -> bool:
    """Tell whether a moment lies between *begin* and now; the database's clock has milliseconds."""
    return begin - timedelta(milliseconds=2) <= moment <= clock.now()


def test_a_pure_step_that_hangs_under_its_runs_lease_is_given_up_and_done_alone(house: House) -> None:
    seat, seen = house.seat(lease_s=30.0), []

    def hang(run_id: str) -> None:
        """Look at the lease while the step is within its time, past its deadline, and long past it."""
        if seen:
            return
        began = seat.held.until[run_id]
        for late_s, lease_s in ((-20.0, 30), (1.0, 14), (heartbeat.OVERDUE_S + 1, 0)):
            before, lease = clock.now(), house.run(run_id).lease_until
            seat.held.until[run_id] = time.monotonic() - late_s
            heartbeat.extend(seat, house.engine)
            told = house.run(run_id).lease_until
            is_so = within(told - timedelta(seconds=lease_s), before) if lease_s else told == lease
            seen.append((is_so, heartbeat.is_overdue(seat)))
        seat.held.until[run_id] = began
        with house.session() as session:  # it ran out, and somebody else took the run
            session.execute(sa.update(Run).values(lease_until=clock.now() - timedelta(seconds=1)))
        other = runner.turn._take(house.seat("other:1:a"), run_id)
        assert other is not None
        assert other.is_suspect
        with house.session() as session:
            leases.let_go(session, other, after_s=0.0)

    meanwhile.happens["hang"] = hang
    run_id = house.start([_pure("a"), _pure("b", "a", what="hang")])
    runner.advance(seat, run_id)
    assert seen == [(True, False), (True, False), (True, True)]
    assert "b" not in house.steps(run_id)
    assert seat.held.until == {}
    house.work(run_id)
    assert house.run(run_id).status == "completed"


@pytest.mark.parametrize("write", ["missing", "fault"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_result_that_cannot_be_kept_fails_its_step(house: House, write: str, beside: bool) -> None:
    steps = [_pure("a"), _pure("b", "a", write=write), _pure("c", "b")]
    run_id = house.start([*steps, _pure("d", "a")] if beside else steps)
    house.work(run_id)
    run, found = house.run(run_id), house.steps(run_id)
    assert run.status == "failed"
    assert {name: step.status for name, step in found.items() if name != "d"} == {
        "a": "completed", "b": "failed", "c": "skipped",
    }  # fmt: skip
    error = found["b"].error or {}
    assert error["message"] == (
        "The picture is gone." if write == "missing" else "Something went wrong on our side."
    )
    assert run.lease_owner is None
    with house.session() as session:
        line = session.execute(sa.select(RunLog).where(RunLog.run_id == run_id, RunLog.event == "failed")).scalar_one()
    kept = line.detail or {}
    assert (line.step_id, kept["code"]) == ("b", error["code"])
    assert ("Traceback" in kept.get("trace", "")) == (write == "fault")
    assert "trace" not in error


def test_a_thread_for_pure_steps_leaves_outward_calls_to_others(house: House, sink: Sink) -> None:
    spend = [
        {"id": name, "type": "spend", "after": ["a"], "config": {"url": sink.url}} for name in ("c", "d")
    ]
    run_id = house.start([_pure("a"), _pure("b", "a"), *spend])
    runner.advance(house.seat(), run_id)
    assert {name: step.status for name, step in house.steps(run_id).items()} == {
        "a": "completed", "b": "completed", "c": "pending", "d": "pending",
    }  # fmt: skip
    house.work()
    assert house.run(run_id).status == "completed"


def test_a_step_whose_row_somebody_has_for_a_moment_begins_when_they_are_through(house: House, sink: Sink) -> None:
    run_id = house.start([{"id": name, "type": "spend", "config": {"url": sink.url}} for name in ("a", "b")])
    runner.advance(house.seat(), run_id)
    step_run_id = house.steps(run_id)["a"].id
    doing = threading.Thread(target=runner.do_step, args=(house.seat(), step_run_id), daemon=True)
    with house.session() as session:
        session.execute(sa.update(StepRun).where(StepRun.id == step_run_id).values(hinted_at=clock.now()))
        doing.start()
        if house.engine.dialect.name == "postgresql":  # elsewhere whoever writes waits for whoever does
            until_locked(house.engine)
    doing.join(60)
    assert house.steps(run_id)["a"].status == "completed"


CHAIN = [_pure("a"), _pure("b", "a"), _pure("c", "b")]


def test_a_thread_that_is_long_on_a_chain_of_pure_steps_hands_it_back_as_soon_as_others_wait(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "HAND_BACK_AFTER_S", 0.0)
    run_id = house.start(CHAIN)
    runner.advance(replace(house.seat(), others_wait=lambda: "b" in house.steps(run_id)), run_id)
    assert (sorted(house.steps(run_id)), house.line) == (["a", "b"], [("run", run_id)])
    house.work()
    assert house.run(run_id).status == "completed"


def test_a_chain_of_pure_steps_ends_when_the_time_of_its_run_is_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = house.start(CHAIN, limits={"minutes": 1})
    is_begun = sa.select(StepRun.id).limit(1)
    monkeypatch.setattr(worktime, "left_s", lambda bind, *_: 0.0 if bind.execute(is_begun).first() else 1e-9)
    house.work(run_id)
    assert (house.run(run_id).status, house.run(run_id).error["code"]) == ("failed", worktime.CODE)
    assert {key: row.status for key, row in house.steps(run_id).items()} == {
        "a": "completed", "b": "failed", "c": "skipped",
    }  # fmt: skip
