"""What becomes of a message that cannot leave: it is tried a few times, then parked, and stops nobody."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock, outbox
from app.core.outbox import OutboxRow
from tests.engine.rig import House


def row(house: House, row_id: str) -> OutboxRow:
    with house.session() as session:
        return session.get_one(OutboxRow, row_id)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that a channel was given which cannot handle any."""
    asked: list[str] = []

    def deliver(content: dict[str, Any], recipient: str, message_id: str) -> None:
        asked.append(message_id)
        raise KeyError("subject")

    monkeypatch.setitem(outbox._channels, "poison", deliver)
    return asked


def test_a_message_that_breaks_its_channel_is_parked_after_its_tries(house: House, asked: list[str]) -> None:
    row_id = house.post("poison")
    for _ in range(outbox.ATTEMPTS):
        outbox.relay(house.engine, row_id, owner="test:1:a")
        assert row(house, row_id).lease_owner is None
    kept = row(house, row_id)
    assert (kept.status, kept.due_at, len(asked)) == ("parked", None, outbox.ATTEMPTS)
    assert kept.error == "Something went wrong on our side."


def test_a_message_under_which_workers_die_is_parked_untried(house: House, asked: list[str]) -> None:
    row_id = house.post("poison")
    with house.session() as session:
        past = clock.now() - timedelta(seconds=1)
        dead = {"attempts": outbox.ATTEMPTS, "lease_owner": "dead:1:a", "lease_until": past, "due_at": past}
        session.execute(sa.update(OutboxRow).values(**dead))
    outbox.relay(house.engine, row_id, owner="test:1:a")
    kept = row(house, row_id)
    assert (kept.status, kept.due_at, asked) == ("parked", None, [])
