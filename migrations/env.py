"""Runs the migrations: on the connection it is given, else on the database of the application's settings."""

from typing import Any

import sqlalchemy as sa
from alembic import context
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

LOCK = 7_305_817_224  # an arbitrary number, the same for ever: one migration at a time on a PostgreSQL database


def main() -> None:
    """Run what was asked for; ``--sql`` prints PostgreSQL's statements instead."""
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    connection = context.config.attributes.get("connection")
    if connection is not None:
        migrate(connection)
        return
    engine = sa.create_engine(database_url(), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        migrate(connection)


def migrate(connection: sa.Connection) -> None:
    """Run the migrations in one transaction of *connection*, which has none open: all or nothing on both databases.

    SQLite rebuilds a table to change it, so its foreign keys rest meanwhile and are checked as a whole at the end.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        rest_foreign_keys(connection)
    try:
        with connection.begin():
            context.configure(
                connection=connection,
                target_metadata=context.config.attributes.get("metadata") or models_when_asked(),
                render_as_batch=is_sqlite,
            )
            if not is_sqlite:
                connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                connection.execute(sa.text("SET LOCAL lock_timeout = '20s'"))
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            context.run_migrations()
            if is_sqlite and (broken := connection.execute(sa.text("PRAGMA foreign_key_check")).all()):
                raise RuntimeError(f"a migration left links to rows that do not exist: {broken[:5]}")
    finally:
        if is_sqlite:
            wake_foreign_keys(connection)


def rest_foreign_keys(connection: sa.Connection) -> None:
    """Switch SQLite's foreign keys off and Python's own transactions too: BEGIN covers DDL only when it is ours."""
    driver: Any = connection.connection.dbapi_connection
    connection.info["isolation_level"] = driver.isolation_level
    driver.isolation_level = None
    driver.execute("PRAGMA foreign_keys=OFF")
    if type(connection.dialect) is SQLiteDialect_pysqlite:  # the application's own dialect begins by itself
        sa.event.listen(connection, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))


def wake_foreign_keys(connection: sa.Connection) -> None:
    """Undo :func:`rest_foreign_keys`."""
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA foreign_keys=ON")
    driver.isolation_level = connection.info.pop("isolation_level")


def database_url() -> str:
    """Return the URL of the database that the application would use now, and make SQLite's folder."""
    from app.core.settings import Settings

    settings = Settings.from_env()
    if settings.is_sqlite:
        settings.data_path.mkdir(parents=True, exist_ok=True)
    return settings.sqlalchemy_url


def models_when_asked() -> sa.MetaData | None:
    """Return the models' tables for ``revision --autogenerate``; running migrations never looks at models."""
    if not getattr(context.config.cmd_opts, "autogenerate", False):
        return None
    from app import create_app
    from app.core.db import Base

    create_app()
    return Base.metadata


main()
