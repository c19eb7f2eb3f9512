"""The seat: a SIGTERM is heard in whatever thread it arrives, and leases are forgotten only by who took them."""

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from app.engine.seat import Held

ENDS = """
import os, signal, threading
from app.engine.seat import end_on_sigterm
is_ending = threading.Event()
end_on_sigterm(is_ending)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # in this thread: the kernel interrupts the other one
os.kill(os.getpid(), signal.SIGTERM)
print(is_ending.wait(60))
"""


def test_a_sigterm_that_arrives_in_another_thread_ends_the_process_too() -> None:
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_what_another_thread_has_taken_since_is_not_forgotten() -> None:
    held = Held(runs={"run": 2}, steps={"step": (2, 0.0)})
    held.drop_run("run", 1)
    held.drop_step("step", 1)
    assert (held.runs, held.steps) == ({"run": 2}, {"step": (2, 0.0)})
    held.drop_run("run", 2)
    held.drop_step("step", 2)
    assert (held.runs, held.steps) == ({}, {})


def test_who_comes_while_another_thread_takes_is_looked_after_by_that_one() -> None:
    held, looks, answers = Held(), [], [None, "found"]
    begun, has_come = threading.Event(), threading.Event()

    def take() -> str | None:
        begun.set()
        assert has_come.wait(60)
        looks.append(threading.current_thread().name)
        return answers[len(looks) - 1]

    got: list[str | None] = []
    first = threading.Thread(target=lambda: got.append(held.take("run", take)), name="first")
    first.start()
    assert begun.wait(60)
    assert held.take("run", take) is None  # what it came for may be newer than what the first one found
    has_come.set()
    first.join(60)
    assert (got, looks) == (["found"], ["first", "first"])
    assert held.take("run", lambda: "again") == "again"


def test_a_thread_that_could_not_take_stands_in_nobodys_way() -> None:
    held = Held()

    def fail() -> str | None:
        raise OSError("the database is away")

    with pytest.raises(OSError, match="away"):
        held.take("run", fail)
    assert held.take("run", lambda: "taken") == "taken"


def test_who_comes_as_another_thread_is_through_takes_for_itself() -> None:
    held, is_inside, may_end = Held(), threading.Event(), threading.Event()
    got: list[str | None] = []

    def take_next() -> str:
        is_inside.set()
        assert may_end.wait(60)
        return "next"

    def meet() -> None:
        following.start()
        assert is_inside.wait(60)

    following = threading.Thread(target=lambda: got.append(held.take("run", take_next)))
    held._lock = lock = Opened(meet)  # type: ignore[assignment]
    assert held.take("run", lambda: lock.arm() or "first") == "first"
    may_end.set()
    following.join(60)
    assert got == ["next"]
    assert held.take("run", lambda: "again") == "again"


class Opened:
    """A lock that does *then* as soon as it is free again, once it is armed: in the narrowest place between two."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._lock, self._then, self._is_armed = threading.Lock(), then, False

    def arm(self) -> None:
        """Do it the next time."""
        self._is_armed = True

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if self._is_armed:
            self._is_armed = False
            self._then()
