"""What happens to a run while a step of it is being done, and results that cannot be kept."""

import pytest
import sqlalchemy as sa

from app.engine import control, runner
from app.engine.models import RunLog
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.engine.steps import meanwhile


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
