"""Crash points: where a test may kill this process as a power cut would, or freeze it. Dead letters elsewhere."""

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

POINTS = frozenset(
    "after_claim after_intent after_effect after_answer after_commit before_release in_join in_sweep".split()
)
_armed: dict[str, int] = {}
_signal = signal.SIGKILL
quiet: Callable[[], AbstractContextManager[object]] = nullcontext  # what must not be under way when it happens
_lock = threading.Lock()


def arm(environment: str, spec: str) -> None:
    """Arm a point; only in the test environment.

    ``after_effect`` kills this process there, ``after_effect:5`` the fifth time, ``after_effect:5:stop`` freezes it.
    """
    global _signal
    _armed.clear()
    if environment != "test" or not spec:
        return
    name, count, how = [*spec.split(":"), "", ""][:3]
    if name not in POINTS:
        raise ValueError(f"no such crash point: {name}")
    _signal = signal.SIGSTOP if how == "stop" else signal.SIGKILL
    _armed[name] = int(count or 1)


def is_armed(name: str) -> bool:
    """Tell whether a test waits at this point, where finding out whether it is reached costs something."""
    return name in _armed


def point(name: str) -> None:
    """Die, or freeze, here if this point is armed and its count has come."""
    if not _armed:
        return
    with _lock:
        if name not in _armed:
            return
        _armed[name] -= 1
        if _armed[name] == 0:
            with quiet():
                signal.pthread_kill(threading.get_ident(), _signal)  # to this thread: it comes no further
