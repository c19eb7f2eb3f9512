"""The web server: gunicorn's worker of threads, run in the supervisor's child itself.

Gunicorn's arbiter would be one more process of some 25 MB that starts, watches and stops a single worker: the
supervisor does that already.
"""

import logging
import os
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.sock import create_sockets
from gunicorn.workers.gthread import ThreadWorker

from app.core.settings import Settings
from app.supervisor import forks
from app.supervisor.pulse import Pulse

GRACE_S = 20  # for requests under way: below the supervisor's 25 s
HANG_S = 60.0  # no sign of life from the server's own loop


def run(app: Flask, settings: Settings, ready: int, pulse: Pulse) -> int:
    """Serve *app* until SIGTERM, one byte to the pipe *ready* when it answers; return the exit code."""
    logging.getLogger("gunicorn.error").setLevel(logging.WARNING)
    server = _Server(app, settings)
    server.cfg.set("post_worker_init", lambda _worker: _say_ready(ready))
    log = _Log(server.cfg)
    sockets = create_sockets(server.cfg, log)
    worker = _Worker(1, os.getppid(), sockets, server, HANG_S, server.cfg, log)
    worker.pid, worker.pulse = os.getpid(), pulse
    worker.init_process()
    return 0


def _say_ready(ready: int) -> None:
    forks.ignore_the_terminal()  # gunicorn has just set handlers of its own
    os.write(ready, b"1")


def address(settings: Settings) -> tuple[str, int]:
    """Return host and port to listen on: this machine alone in development, all networks in production."""
    return settings.host or ("0.0.0.0" if settings.is_production else "127.0.0.1"), settings.port  # noqa: S104


class _Log(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Hands gunicorn's lines to ours; requests are logged by the application or the router in front."""

    def setup(self, cfg: Any) -> None:
        self.loglevel = logging.WARNING
        self.error_log.propagate = True
        self.error_log.handlers = []
        self.access_log.handlers = []


class _Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn's own, but its sign of life goes to the supervisor, who kills it when none comes."""

    pulse: Pulse

    def notify(self) -> None:
        self.pulse.beat()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """What gunicorn asks of an application: its settings, and the application itself."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        host, port = address(self._settings)
        options = {
            "bind": f"{host}:{port}",
            "reuse_port": self._settings.web_processes > 1,  # the system deals connections out
            "threads": self._settings.web_threads,
            "graceful_timeout": GRACE_S,
            "keepalive": 5,
            "accesslog": None,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


def forget_connections(app: Flask) -> None:
    """Drop what a parent's pools may hold without closing it: those connections are the parent's."""
    from app.core.db import db

    with app.app_context():
        for engine in db.engines.values():
            engine.dispose(close=False)
