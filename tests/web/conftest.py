"""The cast on an embedded database; what differs between databases says so itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app.core.settings import Settings
from tests.cast import Cast, enter
from tests.conftest import Databases


@pytest.fixture
def web_settings(databases: Databases, tmp_path: Path) -> Settings:
    """Settings on a new SQLite database, without Redis."""
    return Settings(
        environment="test", database_url=databases.create("sqlite"), data_dir=str(tmp_path),
        secret_key="a secret for tests only, long enough to sign with", base_url="http://localhost",
    )  # fmt: skip


@pytest.fixture
def web_app(web_settings: Settings, make_app: Callable[[Settings], Flask]) -> Flask:
    """The application."""
    return make_app(web_settings)


@pytest.fixture
def cast(web_app: Flask) -> Cast:
    """Alice, Bob and Charlie."""
    return enter(web_app)
