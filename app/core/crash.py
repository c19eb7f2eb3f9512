"""Crash points: where a test may kill this process as a power cut would. Dead letters outside the test setting."""

import os
import signal
import threading

POINTS = frozenset(
    {"after_claim", "after_intent", "after_effect", "after_commit", "before_release", "in_sweep"}
)
_armed: dict[str, int] = {}
_lock = threading.Lock()


def arm(environment: str, spec: str) -> None:
    """Arm a point such as ``after_effect`` or ``after_effect:5`` (the fifth time); only in the test environment."""
    _armed.clear()
    if environment != "test" or not spec:
        return
    name, _, count = spec.partition(":")
    if name not in POINTS:
        raise ValueError(f"no such crash point: {name}")
    _armed[name] = int(count or 1)


def point(name: str) -> None:
    """Die here if this point is armed and its count has come."""
    if not _armed:
        return
    with _lock:
        if name not in _armed:
            return
        _armed[name] -= 1
        if _armed[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
