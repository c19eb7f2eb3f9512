"""The database: one declarative base, one session class, engines for PostgreSQL and for SQLite as one host needs it."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm import registry as orm_registry
from sqlalchemy.sql import expression
from sqlalchemy.types import TypeDecorator

from app.core import postgresql, sqlite
from app.core.sqlite import BUSY_S
from app.core.together import Line, Writing

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
# Connections to PostgreSQL that each process keeps at most: what the start compares with what the server gives.
WORKER_POOL, HEARTBEAT_POOL, CLOCK_POOL = 4, 1, 1
PAGE_WAIT_S = 12.0  # how long a page waits for a free connection to PostgreSQL: so long 24 that take a second wait

# What a database that is busy or away makes a statement raise: no fault of whoever asked.
AWAY = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)
AT_ONCE = ("40P01", "40001")  # a deadlock, a serialisation failure: the other one has what it wanted

T = TypeVar("T")
Value: TypeAlias = T | sa.BindParameter[T]  # in a condition: what is known, or is bound later


def web_pool(servers: int) -> int:
    """Return how many connections each of *servers* processes that answer pages keeps: small plans give 20 in all."""
    return 3 if servers == 1 else 2


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC on both databases; SQLite keeps it as text that sorts."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Use ``timestamptz`` on PostgreSQL."""
        return dialect.type_descriptor(
            TIMESTAMP(timezone=True) if dialect.name == "postgresql" else sa.DateTime()
        )

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive moments, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give aware UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of every model; constraint names are made by one rule so that migrations can name them."""

    registry = orm_registry(
        metadata=sa.MetaData(naming_convention=NAMING),
        type_annotation_map={
            datetime: UtcDateTime(),
            dict[str, Any]: sa.JSON(),
            list[Any]: sa.JSON(),
            str: sa.Text(),
        },
    )


class moment(expression.FunctionElement[datetime]):  # noqa: N801 (an SQL function, written like one)
    """The database's clock now, or *after_s* seconds from now: ``moment()``, ``moment(60)``."""

    type = UtcDateTime()
    inherit_cache = True
    name = "moment"

    def __init__(self, after_s: Any = None) -> None:
        is_number = isinstance(after_s, int | float)
        after = expression.literal(after_s, sa.Float()) if is_number else after_s
        super().__init__(*(() if after is None else (after,)))


@compiles(moment, "postgresql")
def _moment_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    if not len(element.clauses):
        return "clock_timestamp()"
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


@compiles(moment, "sqlite")
def _moment_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    if not len(element.clauses):
        return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
    return (
        f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({compiler.process(element.clauses, **kw)}) || ' seconds')"
    )


def moment_once(after_s: float | None = None) -> sa.ScalarSelect[datetime]:
    """Return the database's clock, read once a statement, so that an index ends where nothing more is due.

    ``moment()`` is read row by row.
    """
    return sa.select(moment(after_s)).scalar_subquery()


class elapsed(expression.FunctionElement[float]):  # noqa: N801 (an SQL function, written like one)
    """The seconds between two moments, as an index can hold them: ``elapsed(Run.started_at, Run.finished_at)``."""

    type = sa.Float()
    inherit_cache = True
    name = "elapsed"


@compiles(elapsed, "postgresql")
def _elapsed_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    began, ended = (compiler.process(each, **kw) for each in element.clauses)
    return f"CAST(EXTRACT(epoch FROM {ended} - {began}) AS DOUBLE PRECISION)"


@compiles(elapsed, "sqlite")
def _elapsed_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    began, ended = (compiler.process(each, **kw) for each in element.clauses)
    return f"round((julianday({ended}) - julianday({began})) * 86400.0, 3)"


def make_engine(
    url: str, *, reading: bool = False, pool: int = 4, wait_s: float = BUSY_S, statement_timeout_s: int = 15,
    is_fair: bool = False,
) -> Engine:  # fmt: skip
    """Return an engine for *url*, set up as its database needs; *reading* refuses to write on SQLite.

    *is_fair* hands a free connection of PostgreSQL to the thread that has waited longest.
    """
    options: dict[str, Any] = {"json_serializer": to_json}
    if url.startswith("sqlite"):
        return sqlite.make_engine(url, reading=reading, pool=max(pool, 2), wait_s=wait_s, options=options)
    return postgresql.make_engine(
        url, pool=pool, wait_s=wait_s, statement_timeout_s=statement_timeout_s, is_fair=is_fair, options=options
    )


def close_after_use(session: Session) -> None:
    """Have *session*'s connection closed instead of kept: libpq's buffer stays as large as the largest row it sent."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection().info[postgresql.SWOLLEN] = True


to_json: Callable[[Any], str] = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
).encode  # made once: json.dumps makes an encoder for every call with options


class RoutedSession(FlaskSession):
    """A session that only reads while ``info["reading"]`` is set, through the engine for that."""

    def get_bind(self, mapper: Any = None, clause: Any = None, bind: Any = None, **kw: Any) -> Any:
        """Choose between the writing and the reading engine."""
        if self.info.get("reading"):
            return _reading_bind(self, clause)
        return super().get_bind(mapper, clause, bind, **kw)


class ReadingSession(Session):
    """A session that only reads."""

    def get_bind(self, *_: Any, clause: Any = None, **__: Any) -> Any:
        """Return the engine for that."""
        return _reading_bind(self, clause)


def _reading_bind(session: Session, clause: Any) -> Engine:
    """Return the engine for a session that only reads, and refuse what would write.

    SQLite refuses what is written as text too: its connections for reading can do nothing else. PostgreSQL's are those
    that write as well, and to change one with each use would cost a round trip.
    """
    if session._flushing or getattr(clause, "is_dml", False):
        raise sa.exc.InvalidRequestError("a session that only reads was to write")
    return _readers(db.engine)


def _readers(engine: Engine) -> Engine:
    """Return what sessions that only read take their connections from.

    On PostgreSQL they need no transaction: each statement sees what is committed, within one too. A ROLLBACK at its end
    would cost a round trip, and at it the driver forgets all statements that the server has prepared.
    """
    if engine.dialect.name != "postgresql":
        return _reader()
    return _kept("without transactions", engine, lambda of: of.execution_options(isolation_level="AUTOCOMMIT"))


class Database(SQLAlchemy):
    """Flask-SQLAlchemy with our engines: the default one writes, the bind ``reading`` cannot."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Any) -> Engine:
        url = options["url"]
        text = url.render_as_string(hide_password=False) if isinstance(url, URL) else str(url)
        pool = int(app.config.get("DATABASE_POOL", 4))
        wait_s = BUSY_S if text.startswith("sqlite") else PAGE_WAIT_S
        return make_engine(text, reading=bind_key == "reading", pool=pool, wait_s=wait_s, is_fair=True)


db = Database(model_class=Base, session_options={"class_": RoutedSession, "expire_on_commit": False})

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


def table(model: type[Any]) -> sa.Table:
    """Return the table of a model, for statements built once at import."""
    return cast("sa.Table", model.__table__)


def changed(result: sa.Result[Any]) -> int:
    """Return how many rows a statement changed: what every guarded write must look at."""
    return cast("sa.CursorResult[Any]", result).rowcount


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Open a session of its own on *engine*, commit at the end, roll back on an error. Not the request's session."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def statement(engine: Engine) -> Iterator[Connection]:
    """Open a connection for one statement that is its own transaction: on PostgreSQL one round trip, not three.

    On SQLite it is a transaction like any other.
    """
    if engine.dialect.name == "postgresql":
        with postgresql.autocommit(engine) as connection:
            yield connection
    else:
        with sqlite.statement(engine) as connection:
            yield connection


def write_alone(engine: Engine, write: Callable[[Any], T]) -> T:
    """Run *write* with a session in a transaction of its own and return what it returns."""
    with transaction(engine) as session:
        return write(session)


def write_small(engine: Engine, make: Callable[[], Writing[T]], *, locks: str) -> T:
    """Do a small write, one guarded statement (on SQLite a few), and return what it returned when that is committed.

    It shares a commit with what other threads of this process write at the moment, and on PostgreSQL the round trip.
    It may be done twice, and in another thread. *locks*: the id of the row that it locks.
    """
    return _line(engine).join(make, locks=locks)


def read_small(engine: Engine, wanted: sa.Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> Any:
    """Return the first row of a statement that is built once and only reads; None where there is none.

    On PostgreSQL it shares a round trip with what other threads of this process read so at the moment. Hold no
    connection when calling it.
    """
    if engine.dialect.name != "postgresql":
        return sqlite.first_row(engine, wanted, values)

    def asking() -> Writing[Any]:
        return (yield wanted, values)

    return _reading_line(engine).join(asking, locks="")


def _line(engine: Engine) -> Line:
    return _kept("line", engine, postgresql.line if engine.dialect.name == "postgresql" else sqlite.line)


def _reading_line(engine: Engine) -> Line:
    return _kept("reading line", engine, postgresql.reading_line)


def _kept(name: str, engine: Engine, make: Callable[[Engine], T]) -> T:
    """Return what was made for *engine* under this *name*; it is kept at the engine, and goes with it."""
    with _making:
        made: dict[str, Any] = engine.__dict__.setdefault("greenlight", {})
        if name not in made:
            made[name] = make(engine)
        return cast("T", made[name])


_making = threading.Lock()


def mark_of(session: Session) -> str:
    """Return what :func:`was_committed` knows this transaction by; nothing on SQLite, where no answer gets lost."""
    if session.get_bind().dialect.name != "postgresql":
        return ""
    return str(session.scalar(sa.text("SELECT pg_current_xact_id()::text")))


def was_committed(session: Session, mark: str) -> bool:
    """Tell whether an earlier transaction went through, whose answer may have been lost.

    Take a lock first that it held: while it is under way nobody can tell.
    """
    status = sa.text("SELECT pg_xact_status(CAST(:mark AS xid8))")
    return bool(mark) and session.scalar(status, {"mark": mark}) == "committed"


def insist(engine: Engine, write: Callable[[Any], T], *, patience_s: float = 60.0) -> T:
    """Run *write* in a transaction of its own and return what it returns, in spite of a busy or absent database.

    Deadlocks and serialisation failures are repeated at once, a database that is busy or away is tried again until
    *patience_s* is over. A commit whose answer was lost is repeated too: *write* must be guarded, so that the second
    time finds what the first one left.
    """
    return _repeated(lambda: write_alone(engine, write), patience_s)


def insist_small(engine: Engine, make: Callable[[], Writing[T]], *, locks: str) -> T:
    """As :func:`insist` for a small write."""
    return _repeated(lambda: write_small(engine, make, locks=locks), 60.0)


def write_or(
    engine: Engine, make: Callable[[], Writing[T]], again: Callable[[Session], T], *, locks: str
) -> T:
    """As :func:`write_small`; where it failed, or its answer was lost, insist on *again*, which takes that back."""
    try:
        return write_small(engine, make, locks=locks)
    except (sa.exc.TimeoutError, sa.exc.DBAPIError):
        return insist(engine, again)


def _repeated(write: Callable[[], T], patience_s: float) -> T:
    began, repeats = time.monotonic(), 0
    while True:
        try:
            return write()
        except (sa.exc.TimeoutError, sa.exc.DBAPIError) as error:
            repeats += 1
            state = getattr(getattr(error, "orig", None), "sqlstate", None)
            is_away = isinstance(error, AWAY)
            if not (state in AT_ONCE and repeats < 3) and not (
                is_away and time.monotonic() - began < patience_s
            ):
                raise
            threading.Event().wait(pause_s(state, repeats))


def pause_s(sqlstate: str | None, repeats: int) -> float:
    """Return how long to wait before a write is repeated that failed for the *repeats*-th time."""
    return 0.0 if sqlstate in AT_ONCE and repeats < 3 else min(0.1 * 2 ** min(repeats, 8), 5.0)


def met_another(error: BaseException) -> bool:
    """Tell whether two that changed the same at once met: nothing of this one is written, and it can be done again."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in AT_ONCE


def is_disk_full(error: BaseException) -> bool:
    """Tell whether the database has no space: SQLITE_FULL by its words, PostgreSQL's 53100."""
    cause = getattr(error, "orig", None)
    return getattr(cause, "sqlstate", "") == "53100" or "disk is full" in str(cause)


@contextmanager
def glance() -> Iterator[Connection]:
    """Open a connection for one statement that only reads, beside the request's session: one round trip.

    Needs an application context.
    """
    with statement(_reader()) as connection:
        yield connection


def glance_at(wanted: sa.Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> Any:
    """As :func:`read_small`, beside the request's session; needs an application context."""
    return read_small(_reader(), wanted, values)


def _reader() -> Engine:
    return db.engines.get("reading", db.engine)


@contextmanager
def reading() -> Iterator[Session]:
    """Open a short session that only reads, beside the request's own; needs an application context."""
    with ReadingSession(expire_on_commit=False) as session:
        yield session
