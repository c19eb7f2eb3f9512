"""Engines: what the pool does with a connection that comes back."""

import os
import socket
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.core.db import close_after_use, make_engine, pause_s, statement, transaction
from tests.faults.proxy import Proxy

PID = sa.text("SELECT pg_backend_pid()")


@pytest.fixture
def engine(postgres_url: str) -> Iterator[sa.Engine]:
    """An engine with one connection."""
    engine = make_engine("postgresql+psycopg" + postgres_url[postgres_url.index("://") :], pool=1)
    yield engine
    engine.dispose()


def test_a_connection_is_used_again_but_not_after_it_sent_something_large(engine: sa.Engine) -> None:
    with transaction(engine) as session:
        first = session.scalar(PID)
    with transaction(engine) as session:
        assert session.scalar(PID) == first
        close_after_use(session)
    with transaction(engine) as session:
        assert session.scalar(PID) != first


def test_a_statement_alone_is_committed_at_once_and_leaves_transactions_to_the_next(engine: sa.Engine) -> None:
    with statement(engine) as connection:
        first = connection.execute(PID).scalar()
        connection.execute(sa.text("CREATE TABLE alone (n int)"))
        with pytest.raises(sa.exc.DBAPIError):
            connection.execute(sa.text("SELECT 1 / 0"))

    with transaction(engine) as session:
        session.execute(sa.text("INSERT INTO alone VALUES (1)"))
        session.rollback()

    with statement(engine) as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM alone")).scalar() == 0
        assert connection.execute(PID).scalar() == first
        connection.execute(sa.text("DROP TABLE alone"))


def test_a_connection_that_breaks_in_a_statement_alone_says_so_and_is_made_anew(engine: sa.Engine) -> None:
    with statement(engine) as connection:
        first = connection.execute(PID).scalar()
        with pytest.raises(sa.exc.OperationalError):
            connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with statement(engine) as connection:
        assert connection.execute(PID).scalar() != first
    with transaction(engine) as session:
        assert session.scalar(sa.text("SELECT 1")) == 1


def test_a_server_that_vanished_is_noticed_in_half_a_minute_unless_its_address_says_otherwise(
    postgres_url: str,
) -> None:
    proxy = Proxy(postgres_url)  # by TCP
    for more, silence_ms, idle_s in (("", 30_000, 10), ("&tcp_user_timeout=5000", 5000, 10)):
        engine = make_engine(proxy.url.replace("postgresql:", "postgresql+psycopg:") + more, pool=1)
        with engine.connect() as connection, socket.socket(fileno=os.dup(connection.connection.fileno())) as wire:
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == silence_ms
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == idle_s
            assert connection.connection.driver_connection.info.get_parameters()["connect_timeout"] == "10"
        engine.dispose()
    proxy.stop()


def test_a_deadlock_is_repeated_at_once_and_a_full_disk_after_pauses_that_grow() -> None:
    assert [pause_s("40P01", 1), pause_s("40001", 2)] == [0.0, 0.0]
    pauses = [pause_s("53100", repeats) for repeats in (1, 2, 3, 50)]
    assert pauses == sorted(set(pauses))
    assert (pauses[0] > 0, pauses[-1], pause_s(None, 1)) == (True, 5.0, pauses[0])


def test_a_standby_that_only_reads_counts_as_away_and_its_connection_is_given_up(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS kept (id int)"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("SET default_transaction_read_only = on"))  # as after a failover
    with pytest.raises(sa.exc.OperationalError), transaction(engine) as session:
        session.execute(sa.text("INSERT INTO kept VALUES (1)"))
    with transaction(engine) as session:  # another connection
        session.execute(sa.text("INSERT INTO kept VALUES (1)"))


def test_a_connection_to_postgresql_commits_as_its_server_says_and_waits_for_nothing_long(engine: sa.Engine) -> None:
    wanted = {"statement_timeout": "15s", "idle_in_transaction_session_timeout": "30s", "timezone": "UTC"}
    source = sa.text("SELECT source FROM pg_settings WHERE name = 'synchronous_commit'")
    with engine.connect() as connection:
        assert {name: connection.scalar(sa.text(f"SHOW {name}")) for name in wanted} == wanted
        assert connection.scalar(source) == "configuration file"  # the tests' server; not ours to weaken
        connection.execute(sa.text("SET statement_timeout = '100ms'"))
        with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
            connection.execute(sa.text("SELECT pg_sleep(60)"))


def test_a_connection_to_sqlite_waits_for_the_disk_and_one_that_reads_cannot_write(sqlite_url: str) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2: FULL
    for is_reading in (False, True):
        engine = make_engine(sqlite_url, reading=is_reading)
        with engine.connect() as connection:
            assert {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted} == wanted
        engine.dispose()
    with pytest.raises(sa.exc.OperationalError, match="readonly"), transaction(engine) as session:
        session.execute(sa.text("DELETE FROM workspace"))
    engine.dispose()
