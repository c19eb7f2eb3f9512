"""Definitions by version: versions never change, so each is read once a process."""

import functools

from sqlalchemy.engine import Engine

from app.core.db import transaction
from app.definition.schema import Definition
from app.engine.ports import bound


@functools.lru_cache(maxsize=256)
def definition_of(engine: Engine, version_id: str) -> Definition:
    """Return the definition of a version."""
    with transaction(engine) as session:
        return bound.load_definition(session, version_id)
