"""Quarantine: a step whose process died under it is tried again in a process of its own, where only it can be guilty.

A worker may not fork, since it has threads and connections; it asks its parent by one datagram with the step run's id.
The parent forks a child that comes here, and counts the step's death when that child does not end well.
"""

import resource
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy.engine import Engine

from app.core import crash
from app.core.db import make_engine, transaction
from app.core.settings import Settings
from app.engine import claims, definitions, heartbeat, jobs, recovery, runner
from app.engine.seat import Seat, end_on_sigterm

MEMORY_BYTES = 512 * 1024 * 1024  # of address space, beyond what the process has when it begins
FINISH_S = 20.0
LATE_S = 60.0  # beyond the step's deadline: then the kernel ends the process, whatever it is doing

_log = structlog.get_logger(__name__)


class Line:
    """The socket on which workers ask their parent; made by the parent before the forks, one for all its children."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """Return what the parent waits on."""
        return self.reader.fileno()

    def ask(self, step_run_id: str) -> None:
        """Ask for a step to be done in quarantine; a line that is full loses it, and the clock has it asked again."""
        with suppress(OSError):
            self._writer.send(step_run_id.encode())

    def read(self) -> list[str]:
        """Return the step runs that were asked for since the last time."""
        found = []
        with suppress(BlockingIOError):
            while True:
                found.append(self.reader.recv(200).decode())
        return found


def run(settings: Settings, owner: str, step_run_id: str, tell: Callable[[], None]) -> int:
    """Do one step alone and end; 0 when the process survived it, whatever became of the step.

    *tell* gives a sign of life to the parent, which ends a process that has frozen.
    """
    engine = make_engine(settings.sqlalchemy_url, pool=1, wait_s=30)
    seat = _seat(settings, engine, owner)
    end_on_sigterm(seat.is_ending)
    crash.arm(settings.environment, settings.crash_at)
    _limit_memory()
    limit_time = partial(signal.setitimer, signal.ITIMER_REAL, _longest_s(engine, step_run_id))
    heartbeat.start(seat, make_engine(settings.sqlalchemy_url, pool=1), lambda: None)
    done = threading.Event()
    threading.Thread(target=_do, args=(seat, step_run_id, limit_time, done), name="step", daemon=True).start()
    while not done.wait(0.2) and not seat.is_ending.is_set():
        tell()
    done.wait(FINISH_S)
    seat.is_over.set()
    runs = recovery.give_back_at_end(engine, owner)
    if runs:
        jobs.hint_runs(runs)
    _log.info("quarantine_ended", owner=owner, step_run_id=step_run_id, gave_back=len(runs))
    return 0


def _seat(settings: Settings, engine: Engine, owner: str) -> Seat:
    def hint_run(run_id: str) -> None:
        jobs.hint_run(run_id)

    def hint_steps(steps: list[tuple[str, bool]]) -> None:
        jobs.hint_steps(steps)

    return Seat(
        engine=engine,
        reader=engine,
        owner=owner,
        lease_s=settings.lease_s,
        hint_steps=hint_steps,
        hint_run=hint_run,
        hint_outbox=lambda: None,  # the clock finds the messages within a second
        is_ending=threading.Event(),
        is_over=threading.Event(),
    )


def _limit_memory() -> None:
    """Give the process an end in memory that no step can talk it out of."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _longest_s(engine: Engine, step_run_id: str) -> float:
    """Return after how long a try's process is ended, by SIGALRM's default, whatever it is doing; 0: never."""
    with transaction(engine) as session:
        place = claims.place_of(session, step_run_id)
    if place is None:
        return 0.0
    version_id, step_id = place
    return definitions.definition_of(engine, version_id).step(step_id).timeout_s + LATE_S


def _do(seat: Seat, step_run_id: str, limit_time: Callable[[], object], done: threading.Event) -> None:
    try:
        runner.do_alone(seat, step_run_id, limit_time)
    except Exception:  # noqa: BLE001 (a thread's edge: the lease runs out, and it is done again)
        _log.exception("quarantine_failed", step_run_id=step_run_id)
    finally:
        done.set()
