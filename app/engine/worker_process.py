"""The worker: one dispatcher pops hints, two crews of threads do the work, one heartbeat keeps the leases.

``WORKER_THREADS`` plan and do pure steps, ``CALL_THREADS`` do steps that spend or send: a hundred AI calls never hold
up a start. A hint is acknowledged before it runs: the database remembers, not the queue.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from app.core import clock, crash, outbox, priority, queue
from app.core.db import HEARTBEAT_POOL, WORKER_POOL, make_engine, transaction
from app.core.settings import Settings
from app.engine import heartbeat, jobs, recovery, rehearsal, runner, seat
from app.engine.alive import Alive
from app.engine.crew import Crew
from app.engine.dispatcher import Dispatcher
from app.engine.seat import Seat, end_on_sigterm

FINISH_S = 20.0
LOOK_S = 0.05
MOST_MAIL = 1000  # the clock hints the others again
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)
EXIT_OVERDUE = 75

_log = structlog.get_logger(__name__)


def run(
    settings: Settings,
    owner: str,
    quarantine: Callable[[str], None] | None = None,
    tell: Callable[[], None] | None = None,
) -> int:
    """Work until SIGTERM; then take nothing new, finish within 20 s, give the rest back. Returns the exit code.

    This process gives way to the web server's from here on. *tell* gives whoever watches it a sign of life.
    """
    priority.keep_turns()
    priority.give_way()
    worker = Worker(settings, owner, quarantine, tell)
    end_on_sigterm(worker.seat.is_ending)
    return worker.run()


class Worker:
    """One worker process."""

    def __init__(
        self,
        settings: Settings,
        owner: str,
        quarantine: Callable[[str], None] | None = None,
        tell: Callable[[], None] | None = None,
    ) -> None:
        self.settings = settings
        self.exit_code = 0
        self._has_line = False  # outward steps that found no free thread wait in the database
        self._mail: deque[str] = deque(maxlen=MOST_MAIL)  # messages that found none: they leave between two steps
        self._is_look_asked = False  # the next thread that is free looks for both
        self.planning = Crew("plan", settings.worker_threads)
        self.calling = Crew("call", settings.call_threads)
        url = settings.sqlalchemy_url
        engine = make_engine(url, pool=WORKER_POOL, wait_s=30, statement_timeout_s=60)
        self._heart_engine = make_engine(url, pool=HEARTBEAT_POOL)
        reader = make_engine(url, pool=WORKER_POOL, wait_s=30, reading=True) if settings.is_sqlite else engine
        self.seat = Seat(
            engine=engine,
            reader=reader,
            owner=owner,
            lease_s=settings.lease_s,
            hint_steps=self._hint_steps,
            hint_run=self._hint_run,
            hint_outbox=self._hint_outbox,
            hint_line=self._hint_line,
            is_ending=threading.Event(),
            is_over=threading.Event(),
            others_wait=lambda: self.planning.is_full,
            quarantine=quarantine,
            alive=Alive(tell),
        )
        seat.take(self.seat)
        crash.arm(settings.environment, settings.crash_at)

    def run(self) -> int:
        """Work until told to end."""
        heartbeat.start(self.seat, self._heart_engine, self._overdue)
        self.planning.submit(lambda: rehearsal.rehearse(self.seat))
        threading.Thread(target=self._listen, name="dispatcher", daemon=True).start()
        _log.info("worker_started", owner=self.seat.owner)
        self.seat.alive.watch(self.seat.is_ending)
        self._finish()
        return self.exit_code

    def end(self) -> None:
        """Take no new work; a second call changes nothing."""
        self.seat.is_ending.set()

    def _overdue(self) -> None:
        _log.error("thread_overdue", owner=self.seat.owner)
        self.exit_code = EXIT_OVERDUE
        self.end()

    def _finish(self) -> None:
        until = time.monotonic() + FINISH_S
        if self.exit_code:  # nobody waits for what hangs
            while time.monotonic() < until and self.seat.held.is_within_time():
                threading.Event().wait(LOOK_S)
        else:
            for crew in (self.planning, self.calling):
                crew.wait_idle(max(0.0, until - time.monotonic()))
        self.seat.is_over.set()
        runs = recovery.give_back_at_end(self.seat.engine, self.seat.owner)
        if runs:
            jobs.hint_runs(runs)
        _log.info("worker_ended", owner=self.seat.owner, gave_back=len(runs))

    # --- hints in ---

    def _listen(self) -> None:
        failures = 0
        while not self.seat.is_ending.is_set():
            began = time.monotonic()
            self.seat.alive.say("dispatcher")
            try:
                client = queue.worker_client(self.settings)
                Dispatcher(client, self.seat, self.planning, self.take).listen()
            except Exception as error:  # noqa: BLE001 (whatever the queue does, the worker goes on under a new name)
                _log.warning("queue_lost", error=repr(error))
            failures = 0 if time.monotonic() - began > 30 else failures
            self.seat.is_ending.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1

    def take(self, function: str, arguments: Sequence[Any]) -> None:
        """Hand a hint to the crew that it is for. Outward steps that find no thread stay in line in the database."""
        first = str(arguments[0]) if arguments else ""
        if function == jobs.ADVANCE:
            self.planning.submit(lambda: runner.advance(self.seat, first))
        elif function == jobs.RELAY:
            if not self.calling.offer(lambda: self._relay_first(first)):
                self._mail.append(first)
                self._ask_to_look()
        elif function == jobs.DO_STEP:
            self._take_step(first, is_outward=bool(arguments[1]) if len(arguments) > 1 else True)
        else:
            _log.warning("unknown_hint", function=function)

    def _take_step(self, step_run_id: str, *, is_outward: bool) -> None:
        if not is_outward:
            self.planning.submit(lambda: runner.do_step(self.seat, step_run_id))
        elif not self.calling.offer(lambda: self._do_outward(step_run_id)):
            self._has_line = True
            self._ask_to_look()

    def _ask_to_look(self) -> None:
        """Let the next free thread look for what found none: each that is busy may have looked for the last time."""
        if not self._is_look_asked:
            self._is_look_asked = True
            self.calling.submit(self._look)

    def _look(self) -> None:
        self._is_look_asked = False
        self._do_rest()

    def _do_outward(self, step_run_id: str) -> None:
        """Do an outward step, then those that found no thread: the oldest in line in the database first."""
        runner.do_step(self.seat, step_run_id)
        self._do_rest()

    def _do_rest(self) -> None:
        self._relay_kept()
        if self._has_line:
            self._do_line()

    def _do_line(self) -> None:
        """Do the oldest in line, as long as there is one that may begin."""
        while not self.seat.is_ending.is_set():
            self._has_line = runner.do_oldest(self.seat)
            self._relay_kept()
            if not self._has_line:
                return

    # --- hints out: to a free thread of this process, else to the queue ---

    def _hint_steps(self, steps: list[tuple[str, bool]]) -> None:
        rest = [step for step in steps if not (step[1] and self._offer_step(step[0]))]
        if rest and not jobs.hint_steps(rest):
            for step_run_id, is_outward in rest:
                self._take_step(step_run_id, is_outward=is_outward)

    def _offer_step(self, step_run_id: str) -> bool:
        return not self.seat.is_ending.is_set() and self.calling.offer(lambda: self._do_outward(step_run_id))

    def _hint_line(self) -> None:
        if not self.calling.offer(self._do_line):
            self._has_line = True
            self._ask_to_look()

    def _hint_run(self, run_id: str) -> None:
        if self.seat.is_ending.is_set() or not self.planning.offer(lambda: runner.advance(self.seat, run_id)):
            jobs.hint_run(run_id)

    def _hint_outbox(self) -> None:
        self.calling.offer(self._relay_due)

    def _relay_due(self) -> None:
        with transaction(self.seat.engine) as session:
            rows = outbox.due(session)
        for row_id in rows:
            self._relay(row_id)

    def _relay_first(self, row_id: str) -> None:
        self._relay(row_id)
        self._do_rest()

    def _relay_kept(self) -> None:
        with suppress(IndexError):  # another thread took the last one
            while self._mail:
                self._relay(self._mail.popleft())

    def _relay(self, row_id: str) -> None:
        if not self.seat.is_ending.is_set():  # the clock finds the rest
            outbox.relay(self.seat.engine, row_id, owner=self.seat.owner)


def default_owner(role: str = "worker") -> str:
    """Return an owner id for a process that no supervisor named: ``role:pid:boot``."""
    return f"{role}:{os.getpid()}:{int(clock.now().timestamp())}"
