"""Who gets a core where several processes of ours want the same one."""

import os
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress

NICE = 10  # how much a worker gives way to pages: nice(2)
_cores: Set[int] = frozenset()  # all that this process may use, where it keeps to one of them


def keep_turns() -> None:
    """Let this process finish its turn when another thread or process wakes up: ``SCHED_BATCH`` of sched(7).

    All threads that it starts from here on are the same. Where the system has no such thing, forbids it, or was told
    otherwise, nothing changes.
    """
    with suppress(AttributeError, OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def keep_core(place: int, of: int) -> None:
    """Keep this process, number *place* (from 0) *of* so many alike, on a core of its own where there are as many.

    All threads that it starts from here on stay there. Where there are more cores, or fewer, nothing changes.
    """
    global _cores
    with suppress(AttributeError, OSError):
        cores = os.sched_getaffinity(0)
        if len(cores) == of:
            os.sched_setaffinity(0, {sorted(cores)[place]})
            _cores = cores


@contextmanager
def on_any_core() -> Iterator[None]:
    """Let this thread go to any core meanwhile: for long work that leaves the interpreter to the other threads."""
    kept = os.sched_getaffinity(0) if _cores else frozenset()
    _go_to(_cores)
    try:
        yield
    finally:
        _go_to(kept)


def _go_to(cores: Set[int]) -> None:
    if cores:
        with suppress(OSError):  # a core that was taken away meanwhile
            os.sched_setaffinity(0, cores)


def give_way() -> None:
    """Let this process come after those that answer pages."""
    os.nice(NICE)
