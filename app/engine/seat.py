"""The seat: what a process that does work gives to the runner, and what it holds."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.engine import Engine

from app.engine.alive import Alive

T = TypeVar("T")


@dataclass(slots=True)
class Held:
    """What this process holds under lease: the heartbeat extends it, a shutdown gives it back."""

    runs: dict[str, int] = field(default_factory=dict)  # run id → epoch
    until: dict[str, float] = field(default_factory=dict)  # run id → deadline of the pure step done under its lease
    steps: dict[str, tuple[int, float]] = field(
        default_factory=dict
    )  # step run id → (fence, monotonic deadline)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _taking: dict[str, bool] = field(default_factory=dict)  # what a thread is just taking → another one came for it

    def take(self, row_id: str, take: Callable[[], T | None]) -> T | None:
        """Take a run or a step run by *take*, which notes here what it took; None where it took nothing.

        None also where another thread of this process is at it: that one looks once more where it finds nothing. So
        who lost an answer knows all that this process holds.
        """
        with self._lock:
            if row_id in self._taking:
                self._taking[row_id] = True
                return None
            self._taking[row_id] = False
        is_over = False
        while not is_over:
            taken = self._try(row_id, take)
            with self._lock:  # in one with the look whether another came: from here on it is free for the next one
                is_over = taken is not None or not self._taking[row_id]
                if is_over:
                    del self._taking[row_id]
                else:
                    self._taking[row_id] = False
        return taken

    def _try(self, row_id: str, take: Callable[[], T | None]) -> T | None:
        try:
            return take()
        except BaseException:
            with self._lock:
                del self._taking[row_id]
            raise

    def is_within_time(self) -> bool:
        """Whether a step is under way here that has not passed its deadline."""
        now = time.monotonic()
        return any(deadline > now for _, deadline in list(self.steps.values()))

    def drop_run(self, run_id: str, epoch: int) -> None:
        """Forget a run, unless another thread of this process has taken it since."""
        if self.runs.get(run_id) == epoch:
            self.runs.pop(run_id, None)

    def drop_step(self, step_run_id: str, fence: int) -> None:
        """Forget a step run, unless another thread of this process has claimed it since."""
        if self.steps.get(step_run_id, (None,))[0] == fence:
            self.steps.pop(step_run_id, None)


@dataclass(frozen=True, slots=True)
class Seat:
    """What a worker gives to the runner: its database, its name, how to hint, and whether it is going to end."""

    engine: Engine
    reader: Engine  # SQLite: an engine that does not queue for the write lock; else the same
    owner: str
    lease_s: float
    hint_steps: Callable[[list[tuple[str, bool]]], None]  # (step run id, is an outward step)
    hint_run: Callable[[str], None]
    hint_outbox: Callable[[], None]
    is_ending: threading.Event  # take no new work
    is_over: threading.Event  # the heartbeat may stop
    hint_line: Callable[[], None] = lambda: None  # a place that a limit counts is free
    others_wait: Callable[[], bool] = lambda: False
    quarantine: Callable[[str], None] | None = None  # has a suspect step run done alone; None: it is done here
    held: Held = field(default_factory=Held)
    alive: Alive = field(default_factory=lambda: Alive(None))

    @property
    def hint_again_s(self) -> float:
        """After how many seconds a hint that shows nothing is given again: 10 at the usual lease of 60."""
        return self.lease_s / 6


_own: Seat | None = None


def take(seat: Seat) -> None:
    """Make *seat* the one of this process: a worker's."""
    global _own
    _own = seat


def own() -> Seat:
    """Return the seat of this process; raises outside of a worker."""
    if _own is None:
        raise RuntimeError("this process is not a worker")
    return _own


def end_on_sigterm(is_ending: threading.Event) -> None:
    """Set *is_ending* at a SIGTERM; call it in the main thread.

    A thread of its own hears of it by a pipe that the interpreter writes to in whichever thread the signal arrives:
    the handler itself is run by the main thread alone, and that sleeps on when another one was interrupted, as happens
    to a process that has just been thawed. Nor may a handler set the event: it can interrupt the main thread while
    that holds the event's own lock.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(reader, is_ending), name="ending", daemon=True).start()


def _listen(reader: int, is_ending: threading.Event) -> None:
    while signal.SIGTERM not in os.read(reader, 64):
        pass  # another signal that has a handler
    is_ending.set()
