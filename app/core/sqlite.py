"""SQLite as one host needs it: writers of a process stand in one fair line, and may share one commit.

A commit costs a flush to the disk there, and one transaction writes at a time. What threads have to write at the same
moment is therefore done in one transaction, one after the other, and flushed once (:func:`line`).
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Connection, Engine

from app.core.statements import prepared
from app.core.together import Line, One, Refused, Statement, Values, Writing, carry_out, carry_out_by
from app.core.turns import Turns

BUSY_S = 5.0  # in this process
LOCKED_S = 15.0  # at least, for another one
CACHE_KB = 512  # pages kept by each connection; the system's own cache has the rest

class _Door:
    """Two locks on a file beside the database, by which the processes of a host take turns at its write lock.

    Who waits for the second holds the first, so nobody who has just written is in again before it. SQLite's own waiting
    has no order and looks after 1, 2, 5 … 100 ms. This is a courtesy among ourselves: what keeps writers apart is the
    database's lock, so where there are no such locks everybody simply walks in.
    """

    _NEXT, _IN = 0, 1  # bytes of the file: who is next, who is in
    _LOOK_S, _LATER_S, _SOON = 0.0002, 0.002, 500

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None

    def enter(self, wait_s: float) -> bool:
        """Wait until this process is in; False when it was not within *wait_s* seconds."""
        until = time.monotonic() + wait_s
        with suppress(OSError):
            if not self._lock(self._NEXT, until):
                return False
            try:
                return self._lock(self._IN, until)
            finally:
                fcntl.lockf(self._descriptor(), fcntl.LOCK_UN, 1, self._NEXT)
        return True

    def leave(self) -> None:
        """Let the next one in."""
        with suppress(OSError):
            fcntl.lockf(self._descriptor(), fcntl.LOCK_UN, 1, self._IN)

    def __del__(self) -> None:
        if self._file is not None:
            os.close(self._file)

    def _lock(self, byte: int, until: float) -> bool:
        looks = 0
        while True:
            try:
                fcntl.lockf(self._descriptor(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: POSIX lets a system choose
                if time.monotonic() > until:
                    return False
            else:
                return True
            time.sleep(self._LOOK_S if looks < self._SOON else self._LATER_S)
            looks += 1

    def _descriptor(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file


class Serial(SQLiteDialect_pysqlite):
    """SQLite where every transaction of a process writes alone: one fair lock around BEGIN IMMEDIATE … COMMIT.

    SQLite's own busy handler is not fair (measured: one thread made 15,714 commits while another made 1).
    """

    supports_statement_cache = True
    wait_s = BUSY_S
    busy_s = LOCKED_S
    door: _Door | None = None
    _turns = Turns()
    _holders: set[int] = set()

    def do_begin(self, dbapi_connection: Any) -> None:
        """Take the turn, then the database's write lock."""
        if not self._turns.take(self.wait_s):
            raise sa.exc.TimeoutError(f"the database is busy: no turn to write within {self.wait_s:.0f} s")
        try:
            self._begin(dbapi_connection)
        except BaseException:
            self._turns.give_back()
            raise
        self._holders.add(id(dbapi_connection))

    def _begin(self, dbapi_connection: Any) -> None:
        if self.door is None:
            dbapi_connection.execute("BEGIN IMMEDIATE")
            return
        if not self.door.enter(self.busy_s):
            raise sa.exc.TimeoutError(f"the database is busy: other processes wrote for {self.busy_s:.0f} s")
        try:
            dbapi_connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self.door.leave()
            raise

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit, then let the next one in."""
        try:
            dbapi_connection.commit()
        except BaseException:
            dbapi_connection.rollback()
            raise
        finally:
            self._give_back(dbapi_connection)

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back, then let the next one in."""
        try:
            dbapi_connection.rollback()
        finally:
            self._give_back(dbapi_connection)

    def _give_back(self, dbapi_connection: Any) -> None:
        if id(dbapi_connection) in self._holders:
            self._holders.discard(id(dbapi_connection))
            if self.door is not None:
                self.door.leave()
            self._turns.give_back()


registry.register("sqlite.serial", __name__, "Serial")


def make_engine(url: str, *, reading: bool, pool: int, wait_s: float, options: dict[str, Any]) -> Engine:
    """Return an engine that writes in the process's one line, or one that only reads and waits for nobody."""
    if not reading:
        url = url.replace("sqlite://", "sqlite+serial://", 1).replace("sqlite+pysqlite", "sqlite+serial")
    engine = sa.create_engine(
        url,
        poolclass=sa.pool.QueuePool,
        pool_size=pool,
        max_overflow=8 if reading else 0,
        pool_timeout=wait_s,
        pool_use_lifo=True,  # the fewest connections, each with pages that it knows
        connect_args={"timeout": max(wait_s, LOCKED_S), "check_same_thread": False, "isolation_level": None},
        **options,
    )

    if isinstance(engine.dialect, Serial):
        engine.dialect.wait_s, engine.dialect.busy_s = wait_s, max(wait_s, LOCKED_S)
        if engine.url.database and not engine.url.database.startswith((":", "file:")):
            engine.dialect.door = _Door(f"{engine.url.database}-turn")

    @event.listens_for(engine, "connect")
    def _set_up(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"cache_size={-CACHE_KB}"):
            dbapi_connection.execute(f"PRAGMA {pragma}")
        if reading:
            dbapi_connection.execute("PRAGMA query_only=ON")

    if reading:

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            if not getattr(_asked_for, "autocommit", False):
                connection.exec_driver_sql("BEGIN")

    return engine


_asked_for = threading.local()  # whether what this thread reads is to have no transaction


@contextmanager
def statement(engine: Engine) -> Iterator[Connection]:
    """Open a connection for one statement that is its own transaction; where it only reads, none is begun for it."""
    if isinstance(engine.dialect, Serial):
        with engine.begin() as connection:
            yield connection
        return
    _asked_for.autocommit = True
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        _asked_for.autocommit = False


def first_row(engine: Engine, wanted: sa.Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> Any:
    """Return the first row of a statement that is built once and only reads, or None; past SQLAlchemy."""
    one = prepared(wanted, engine.dialect)
    with closing(engine.raw_connection()) as connection:
        try:
            row = one.execute(connection.driver_connection, one.bound(values)).fetchone()
        except sqlite3.Error as error:
            raise sa.exc.DBAPIError.instance(one.text, None, error, sqlite3.Error, dialect=engine.dialect) from error
    return None if row is None else one.row(row)


def line(engine: Engine) -> Line:
    """Return a line of those who have something small to write: the first has the write lock, and writes for all."""

    def write_all(take: Callable[[], list[One]]) -> None:
        with engine.connect() as connection:
            transaction = connection.begin()  # who does not get the lock in time has waited for all
            try:
                with transaction:
                    ones = take()  # who came meanwhile, too
                    for one in ones:
                        one.answer = _carry_out(connection, one.make())
            except Exception as refused:
                raise Refused from refused

    def write_alone(writing: Writing[Any]) -> Any:
        with engine.begin() as connection:
            return carry_out(connection, writing)

    return Line(write_all, write_alone)


def _carry_out(connection: Connection, writing: Writing[Any]) -> Any:
    """Do a small write past SQLAlchemy: all writers of all processes wait for it."""
    driver: Any = connection.connection.driver_connection

    def execute(statement: Statement, values: Values) -> Any:
        one = prepared(statement, connection.dialect)
        if isinstance(values, Mapping):
            cursor = one.execute(driver, one.bound(values))
        else:
            cursor = one.execute_each(driver, [one.bound(each) for each in values])
        row = cursor.fetchone() if one.returns_rows else None
        cursor.close()
        return None if row is None else one.row(row)

    return carry_out_by(execute, writing)
