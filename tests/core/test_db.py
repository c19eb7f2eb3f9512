"""Engines: what the pool does with a connection that comes back."""

import sqlalchemy as sa

from app.core.db import close_after_use, make_engine, transaction

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
