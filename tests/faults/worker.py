"""A worker or clock process with the engine's test step types: ``python -m tests.faults.worker worker|clock``."""

import sys

from app.core import outbox
from app.core.settings import Settings
from app.engine import clock_process, jobs, worker_process
from tests.engine import rig
from tests.faults import mailsink


def main() -> int:
    settings = Settings.from_env()
    rig.bind()
    jobs.configure(settings)
    outbox.channel("email", mailsink.deliver)
    role = sys.argv[1]
    owner = worker_process.default_owner(role)
    process = clock_process if role == "clock" else worker_process
    return process.run(settings, owner)


if __name__ == "__main__":
    sys.exit(main())
