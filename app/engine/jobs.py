"""Hints: what goes through the queue. A hint may come twice, late or never; the database knows what is due.

A job's arguments are ids, JSON-serialised; none of RQ's own retries, results or dependencies are used. Putting a hint
on the queue never raises: what is lost is found by the clock.
"""

import threading
import zlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now as rq_now
from rq.utils import utcformat

from app.core import queue
from app.core.ids import new_id
from app.core.settings import Settings

ADVANCE = "app.engine.jobs.advance"
DO_STEP = "app.engine.jobs.do_step"
RELAY = "app.engine.jobs.relay"
QUEUE_KEY = f"{Queue.redis_queue_namespace_prefix}{queue.QUEUE}"
FAILURE_TTL_S = 60
AT_ONCE = 100  # hints in one round trip: the queue holds all of it while it takes them

_log = structlog.get_logger(__name__)
_settings: Settings | None = None
_line: deque[str] = deque()
_sending = threading.Lock()  # whoever has it takes from the line
_is_rest_due = False  # somebody will send what stands in the line by then
_others = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hints")


def configure(settings: Settings) -> None:
    """Tell this process which queue to hint on; opens no connection."""
    global _settings
    _settings = settings


def hint_run(run_id: str) -> bool:
    """Say that a run should be advanced; False when the queue did not take it. Call it after the commit."""
    return _hint([(ADVANCE, run_id)])


def hint_runs(run_ids: Sequence[str]) -> bool:
    """As :func:`hint_run`, for many runs in few round trips."""
    return _hint([(ADVANCE, run_id) for run_id in run_ids])


def hint_soon(run_id: str) -> None:
    """As :func:`hint_run`; while another thread is at it, this run goes along with others right after."""
    global _is_rest_due
    _line.append(run_id)
    if _sending.acquire(blocking=False):
        try:
            _send_next()
        finally:
            _sending.release()
    if _line and not _is_rest_due:  # not by this thread: somebody waits for its page, and more come while it sends
        _is_rest_due = True
        with suppress(RuntimeError):  # the process ends: the clock finds them
            _others.submit(_send_rest)


def _send_rest() -> None:
    global _is_rest_due
    _is_rest_due = False  # before the first look: who comes after it is sent, too
    while _line:
        with _sending:
            _send_next()


def _send_next() -> None:
    hint_runs([_line.popleft() for _ in range(min(len(_line), AT_ONCE))])


def hint_steps(steps: Sequence[tuple[str, bool]]) -> bool:
    """Say that step runs should be done: ids, each with whether it makes outward calls."""
    return _hint([(DO_STEP, step_run_id, is_outward) for step_run_id, is_outward in steps])


def hint_outbox(row_ids: Sequence[str]) -> bool:
    """Say that messages should be sent."""
    return _hint([(RELAY, row_id) for row_id in row_ids])


def job_queue(connection: Any) -> Queue:
    """Return the one queue over *connection*."""
    return Queue(queue.QUEUE, connection=connection, serializer=JSONSerializer)


def _hint(hints: Sequence[tuple[Any, ...]]) -> bool:
    if _settings is None or not hints:
        return False
    try:
        client = queue.enqueue_client(_settings)
        for first in range(0, len(hints), AT_ONCE):
            with client.pipeline(transaction=False) as pipe:
                ids = [_put(pipe, *hint) for hint in hints[first : first + AT_ONCE]]
                pipe.execute_command("RPUSH", QUEUE_KEY, *ids)
                pipe.execute()
    except (RedisError, OSError) as error:
        _log.warning("hint_lost", count=len(hints), error=repr(error))
        queue.note(error)
        return False
    queue.note(None)
    return True


def _put(pipe: Any, function: str, *arguments: Any) -> str:
    """Write a job as RQ reads it and return its id.

    By hand: RQ's own way costs twice as much, for columns that stay empty.
    """
    job_id, at = new_id(), utcformat(rq_now())
    data = _packed(JSONSerializer.dumps((function, None, arguments, {})))
    pipe.execute_command(
        "HSET", Job.key_for(job_id), "data", data, "description", function, "origin", queue.QUEUE, "status", "queued",
        "created_at", at, "enqueued_at", at, "timeout", -1, "result_ttl", 0, "failure_ttl", FAILURE_TTL_S,
    )  # fmt: skip
    return job_id


def _packed(data: bytes) -> bytes:
    """Compress as RQ wants it, with a window for 500 bytes: setting up the usual one takes 50 µs instead of 3."""
    small = zlib.compressobj(1, zlib.DEFLATED, 9, 1)
    return small.compress(data) + small.flush()


# --- the three jobs: what a worker does with a hint (see ``worker_process``) ---


def advance(run_id: str) -> None:
    """Advance a run with this worker's seat; may run twice."""
    from app.engine import runner, seat

    runner.advance(seat.own(), run_id)


def do_step(step_run_id: str, is_outward: bool = False) -> None:
    """Do a step run with this worker's seat; may run twice."""
    from app.engine import runner, seat

    runner.do_step(seat.own(), step_run_id)


def relay(row_id: str) -> None:
    """Send one message of the outbox; may run twice."""
    from app.core import outbox
    from app.engine import seat

    outbox.relay(seat.own().engine, row_id, owner=seat.own().owner)
