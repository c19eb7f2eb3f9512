"""The loopback sink: a real HTTP server that logs every request and answers as it is told."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Sink:
    """Every request is a line ``key number``; *script* gives status codes for the first requests, then 200."""

    log: list[str] = field(default_factory=list)
    script: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    latency: threading.Event = field(default_factory=threading.Event)
    hold: bool = False

    def __post_init__(self) -> None:
        sink = self
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with lock:
                    sink.log.append(f"{self.headers['Idempotency-Key']} {self.path.partition('number=')[2]}")
                    status, headers = sink.script.pop(0) if sink.script else (200, {})
                if sink.hold:
                    sink.latency.wait(30)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self.latency.set()
        self._server.shutdown()
        self._server.server_close()
