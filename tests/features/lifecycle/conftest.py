"""Fixtures for tests of a workflow's life."""

import pytest
from flask import Flask

from tests.cast import Cast, enter


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Alice, Bob and Charlie."""
    return enter(app)
