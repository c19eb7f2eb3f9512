"""The heartbeat: one thread with a connection of its own extends the leases that this process holds."""

import math
import threading
import time
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy.engine import Engine

from app.core.db import write_alone
from app.engine import leases
from app.engine.seat import Seat

GRACE_S = 15.0  # a step's lease outlives its deadline by at most this
OVERDUE_S = 60.0  # busy this long past its deadline: the worker cannot be trusted any more

_log = structlog.get_logger(__name__)


def beat(seat: Seat, engine: Engine, on_overdue: Callable[[], None]) -> None:
    """Extend leases every quarter of their length until the seat ends; call *on_overdue* when a thread hangs."""
    seat.alive.say("heartbeat")
    while not seat.is_over.wait(seat.lease_s / 4):
        seat.alive.say("heartbeat")
        try:
            extend(seat, engine)
        except Exception:  # noqa: BLE001 (a database that is away: the next beat tries again)
            _log.exception("heartbeat_failed")
        if is_overdue(seat):
            on_overdue()


def is_overdue(seat: Seat) -> bool:
    """Tell whether a thread is still busy with a step long after its deadline."""
    deadlines = [deadline for _, deadline in list(seat.held.steps.values())] + list(seat.held.until.values())
    return any(time.monotonic() > deadline + OVERDUE_S for deadline in deadlines)


def extend(seat: Seat, engine: Engine) -> None:
    """Extend every lease once, at most to 15 s after the deadline of the step that is done under it.

    Each by itself: whoever waits for one of these rows is not waited for.
    """
    now = time.monotonic()
    runs = [
        {"b_id": run_id, "b_token": epoch, "b_lease_s": min(seat.lease_s, until + GRACE_S - now)}
        for run_id, epoch in list(seat.held.runs.items())
        if (until := seat.held.until.get(run_id, math.inf)) + GRACE_S > now
    ]
    steps = [
        {"b_id": step_id, "b_token": fence, "b_lease_s": min(seat.lease_s, deadline + GRACE_S - now)}
        for step_id, (fence, deadline) in list(seat.held.steps.items())
        if deadline + GRACE_S > now
    ]
    for step in steps:
        write_alone(engine, partial(leases.extend_leases, runs=[], steps=[step]))
    for run in runs:
        write_alone(engine, partial(leases.extend_leases, runs=[run], steps=[]))


def start(seat: Seat, engine: Engine, on_overdue: Callable[[], None]) -> threading.Thread:
    """Start the heartbeat's thread."""
    thread = threading.Thread(target=beat, args=(seat, engine, on_overdue), name="heartbeat", daemon=True)
    thread.start()
    return thread
