"""A worker or clock process with the engine's test step types: ``python -m tests.faults.worker worker|clock``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app.core import crash, logging, outbox
from app.core.settings import Settings
from app.core.sqlite import Serial
from app.engine import catalog, clock_process, jobs, worker_process
from app.features.runs import listeners
from tests.engine import rig
from tests.faults import mailsink, parent


def load() -> None:
    """Import and bind everything; opens nothing."""
    rig.bind()
    listeners.register()
    outbox.channel("email", mailsink.deliver)


def be(role: str, *, without: str = "") -> int:
    """Be what *role* says until SIGTERM; *without*: a step type that this version does not know."""
    settings = Settings.from_env()
    logging.configure(settings)
    jobs.configure(settings)
    if without:
        catalog._types.pop(without)  # an older version: the type was never there
    if settings.is_sqlite and settings.crash_at.endswith(":stop"):
        crash.quiet = between_transactions
    if role == "parent":
        return parent.be(settings)
    process = clock_process if role == "clock" else worker_process
    return process.run(settings, worker_process.default_owner(role))


@contextmanager
def between_transactions() -> Iterator[None]:
    """Freeze while no thread has SQLite's write lock: with it, nobody could write until this process wakes."""
    assert Serial._turns.take(30)
    try:
        yield
    finally:
        Serial._turns.give_back()


if __name__ == "__main__":
    load()
    sys.exit(be(*sys.argv[1:]))
