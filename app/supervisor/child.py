"""A child of the supervisor: a process that it forks, watches and ends."""

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from app.supervisor import forks
from app.supervisor.pulse import Pulse

NO_ROOM_S = 2.0

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Child:
    """A process to keep alive. *start* gets its owner id ``name:pid:boot`` and runs in the child.

    *tidy* runs in a short-lived process after a death, with the dead one's owner id. *once*: it ends by itself and
    is not started again. *ends_last*: it gets its SIGTERM when the others are gone. *is_vital*: when it keeps
    dying all ends. *listens*: it answers pages. *pulse*: it is killed, and so started again, when that stops.
    """

    name: str
    start: Callable[[str], int | None]
    tidy: Callable[[str], int | None] | None = None
    once: bool = False
    ends_last: bool = False
    is_vital: bool = False
    listens: bool = False
    pulse: Pulse | None = None
    pid: int | None = field(default=None, init=False)
    owner: str = field(default="", init=False)
    started_at: float = field(default=0.0, init=False)
    start_at: float | None = field(default=None, init=False)
    deaths: list[float] = field(default_factory=list, init=False)
    in_a_row: int = field(default=0, init=False)
    total_deaths: int = field(default=0, init=False)
    was_killed: bool = field(default=False, init=False)
    doubts: int = field(default=0, init=False)
    doubted_at: float = field(default=0.0, init=False)

    def launch(self) -> None:
        """Fork it now, or in a while where the system has no room for it."""
        boot = secrets.token_hex(4)
        if self.pulse is not None:
            self.pulse.beat()
        try:
            self.pid = forks.fork(lambda: self.start(f"{self.name}:{os.getpid()}:{boot}"), listens=self.listens)
        except OSError as error:
            _log.error("no room for a child", child=self.name, error=repr(error), in_s=NO_ROOM_S)
            self.start_at = time.monotonic() + NO_ROOM_S
            return
        self.owner = f"{self.name}:{self.pid}:{boot}"
        self.started_at, self.start_at = time.monotonic(), None

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
