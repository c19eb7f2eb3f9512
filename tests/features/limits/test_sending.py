"""The one switch for everything that leaves the house: on the pages, in the outbox, in the engine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock, outbox
from app.core.db import db, transaction
from app.core.outbox import OutboxRow, SendingHold
from app.engine.models import Allowance
from app.features.accounts.models import AuditEntry
from app.features.limits import service
from tests import factories
from tests.cast import Cast, add_editor
from tests.engine.rig import House
from tests.page import Page

HELD = "Sending is switched off for this workspace."


def audited(cast: Cast) -> list[tuple[str, str]]:
    with cast.app.app_context():
        rows = db.session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action.like("sending.%")).order_by(AuditEntry.id)
        )
        return [(row.action, row.actor) for row in rows]


def test_the_owner_switches_it_off_and_everybody_sees_it_on_every_page(cast: Cast) -> None:
    alice, bob, charlie = (cast.browser(who) for who in (cast.alice, cast.bob, cast.charlie))
    before = Page(alice.get("/settings/sending").text)
    assert (before.faults, HELD in before.text) == ([], False)
    for _ in range(2):
        assert alice.post("/settings/sending/hold").status_code == 303
    for path in ("/", "/runs", "/documents", "/approvals", "/settings", "/more", "/gallery"):
        page = Page(alice.get(path).text)
        assert (page.faults, HELD in page.text) == ([], True), path
    assert "An owner can switch it on again." in Page(bob.get("/").text).text
    assert HELD not in Page(charlie.get("/").text).text
    shown = Page(alice.get("/settings/sending").text)
    assert "Alice Ames switched it off just now . Nothing waits to leave yet." in shown.text
    for _ in range(2):
        assert alice.post("/settings/sending/release").status_code == 303
    assert HELD not in Page(alice.get("/").text).text
    assert audited(cast) == [("sending.held", "Alice Ames"), ("sending.released", "Alice Ames")]


def test_only_who_manages_may_touch_it(cast: Cast) -> None:
    dana = cast.browser(add_editor(cast))
    for client in (dana, cast.browser(cast.bob)):
        assert client.get("/settings/sending").status_code == 403
        assert client.post("/settings/sending/hold").status_code == 403
        assert client.delete("/settings/sending/hold").status_code == 403
    nobody = cast.browser(None)
    assert nobody.get("/settings/sending").status_code == 303
    assert audited(cast) == []


def test_a_run_says_that_its_step_is_held(cast: Cast) -> None:
    with cast.app.app_context():
        session = db.session()
        flow = factories.workflow(session, cast.alice.workspace_id)
        told = factories.story(session, factories.queued_run(session, flow))
        told.step("tell", factories.StepStatus.PENDING, effect="sends")
        run = told.now(factories.RunStatus.RUNNING, done=4)
        service.hold_sending(session, cast.alice.workspace_id, by="Alice Ames", by_id=None)
        session.commit()
    page = Page(cast.browser(cast.alice).get(f"/runs/{run.id}").text)
    assert "Held: sending is switched off for this workspace." in page.text
    assert page.faults == []


# --- what holds ---


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A channel that notes what it delivered."""
    sent: list[str] = []
    monkeypatch.setitem(outbox._channels, "email", lambda content, recipient, message_id: sent.append(content["text"]))
    return sent


def post(house: House, text: str, **options: object) -> None:
    with house.session() as session:
        outbox.post(
            session, channel="email", recipient="sam@northfield.example", subject=text, content={"text": text},
            dedupe_key=text, workspace_id=house.workspace_id, **options,  # type: ignore[arg-type]
        )  # fmt: skip


def relay(house: House) -> None:
    with house.session() as session:
        due = outbox.due(session)
    for row_id in due:
        outbox.relay(house.engine, row_id, owner="test")


def test_messages_wait_in_order_and_account_mail_goes_on(house: House, channel: list[str]) -> None:
    post(house, "first")
    with house.session() as session:
        late = session.scalars(sa.select(OutboxRow.id)).one()
        service.hold_sending(session, house.workspace_id, by="Alice", by_id=None)
    post(house, "second")
    post(house, "password", is_account=True)
    outbox.relay(house.engine, late, owner="test")  # hinted before the switch
    relay(house)
    assert channel == ["password"]
    with house.session() as session:
        assert service.release_sending(session, house.workspace_id, by="Alice", by_id=None) == []
    relay(house)
    assert channel == ["password", "first", "second"]


def test_two_owners_at_once_are_not_in_each_others_way(house: House) -> None:
    def second(act: Callable[[Session], object]) -> object:
        with house.session() as session:
            return act(session)

    def hold(session: Session) -> bool:
        return service.hold_sending(session, house.workspace_id, by="Alice", by_id=None)

    def limit(session: Session) -> None:
        service.set_most(session, house.workspace_id, service.Most(steps_at_once=2), by="Alice", by_id=None)

    with ThreadPoolExecutor(1) as pool:
        for act, answers in ((hold, (True, False)), (limit, (None, None))):
            with house.session() as session:
                first = act(session)
                other = pool.submit(second, act)
                with suppress(TimeoutError):
                    other.result(0.1)  # it has begun, and waits
            assert (first, other.result(20)) == answers


def test_another_workspace_sends_on(house: House, channel: list[str]) -> None:
    other = House(house.engine)
    with house.session() as session:
        service.hold_sending(session, house.workspace_id, by="Alice", by_id=None)
    post(other, "theirs")
    relay(other)
    assert channel == ["theirs"]


def test_steps_that_send_wait_and_go_on_when_released(house: House) -> None:
    with house.session() as session:
        service.hold_sending(session, house.workspace_id, by="Alice", by_id=None)
    run_id = house.start(
        [
            {"id": "think", "type": "echo", "config": {"say": 1}},
            {"id": "tell", "type": "post", "after": ["think"], "config": {"to": "sam@northfield.example"}},
        ]
    )
    house.work(run_id)
    steps = house.steps(run_id)
    assert (steps["think"].status, steps["tell"].status, steps["tell"].attempts) == ("completed", "pending", 0)
    assert house.run(run_id).due_at is not None
    with house.session() as session:
        assert service.release_sending(session, house.workspace_id, by="Alice", by_id=None) == [run_id]
    house.work()
    assert house.run(run_id).status == "completed"


@pytest.mark.parametrize("at_once", [None, 1])
def test_a_test_is_not_held_for_nothing_of_it_leaves(house: House, channel: list[str], at_once: int | None) -> None:
    with house.session() as session:
        session.add(Allowance(workspace_id=house.workspace_id, steps_at_once=at_once))
        service.hold_sending(session, house.workspace_id, by="Alice", by_id=None)
    tell = {"id": "tell", "type": "post", "config": {"to": "sam@northfield.example"}}
    run_id = house.start([tell], test=True)
    house.work(run_id)
    relay(house)
    assert (house.run(run_id).status, channel) == ("completed", [])


def test_a_hold_ends_with_its_workspace(house: House) -> None:
    with transaction(house.engine) as session:
        session.add(SendingHold(workspace_id=house.workspace_id, by="Alice", at=clock.now()))
    with transaction(house.engine) as session:
        session.execute(sa.text("DELETE FROM workspace"))
        assert session.scalars(sa.select(SendingHold)).all() == []
