"""The clock: rq-scheduler's loop with one entry that calls :func:`app.engine.timers.tick` in its own process.

Due times live in our rows. With the queue gone, or the entry missing, the same loop ticks by itself and does the due
work with threads of its own: nothing waits for Redis to come back.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq_scheduler.scheduler import Scheduler

from app.core import clock, crash, outbox, queue
from app.core.db import CLOCK_POOL, make_engine
from app.core.settings import Settings
from app.engine import heartbeat, jobs, recovery, retention, runner, timers
from app.engine.alive import Alive
from app.engine.crew import Crew
from app.engine.seat import Seat, end_on_sigterm

INTERVAL_S = 0.8  # what is due is taken up within a second, with what a tick takes
ENTRY = "greenlight-tick"
FINISH_S = 20.0

_log = structlog.get_logger(__name__)


def run(
    settings: Settings,
    owner: str,
    quarantine: Callable[[str], None] | None = None,
    tell: Callable[[], None] | None = None,
) -> int:
    """Tick every second until SIGTERM; returns the exit code. *tell* gives whoever watches it a sign of life."""
    ticker = Ticker(settings, owner, quarantine, tell)
    end_on_sigterm(ticker.seat.is_ending)
    return ticker.run()


class Entry(Job):
    """The scheduler's one entry, written as JSON: nothing in the queue is pickled."""

    @classmethod
    def create(cls, *args: Any, **options: Any) -> Job:
        """As RQ's, with the JSON serializer."""
        options["serializer"] = JSONSerializer
        return super().create(*args, **options)

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> Job:  # noqa: A002 (RQ's name)
        """As RQ's, with the JSON serializer."""
        return super().fetch(id, connection=connection, serializer=JSONSerializer)


class Heartbeat(Scheduler):  # type: ignore[misc] # rq-scheduler carries no types
    """rq-scheduler with one entry of fixed id; "enqueueing" it is a tick in this process."""

    def __init__(self, ticker: "Ticker", connection: Any) -> None:
        super().__init__(queue_name=queue.QUEUE, connection=connection, interval=INTERVAL_S, job_class=Entry)
        self._ticker = ticker

    def beat(self) -> None:
        """Keep the entry there and tick if it is due; raises what Redis raises."""
        if not self.connection.zscore(self.scheduled_jobs_key, ENTRY):
            self.schedule(clock.now().replace(tzinfo=None), timers.tick, interval=INTERVAL_S, id=ENTRY)
        self.enqueue_jobs()

    def enqueue_job(self, job: Job) -> None:
        """Tick instead of putting a job on the queue, and set the entry for the next second."""
        self._ticker.tick()
        following = clock.now() + timedelta(seconds=INTERVAL_S)
        self.connection.zadd(self.scheduled_jobs_key, {job.id: int(following.timestamp())})


class Ticker:
    """One clock process."""

    def __init__(
        self,
        settings: Settings,
        owner: str,
        quarantine: Callable[[str], None] | None = None,
        tell: Callable[[], None] | None = None,
    ) -> None:
        self.settings = settings
        url = settings.sqlalchemy_url
        self._engine = make_engine(url, pool=CLOCK_POOL if not settings.is_sqlite else 4, wait_s=30)
        self._crew = Crew("clock", 8)
        self._ticked_at = 0.0
        self._count = 0
        self.seat = Seat(
            engine=self._engine,
            reader=self._engine,
            owner=owner,
            lease_s=settings.lease_s,
            hint_steps=self._hint_steps,
            hint_run=lambda run_id: self._hint_runs([run_id]),
            hint_outbox=lambda: None,
            hint_line=self._hint_line,
            is_ending=threading.Event(),
            is_over=threading.Event(),
            quarantine=quarantine,
            alive=Alive(tell),
        )
        crash.arm(settings.environment, settings.crash_at)

    def run(self) -> int:
        """Tick until told to end."""
        heartbeat.start(self.seat, self._engine, lambda: None)
        threading.Thread(target=self.seat.alive.watch, args=(self.seat.is_over,), name="alive", daemon=True).start()
        _log.info("clock_started", owner=self.seat.owner)
        scheduler: Heartbeat | None = None
        while not self.seat.is_ending.is_set():
            began = time.monotonic()
            self.seat.alive.say("clock")
            try:
                scheduler = scheduler or Heartbeat(
                    self, queue.worker_client(self.settings, connections=2, timeout_s=1)
                )
                scheduler.beat()
            except (RedisError, OSError) as error:
                _log.warning("queue_lost", error=repr(error))
                scheduler = None
            if self._ticked_at < began:
                self.tick()
            self.seat.is_ending.wait(max(0.0, INTERVAL_S - (time.monotonic() - began)))
        self._crew.wait_idle(FINISH_S)
        self.seat.is_over.set()
        recovery.give_back_at_end(self._engine, self.seat.owner)
        return 0

    def tick(self) -> None:
        """Do one tick; a database that is away is tried again in a second."""
        self._ticked_at = time.monotonic()
        try:
            timers.tick(
                self._engine,
                hint_runs=self._hint_runs,
                hint_outbox=self._hint_outbox,
                count=self._count,
                hint_again_s=self.seat.hint_again_s,
            )
            self._count += 1
            if self._count % timers.BEAT_EVERY == 1:
                retention.work(self._engine)
        except Exception:  # noqa: BLE001 (the clock's edge: it must not stop for anything)
            _log.exception("tick_failed")

    # --- with the queue down, the clock's own threads do what is due ---

    def _hint_runs(self, run_ids: Sequence[str]) -> None:
        if not jobs.hint_runs(run_ids):
            for run_id in run_ids:
                self._crew.offer(lambda run_id=run_id: runner.advance(self.seat, run_id))  # type: ignore[misc]

    def _hint_steps(self, steps: Sequence[tuple[str, bool]]) -> None:
        if not jobs.hint_steps(steps):
            for step_run_id, _ in steps:
                self._crew.offer(lambda step_run_id=step_run_id: runner.do_step(self.seat, step_run_id))  # type: ignore[misc]

    def _hint_line(self) -> None:
        self._crew.offer(self._do_oldest)

    def _do_oldest(self) -> None:
        runner.do_oldest(self.seat)

    def _hint_outbox(self, row_ids: Sequence[str]) -> None:
        if not jobs.hint_outbox(row_ids):
            for row_id in row_ids:
                self._crew.offer(
                    lambda row_id=row_id: outbox.relay(self._engine, row_id, owner=self.seat.owner)  # type: ignore[misc]
                )
