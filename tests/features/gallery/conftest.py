"""The catalog of step types for tests without an application; for the others the cast and the product's templates."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app import steps
from app.core.db import db
from app.engine import catalog
from app.features.gallery import service
from tests.cast import Cast, Person, add_editor, enter
from tests.statements import sent


@pytest.fixture(autouse=True, scope="session")
def step_types() -> None:
    """Discover the step types once."""
    catalog.discover(steps)


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Alice, Bob and Charlie, and the product's templates."""
    people = enter(app)
    with app.app_context():
        service.seed_templates(db.session())
        db.session.commit()
    return people


@pytest.fixture
def dana(cast: Cast) -> Person:
    """An editor on Alice's team."""
    return add_editor(cast)


@pytest.fixture
def statements(app: Flask) -> Iterator[Callable[[], int]]:
    """Return a function that counts the statements sent so far."""
    with app.app_context():
        engines = list(db.engines.values())
    with sent(*engines) as seen:
        yield lambda: len(seen)
