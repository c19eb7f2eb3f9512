"""What must be right before the start. Every fault is one sentence that says what to do; the start then ends with 2."""

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from app.core import queue, redis_server
from app.core.db import CLOCK_POOL, HEARTBEAT_POOL, WORKER_POOL, web_pool
from app.core.errors import GreenlightError
from app.core.settings import ROOT, Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

CONNECT_S = 5
ROLES = ("web", "worker", "clock")
# The least of the server's limit (without what it keeps for its owner), the role's and the database's; -1 is none.
CONNECTION_LIMIT = """
SELECT min(most) FROM (
  SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most
  UNION ALL SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user AND NOT rolsuper
  UNION ALL SELECT datconnlimit FROM pg_database WHERE datname = current_database()
) limits WHERE most >= 0
"""
FILLING = 4_711_001  # the advisory lock under which tables are made; it ends with the connection
UPGRADE = "python -m alembic -c migrations/alembic.ini upgrade head"

_log = structlog.get_logger(__name__)


class NotReady(GreenlightError):
    """Something that the start needs is not there; the message is for the person who starts it."""

    code = "not_ready"


def check_disk(settings: Settings) -> None:
    """Refuse a data folder that cannot be written, and SQLite on a disk that is lost at the next restart."""
    if settings.is_sqlite and settings.dyno and not settings.allow_ephemeral:
        raise NotReady(
            "The database would be a file on this dyno’s disk, which is lost at every restart: set DATABASE_URL to a "
            "PostgreSQL database, or set ALLOW_EPHEMERAL=1 to lose the data knowingly."
        )
    if settings.is_sqlite or not settings.redis_url:
        folder = (
            _sqlite_file(settings).parent
            if settings.database_url and settings.is_sqlite
            else settings.data_path
        )
        for path in {folder, settings.data_path}:
            _check_folder(path)


def check_address(settings: Settings) -> None:
    """Warn when no public address is set: requests for any name but this machine's own are refused then."""
    if settings.is_production and not settings.base_url:
        _log.warning("BASE_URL is not set: only localhost is answered, and links in mail lead there")


def take_port(host: str, port: int) -> socket.socket:
    """Return a socket at the port; raise :class:`NotReady` where another program holds it or it may not be used."""
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except (OSError, OverflowError) as error:
        taken.close()
        raise NotReady(_why_no_port(host, port, error)) from None
    return taken


def _why_no_port(host: str, port: int, error: Exception) -> str:
    if not isinstance(error, OSError):
        return f"PORT is {port}: it must be between 1 and 65535."
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is taken by another program: stop it, or choose another port "
            f"(bin/dev --port {port + 1}, or PORT={port + 1})."
        )
    return f"Port {port} on {host} cannot be used ({error.strerror}): choose another PORT."


def take_folder(settings: Settings) -> int:
    """Lock the data folder for this supervisor, whose embedded Redis lives there; return the lock's descriptor."""
    settings.data_path.mkdir(parents=True, exist_ok=True)
    path = settings.data_path / "serve.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise NotReady(
            f"Greenlight already runs with the folder {settings.data_path} (process {holder}): stop it, or set "
            "DATA_DIR to another folder."
        ) from None
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def check_redis(settings: Settings) -> None:
    """Refuse a Redis whose certificate cannot be checked; only warn of one that is not there: it may come back."""
    if not settings.redis_url:
        redis_server.find()
        return
    import redis

    queue.warn_of_open_certificate(settings)
    host = urlsplit(settings.redis_url).hostname or "unknown"
    try:
        with queue.worker_client(settings, connections=1, timeout_s=CONNECT_S) as client:
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
        if policy != "noeviction":
            _log.warning("Redis may throw hints away: set maxmemory-policy to noeviction", policy=policy)
    except ValueError as error:
        raise NotReady(f"REDIS_URL cannot be read ({error}): use redis://, rediss:// or unix://.") from None
    except redis.AuthenticationError:
        raise NotReady(f"Redis at {host} refuses the password in REDIS_URL.") from None
    except redis.ResponseError:
        pass  # hosted servers do not let CONFIG be read
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise NotReady(
                f"The certificate of Redis at {host} cannot be checked: to accept it, add "
                "?ssl_cert_reqs=none to REDIS_URL."
            ) from None
        _log.warning("Redis does not answer; runs go on without it, a little later", host=host)


def check_database(settings: Settings, roles: Sequence[str] = ROLES) -> None:
    """Refuse a database that cannot be reached or gives fewer connections than *roles* keep.

    Bring its tables up to date, or say the command that does.
    """
    import sqlalchemy as sa

    try:
        engine = _engine(settings)
        with engine.connect() as connection:
            if not settings.is_sqlite:
                _check_connections(connection, _connections(settings, roles))
            _check_revision(connection, settings)
            if settings.is_sqlite:
                _forget_figures(connection)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError):
        raise NotReady(
            "DATABASE_URL cannot be read: use postgresql://user:password@host:5432/name, or leave it empty for SQLite."
        ) from None
    except sa.exc.OperationalError as error:
        cause = " ".join(str(error.orig).split()) or "no reason given"
        where = (
            f"The file {_sqlite_file(settings)}"
            if settings.is_sqlite
            else f"The database at {_host(settings)}"
        )
        raise NotReady(f"{where} cannot be reached: {cause[:300]}. Check DATABASE_URL.") from None


def _connections(settings: Settings, roles: Sequence[str]) -> int:
    kept = {
        "web": settings.servers * web_pool(settings.servers),
        "worker": WORKER_POOL + HEARTBEAT_POOL,
        "clock": CLOCK_POOL,
    }
    return sum(kept[role] for role in roles)


def _check_connections(connection: "Connection", needed: int) -> None:
    """Compare what our processes keep at most with what the server, the database and the role give."""
    import sqlalchemy as sa

    most = connection.scalar(sa.text(CONNECTION_LIMIT))
    connection.rollback()
    if most is None:
        return
    if most < needed:
        raise NotReady(
            f"The database gives at most {most} connections, and Greenlight keeps up to {needed} here: raise the "
            "limit (ALTER ROLE … CONNECTION LIMIT, or max_connections), or choose a larger plan."
        )
    if most < 2 * needed:
        _log.warning(
            "few database connections: during a deploy, old and new processes need twice as many",
            limit=most,
            needed=2 * needed,
        )


def _forget_figures(connection: "Connection") -> None:
    """Drop what somebody's ANALYZE wrote: by it SQLite takes each status to be of as many runs, and reads all for few.

    Statements are written for the plans that it makes without. With 100,000 runs a page took 120 ms instead of 7.
    """
    import sqlalchemy as sa

    written = sa.text("SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat_'")
    for name in connection.execute(written).scalars().all():
        connection.execute(sa.text(f"DROP TABLE {name}"))
    connection.commit()


def _check_revision(connection: "Connection", settings: Settings) -> None:
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config(str(ROOT / "migrations" / "alembic.ini"))
    script = ScriptDirectory.from_config(config)
    if not settings.is_sqlite:  # two machines that start at once on an empty database fill it once
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": FILLING})
    head, revision = script.get_current_head(), MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    if revision == head:
        return
    known = {step.revision for step in script.walk_revisions()}
    if revision is not None and revision not in known:
        if settings.is_sqlite:
            raise NotReady(
                f"The database is of a newer Greenlight ({revision}): use that version of the program."
            )
        _log.warning(
            "the database is of a newer Greenlight", revision=revision
        )  # a rollback, or an overlap of deploys
        return
    if revision is not None and settings.is_production and not settings.is_sqlite:
        raise NotReady(
            f"The database’s tables are not up to date ({revision}, not {head}): run {UPGRADE}"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()
    _log.info("the database’s tables are up to date", revision=head, before=revision or "empty")


def _engine(settings: Settings) -> "Engine":
    import sqlalchemy as sa

    options: dict[str, Any] = {} if settings.is_sqlite else {"connect_timeout": CONNECT_S}
    return sa.create_engine(settings.sqlalchemy_url, poolclass=sa.pool.NullPool, connect_args=options)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise NotReady(
            f"The folder {folder} cannot be written ({error.strerror}): change its owner, or set DATA_DIR to "
            "another one."
        ) from None


def _sqlite_file(settings: Settings) -> Path:
    return Path(settings.sqlalchemy_url.partition(":///")[2].partition("?")[0])


def _host(settings: Settings) -> str:
    parts = urlsplit(settings.sqlalchemy_url)
    try:
        return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
    except ValueError:
        return parts.hostname or "localhost"
