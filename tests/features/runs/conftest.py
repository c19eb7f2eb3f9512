"""The cast with a workflow of Alice's, and a counter of statements."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from flask import Flask

from app.core.db import db
from app.engine.models import Run
from app.features.accounts.service import Actor
from app.features.workflows.models import Workflow
from tests import factories
from tests.cast import Cast
from tests.statements import sent
from tests.web.conftest import cast, web_app, web_settings

__all__ = ["cast", "web_app", "web_settings"]


@dataclass
class Yard:
    """Alice's workspace with one workflow; makes runs in a state and returns their ids."""

    cast: Cast
    workflow_id: str

    @property
    def app(self) -> Flask:
        return self.cast.app

    def make(self, *kinds: str, **options: object) -> list[str]:
        """Make runs: ``queued``, ``running``, ``waiting``, ``finished``, ``rejected`` or ``failed``."""
        alice = self.cast.alice
        starter = Actor(alice.user_id, alice.name, alice.email)
        with self.app.app_context():
            session = db.session()
            workflow = session.get_one(Workflow, self.workflow_id)
            made = [getattr(factories, f"{kind}_run")(session, workflow, starter=starter, **options) for kind in kinds]
            session.commit()
            return [run.id for run in made]

    def change(self, run_id: str, do: Callable[[Run], None]) -> None:
        """Change a run as the engine would."""
        with self.app.app_context():
            do(db.session.get_one(Run, run_id))
            db.session.commit()


@pytest.fixture
def yard(cast: Cast) -> Yard:
    with cast.app.app_context():
        made = factories.workflow(db.session(), cast.alice.workspace_id)
        db.session.commit()
        return Yard(cast, made.id)


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Collect the statements that the application sends to its database meanwhile."""
    with app.app_context():
        engines = list(db.engines.values())
    with sent(*engines) as seen:
        yield seen
