"""The loopback sink: a real HTTP server that logs every request and answers as it is told."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESET = 0  # in a script: take the request, then cut the connection without an answer


@dataclass(frozen=True)
class Request:
    """One request as it came: under which key, for what, when (seconds since the epoch)."""

    key: str
    about: str
    at: float

    @property
    def line(self) -> str:
        """Key and number or recipient, as :attr:`Sink.log` has it."""
        return f"{self.key} {self.about}"


@dataclass
class Sink:
    """Every request is a line ``key number``; *script* gives status codes for the first requests, then 200.

    ``hold`` keeps answers back until ``latency`` is set, ``slow_s`` makes every answer take that long, ``meanwhile``
    happens while a request is under way.
    """

    script: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    latency: threading.Event = field(default_factory=threading.Event)
    hold: bool = False
    slow_s: float = 0.0
    meanwhile: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        sink = self
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with lock:
                    about = self.path.partition("number=")[2]
                    sink.requests.append(Request(self.headers["Idempotency-Key"], about, time.time()))
                    status, headers = sink.script.pop(0) if sink.script else (200, {})
                if sink.meanwhile is not None:
                    sink.meanwhile()
                if status == RESET:
                    self._reset()
                    return
                if sink.hold:
                    sink.latency.wait(30)
                if sink.slow_s:
                    time.sleep(sink.slow_s)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"thanks")

            def _reset(self) -> None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request: object, client_address: object) -> None:
                """A killed client is part of the game."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def log(self) -> list[str]:
        """All requests as lines."""
        return [request.line for request in self.requests]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self.latency.set()
        self._server.shutdown()
        self._server.server_close()
