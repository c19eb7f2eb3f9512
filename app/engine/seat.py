"""The seat: what a process that does work gives to the runner, and what it holds."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.engine import Engine


@dataclass(slots=True)
class Held:
    """What this process holds under lease: the heartbeat extends it, a shutdown gives it back."""

    runs: dict[str, int] = field(default_factory=dict)  # run id → epoch
    steps: dict[str, tuple[int, float]] = field(
        default_factory=dict
    )  # step run id → (fence, monotonic deadline)
    lock: threading.Lock = field(default_factory=threading.Lock)


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

    @property
    def hint_again_s(self) -> float:
        """After how many seconds a hint that shows nothing is given again: 10 at the usual lease of 60."""
        return self.lease_s / 6


def end_on_sigterm(is_ending: threading.Event) -> None:
    """Set *is_ending* at a SIGTERM; call it in the main thread.

    The handler only writes to a pipe: it may interrupt the main thread while that holds the event's own lock, and
    setting the event there would wait for ever.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGTERM, lambda *_: _ring(writer))
    threading.Thread(target=_answer, args=(reader, is_ending), name="ending", daemon=True).start()


def _ring(writer: int) -> None:
    with suppress(BlockingIOError):  # full of SIGTERMs: one is enough
        os.write(writer, b"1")


def _answer(reader: int, is_ending: threading.Event) -> None:
    os.read(reader, 1)
    is_ending.set()
