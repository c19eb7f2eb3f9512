"""Workers that die, freeze and come back, hints that come in storms, branches that end together."""

import sqlite3
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from rq import Retry
from rq.job import JobStatus
from rq.registry import StartedJobRegistry

from app.core import queue
from app.engine import control, jobs, runner
from app.engine.enums import StepStatus
from tests.engine.rig import House
from tests.faults.fleet import LEASE_S, Fleet, Process, is_frozen
from tests.faults.invariants import check
from tests.faults.shapes import chain, fan_out, five, spending
from tests.servers import wait_until

END_S = 180.0  # a generous limit: the machine may be busy with other things
CALM_LEASE_S = 60.0  # where nobody dies no lease may run out, however busy the machine is


def run_to_end(house: House, *run_ids: str, status: str = "completed") -> None:
    """Wait until the runs have come to *status*."""
    wait_until(lambda: {house.run(run_id).status for run_id in run_ids} == {status}, timeout_s=END_S)


def test_f01_killed_before_the_effect_it_comes_once(house: House, fleet: Fleet) -> None:
    run_id = house.start(spending(fleet.sink))
    fleet.start("clock")
    first = fleet.start(crash_at="after_intent")
    jobs.hint_run(run_id)
    assert first.wait(END_S) == -9
    assert fleet.sink.requests == []
    fleet.start()
    run_to_end(house, run_id)
    step = house.steps(run_id)["b"]
    assert step.attempts == 1, "a lost worker is no try of the step's"
    assert len(fleet.sink.requests) == 1
    check(house, fleet.sink)


def test_f02_killed_after_the_effect_it_is_repeated_under_its_key(house: House, fleet: Fleet) -> None:
    run_id = house.start(spending(fleet.sink))
    fleet.start("clock")
    first = fleet.start(crash_at="after_effect")
    jobs.hint_run(run_id)
    assert first.wait(END_S) == -9
    fleet.start()
    run_to_end(house, run_id)
    assert [request.key for request in fleet.sink.requests] == [house.calls(run_id)[0].key] * 2
    assert house.run(run_id).cost_microusd == 1000, "the answer that nobody took down is not paid for by us"
    check(house, fleet.sink, repeats=1)


def test_f02_where_the_far_side_knows_no_keys_a_person_is_asked(house: House, fleet: Fleet) -> None:
    run_id = house.start(spending(fleet.sink, kind="send"))
    fleet.start("clock")
    first = fleet.start(crash_at="after_effect")
    jobs.hint_run(run_id)
    assert first.wait(END_S) == -9
    fleet.start()
    run_to_end(house, run_id, status="needs_attention")
    step = house.steps(run_id)["b"]
    assert (step.status, (step.error or {})["message"]) == ("needs_attention", "We cannot tell if this was sent.")
    assert len(fleet.sink.requests) == 1
    check(house, fleet.sink)


@pytest.mark.faults
def test_f02_killed_between_the_result_and_the_next_plan(house: House, fleet: Fleet) -> None:
    run_id = house.start(fan_out(fleet.sink))
    fleet.start("clock")
    first = fleet.start(crash_at="after_commit:3")
    jobs.hint_run(run_id)
    assert first.wait(END_S) == -9
    fleet.start()
    run_to_end(house, run_id)
    assert len({request.key for request in fleet.sink.requests}) == 4
    check(house, fleet.sink, repeats=2)


@pytest.mark.faults
def test_f02_killed_with_a_step_in_hand_that_another_process_planned(house: House, fleet: Fleet) -> None:
    run_id = house.start(spending(fleet.sink, count=2))
    runner.advance(house.seat(), run_id)  # this process plans and lets go of the run
    hints = [(row_id, True) for _kind, row_id in house.line]
    assert len(hints) == 1
    first = fleet.start(crash_at="after_claim")
    assert jobs.hint_steps(hints)
    assert first.wait(END_S) == -9
    fleet.start("clock")
    fleet.start()
    run_to_end(house, run_id)
    assert len(fleet.sink.requests) == 2
    check(house, fleet.sink)


@pytest.mark.faults
@pytest.mark.parametrize("point", ["in_join", "before_release"])
def test_f21_killed_while_a_join_is_made_it_is_made_once(house: House, fleet: Fleet, point: str) -> None:
    *lanes, join = fan_out(fleet.sink)
    join |= {"type": "spend", "config": {"url": fleet.sink.url}}
    run_id = house.start([*lanes, join])
    fleet.start("clock")
    first = fleet.start(crash_at=f"{point}:{1 if point == 'in_join' else 2}")
    jobs.hint_run(run_id)
    assert first.wait(END_S) == -9
    fleet.start()
    run_to_end(house, run_id)
    check(house, fleet.sink, repeats=2)


@pytest.mark.faults
def test_f05_a_frozen_worker_that_wakes_writes_nothing_and_its_cost_stands(house: House, fleet: Fleet) -> None:
    fleet.sink.hold = True
    run_id = house.start(spending(fleet.sink))
    fleet.start("clock")
    first = fleet.start()
    jobs.hint_run(run_id)
    wait_until(lambda: len(fleet.sink.requests) == 1, timeout_s=END_S)
    _freeze(fleet, first)
    fleet.sink.hold = False
    fleet.start()
    run_to_end(house, run_id)
    assert house.run(run_id).cost_microusd == 1000
    before = house.steps(run_id)["b"]
    fleet.sink.latency.set()  # the answer for the frozen one arrives
    time.sleep(0.2)
    first.thaw()
    wait_until(lambda: house.run(run_id).cost_microusd == 2000, timeout_s=END_S)
    wait_until(lambda: "fenced" in fleet.said, timeout_s=END_S)
    after = house.steps(run_id)["b"]
    assert (after.output, after.finished_at, after.fence) == (before.output, before.finished_at, before.fence)
    assert house.run(run_id).status == "completed"
    assert [request.key for request in fleet.sink.requests] == [house.calls(run_id)[0].key] * 2
    check(house, fleet.sink, repeats=1)


@pytest.mark.faults
@pytest.mark.parametrize("point", ["after_claim:2:stop", "after_answer:1:stop", "before_release:1:stop"])
def test_f05_frozen_anywhere_the_late_one_leaves_no_trace(house: House, fleet: Fleet, point: str) -> None:
    run_id = house.start(chain(fleet.sink))
    fleet.start("clock")
    first = fleet.start(crash_at=point)
    jobs.hint_run(run_id)
    wait_until(lambda: is_frozen(first.pid), timeout_s=END_S)
    fleet.start()
    run_to_end(house, run_id)
    wait_until(lambda: len({request.key for request in fleet.sink.requests}) == 4, timeout_s=END_S)
    first.thaw()
    wait_until(lambda: "fenced" in fleet.said or point.startswith("before_release"), timeout_s=END_S)
    first.terminate()
    assert first.wait(END_S) == 0
    assert len({request.key for request in fleet.sink.requests}) == 4
    check(house, fleet.sink, repeats=1)


def test_f16_fifty_hints_of_one_step_are_one_effect(house: House, fleet: Fleet) -> None:
    fleet.lease_s = CALM_LEASE_S
    run_id = house.start(spending(fleet.sink))
    runner.advance(house.seat(), run_id)
    ((_kind, step_run_id),) = house.line
    assert jobs.hint_steps([(step_run_id, True)] * 50)
    assert jobs.hint_runs([run_id] * 50)
    for _ in range(5):
        fleet.start()
    run_to_end(house, run_id)
    wait_until(lambda: Redis.from_url(fleet.redis_url).llen(f"rq:queue:{queue.QUEUE}") == 0, timeout_s=END_S)
    assert len(fleet.sink.requests) == 1
    assert house.steps(run_id)["b"].fence == 1, "49 claims found nothing"
    check(house, fleet.sink)


def test_f17_a_job_that_the_queue_runs_again_changes_nothing(house: House, fleet: Fleet) -> None:
    fleet.lease_s = CALM_LEASE_S
    run_id = house.start(spending(fleet.sink))
    fleet.start()
    jobs.hint_run(run_id)
    run_to_end(house, run_id)
    before = house.run(run_id), house.steps(run_id)["b"]
    with Redis.from_url(fleet.redis_url) as connection:
        line = jobs.job_queue(connection)
        for function, arguments in ((jobs.ADVANCE, [run_id]), (jobs.DO_STEP, [before[1].id, True])):
            job = line.enqueue(function, args=arguments, retry=Retry(max=3), job_timeout=-1, at_front=True)
            connection.lrem(line.key, 0, job.id)
            job.set_status(JobStatus.FINISHED)
            registry = StartedJobRegistry(queue=line)
            ended = datetime.now(UTC) - timedelta(minutes=5)
            connection.zadd(registry.key, {f"{job.id}:once": ended.timestamp()})
            connection.lpush(line.key, job.id)  # as its cleaning does with what it takes for lost
        wait_until(lambda: connection.llen(line.key) == 0, timeout_s=END_S)
    fleet.processes[0].terminate()
    assert fleet.processes[0].wait(END_S) == 0
    run, step = house.run(run_id), house.steps(run_id)["b"]
    assert (run.epoch, run.revision, run.status) == (before[0].epoch, before[0].revision, "completed")
    assert (step.fence, step.attempts, step.finished_at) == (before[1].fence, 1, before[1].finished_at)
    assert len(fleet.sink.requests) == 1
    check(house, fleet.sink)


def test_f21_twenty_branches_that_end_together_join_once(house: House, fleet: Fleet) -> None:
    lanes = [
        {"id": f"l{n}", "type": "spend", "after": ["a"], "config": {"url": fleet.sink.url, "count": 1}}
        for n in range(20)
    ]
    join = {"id": "z", "type": "spend", "after": [lane["id"] for lane in lanes], "config": {"url": fleet.sink.url}}
    fleet.lease_s = CALM_LEASE_S
    fleet.sink.hold = True
    run_id = house.start([{"id": "a", "type": "echo", "config": {}}, *lanes, join])
    for _ in range(2):
        fleet.start(CALL_THREADS="24")
    jobs.hint_run(run_id)
    fleet.start("clock")
    wait_until(lambda: len(fleet.sink.requests) == 20, timeout_s=END_S)
    fleet.sink.latency.set()
    run_to_end(house, run_id)
    times = Counter(request.key for request in fleet.sink.requests)
    assert len(times) == 21
    assert set(times.values()) == {1}
    assert house.steps(run_id)["z"].fence == 1
    check(house, fleet.sink)


@pytest.mark.faults
def test_f28_of_two_tickers_one_dies_in_its_sweep(house: House, fleet: Fleet) -> None:
    runs = [house.start(spending(fleet.sink)) for _ in range(20)]
    first = fleet.start("clock", crash_at="in_sweep:2")
    fleet.start("clock")
    fleet.start()
    assert first.wait(END_S) == -9
    run_to_end(house, *runs)
    assert Counter(request.key for request in fleet.sink.requests) == Counter(
        house.calls(run_id)[0].key for run_id in runs
    )
    check(house, fleet.sink)


@pytest.mark.faults
def test_f27_everything_sleeps_for_three_leases_with_a_delay_due(house: House, fleet: Fleet) -> None:
    delay = {"id": "ask", "type": "ask", "config": {"kind": "time", "seconds": 2.0, "on_until": "approved"}}
    after = {"id": "b", "type": "spend", "after": ["ask:approved"], "config": {"url": fleet.sink.url}}
    runs = [house.start([delay, after]) for _ in range(3)] + [house.start(five(fleet.sink)) for _ in range(10)]
    fleet.start("clock")
    for _ in range(2):
        fleet.start()
    jobs.hint_runs(runs)
    wait_until(
        lambda: all(_status(house, run_id, "ask") == StepStatus.WAITING for run_id in runs[:3]), timeout_s=END_S
    )
    for process in fleet.processes:
        process.freeze()
    time.sleep(3 * LEASE_S)  # the sleep itself is the fault
    for process in fleet.processes:
        process.thaw()
    run_to_end(house, *runs)
    assert {house.steps(run_id)["ask"].outcome for run_id in runs[:3]} == {"approved"}
    assert len({request.key for request in fleet.sink.requests}) == 3 + 20
    check(house, fleet.sink, repeats=20)


def _status(house: House, run_id: str, step: str) -> str | None:
    row = house.steps(run_id).get(step)
    return row.status if row else None


def _freeze(fleet: Fleet, process: Process) -> None:
    """Freeze a process while it does not hold SQLite's write lock: with it, nobody could write until it wakes."""
    while True:
        process.freeze()
        if not fleet.database_url.startswith("sqlite"):
            return
        try:
            with sqlite3.connect(fleet.database_url.removeprefix("sqlite:///"), timeout=0.2) as connection:
                connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError:
            process.thaw()


# --- what else was promised ---


def test_f11_a_decision_without_redis_takes_its_effect(house: House, fleet: Fleet, own_redis: object) -> None:
    ask = {"id": "ask", "type": "ask", "config": {}}
    after = {"id": "b", "type": "spend", "after": ["ask:approved"], "config": {"url": fleet.sink.url}}
    run_id = house.start([ask, after])
    fleet.start("clock")
    fleet.start()
    jobs.hint_run(run_id)
    wait_until(lambda: house.run(run_id).status == "waiting", timeout_s=END_S)
    own_redis.stop()  # type: ignore[attr-defined]
    with house.session() as session:
        assert control.decide(session, house.wait(run_id).id, outcome="approved", output={"by": "Sam"})
    began = time.monotonic()
    assert not jobs.hint_run(run_id)
    assert time.monotonic() - began < 10, "an enqueue gives up"
    run_to_end(house, run_id)
    assert len(fleet.sink.requests) == 1
    check(house, fleet.sink)


def test_a_slow_branch_holds_up_neither_the_other_nor_a_stop(house: House, fleet: Fleet) -> None:
    from tests.engine.sink import Sink

    quick = fleet.sink
    quick.slow_s = 0.1
    branch = [
        {"id": f"q{n}", "type": "spend", "after": [f"q{n - 1}"] if n else [], "config": {"url": quick.url}}
        for n in range(10)
    ]
    fleet.lease_s = CALM_LEASE_S
    fleet.start("clock")
    fleet.start()
    warm = house.start(spending(quick))
    jobs.hint_run(warm)
    run_to_end(house, warm)

    slow = Sink(hold=True)
    run_id = house.start([{"id": "slow", "type": "spend", "config": {"url": slow.url}}, *branch])
    jobs.hint_run(run_id)
    wait_until(lambda: (last := house.steps(run_id).get("q9")) and last.status == "completed", timeout_s=END_S)
    assert house.steps(run_id)["slow"].status == "running"
    with house.session() as session:
        control.stop(session, run_id)
    jobs.hint_run(run_id)
    wait_until(lambda: house.run(run_id).status == "stopped", timeout_s=END_S)
    assert house.run(run_id).cost_microusd == 10_000  # the far side has not answered yet
    slow.latency.set()
    wait_until(lambda: house.run(run_id).cost_microusd == 11_000, timeout_s=END_S)  # the late answer is paid for
    quick.requests += slow.requests
    slow.close()
    check(house, quick)


def test_busy_on_the_fourth_and_killed_after_the_fifth_is_six_requests_and_five_charges(
    house: House, fleet: Fleet
) -> None:
    fleet.sink.script = [(200, {})] * 3 + [(429, {"Retry-After": "0"})]
    run_id = house.start(spending(fleet.sink, count=5))
    fleet.start("clock")
    first = fleet.start(crash_at="after_answer:5")
    jobs.hint_run(run_id)
    assert first.wait(END_S) == -9
    fleet.start()
    run_to_end(house, run_id)
    assert len(fleet.sink.requests) == 6
    assert house.run(run_id).cost_microusd == 5000
    assert [call.cost_microusd for call in house.calls(run_id)] == [1000] * 5
    check(house, fleet.sink)


def test_f30_a_lost_reply_is_asked_for_again_under_the_same_key(house: House, fleet: Fleet) -> None:
    fleet.sink.script = [(0, {})]
    run_id = house.start(spending(fleet.sink))
    fleet.start("clock")
    fleet.start()
    jobs.hint_run(run_id)
    run_to_end(house, run_id)
    assert [request.key for request in fleet.sink.requests] == [house.calls(run_id)[0].key] * 2
    assert house.steps(run_id)["b"].attempts == 2
    check(house, fleet.sink, repeats=1)


@pytest.mark.faults
def test_f30_a_lost_reply_without_keys_is_asked_of_a_person(house: House, fleet: Fleet) -> None:
    fleet.sink.script = [(0, {})]
    run_id = house.start(spending(fleet.sink, kind="send"))
    fleet.start("clock")
    fleet.start()
    jobs.hint_run(run_id)
    run_to_end(house, run_id, status="needs_attention")
    assert (house.steps(run_id)["b"].error or {})["message"] == "We cannot tell if this was sent."
    assert len(fleet.sink.requests) == 1
    check(house, fleet.sink)
