"""Sessions that only read: they write nothing, and what the server has prepared for them stays."""

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from app.core import clock
from app.core.db import db, glance_at, make_engine, reading, transaction
from app.features.accounts.models import User

NOBODY = {"email": "nobody@example.com", "password_hash": "", "created_at": clock.now()}
NAMES = sa.select(User.name).where(User.email == "nobody@example.com")
PREPARED = sa.text("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%FROM \"user\"%'")
PID = sa.select(sa.func.pg_backend_pid())
BEGAN = sa.text("SELECT now()")
OFTEN = 7  # the driver has a statement prepared that comes for the sixth time


def test_a_session_that_only_reads_refuses_to_write(app: Flask) -> None:
    with app.app_context():
        db.session.info["reading"] = True
        with reading() as other:
            for session in (db.session(), other):
                session.add(User(email="new@example.com", name="New"))
                with pytest.raises(sa.exc.InvalidRequestError, match="only reads"):
                    session.flush()
                session.rollback()
                with pytest.raises(sa.exc.InvalidRequestError, match="only reads"):
                    session.execute(sa.delete(User))
                assert session.scalar(NAMES) is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_is_read_often_stays_prepared_from_one_page_to_the_next(app: Flask) -> None:
    with app.app_context():
        for _ in range(OFTEN):
            with reading() as session:
                session.execute(NAMES).all()
        with reading() as session:
            assert len(session.scalars(PREPARED).all()) == 1
        began = db.session.scalar(BEGAN)  # a page that may write, on the same connection, has a transaction
        assert db.session.scalar(BEGAN) == began


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_was_prepared_for_a_table_that_has_changed_fails_once_at_most(
    app: Flask, database_url: str
) -> None:
    engine = make_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1), pool=1)
    with engine.begin() as other:
        other.execute(sa.text("CREATE TABLE changing (n INTEGER)"))
    wanted = sa.select(sa.text("* FROM changing"))
    with app.app_context():
        for _ in range(OFTEN):
            with reading() as session:
                session.execute(wanted).all()
        with engine.begin() as other:
            other.execute(sa.text("ALTER TABLE changing ALTER COLUMN n TYPE TEXT"))
        with pytest.raises(sa.exc.OperationalError), reading() as session:
            session.execute(wanted).all()
        with reading() as session:
            assert session.execute(wanted).all() == []
    with engine.begin() as other:
        other.execute(sa.text("DROP TABLE changing"))
    engine.dispose()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_single_row_is_read_without_a_transaction_and_as_it_is_now(app: Flask) -> None:
    said: list[str] = []
    with app.app_context():
        reader, writer = db.engines["reading"], db.engine
        sa.event.listen(reader, "connect", lambda driver, _: driver.set_trace_callback(said.append))
        reader.dispose()
        for known in (None, "Ann"):
            with transaction(writer) as session:
                session.add_all([User(**NOBODY, name=known)] if known else [])
            assert glance_at(NAMES, {}) == ((known,) if known else None)
        assert [text.split()[0] for text in said if not text.startswith("PRAGMA")] == ["SELECT", "SELECT"]
        with reading() as session:
            session.scalar(NAMES)
        assert "BEGIN" in said  # a page sees one moment


def test_a_single_row_that_cannot_be_read_fails_as_any_other_statement(app: Flask) -> None:
    absent = sa.select(sa.column("n")).select_from(sa.table("absent"))
    with app.app_context():
        for _ in range(2):  # and the connection is of use afterwards
            with pytest.raises(sa.exc.DBAPIError, match="absent"):
                glance_at(absent, {})
        assert glance_at(NAMES, {}) is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_single_row_is_read_by_another_connection_where_its_own_was_cut(app: Flask, database_url: str) -> None:
    with app.app_context():
        cut = glance_at(PID, {})[0]
        with psycopg.connect(database_url) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [cut])
        assert glance_at(PID, {})[0] != cut
