"""Fixtures for tests of approvals."""

import pytest
from flask import Flask

from tests.features.approvals.desk import Desk


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A workspace on each kind of database, with the application around it."""
    return Desk(app)
