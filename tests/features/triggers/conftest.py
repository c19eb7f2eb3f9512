"""Fixtures for tests of schedules: a small workflow, and schedules of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.features.accounts.service import Actor
from app.features.triggers import service
from app.features.triggers.models import Schedule
from app.features.triggers.service import Wish
from app.features.workflows.models import Workflow
from tests import factories
from tests.cast import Cast, enter

SMALL: dict[str, Any] = {
    "schema": 1,
    "inputs": [{"key": "offer", "label": "What is the offer?", "type": "text", "required": True}],
    "steps": [{"id": "set", "name": "Keep it", "type": "transform", "config": {"set": {"said": "{{ inputs.offer }}"}}}],
}
MakeSchedule = Callable[..., Schedule]


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Alice, Bob and Charlie."""
    return enter(app)


@pytest.fixture
def alice(cast: Cast) -> Actor:
    return Actor(cast.alice.user_id, cast.alice.name, cast.alice.email)


@pytest.fixture
def workflow(cast: Cast, session: Session) -> Workflow:
    return factories.workflow(session, cast.alice.workspace_id, name="Weekly ads", definition=SMALL)


@pytest.fixture
def make(session: Session, workflow: Workflow, alice: Actor) -> MakeSchedule:
    """Make a schedule of every 15 minutes, first due *due_s* seconds ago."""

    def _make(*, due_s: float, **wish: Any) -> Schedule:
        made = service.create(
            session, workflow, Wish(**{"when": "every 15 minutes", "inputs": {"offer": "A car"}, **wish}), actor=alice
        )
        made.anchor_at = made.next_due_at = made.look_at = service.database_now(session) - timedelta(seconds=due_s)
        session.commit()
        return made

    return _make
