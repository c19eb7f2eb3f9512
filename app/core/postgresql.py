"""PostgreSQL: statements that are their own transaction, and what threads ask of it at once in one round trip."""

import math
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine

from app.core.statements import prepared
from app.core.together import Line, One, Refused, Statement, Writing, carry_out
from app.core.turns import FairPool

PATIENCE_S = 0.1
# In company nobody waits longer for a lock: then each goes alone, and who needs it waits for it by itself.
_WAIT_LESS = "SELECT set_config('lock_timeout', '1s', true)"
PING_AFTER_S = 1.0  # a connection that was idle for longer is asked whether it lives before it is given out
# What a server says that has become, or is not yet, the one to write to; and where what it has prepared is gone, or
# gives other columns than it did.
NO_USE = ("25006", "26000", "0A000")
SWOLLEN = "is_swollen"  # in a connection's info: it is closed after use

# A server that vanished without a word (a failover, a cut network) is given up after half a minute: the system's own
# patience is a quarter of an hour for what was sent and hours for what is awaited. The address may say otherwise.
_NOTICES_LOSS: dict[str, Any] = {
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}  # fmt: skip
ENDED = ("08", "57P")  # classes of errors that end a connection: what it had sent may be committed


def make_engine(
    url: str, *, pool: int, wait_s: float, statement_timeout_s: int, is_fair: bool, options: dict[str, Any]
) -> Engine:
    """Return an engine that keeps at most *pool* connections and waits *wait_s* seconds for one."""
    seconds = f"{statement_timeout_s}s"
    settings = f"-c statement_timeout={seconds} -c idle_in_transaction_session_timeout=30s -c timezone=UTC"
    engine = sa.create_engine(
        url,
        poolclass=FairPool if is_fair else sa.pool.QueuePool,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=wait_s,
        pool_use_lifo=True,
        connect_args={**_not_in(url, _NOTICES_LOSS), "options": settings},
        **options,
    )
    _ping_idle(engine)
    _take_as_asked(engine)
    event.listen(engine, "checkin", _close_swollen)
    event.listen(engine, "handle_error", _leave_useless)
    return engine


def _not_in(url: str, options: dict[str, Any]) -> dict[str, Any]:
    said = sa.make_url(url).query
    return {name: value for name, value in options.items() if name not in said}


def _ping_idle(engine: Engine) -> None:
    """Ask a connection that was idle whether it lives; one that is always in use costs no round trip for that."""

    @event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used_at", math.inf) < PING_AFTER_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as gone:
            raise sa.exc.InvalidatePoolError from gone


def _close_swollen(_connection: Any, record: Any) -> None:
    if record.info.pop(SWOLLEN, False):
        record.invalidate()


def _leave_useless(context: sa.engine.ExceptionContext) -> None:
    """Count a connection that is of no use any more as lost: connect anew, after a failover to the one that writes."""
    if getattr(context.original_exception, "sqlstate", None) in NO_USE:
        context.is_disconnect = True
        raise sa.exc.OperationalError(
            context.statement, context.parameters, context.original_exception, connection_invalidated=True
        )


_asked_for = threading.local()  # whether the connection that this thread takes is to have no transactions


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """Open a connection on which each statement is its own transaction: one round trip, not three.

    *engine* is one of :func:`make_engine`.
    """
    _asked_for.autocommit = True
    try:
        connection = engine.connect()
    finally:
        _asked_for.autocommit = False
    with connection:
        yield connection


def _take_as_asked(engine: Engine) -> None:
    """Give each connection out with or without transactions, as it is asked for.

    By hand: SQLAlchemy's option for it costs as much as a statement. And as it is taken, not as it is given back: who
    answers pages takes a connection without them nearly always, and then nothing is to be changed.
    """

    @event.listens_for(engine, "checkout")
    def _change(connection: Any, _record: Any, _proxy: Any) -> None:
        asked = getattr(_asked_for, "autocommit", False)
        if connection.autocommit is not asked:
            try:
                connection.autocommit = asked
            except engine.dialect.loaded_dbapi.Error as broken:
                raise sa.exc.DisconnectionError from broken  # the pool opens another one


def line(engine: Engine) -> Line:
    """Return a line of those who have something small to write: all of it goes out together, and is one transaction."""
    return _line(engine, _write_all)


def reading_line(engine: Engine) -> Line:
    """Return a line of those who want to read one row: all of it is one round trip."""
    return _line(engine, _read_all)


def _line(engine: Engine, carry_out_all: Callable[[Connection, list[One]], None]) -> Line:
    def do_all(take: Callable[[], list[One]]) -> None:
        try:
            with autocommit(engine) as connection:
                carry_out_all(connection, take())
        except sa.exc.TimeoutError as error:  # no connection for this one: those who came later may wait for longer
            raise Refused from error

    def do_alone(one: Writing[Any]) -> Any:
        with autocommit(engine) as connection:
            return carry_out(connection, one)

    return Line(do_all, do_alone, patience_s=PATIENCE_S)


def _read_all(connection: Connection, ones: list[One]) -> None:
    """Ask what each has to ask, then wait. Where one fails each is to ask alone, so that only its own one fails."""
    driver: Any = connection.connection.driver_connection
    asked = [sent for _, sent in _asked(connection, ones)]
    try:
        if len(asked) == 1:
            asked[0].send(driver)
        else:
            with driver.pipeline() as pipeline, _gathered(pipeline):
                driver.execute(_WAIT_LESS)
                for each in asked:
                    each.send(driver)
        answers = [each.first() for each in asked]
    except Exception as error:
        connection.invalidate()  # what fails at the very end leaves the driver in the pipeline
        raise Refused from error
    for one, answer in zip(ones, answers, strict=True):
        one.answer = answer


def _write_all(connection: Connection, ones: list[One]) -> None:
    """Send the statement of each, then wait: up to the end of a pipeline all that is sent is one transaction.

    Past SQLAlchemy, whose results want to be read before the next statement is sent.
    """
    if len(ones) == 1:
        ones[0].answer = carry_out(connection, ones[0].make())
        return
    driver: Any = connection.connection.driver_connection
    asked = _asked(connection, ones)
    is_sent = False
    try:
        with driver.pipeline() as pipeline:
            try:
                with _gathered(pipeline):
                    driver.execute(_WAIT_LESS)
                    for _, each in asked:
                        each.send(driver)
                is_sent = True
            finally:
                if not is_sent:  # a value that cannot be sent: what was before it is not written without an end
                    driver.close()
    except Exception as error:
        is_known = not is_sent or _is_answer(driver, error)
        connection.invalidate()  # what fails at the very end leaves the driver in the pipeline
        if is_known:
            raise Refused from error
        raise sa.exc.OperationalError("small writes", None, error, connection_invalidated=True) from error
    for one, (writing, each) in zip(ones, asked, strict=True):
        try:
            writing.send(each.first())
        except StopIteration as end:
            one.answer = end.value
        except Exception as error:  # noqa: BLE001 (its own: the others are written)
            one.error = error
        else:
            one.error = RuntimeError("a small write is one statement on PostgreSQL")


@contextmanager
def _gathered(pipeline: Any) -> Iterator[None]:
    """Send what is put into *pipeline* meanwhile in one piece, when that is over.

    The driver would send each statement by itself, and look for answers after each: so many times another thread may
    take the interpreter.
    """
    pipeline._communicate_gen = lambda: iter(())
    try:
        yield
    finally:
        del pipeline._communicate_gen
    while pipeline.command_queue:
        pipeline.command_queue.popleft()()
    pipeline._conn.wait(_all_sent(pipeline.pgconn))


def _all_sent(pgconn: Any) -> Generator[Any, Any, None]:
    """Send what is written down, however much, and take answers meanwhile, so that the server need not wait for us."""
    from psycopg.waiting import READY_R, WAIT_RW

    while pgconn.flush():
        if (yield WAIT_RW) & READY_R:
            pgconn.consume_input()


def _asked(connection: Connection, ones: list[One]) -> "list[tuple[Writing[Any], _Sent]]":
    """Return what each has to ask first, ready to be sent."""
    try:
        asking = [one.make() for one in ones]
        return [(each, _Sent(connection.dialect, *next(each))) for each in asking]
    except Exception as error:
        raise Refused from error


def _is_answer(driver: Any, error: Exception) -> bool:
    """Tell whether the server said no, and so wrote nothing; else nobody knows."""
    from psycopg.errors import PipelineAborted

    if isinstance(error, PipelineAborted):  # instead of why: what was before it is not committed either
        return True
    state = getattr(error, "sqlstate", None)
    return state is not None and not driver.closed and not state.startswith(ENDED)


class _Sent:
    """A statement on its way, past SQLAlchemy."""

    def __init__(self, dialect: Dialect, statement: Statement, values: Any) -> None:
        self._statement = prepared(statement, dialect)
        self._values = self._statement.bound(values)
        self._cursor: Any = None

    def send(self, driver: Any) -> None:
        self._cursor = self._statement.execute(driver, self._values)

    def first(self) -> Any:
        row = self._cursor.fetchone() if self._statement.returns_rows else None
        return None if row is None else self._statement.row(row)
