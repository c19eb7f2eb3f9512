"""The web server: gunicorn with one process of threads, serving the application made before the fork."""

import logging
import os
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from app.core.settings import Settings
from app.supervisor import forks

GRACE_S = 20  # for requests under way: below the supervisor's 25 s
HANG_S = 60  # no sign of life from the server's own loop


def run(app: Flask, settings: Settings, ready: int) -> int:
    """Serve *app* until SIGTERM, one byte to the pipe *ready* when it answers; return the exit code."""
    logging.getLogger("gunicorn.error").setLevel(logging.WARNING)
    _Server(app, settings, ready).run()
    return 0


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


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, app: Flask, settings: Settings, ready: int) -> None:
        self._app = app
        self._ready = ready
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        host, port = address(self._settings)
        options = {
            "bind": f"{host}:{port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._settings.web_threads,
            "preload_app": True,  # it is loaded: gunicorn's own process and its child share it
            "graceful_timeout": GRACE_S,
            "timeout": HANG_S,
            "keepalive": 5,
            "accesslog": None,
            "logger_class": _Log,
            "control_socket_disable": True,
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108
            "when_ready": lambda _arbiter: forks.ignore_the_terminal(),
            "post_fork": self._post_fork,
            "post_worker_init": self._post_worker_init,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app

    def _post_fork(self, arbiter: Any, _worker: Any) -> None:
        forks.die_with(arbiter.pid)
        forget_connections(self._app)

    def _post_worker_init(self, _worker: Any) -> None:
        forks.ignore_the_terminal()
        os.write(self._ready, b"1")


def forget_connections(app: Flask) -> None:
    """Drop what a parent's pools may hold without closing it: those connections are the parent's."""
    from app.core.db import db

    with app.app_context():
        for engine in db.engines.values():
            engine.dispose(close=False)
