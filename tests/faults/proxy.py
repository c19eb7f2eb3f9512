"""A proxy in front of PostgreSQL that can cut a connection after it has let a COMMIT through and before its answer."""

import contextlib
import select
import socket
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

COMMIT = b"COMMIT"
SYNC = b"S\x00\x00\x00\x04"  # ends a statement of its own, or several in one pipeline: what was sent is committed


@dataclass
class Proxy:
    """Listens on a port of 127.0.0.1 and hands everything on to the server behind *server_url*.

    ``drop(3)``: the third COMMIT from now on (or what else *ends* a transaction), on whatever connection, goes through
    and its answer is lost.
    """

    server_url: str
    ends: bytes = COMMIT
    dropped: int = 0
    _countdown: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The server's address by way of this proxy."""
        parts = urlsplit(self.server_url)
        port = self._listener.getsockname()[1]
        return f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"

    def drop(self, number: int) -> None:
        """Cut the connection of the COMMIT that is the *number*-th from now, when it has gone through."""
        with self._lock:
            self._countdown = number

    def stop(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = self._connect()
        with client, server, contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if server in ready:
                    if not (answer := server.recv(65536)):
                        return
                    client.sendall(answer)
                if client in ready:
                    if not (words := client.recv(65536)):
                        return
                    server.sendall(words)
                    if self.ends in words and self._is_its_turn():
                        server.recv(65536)  # it is done; nobody hears of it
                        self.dropped += 1
                        return

    def _is_its_turn(self) -> bool:
        with self._lock:
            self._countdown -= 1
            return self._countdown == 0

    def _connect(self) -> socket.socket:
        parts = urlsplit(self.server_url)
        folder = parse_qs(parts.query).get("host", [""])[0]
        if folder.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{folder}/.s.PGSQL.{parts.port or 5432}")
            return server
        return socket.create_connection((parts.hostname, parts.port or 5432))
