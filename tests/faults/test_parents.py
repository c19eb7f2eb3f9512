"""Processes under a parent: steps that kill them, parents that die, deploys."""

import os
import re
import signal
import time
from contextlib import suppress

import pytest

from app.engine import jobs
from app.engine.enums import StepStatus
from tests.engine.rig import House
from tests.faults.fleet import Fleet, Process
from tests.faults.invariants import check
from tests.faults.shapes import chain, spending
from tests.processes.waiting import lives
from tests.servers import wait_until

END_S = 180.0


def pid_of(fleet: Fleet, role: str, *, other_than: int = 0) -> int:
    """Return the pid that a child of the parent logged last when it started."""

    def last() -> int:
        found = re.findall(rf"{role}_started.*?{role}:(\d+):", fleet.said)
        return int(found[-1]) if found and int(found[-1]) != other_than else 0

    return int(wait_until(last, timeout_s=END_S))


def comes_to(house: House, run_id: str, status: str) -> None:
    wait_until(lambda: house.run(run_id).status == status, timeout_s=END_S)


@pytest.mark.parametrize("by", ["abort", "memory", "frost"])
def test_f09_a_step_that_kills_its_process_ends_with_a_person_and_harms_no_other(
    house: House, fleet: Fleet, by: str
) -> None:
    if by != "frost":
        fleet.lease_s = 30.0  # what ends by itself ends within its lease, on a busy machine too
    fleet.start("parent")
    pid_of(fleet, "worker")
    jobs.hint_run(first := house.start(chain(fleet.sink)))
    comes_to(house, first, "completed")
    before_s = time_of(house, fleet)

    doomed = house.start([{"id": "a", "type": "echo", "config": {"say": 1}},
                          {"id": "x", "type": "doom", "after": ["a"], "config": {"by": by}}])  # fmt: skip
    jobs.hint_run(doomed)
    wait_until(lambda: "died, starting it again" in fleet.said, timeout_s=END_S)
    others = [time_of(house, fleet) for _ in range(5)]
    comes_to(house, doomed, "needs_attention")
    plain_s = max(before_s, time_of(house, fleet))

    step = house.steps(doomed)["x"]
    said = {
        "abort": (2, "This step stopped its worker twice."),
        "memory": (0, "This step needed more memory than it may have."),
        "frost": (2, "This step stopped its worker twice."),
    }
    assert (step.crashes, (step.error or {})["message"]) == said[by]
    assert fleet.said.count("died, starting it again") == 1, "the shared worker died once, the rest was quarantine"
    died = fleet.said.count("died in quarantine")
    assert died == step.crashes or (by == "frost" and died > step.crashes)  # a lease that had ended counts no death
    assert min(others) < max(4 * plain_s, 1.5), (plain_s, others)
    check(house, fleet.sink)


def time_of(house: House, fleet: Fleet) -> float:
    """Return how long a short run takes now, in seconds."""
    began = time.monotonic()
    jobs.hint_run(run_id := house.start([{"id": "a", "type": "echo", "config": {"say": 1}}]))
    comes_to(house, run_id, "completed")
    return time.monotonic() - began


@pytest.mark.faults
def test_f09_who_was_in_the_same_process_is_done_alone_and_not_blamed(house: House, fleet: Fleet) -> None:
    fleet.sink.slow_s = 1.0
    fleet.start("parent")
    pid_of(fleet, "worker")
    neighbours = [house.start(spending(fleet.sink)) for _ in range(3)]
    for run_id in neighbours:
        jobs.hint_run(run_id)
    wait_until(lambda: len(fleet.sink.requests) == 3, timeout_s=END_S)
    jobs.hint_run(doomed := house.start([{"id": "x", "type": "doom", "config": {}}]))
    for run_id in neighbours:
        comes_to(house, run_id, "completed")
    comes_to(house, doomed, "needs_attention")
    for run_id in neighbours:
        step = house.steps(run_id)["b"]
        assert (step.status, step.attempts, step.crashes) == (StepStatus.COMPLETED, 1, 0)
    check(house, fleet.sink, repeats=3)


@pytest.mark.faults
def test_f09_try_again_is_done_alone_again(house: House, fleet: Fleet) -> None:
    from app.engine import answers

    fleet.start("parent")
    pid_of(fleet, "worker")
    jobs.hint_run(doomed := house.start([{"id": "x", "type": "doom", "config": {}}]))
    comes_to(house, doomed, "needs_attention")
    with house.session() as session:
        answers.answer(session, doomed, house.steps(doomed)["x"].id, answers.Reply.AGAIN, by="Alice")
    jobs.hint_run(doomed)
    wait_until(lambda: fleet.said.count("died in quarantine") == 4, timeout_s=END_S)
    comes_to(house, doomed, "needs_attention")
    assert fleet.said.count("died, starting it again") == 1


def test_f04_a_parent_that_dies_takes_its_children_along(house: House, fleet: Fleet) -> None:
    fleet.sink.slow_s = 2.0
    first = fleet.start("parent")
    worker, clock = pid_of(fleet, "worker"), pid_of(fleet, "clock")
    jobs.hint_run(run_id := house.start(spending(fleet.sink)))
    wait_until(lambda: fleet.sink.requests, timeout_s=END_S)
    first.kill()
    wait_until(lambda: not lives(worker) and not lives(clock), timeout_s=END_S)
    fleet.sink.slow_s = 0.0
    fleet.start("parent")
    comes_to(house, run_id, "completed")
    step = house.steps(run_id)["b"]
    assert (step.attempts, step.crashes) == (1, 0), "a lost machine counts nothing"
    check(house, fleet.sink, repeats=1)


@pytest.mark.faults
@pytest.mark.parametrize("times", [1, 2])
def test_f06_f07_a_deploy_gives_back_what_does_not_end_in_time(house: House, fleet: Fleet, times: int) -> None:
    fleet.sink.slow_s = 45.0
    old = fleet.start("parent")
    worker, clock = pid_of(fleet, "worker"), pid_of(fleet, "clock")
    jobs.hint_run(run_id := house.start(spending(fleet.sink)))
    wait_until(lambda: fleet.sink.requests, timeout_s=END_S)
    began = time.monotonic()
    for number in range(times):
        time.sleep(2.0 * bool(number))
        for pid in (old.pid, worker, clock):
            with suppress(ProcessLookupError):  # the clock had nothing to finish
                os.kill(pid, signal.SIGTERM)
    fleet.sink.slow_s = 0.0
    fleet.start("parent")  # the new set is there before the old one is gone
    assert ended(old) == 0
    assert time.monotonic() - began < 30
    assert not lives(worker)
    comes_to(house, run_id, "completed")
    step = house.steps(run_id)["b"]
    assert (step.attempts, step.crashes) == (1, 0)
    assert "died in quarantine" not in fleet.said
    check(house, fleet.sink, repeats=1)


def ended(process: Process) -> int:
    return process.wait(35)
