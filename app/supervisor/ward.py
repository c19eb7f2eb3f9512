"""The ward: where the supervisor has suspect steps done, a few at a time, each in a child of its own."""

import os
import secrets
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from app.supervisor import forks

AT_ONCE = 2  # each may load the AI libraries for itself
IN_LINE = 200  # asked for beyond these: forgotten, and asked for again by the clock


class Asked(Protocol):
    """Where steps are asked for: :class:`app.engine.quarantine.Line`."""

    def fileno(self) -> int:
        """Return what to wait on."""

    def read(self) -> list[str]:
        """Return the step runs asked for since the last time."""


class Ward:
    """*start* does one step run in the child, by its owner id; *tidy* voids a dead child's lease and counts it."""

    def __init__(
        self, asked: Asked, start: Callable[[str, str], int | None], tidy: Callable[[str], int | None]
    ) -> None:
        self.asked = asked
        self.tidy = tidy
        self._start = start
        self._line: deque[str] = deque(maxlen=IN_LINE)
        self._under_way: dict[int, tuple[str, str]] = {}  # pid → (step run, owner)

    def admit(self) -> None:
        """Take in what was asked for and start as many as fit."""
        for step_run_id in self.asked.read():
            if step_run_id not in self._line and step_run_id not in [one for one, _ in self._under_way.values()]:
                self._line.append(step_run_id)
        while self._line and len(self._under_way) < AT_ONCE:
            try:
                self._fork(self._line[0])
            except OSError:  # no room for a child now; the clock asks again, which wakes us
                return
            self._line.popleft()

    def close(self) -> None:
        """Start nothing more, and ask those under way to end."""
        self._line.clear()
        for pid in self._under_way:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        """End those under way at once."""
        for pid in self._under_way:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def bury(self, pid: int) -> str | None:
        """Return the owner id of a child of the ward that has ended; None when it was none of ours."""
        return self._under_way.pop(pid, ("", None))[1]

    def _fork(self, step_run_id: str) -> None:
        boot = secrets.token_hex(4)
        pid = forks.fork(lambda: self._start(f"quarantine:{os.getpid()}:{boot}", step_run_id))
        self._under_way[pid] = (step_run_id, f"quarantine:{pid}:{boot}")
