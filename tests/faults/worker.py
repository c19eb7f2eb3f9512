"""A worker or clock process with the engine's test step types: ``python -m tests.faults.worker worker|clock``."""

import sys

from app.core import logging, outbox
from app.core.settings import Settings
from app.engine import catalog, clock_process, jobs, worker_process
from tests.engine import rig
from tests.faults import mailsink


def load() -> None:
    """Import and bind everything; opens nothing."""
    rig.bind()
    outbox.channel("email", mailsink.deliver)


def be(role: str, *, without: str = "") -> int:
    """Be what *role* says until SIGTERM; *without*: a step type that this version does not know."""
    settings = Settings.from_env()
    logging.configure(settings)
    jobs.configure(settings)
    if without:
        catalog._types.pop(without)  # an older version: the type was never there
    process = clock_process if role == "clock" else worker_process
    return process.run(settings, worker_process.default_owner(role))


if __name__ == "__main__":
    load()
    sys.exit(be(*sys.argv[1:]))
