"""Recovery: what a dead process held goes back at once, instead of when its leases run out."""

import structlog
from sqlalchemy.engine import Engine

from app.core.db import make_engine, transaction
from app.core.settings import Settings
from app.engine import jobs, store, timers

_log = structlog.get_logger(__name__)


def give_back(engine: Engine, owner: str, *, crashed: bool) -> list[str]:
    """Void all leases of *owner*; return the runs that should be hinted. Twice is once."""
    with transaction(engine) as session:
        runs = store.give_back_steps(session, owner, count_crash=crashed)
        for run_id in runs:
            store.wake_run(session, run_id)
        return sorted({*runs, *store.give_back_runs(session, owner)})


def janitor(settings: Settings, owner: str) -> None:
    """Clean up after the dead process *owner*, tick once, and be gone. A janitor that fails costs a lease, no more."""
    engine = make_engine(settings.sqlalchemy_url, pool=1)
    runs = give_back(engine, owner, crashed=True)
    _log.info("gave_back", owner=owner, runs=len(runs))
    timers.tick(engine, hint_runs=jobs.hint_runs, hint_outbox=jobs.hint_outbox)
    engine.dispose()
