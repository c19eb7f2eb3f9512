"""Recovery: what a dead process held goes back at once, instead of when its leases run out."""

from contextlib import suppress

import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core.db import AWAY, insist, make_engine
from app.core.settings import Settings
from app.engine import jobs, leases, store, timers

_log = structlog.get_logger(__name__)


def give_back(engine: Engine, owner: str, *, is_dead: bool = False, was_alone: bool = False) -> list[str]:
    """Void all leases of *owner*; return the runs that should be hinted. Twice is once.

    What a dead process held is suspect and done alone next time; *was_alone*: it was, so the death is counted.
    """

    def write(session: Session) -> list[str]:
        runs = leases.give_back_steps(session, owner, is_dead=is_dead, was_alone=was_alone)
        for run_id in runs:
            store.wake_run(session, run_id)
        return sorted({*runs, *leases.give_back_runs(session, owner, is_dead=is_dead)})

    return insist(engine, write, patience_s=0)


def give_back_at_end(engine: Engine, owner: str) -> list[str]:
    """As :func:`give_back` when a process ends by itself; where the database is away that costs a lease, no more."""
    with suppress(*AWAY):
        return give_back(engine, owner)
    return []


def janitor(settings: Settings, owner: str, *, was_alone: bool = False) -> None:
    """Clean up after the dead process *owner*, tick once, and be gone. A janitor that fails costs a lease, no more."""
    engine = make_engine(settings.sqlalchemy_url, pool=1)
    runs = give_back(engine, owner, is_dead=True, was_alone=was_alone)
    _log.info("gave_back", owner=owner, runs=len(runs))
    timers.tick(engine, hint_runs=jobs.hint_runs, hint_outbox=jobs.hint_outbox)
    engine.dispose()
