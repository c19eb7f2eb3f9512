"""Engines: what the pool does with a connection that comes back."""

import pytest
import sqlalchemy as sa

from app.core.db import close_after_use, make_engine, pause_s, transaction

PID = sa.text("SELECT pg_backend_pid()")


def test_a_connection_is_used_again_but_not_after_it_sent_something_large(postgres_url: str) -> None:
    engine = make_engine("postgresql+psycopg" + postgres_url[postgres_url.index("://") :], pool=1)
    try:
        with transaction(engine) as session:
            first = session.scalar(PID)
        with transaction(engine) as session:
            assert session.scalar(PID) == first
            close_after_use(session)
        with transaction(engine) as session:
            assert session.scalar(PID) != first
    finally:
        engine.dispose()


def test_a_deadlock_is_repeated_at_once_and_a_full_disk_after_pauses_that_grow() -> None:
    assert [pause_s("40P01", 1), pause_s("40001", 2)] == [0.0, 0.0]
    pauses = [pause_s("53100", repeats) for repeats in (1, 2, 3, 50)]
    assert pauses == sorted(set(pauses))
    assert (pauses[0] > 0, pauses[-1], pause_s(None, 1)) == (True, 5.0, pauses[0])


def test_a_standby_that_only_reads_counts_as_away_and_its_connection_is_given_up(postgres_url: str) -> None:
    engine = make_engine("postgresql+psycopg" + postgres_url[postgres_url.index("://") :], pool=1)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS kept (id int)"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("SET default_transaction_read_only = on"))  # as after a failover
        with pytest.raises(sa.exc.OperationalError), transaction(engine) as session:
            session.execute(sa.text("INSERT INTO kept VALUES (1)"))
        with transaction(engine) as session:  # another connection
            session.execute(sa.text("INSERT INTO kept VALUES (1)"))
    finally:
        engine.dispose()
