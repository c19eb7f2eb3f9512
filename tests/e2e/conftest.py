"""Fixtures for browser tests: the whole product in its processes, on each kind of database."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import Databases
from tests.e2e import stage as stages
from tests.e2e.house import Running
from tests.fakes.openai_server import FakeOpenAI
from tests.servers import RedisServer, SmtpServer

# Pictures to look at, and the README's: they judge nothing, so they are taken only when asked for.
collect_ignore = [] if os.environ.get("UPDATE_SCREENSHOTS") else ["test_shots.py"]


@pytest.fixture(scope="session")
def own_redis() -> Iterator[RedisServer]:
    """A queue that no other test flushes, and whose hints no other test's worker takes."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def house(
    tmp_path_factory: pytest.TempPathFactory, own_redis: RedisServer, _smtp: SmtpServer
) -> Iterator[Running]:
    """The product on SQLite, with the sample writer."""
    running = Running.begin(tmp_path_factory.mktemp("house"), redis_url=own_redis.url, smtp=_smtp)
    yield running
    running.house.end()


@pytest.fixture(scope="session")
def paying_house(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases, own_redis: RedisServer, _smtp: SmtpServer
) -> Iterator[Running]:
    """The product on PostgreSQL, asking an AI service that counts what it does."""
    url = databases.create("postgresql")
    with FakeOpenAI() as ai:
        running = Running.begin(
            tmp_path_factory.mktemp("paying"), redis_url=own_redis.url.removesuffix("/0") + "/1", smtp=_smtp,
            database_url=url, ai=ai,
        )  # fmt: skip
        yield running
        running.house.end()
    databases.drop(url)


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stages.Stage]:
    """The application with a workspace in every state."""
    url = databases.create("sqlite")
    with stages.serve(url, str(tmp_path_factory.mktemp("stage")), stages.all_scenes) as stage:
        yield stage
    databases.drop(url)
