"""Fixtures of the fault tests: an engine's database, a queue of its own, processes to kill, a far side that counts."""

import os
import random
from collections.abc import Iterator

import pytest
from redis import Redis

from app.core.settings import Settings
from app.engine import jobs
from tests.engine.rig import House, make_house
from tests.engine.sink import Sink
from tests.faults.fleet import SECRET, Fleet, Nursery
from tests.faults.table import Table
from tests.servers import RedisServer

SEED = int(os.environ.get("FAULT_SEED") or random.randrange(1_000_000))
_table = Table()


def _is_whole(config: pytest.Config) -> bool:
    return "faults" in str(config.option.markexpr)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out unless they are asked for by ``-m``, as ``bin/test faults`` does."""
    if _is_whole(config):
        return
    long = [item for item in items if item.get_closest_marker("faults") is not None]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_report_header(config: pytest.Config) -> str:
    return f"faults: seed {SEED} (FAULT_SEED={SEED} repeats it)"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _table.note(report)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let the whole table fail where a fault could not be injected: what was not run is not green."""
    if _is_whole(session.config) and exitstatus == pytest.ExitCode.OK and _table.lacks_some:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print one line a fault: ok, FAILED or NOT RUN on each database."""
    if _is_whole(config):
        terminalreporter.section(f"faults, seed {SEED}")
        for line in _table.lines():
            terminalreporter.write_line(line)


@pytest.fixture
def seed() -> int:
    """The seed of this run's chance."""
    return SEED


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    """An engine's database with a workspace."""
    house = make_house(database_url)
    yield house
    house.check()
    house.engine.dispose()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where processes are forked."""
    nursery = Nursery()
    yield nursery
    nursery.stop()


@pytest.fixture(scope="session")
def _queue_of_faults() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def own_redis(_queue_of_faults: RedisServer) -> Iterator[RedisServer]:
    """An empty queue whose hints no other test's worker takes; it runs again when the test has stopped it."""
    with Redis.from_url(_queue_of_faults.url) as connection:
        connection.flushall()
    yield _queue_of_faults
    if not _queue_of_faults.is_running:
        _queue_of_faults.start()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A far side that logs every request."""
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def fleet(database_url: str, own_redis: RedisServer, nursery: Nursery, sink: Sink) -> Iterator[Fleet]:
    """Processes on the test's database and queue; this process hints on the same queue."""
    fleet = Fleet(nursery, database_url, own_redis.url, sink)
    jobs.configure(
        Settings(environment="test", database_url=database_url, redis_url=own_redis.url, secret_key=SECRET)
    )
    yield fleet
    fleet.end()
