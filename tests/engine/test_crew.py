"""A crew has as many threads as it needs, and lets go of those that have nothing to do."""

import threading

import pytest

from app.engine import crew
from app.engine.crew import Crew
from tests.servers import wait_until


def test_an_idle_thread_leaves_and_the_next_task_gets_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "IDLE_S", 0.05)
    small = Crew("leaving", 3)
    gate, names = threading.Event(), list[str]()

    def work() -> None:
        names.append(threading.current_thread().name)
        gate.wait(60)

    for _ in range(3):
        small.submit(work)
    wait_until(lambda: len(names) == 3)
    assert not small.offer(work)
    gate.set()
    wait_until(lambda: not [one for one in threading.enumerate() if one.name.startswith("leaving-")])
    assert small.offer(work)
    assert small.wait_idle(60)
    assert len(names) == 4


def test_no_task_is_left_in_line_when_threads_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "IDLE_S", 0.0005)
    small, done = Crew("hasty", 2), list[int]()
    for number in range(2000):
        small.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    assert small.wait_idle(60)
    assert sorted(done) == list(range(2000))


def test_a_crew_is_full_as_soon_as_all_its_threads_are_busy_for_what_comes_then_waits() -> None:
    crew_of_two, gate, seen = Crew("busy", 2), threading.Event(), list[bool]()

    def work() -> None:
        seen.append(crew_of_two.is_full)
        gate.wait(60)

    for number in (1, 2):
        crew_of_two.submit(work)
        wait_until(lambda number=number: len(seen) == number)
    gate.set()
    assert crew_of_two.wait_idle(60)
    assert (seen, crew_of_two.is_full) == ([False, True], False)
