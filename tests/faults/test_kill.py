"""SIGKILL at every crash point, in every shape of run, on both databases: nothing lost, twice only under its key.

Each test starts a real worker that kills itself at the point, then a second one that goes on, with a real Redis that is
flushed in between; the far side's log is compared line by line.
"""

import time
from collections import Counter

import pytest
from redis import Redis

from app.engine import control, jobs
from tests.engine.rig import House
from tests.faults.fleet import Fleet, Process
from tests.faults.invariants import check
from tests.faults.shapes import EFFECTS, SHAPES, chain
from tests.servers import wait_until

POINTS = ["after_claim", "after_intent", "after_effect", "after_commit", "before_release"]


@pytest.mark.faults
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("point", POINTS)
def test_f02_killed_worker_loses_nothing_and_repeats_only_under_its_key(
    house: House, fleet: Fleet, point: str, shape: str
) -> None:
    run_id = house.start(SHAPES[shape](fleet.sink))
    fleet.start("clock")
    first = fleet.start("worker", crash_at=point)
    jobs.hint_run(run_id)
    if shape == "waiting":
        _decide_when_asked(house, run_id, first)
    assert first.wait(timeout=30) == -9, "the worker dies at the point"
    Redis.from_url(fleet.redis_url).flushall()
    fleet.start("worker")
    if shape == "waiting":
        _decide_when_asked(house, run_id)
    wait_until(lambda: house.run(run_id).status == "completed", timeout_s=60)
    wait_until(lambda: len({line.split()[0] for line in fleet.sink.log}) == EFFECTS[shape], timeout_s=40)
    lines = Counter(fleet.sink.log)
    keys = Counter(line.split()[0] for line in lines)
    doubled = {line: times for line, times in lines.items() if times > 1}
    assert set(keys.values()) == {1}, "one key an effect, however often it is repeated"
    at_once = (
        2 if shape == "fan_out" else 1
    )  # calls that can lie between effect and record when the process dies
    least = 0 if shape == "fan_out" or point == "after_effect" else at_once
    assert len(doubled) <= at_once - least, doubled
    assert set(doubled.values()) <= {2}
    steps = house.steps(run_id)
    assert {step.status for step in steps.values()} <= {"completed", "skipped"}
    spent = sum(len(call.answer) for call in house.calls(run_id) if call.answer)
    assert spent == len("thanks") * len(house.calls(run_id))
    assert house.run(run_id).cost_microusd == 1000 * len(house.calls(run_id)), "each answer is paid for once"
    check(house, fleet.sink, repeats=2)


def _decide_when_asked(house: House, run_id: str, process: Process | None = None) -> None:
    """Say yes as soon as the run waits; give up where the worker is dead and the run cannot come that far."""

    def asked() -> bool:
        return house.run(run_id).status == "waiting" or (process is not None and process.poll() is not None)

    wait_until(asked, timeout_s=30)
    if house.run(run_id).status != "waiting":
        return
    with house.session() as session:
        control.decide(session, house.wait(run_id).id, outcome="approved", output={"by": "Sam"})
    jobs.hint_run(run_id)


@pytest.mark.faults
def test_f12_flushed_and_dead_queue_costs_seconds_not_runs(house: House, fleet: Fleet) -> None:
    runs = [house.start(chain(fleet.sink)) for _ in range(10)]
    fleet.start("clock")
    fleet.start("worker")
    for run_id in runs[:5]:
        jobs.hint_run(run_id)
    Redis.from_url(fleet.redis_url).flushall()
    wait_until(lambda: all(house.run(run_id).status == "completed" for run_id in runs), timeout_s=40)
    wait_until(lambda: len(fleet.sink.log) == 40, timeout_s=20)
    assert len(set(fleet.sink.log)) == 40
    check(house, fleet.sink)


@pytest.mark.faults
def test_f06_told_to_end_the_worker_gives_its_work_back_uncounted(house: House, fleet: Fleet) -> None:
    fleet.sink.hold = True
    run_id = house.start([{"id": "b", "type": "spend", "config": {"url": fleet.sink.url, "count": 1}}])
    worker = fleet.start("worker")
    jobs.hint_run(run_id)
    wait_until(lambda: len(fleet.sink.log) == 1, timeout_s=20)
    worker.terminate()
    worker.terminate()
    time.sleep(0.5)  # long enough for a worker that ignores its work to be gone: it must still be there
    assert worker.poll() is None
    fleet.sink.latency.set()
    assert worker.wait(timeout=25) == 0
    step = house.steps(run_id)["b"]
    assert (step.status, step.attempts) == ("completed", 1)
    check(house, fleet.sink)
