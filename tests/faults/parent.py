"""A parent with a worker, a clock and a ward, as ``bin/greenlight serve`` is, on the engine's test step types."""

import resource
from functools import partial

from app.core import logging
from app.core.settings import Settings
from app.engine import clock_process, quarantine, recovery, worker_process
from app.supervisor import forks, loop
from app.supervisor.child import Child
from app.supervisor.pulse import Pulse
from app.supervisor.ward import Ward


def be(settings: Settings) -> int:
    """Keep a worker and a clock until SIGTERM."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # steps abort here on purpose
    loop.DOUBT_S = 0.1
    line = quarantine.Line()
    roles = {"worker": worker_process.run, "clock": clock_process.run}
    children = [
        Child(name, lambda owner, run=run: run(settings, owner, line.ask), tidy=partial(tidy, settings))
        for name, run in roles.items()
    ]
    ward = Ward(line, partial(do_alone, settings), partial(tidy, settings, was_alone=True), hang_s=3.0)
    forks.settle(forks.open_sockets())
    return loop.Supervisor(children, ward).run()


def do_alone(settings: Settings, pulse: Pulse, step_run_id: str, owner: str) -> int:
    logging.name_process("quarantine")
    return quarantine.run(settings, owner, step_run_id, pulse.beat)


def tidy(settings: Settings, owner: str, *, was_alone: bool = False) -> int:
    logging.name_process("janitor")
    recovery.janitor(settings, owner, was_alone=was_alone)
    return 0
