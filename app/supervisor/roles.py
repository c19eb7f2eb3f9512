"""What each child does. Every function here runs in a freshly forked process and returns its exit code."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from flask import Flask

from app.core import logging, redis_server
from app.core.db import db, transaction
from app.core.settings import Settings
from app.supervisor import forks, web
from app.supervisor.pulse import Pulse

if TYPE_CHECKING:
    from app.engine.quarantine import Line


def serve_web(app: Flask, settings: Settings, ready: int, pulses: Sequence[Pulse], place: int) -> int:
    """Answer pages; write one byte to the pipe *ready* when it does."""
    _begin("web", app)
    return web.run(app, settings, ready, pulses, place)


def work(app: Flask, settings: Settings, line: "Line", pulse: Pulse, owner: str) -> int:
    """Do steps."""
    from app.engine import worker_process
    from app.features.ai import service as ai

    _begin("worker", app)
    ai.warm()
    return worker_process.run(settings, owner, line.ask, pulse.beat)


def tick(app: Flask, settings: Settings, line: "Line", pulse: Pulse, owner: str) -> int:
    """Ask every second what is due."""
    from app.engine import clock_process

    _begin("clock", app)
    return clock_process.run(settings, owner, line.ask, pulse.beat)


def quarantine(app: Flask, settings: Settings, pulse: Pulse, step_run_id: str, owner: str) -> int:
    """Do one suspect step."""
    from app.engine import quarantine

    _begin("quarantine", app)
    return quarantine.run(settings, owner, step_run_id, pulse.beat)


def tidy(app: Flask, settings: Settings, owner: str, *, was_alone: bool = False) -> int:
    """Void the leases of a dead *owner*, so that its work goes on at once; *was_alone* counts its death."""
    from app.engine import recovery

    _begin("janitor", app)
    with app.app_context():
        recovery.janitor(settings, owner, was_alone=was_alone)
    return 0


def prepare(app: Flask, settings: Settings) -> int:
    """Bring the templates up to date; where another dyno does it at the same moment, its work is ours."""
    from sqlalchemy.exc import IntegrityError

    from app.features.gallery import service

    _begin("prepare", app)
    with suppress(IntegrityError), transaction(db.engine) as session:
        service.seed_templates(session)
    return 0


def say_setup_link(app: Flask, settings: Settings) -> int:
    """Log the one-time link that makes the first owner, while there is none."""
    from app.features.accounts import service

    _begin("setup", app)
    with app.app_context(), transaction(db.engine) as session:
        link = service.setup_link(session, settings.public_url)
    if link:
        structlog.get_logger(__name__).warning(
            "there is no owner yet: open this link, it works once", link=link
        )
    return 0


def keep_redis(settings: Settings) -> int:
    """Become the embedded Redis; where no signal tells of the parent's death, stay beside it and end it with us."""
    os.setpgid(0, 0)  # Redis would take a Ctrl-C for itself
    command = redis_server.command(settings)
    if forks.HAS_DEATH_SIGNAL:
        os.execv(command[0], command)  # noqa: S606
    server = subprocess.Popen(command)  # noqa: S603
    forks.last_wish = server.kill
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    return server.wait()


def _begin(role: str, app: Flask) -> None:
    logging.name_process(role)
    web.forget_connections(app)
