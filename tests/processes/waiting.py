"""Waiting for what another process does, with a limit."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LIMIT_S = 60.0  # a machine that does much else takes its time


def until(found: Callable[[], T], *, limit_s: float = LIMIT_S, every_s: float = 0.02) -> T:
    """Return the first truthy answer of *found*; fail the test after *limit_s*."""
    end = time.monotonic() + limit_s
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < end, f"it did not happen within {limit_s} s"
        time.sleep(every_s)


def lives(pid: int) -> bool:
    """Tell whether *pid* runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
