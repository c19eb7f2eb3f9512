"""The single dyno: one parent that imports everything, then forks web, worker and clock and keeps them alive.

A worker or clock dyno is the same parent with one child (``worker.py``). See ``docs/architecture.md``, Processes.
"""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import structlog
from flask import Flask

from app.core import logging, vitals
from app.core.errors import GreenlightError
from app.core.settings import Settings
from app.supervisor import forks, preflight, roles, web
from app.supervisor.child import Child
from app.supervisor.loop import Supervisor
from app.supervisor.pulse import Pulse
from app.supervisor.ward import Ward

if TYPE_CHECKING:
    from app.engine.quarantine import Line

ALL = ("web", "worker", "clock")
BAD_START = 2
HANG_S = 60.0  # a worker or a clock gives a sign of life every few seconds, however long its steps take

# Loaded before the fork, so that no child pays for its own copy. The AI libraries are not: one child alone uses them,
# and pages that it shared with others would be copied as soon as it counts references (measured: 15 MB more in all).
PRELOAD = (
    "app.engine.worker_process", "app.engine.clock_process", "app.engine.quarantine", "gunicorn.workers.gthread",
    "email.message", "smtplib", "ssl",
)  # fmt: skip

Guest = Callable[[Flask, Settings], int | None]


def main(wanted: Sequence[str] = ALL) -> int:
    """Run the processes *wanted* with the environment's settings until SIGTERM; return the exit code, 2: no start."""
    try:
        settings = Settings.from_env()
    except GreenlightError as error:
        return _refuse(error)
    if settings.serve == "web" and "web" in wanted:
        wanted = ("web",)
    return run(settings, wanted)


def run(
    settings: Settings,
    wanted: Sequence[str] = ALL,
    *,
    prepare: Guest | None = None,
    guest: Guest | None = None,
) -> int:
    """Run the processes *wanted*.

    Once, each in a child of its own: *prepare* before the others start (left out: the templates are brought up to
    date), *guest* when the web server answers.
    """
    logging.configure(settings)
    logging.name_process("supervisor")
    inherited = forks.open_sockets()
    redis: Child | None = None
    try:
        lock = _check_place(settings, wanted)
        checking = forks.fork(partial(_check, settings, wanted))
        if lock is not None:
            redis = Child("redis", lambda _owner: roles.keep_redis(settings), ends_last=True)
            redis.launch()
        app = load(settings)
        if code := forks.wait_for(checking):
            return _give_up(redis, code)
        vitals.share()
        forks.settle(inherited)
        if "web" in wanted:
            preparing = forks.fork(partial(_visit, prepare or roles.prepare, app, settings))
            if code := forks.wait_for(preparing):
                return _give_up(redis, code)
            forks.listening.append(web.listen(settings))
    except GreenlightError as error:
        return _give_up(redis, _refuse(error))
    children = [redis] if redis is not None else []
    line = _line()
    children += _children(app, settings, wanted, line, guest)
    tidy = partial(roles.tidy, app, settings, was_alone=True)
    ward = Ward(line, partial(roles.quarantine, app, settings), tidy, hang_s=HANG_S)
    return Supervisor(children, ward).run()


def load(settings: Settings) -> Flask:
    """Import everything that a child will use and return the application; opens nothing."""
    from app import create_app

    app = create_app(settings)
    for name in PRELOAD:
        import_module(name)
    app.jinja_env.cache  # noqa: B018 (made here, shared by the forks)
    return app


def _check_place(settings: Settings, wanted: Sequence[str]) -> int | None:
    """Check disk and port; return the lock of the data folder where this supervisor runs the embedded Redis."""
    preflight.check_disk(settings)
    if "web" not in wanted:
        return None
    preflight.take_port(*web.address(settings)).close()
    preflight.check_address(settings)
    if settings.redis_url:
        return None
    preflight.check_redis(settings)
    return preflight.take_folder(settings)


def _check(settings: Settings, wanted: Sequence[str]) -> int:
    """Check, in a child, what needs connections, which the parent must never have had."""
    try:
        if settings.redis_url:
            preflight.check_redis(settings)
        preflight.check_database(settings, wanted)
    except GreenlightError as error:
        return _refuse(error)
    return 0


def _line() -> "Line":
    from app.engine.quarantine import Line

    return Line()


def _children(
    app: Flask, settings: Settings, wanted: Sequence[str], line: "Line", guest: Guest | None
) -> Sequence[Child]:
    reader, ready = os.pipe()
    tidy = partial(roles.tidy, app, settings)
    known = {
        "web": _servers(app, settings, ready),
        "worker": [_laborer("worker", partial(roles.work, app, settings, line), tidy)],
        "clock": [_laborer("clock", partial(roles.tick, app, settings, line), tidy)],
    }
    children = [child for name in wanted for child in known[name]]
    if "web" in wanted and settings.is_production:
        children.append(Child("setup", lambda _owner: roles.say_setup_link(app, settings), once=True))
    if guest is not None:
        children.append(Child("guest", lambda _owner: _receive(guest, app, settings, reader), once=True))
    return children


def _servers(app: Flask, settings: Settings, ready: int) -> list[Child]:
    pulses = [Pulse(web.HANG_S) for _ in range(settings.servers)]
    start = partial(roles.serve_web, app, settings, ready, pulses)
    return [_server(start, place, pulse) for place, pulse in enumerate(pulses)]


def _server(start: Callable[[int], int], place: int, pulse: Pulse) -> Child:
    name = f"web {place + 1}" if place else "web"
    return Child(name, lambda _: start(place), is_vital=True, listens=True, pulse=pulse)


def _laborer(name: str, start: Callable[[Pulse, str], int], tidy: Callable[[str], int]) -> Child:
    pulse = Pulse(HANG_S)
    return Child(name, partial(start, pulse), tidy=tidy, pulse=pulse)


def _receive(guest: Guest, app: Flask, settings: Settings, ready: int) -> int | None:
    os.read(ready, 1)
    return _visit(guest, app, settings)


def _visit(guest: Guest, app: Flask, settings: Settings) -> int | None:
    web.forget_connections(app)
    with app.app_context():
        return guest(app, settings)


def _refuse(error: GreenlightError) -> int:
    sys.stderr.write(f"Greenlight cannot start: {error.message}\n")
    return BAD_START


def _give_up(redis: Child | None, code: int) -> int:
    if redis is not None and redis.pid is not None:
        redis.signal(15)
        forks.wait_for(redis.pid)
    structlog.get_logger(__name__).debug("gave up", exit_code=code)
    return code
