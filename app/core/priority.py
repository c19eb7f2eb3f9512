"""Who gets a core where several processes of ours want the same one."""

import os
from contextlib import suppress

NICE = 10  # how much a worker gives way to pages: nice(2)


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
    with suppress(AttributeError, OSError):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) == of:
            os.sched_setaffinity(0, {cores[place]})


def give_way() -> None:
    """Let this process come after those that answer pages."""
    os.nice(NICE)
