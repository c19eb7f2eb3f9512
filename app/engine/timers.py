"""The tick: the clock's one question, every second: what is due? It may run twice, late, and on several machines."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.core import crash, outbox
from app.core.db import changed, moment, table, transaction
from app.engine import leases, store
from app.engine.models import Beat
from app.engine.planner import HINT_AGAIN_S
from app.engine.ports import bound

BEAT_EVERY = 5  # ticks between two notes that the clock lives


def tick(
    engine: Engine,
    *,
    hint_runs: Callable[[Sequence[str]], object],
    hint_outbox: Callable[[Sequence[str]], object],
    count: int = 0,
    hint_again_s: float = HINT_AGAIN_S,
) -> int:
    """Find what is due, push it on by *hint_again_s*, hint it; return how much it was.

    A schedule that is due has a transaction of its own, in which it starts its run and moves on to its next due time.
    """
    with transaction(engine) as session:
        runs = leases.due_runs(session, hint_again_s=hint_again_s)
        messages = outbox.due(session)
        schedules = bound.due_schedules(session)
        if count % BEAT_EVERY == 0:
            _note(session)
        crash.point("in_sweep")
    if runs:
        hint_runs(runs)
    if messages:
        hint_outbox(messages)
    for schedule_id in schedules:
        if begun := bound.start_scheduled(engine, schedule_id):
            hint_runs(begun)
    return len(runs) + len(messages) + len(schedules)


def _note(session: store.Bind) -> None:
    beat = table(Beat)
    if changed(session.execute(sa.update(beat).where(beat.c.name == "clock").values(at=moment()))) == 0:
        session.execute(sa.insert(beat).values(name="clock", at=moment()))
