"""Fixtures for tests of the engine."""

from collections.abc import Iterator

import pytest

from tests.engine.rig import House, make_house
from tests.engine.sink import Sink


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    """An engine on a new database of each kind; its invariants are checked at the end."""
    house = make_house(database_url)
    yield house
    house.check()
    house.engine.dispose()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A far side that logs every request."""
    sink = Sink()
    yield sink
    sink.close()
