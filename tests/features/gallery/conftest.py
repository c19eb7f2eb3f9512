"""The catalog of step types, for tests that need no application."""

import pytest

from app import steps
from app.engine import catalog


@pytest.fixture(autouse=True, scope="session")
def step_types() -> None:
    """Discover the step types once."""
    catalog.discover(steps)
