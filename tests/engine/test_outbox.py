"""What becomes of a message that cannot leave, or must not: it is tried a few times, parked or withdrawn."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from app.core import clock, outbox
from app.core.outbox import OutboxRow
from app.engine import control, store
from app.engine.models import RunLog
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.engine.steps import spend

WAITS = [{"id": "ask", "type": "ask", "config": {}}]


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


def test_a_message_under_which_workers_die_is_given_up_and_may_have_arrived(house: House, asked: list[str]) -> None:
    row_id = house.post("poison")
    with house.session() as session:
        past = clock.now() - timedelta(seconds=1)
        dead = {"attempts": outbox.ATTEMPTS, "lease_owner": "dead:1:a", "lease_until": past, "due_at": past}
        session.execute(sa.update(OutboxRow).values(**dead))
    outbox.relay(house.engine, row_id, owner="test:1:a")
    kept = row(house, row_id)
    assert (kept.status, kept.due_at, asked) == ("unsure", None, [])
    assert kept.error == "Our side stopped each time while it was handing it over: it may have arrived."


def test_a_message_that_no_key_opens_is_parked_after_its_tries(house: House, asked: list[str]) -> None:
    row_id = house.post("poison")
    with house.session() as session:
        sealed = Fernet(Fernet.generate_key()).encrypt(b"{}").decode()
        session.execute(sa.text("UPDATE outbox SET content = :sealed"), {"sealed": sealed})
    for _ in range(outbox.ATTEMPTS):
        outbox.relay(house.engine, row_id, owner="test:1:a")
    with house.session() as session:
        kept = session.execute(sa.select(OutboxRow.status, OutboxRow.due_at, OutboxRow.attempts)).one()
    assert (kept, asked) == (("parked", None, outbox.ATTEMPTS), [])


def _stop(house: House, run_id: str) -> None:
    with house.session() as session:
        control.stop(session, run_id)


def _logged(house: House, run_id: str) -> list[str]:
    with house.session() as session:
        rows = session.scalars(sa.select(RunLog).where(RunLog.run_id == run_id))
        return [row.message for row in rows if row.event == "messages.withdrawn"]


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom the channel ``good`` was given messages for."""
    delivered: list[str] = []
    monkeypatch.setitem(outbox._channels, "good", lambda content, recipient, message_id: delivered.append(recipient))
    return delivered


def test_what_has_not_left_of_a_stopped_run_is_withdrawn_and_its_log_says_so(
    house: House, delivered: list[str]
) -> None:
    run_id, other = house.start(WAITS), house.start(WAITS)
    house.work(run_id)
    gone, first, second, third = (house.post("good", run_id, to=name) for name in ("gone", "first", "second", "third"))
    others = house.post("good", other, to="others")
    outbox.relay(house.engine, gone, owner="test:1:a")
    _stop(house, run_id)
    outbox.relay(house.engine, first, owner="test:1:a")  # before anybody has planned the run
    house.work()
    for row_id in (gone, first, second, third, others):
        outbox.relay(house.engine, row_id, owner="test:1:a")
    assert delivered == ["gone@northfield.example", "others@northfield.example"]
    assert [row(house, row_id).status for row_id in (gone, first, second, third, others)] == [
        "sent", "withdrawn", "withdrawn", "withdrawn", "sent",
    ]  # fmt: skip
    assert row(house, second).due_at is None
    assert _logged(house, run_id) == [
        "A message that had not left was withdrawn: to first@northfield.example.",
        "2 messages that had not left were withdrawn: to second@northfield.example and third@northfield.example.",
    ]


def test_of_a_message_of_a_stopped_run_whose_sender_died_nobody_can_tell(house: House, delivered: list[str]) -> None:
    run_id = house.start(WAITS)
    house.work(run_id)
    row_id = house.post("good", run_id)
    past = clock.now() - timedelta(seconds=1)
    with house.session() as session:
        dead = {"attempts": 2, "error": "busy", "lease_owner": "dead:1:a", "lease_until": past, "due_at": past}
        session.execute(sa.update(OutboxRow).values(**dead))
    _stop(house, run_id)
    house.work()
    outbox.relay(house.engine, row_id, owner="test:1:a")
    kept = row(house, row_id)
    assert (kept.status, kept.due_at, delivered) == ("unsure", None, [])
    assert "may have arrived" in kept.error


@pytest.mark.parametrize(("becomes", "status"), [(None, "sent"), (outbox.Retry("busy"), "withdrawn")])
def test_a_message_under_way_at_the_stop_is_sent_or_withdrawn_as_it_turns_out(
    house: House, monkeypatch: pytest.MonkeyPatch, becomes: Exception | None, status: str
) -> None:
    run_id = house.start(WAITS)
    house.work(run_id)

    def deliver(content: dict[str, Any], recipient: str, message_id: str) -> None:
        _stop(house, run_id)
        house.work()
        if becomes is not None:
            raise becomes

    monkeypatch.setitem(outbox._channels, "slow", deliver)
    row_id = house.post("slow", run_id)
    outbox.relay(house.engine, row_id, owner="test:1:a")
    kept = row(house, row_id)
    assert (kept.status, kept.due_at, kept.lease_owner) == (status, None, None)
    assert house.run(run_id).status == "stopped"
    assert len(_logged(house, run_id)) == (status == "withdrawn")


def test_a_step_is_held_between_two_of_its_calls_and_goes_on_with_the_missing_ones(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = spend._post

    def switched_off_meanwhile(*arguments: Any) -> Any:
        with house.session() as session:
            session.add(outbox.SendingHold(workspace_id=house.workspace_id, by="Sam", at=clock.now()))
        return post(*arguments)

    monkeypatch.setattr(spend, "_post", switched_off_meanwhile)
    run_id = house.start([{"id": "one", "type": "send", "config": {"url": sink.url, "count": 2}}])
    house.work(run_id)
    step = house.steps(run_id)["one"]
    assert (step.status, step.attempts, step.error, len(sink.log)) == ("pending", 0, None, 1)
    monkeypatch.setattr(spend, "_post", post)
    with house.session() as session:
        session.execute(sa.delete(outbox.SendingHold))
        store.wake_held(session, house.workspace_id)
    house.work()
    assert (house.run(run_id).status, len(sink.log)) == ("completed", 2)
    assert [call.tries for call in house.calls(run_id)] == [1, 1]
