"""The ward: where the supervisor has suspect steps done, a few at a time, each in a child of its own."""

import signal
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from app.supervisor.child import Child
from app.supervisor.pulse import Pulse

AT_ONCE = 2  # each may load the AI libraries for itself
IN_LINE = 200  # asked for beyond these: forgotten, and asked for again by the clock

Start = Callable[[Pulse, str, str], int | None]  # gets the child's pulse, the step run and the owner id


class Asked(Protocol):
    """Where steps are asked for: :class:`app.engine.quarantine.Line`."""

    def fileno(self) -> int:
        """Return what to wait on."""

    def read(self) -> list[str]:
        """Return the step runs asked for since the last time."""


class Ward:
    """*start* does one step run in the child; *tidy* voids a dead child's lease and counts it.

    A child that gives no sign of life for *hang_s* is killed: it would keep its place for ever.
    """

    def __init__(self, asked: Asked, start: Start, tidy: Callable[[str], int | None], *, hang_s: float) -> None:
        self.asked = asked
        self.tidy = tidy
        self._start = start
        self._hang_s = hang_s
        self._line: deque[str] = deque(maxlen=IN_LINE)
        self._under_way: dict[str, Child] = {}  # by step run

    def admit(self) -> None:
        """Take in what was asked for and start as many as fit."""
        for step_run_id in self.asked.read():
            if step_run_id not in self._line and step_run_id not in self._under_way:
                self._line.append(step_run_id)
        while self._line and len(self._under_way) < AT_ONCE:
            pulse = Pulse(self._hang_s)
            child = Child("quarantine", partial(self._start, pulse, self._line[0]), pulse=pulse)
            child.launch()
            if child.pid is None:  # no room for it now; the clock asks again, which wakes us
                return
            self._under_way[self._line.popleft()] = child

    def close(self) -> None:
        """Start nothing more, and ask those under way to end."""
        self._line.clear()
        for child in self.children:
            child.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End those under way at once."""
        for child in self.children:
            child.signal(signal.SIGKILL)

    @property
    def children(self) -> list[Child]:
        """The processes under way."""
        return list(self._under_way.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def bury(self, pid: int) -> str | None:
        """Return the owner id of a child of the ward that has ended; None when it was none of ours."""
        for step_run_id, child in self._under_way.items():
            if child.pid == pid:
                del self._under_way[step_run_id]
                return child.owner
        return None
