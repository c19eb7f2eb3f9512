"""The dispatcher pops hints from the queue for a worker's threads: an RQ worker that runs nothing itself.

A hint is acknowledged before it runs: the database remembers, not the queue.
"""

import random
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import as_text
from rq.utils import now as rq_now

from app.core.ids import new_id
from app.engine import jobs
from app.engine.crew import Crew
from app.engine.seat import Seat

POP_S = (1, 2)  # at random: the clock hints by the second, and the same worker would always be first in line
HEARTBEAT_S = 5.0
WORKER_TTL_S = 20  # RQ sets its client's socket timeout from this: 15 s instead of 415

_log = structlog.get_logger(__name__)


class Dispatcher(SimpleWorker):
    """An RQ worker, known to RQ's tools as such, that gives hints to *take*, as many as *crew* has free threads."""

    def __init__(
        self, client: Redis, seat: Seat, crew: Crew, take: Callable[[str, Sequence[Any]], None]
    ) -> None:
        super().__init__(
            [jobs.job_queue(client)],
            name=f"{seat.owner}:{new_id()[-6:]}",
            connection=client,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_S,
        )
        self._seat, self._crew, self._take = seat, crew, take
        self._heard_at = 0.0
        self._line = self.queues[0].key
        self._popped: list[str] = []  # ids of jobs off the line that are not read yet

    def listen(self) -> None:
        """Pop hints while threads are free, until the worker ends; raises what the queue raises."""
        ending = self._seat.is_ending
        self._register()
        try:
            while not ending.is_set():
                self._seat.alive.say("dispatcher")
                self._beat()
                for hint in self._pop(self._crew.wait_free(POP_S[0])):
                    self._take(*hint)
        finally:
            self._leave()

    def _pop(self, most: int) -> list[tuple[str, Sequence[Any]]]:
        """Wait for a hint, and return function and arguments of it and of those popped before, *most* in all.

        What is read is acknowledged, and in the same round trip as many as *most* leaves room for are popped, for the
        next call. By hand: RQ's own way reads all of a job, one at a time, and keeps a list of what was not
        acknowledged.
        """
        if not most:
            self._put_back()
            return []
        if not self._popped:
            found = self.connection.blpop([self._line], random.choice(POP_S))  # noqa: S311
            self._popped = [] if found is None else [as_text(found[1])]
        keys = [Job.key_for(job_id) for job_id in self._popped[:most]]
        if not keys:
            return []
        with self.connection.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, "data")
            pipe.delete(*keys)
            for _ in range(most - len(keys)):
                pipe.lpop(self._line)
            answers = pipe.execute()
        self._popped = self._popped[most:] + [as_text(each) for each in answers[len(keys) + 1 :] if each is not None]
        hints = (_read(data) for data in answers[: len(keys)] if data is not None)  # None: what is on the line is gone
        return [hint for hint in hints if hint is not None]

    def _put_back(self) -> None:
        """Leave what is popped and not read to whoever has a free thread: first in line, as it was."""
        popped, self._popped = self._popped, []
        if popped:
            self.connection.lpush(self._line, *reversed(popped))

    def _beat(self) -> None:
        if time.monotonic() - self._heard_at < HEARTBEAT_S:
            return
        if self._heard_at and not self.connection.exists(self.key):
            self._register()  # the queue was flushed
        self.last_heartbeat = rq_now()
        self.heartbeat(WORKER_TTL_S + 60)
        self._heard_at = time.monotonic()

    def _register(self) -> None:
        self.register_birth()  # type: ignore[no-untyped-call]
        self.connection.sadd(Queue.redis_queues_keys, jobs.QUEUE_KEY)

    def _leave(self) -> None:
        try:
            self._put_back()
            self.register_death()  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            _log.info("left_unnoticed", name=self.name)
        finally:
            self.connection.close()


def _read(data: bytes) -> tuple[str, Sequence[Any]] | None:
    """Return function and arguments of a job; None where it is none of ours."""
    try:
        function, _, arguments, _ = JSONSerializer.loads(zlib.decompress(data))
    except (zlib.error, ValueError, TypeError) as error:
        _log.warning("unreadable_hint", error=repr(error))
        return None
    return function, arguments
