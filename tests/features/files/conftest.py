"""A workspace on a database of each kind, with a stranger's beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import make_engine, transaction
from app.core.ids import new_id
from app.features.accounts.models import Workspace
from app.features.files import service
from app.features.files.models import Document, Image
from tests.engine.rig import url_for
from tests.fakes.openai_server import png

TINY = png(8, 8)


@dataclass
class Shelf:
    """Makes documents and pictures of one workspace."""

    engine: Engine
    workspace_id: str
    stranger_id: str

    def document(self, session: Session, **changes: Any) -> Document:
        values = {
            "workspace_id": self.workspace_id, "run_id": None, "step_run_id": None, "title": "Spring lease",
            "body": "Drive now.", "fields": {"max_chars": 125}, "status": "draft", "position": 1,
            "written_by": "gpt-5-mini", "test": False,
        }  # fmt: skip
        return service.create_document(session, **{**values, **changes})

    def image(self, session: Session, **changes: Any) -> Image:
        values = {
            "workspace_id": self.workspace_id, "run_id": None, "step_run_id": None, "position": 1,
            "prompt": "A car at dusk", "model": "gpt-image-1", "png": TINY,
        }  # fmt: skip
        return service.store_image(session, **{**values, **changes})

    def images(self, session: Session, count: int) -> list[str]:
        prepared = service.prepare_image(_Bytes(TINY))
        return [
            self.image(session, png=None, prepared=prepared, position=number).id
            for number in range(1, count + 1)
        ]


@dataclass
class _Bytes:
    png: bytes


@pytest.fixture
def shelf(database_url: str) -> Iterator[Shelf]:
    engine = make_engine(url_for(database_url))
    ids = [new_id(), new_id()]
    with transaction(engine) as session:
        session.add_all(Workspace(id=made, name="Northfield", created_at=clock.now()) for made in ids)
    yield Shelf(engine, *ids)
    engine.dispose()


@pytest.fixture
def session(shelf: Shelf) -> Iterator[Session]:
    with Session(shelf.engine, expire_on_commit=False) as session:
        yield session
        session.rollback()
