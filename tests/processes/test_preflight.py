"""What the start refuses, each in one sentence that says what to do."""

import os
import re
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from app.core import redis_server
from app.core.settings import Settings
from app.supervisor import preflight
from app.supervisor.preflight import NotReady
from tests.servers import free_port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(environment="production", secret_key="-", data_dir=str(tmp_path / "data"))


def refusal(check: object, *arguments: object) -> str:
    with pytest.raises(NotReady) as caught:
        check(*arguments)  # type: ignore[operator]
    assert "\n" not in caught.value.message
    return caught.value.message


def test_a_folder_that_cannot_be_written(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    said = refusal(preflight.check_disk, settings.replace(data_dir=str(folder)))
    assert said == (
        f"The folder {folder} cannot be written (Not a directory): change its owner, or set DATA_DIR to another one."
    )


def test_sqlite_on_a_disk_that_is_lost(settings: Settings) -> None:
    dyno = settings.replace(dyno="web.1")
    assert "set DATABASE_URL to a PostgreSQL database, or set ALLOW_EPHEMERAL=1" in refusal(
        preflight.check_disk, dyno
    )
    preflight.check_disk(dyno.replace(allow_ephemeral=True))
    preflight.check_disk(dyno.replace(database_url="postgres://u:p@h/d"))


def test_one_process_answers_pages_on_a_dyno_unless_told_otherwise(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    assert settings.servers == 2
    assert settings.replace(dyno="web.1").servers == 1
    assert settings.replace(dyno="web.1", web_processes=2).servers == 2


def test_a_folder_that_another_one_uses(settings: Settings) -> None:
    lock = preflight.take_folder(settings)
    try:
        said = refusal(preflight.take_folder, settings)
    finally:
        os.close(lock)
    assert f"already runs with the folder {settings.data_path} (process {os.getpid()})" in said
    os.close(preflight.take_folder(settings))


def test_a_port_that_may_not_be_used() -> None:
    assert "must be between 1 and 65535" in refusal(preflight.take_port, "127.0.0.1", 70000)
    assert "cannot be used" in refusal(preflight.take_port, "192.0.2.1", 5000)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "is taken by another program" in refusal(
            preflight.take_port, "127.0.0.1", taken.getsockname()[1]
        )
    preflight.take_port("127.0.0.1", free_port())


def test_no_redis_at_all(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.meta_path", [])
    with pytest.raises(redis_server.RedisMissing, match="set REDIS_URL, or install redis-server"):
        preflight.check_redis(settings)


def test_a_redis_that_is_not_there_is_only_a_warning(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    from app.core import logging

    logging.configure(settings)
    preflight.check_redis(settings.replace(redis_url=f"redis://:hush-hush@127.0.0.1:{free_port()}"))
    said = capfd.readouterr().err
    assert "Redis does not answer" in said
    assert "hush-hush" not in said


def test_a_redis_address_that_cannot_be_read(settings: Settings) -> None:
    assert "REDIS_URL cannot be read" in refusal(
        preflight.check_redis, settings.replace(redis_url="http://h")
    )


def test_a_database_that_cannot_be_reached(settings: Settings) -> None:
    url = f"postgres://someone:hush-hush@127.0.0.1:{free_port()}/name"
    said = refusal(preflight.check_database, settings.replace(database_url=url))
    assert "cannot be reached" in said
    assert "127.0.0.1" in said
    assert said.endswith("Check DATABASE_URL.")
    assert "hush-hush" not in said


@pytest.mark.parametrize("url", ["nonsense", "oracle+nothing://h/d"])
def test_a_database_address_that_cannot_be_read(settings: Settings, url: str) -> None:
    assert "DATABASE_URL cannot be read" in refusal(
        preflight.check_database, settings.replace(database_url=url)
    )


def test_an_empty_sqlite_database_is_brought_up_to_date(settings: Settings) -> None:
    preflight.check_disk(settings)
    preflight.check_database(settings)
    preflight.check_database(settings)
    with sqlite3.connect(settings.data_path / "greenlight.db") as connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    connection.close()
    assert {"run", "step_run", "workspace", "alembic_version"} <= tables


@pytest.fixture
def empty_postgres(postgres: object) -> Iterator[str]:
    from tests.servers import PostgresServer

    assert isinstance(postgres, PostgresServer)
    name = f"gl_preflight_{os.getpid()}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


def test_figures_that_mislead_sqlite_are_dropped(settings: Settings) -> None:
    settings.data_path.mkdir()
    preflight.check_database(settings)
    with sqlite3.connect(settings.data_path / "greenlight.db") as connection:
        connection.execute("ANALYZE")
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone() == (1,)
    preflight.check_database(settings)
    with sqlite3.connect(settings.data_path / "greenlight.db") as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat_'").fetchall() == []


def test_an_empty_postgresql_is_filled_once_by_those_who_start_at_once(
    settings: Settings, empty_postgres: str
) -> None:
    there = settings.replace(database_url=empty_postgres, environment="production")
    faults: list[Exception] = []

    def start() -> None:
        try:
            preflight.check_database(there)
        except Exception as error:
            faults.append(error)

    starting = [threading.Thread(target=start) for _ in range(3)]
    for one in starting:
        one.start()
    for one in starting:
        one.join()
    assert faults == []
    preflight.check_database(there)



def test_a_database_of_a_newer_program(settings: Settings, sqlite_url: str, postgres_url: str) -> None:
    for url in (sqlite_url, postgres_url):
        engine = sa.create_engine(
            url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.pool.NullPool
        )
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    said = refusal(preflight.check_database, settings.replace(database_url=sqlite_url))
    assert said == "The database is of a newer Greenlight (9999): use that version of the program."
    preflight.check_database(
        settings.replace(database_url=postgres_url)
    )  # deploys overlap: it goes on, and logs


def test_a_long_path_gets_a_short_socket() -> None:
    with tempfile.TemporaryDirectory() as base:
        long = Settings(environment="test", secret_key="-", data_dir=f"{base}/{'x' * 120}")
        path = redis_server.socket_path(long)
        assert len(os.fsencode(path)) <= redis_server.SOCKET_PATH_MAX
        assert path == redis_server.socket_path(long)
        assert path != redis_server.socket_path(long.replace(data_dir=f"{base}/{'y' * 120}"))


def test_a_database_that_gives_too_few_connections(settings: Settings, postgres_url: str) -> None:
    there = settings.replace(database_url=postgres_url, web_processes=1)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        name = admin.info.dbname
        for limit, roles, said in (
            (8, ("web", "worker", "clock"), "at most 8 connections, and Greenlight keeps up to 9 here: raise"),
            (2, ("web",), "at most 2 connections, and Greenlight keeps up to 3 here"),
        ):
            admin.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(sql.Identifier(name), limit))
            with pytest.raises(NotReady, match=re.escape(said)):
                preflight.check_database(there, roles)
        preflight.check_database(there.replace(environment="test"), ("clock",))
        with pytest.raises(NotReady, match="at most 2 connections, and Greenlight keeps up to 4 here"):
            preflight.check_database(there.replace(web_processes=2), ("web",))
