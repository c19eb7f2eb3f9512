"""The web server: gunicorn's worker of threads, run in the supervisor's child itself.

Gunicorn's arbiter would be one more process of some 25 MB that starts, watches and stops a single worker: the
supervisor does that already.
"""

import logging
import os
import socket
from collections.abc import Sequence
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from app.core import priority
from app.core.settings import Settings
from app.supervisor import forks, preflight
from app.supervisor.pulse import Pulse

GRACE_S = 20  # for requests under way: below the supervisor's 25 s
HANG_S = 60.0  # no sign of life from the server's own loop
LIVELY_S = 3.0  # it gives one every second
BACKLOG = 2048  # connections that wait while every server is busy, or is started again


def run(app: Flask, settings: Settings, ready: int, pulses: Sequence[Pulse], place: int) -> int:
    """Serve *app* until SIGTERM, one byte to the pipe *ready* when it answers; return the exit code.

    *pulses* are those of all servers, this one's is at *place*.
    """
    priority.keep_turns()
    priority.keep_core(place, len(pulses))
    logging.getLogger("gunicorn.error").setLevel(logging.WARNING)
    server = Server(app, settings)
    server.cfg.set("post_worker_init", lambda _worker: _say_ready(ready))
    others = [*pulses[:place], *pulses[place + 1 :]]
    Worker(server, forks.listening, pulses[place], others).init_process()
    return 0


def listen(settings: Settings) -> socket.socket:
    """Return the socket that all servers accept from: a connection is lost with none that dies before it took it."""
    listener = preflight.take_port(*address(settings))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # those accepted inherit it
    listener.listen(BACKLOG)
    return listener


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


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn's own, with two differences.

    Its sign of life goes to the supervisor, who kills it when none comes. And of several servers one whose threads are
    all busy leaves a new connection to those that hold fewer: all requests of a connection go to who took it.
    """

    def __init__(
        self, server: "Server", sockets: Sequence[socket.socket], pulse: Pulse, others: Sequence[Pulse]
    ) -> None:
        super().__init__(1, os.getppid(), sockets, server, HANG_S, server.cfg, _Log(server.cfg))
        self.pid, self._pulse, self._others = os.getpid(), pulse, others

    def notify(self) -> None:
        """Give the sign of life; called at least once a second, and after every event."""
        self._pulse.beat(self.nr_conns)
        self.set_accept_enabled(self._accepting)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take connections or leave them in the queue that all servers share."""
        super().set_accept_enabled(enabled and (self._has_a_free_thread or self.nr_conns <= self._fewest))

    @property
    def _has_a_free_thread(self) -> bool:
        return bool(self.nr_conns - len(self.keepalived_conns) - len(self.pending_conns) < self.cfg.threads)

    @property
    def _fewest(self) -> int:
        living = (pulse.held for pulse in self._others if pulse.is_fresh(LIVELY_S))
        return min(living, default=self.nr_conns)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """What gunicorn asks of an application: its settings, and the application itself."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's own."""
        options = {
            "threads": self._settings.web_threads,
            "graceful_timeout": GRACE_S,
            "keepalive": 5,
            "accesslog": None,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the application."""
        return self._app


def forget_connections(app: Flask) -> None:
    """Drop what a parent's pools may hold without closing it: those connections are the parent's."""
    from app.core.db import db

    with app.app_context():
        for engine in db.engines.values():
            engine.dispose(close=False)
