"""A test run stays in the house: real far sides listen, and this process's own connections are counted beside them."""

import dataclasses
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from app import steps
from app.core import outbox
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.engine import catalog, control, offline, ports, stand_ins
from app.engine.contract import Answer, Context, Done, Effect, StepType, Wait
from app.engine.models import RunLog
from app.features.ai import service as ai
from app.features.files import service as files
from app.features.files.models import Document, Image
from app.features.notifications import service as notifications
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.fakes.openai_server import FakeOpenAI

_connected: list[object] = []
TESTER = {"started_by": {"name": "Ann", "email": "ann@example.com"}, "workspace": {"timezone": "America/New_York"}}


class Far(BaseModel):
    """Where a rude step wants to go."""

    url: str = ""
    way: str = "call"


def _ask(url: str) -> Answer:
    with urllib.request.urlopen(url, data=b"x", timeout=60) as reply:
        return Answer({"status": reply.status})


def _reach(config: Far, ctx: Context) -> Done:
    """Reach out in the way asked for; what is swallowed here must not help."""
    match config.way:
        case "declared":
            answer = ctx.call("post", lambda key, left: _ask(config.url), to=config.url, sample={"status": 200})
            return Done({"status": answer["status"], "by": "step"})
        case "call":
            return Done({"status": ctx.call("post", lambda key, left: _ask(config.url))["status"], "by": "step"})
        case "program":
            try:
                subprocess.run([sys.executable, "-c", "1"], check=True)
            except Exception:
                return Done({"status": 0, "by": "swallowed"})
        case _:
            try:
                return Done({"status": _ask(config.url).value["status"], "by": "step"})
            except Exception:
                return Done({"status": 0, "by": "swallowed"})
    return Done({"status": 0, "by": "step"})


def _call_back(config: Far, ctx: Context) -> Wait:
    return Wait("callback")


REACH = StepType(
    type="reach", label="Reach", icon="world-share", group="Test", effect=Effect.SENDS, config=Far,
    summary=lambda config: "Reach out", run=_reach, output_fields=frozenset({"status", "by"}),
    sample=lambda config: {"status": 200, "by": "sample"},
)  # fmt: skip
KINDS = (
    REACH,
    dataclasses.replace(REACH, type="reach_undeclared", sample=None),
    dataclasses.replace(REACH, type="call_back", run=_call_back),
)


@pytest.fixture
def far(house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A house whose AI, mail server and web address are real and listen."""
    mail = socket.create_server(("127.0.0.1", 0))
    came: list[object] = []
    threading.Thread(target=_accept, args=(mail, came), daemon=True).start()
    with FakeOpenAI() as server:
        settings = Settings(
            environment="test", secret_key="x", openai_base_url=server.url, ai_image_model="gpt-image-1",
            smtp_url=f"smtp://127.0.0.1:{mail.getsockname()[1]}", mail_from="us@example.com",
        )  # fmt: skip
        ai.configure(settings)
        notifications.configure(settings)
        catalog.discover(steps)
        catalog._types.update({kind.type: kind for kind in KINDS})
        ports.bind(
            write_text=ai.write_text, make_image=ai.make_image, estimate_text=ai.estimate_text,
            estimate_image=ai.estimate_image, create_document=files.create_document,
            read_documents=files.read_documents, attach=files.attach, prepare_image=files.prepare_image,
            store_image=files.store_image, notice=notifications.notice,
        )  # fmt: skip
        outbox.hold_tests(control.is_test)
        outbox.channel("email", notifications.deliver)
        yield {"ai": server, "mail": came, "sink": sink}
    mail.close()
    for feature in (ai, notifications):
        feature.configure(Settings(environment="test", secret_key="x"))


def _accept(server: socket.socket, came: list[object]) -> None:
    while True:
        try:
            connection, address = server.accept()
        except OSError:
            return
        came.append(address)
        connection.close()


@pytest.fixture(scope="module", autouse=True)
def _counting() -> None:
    """Note every connection of this process, by an audit hook of the test's own (PEP 578; it cannot be removed)."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and threading.current_thread() is threading.main_thread():
            _connected.append(arguments[1])

    sys.addaudithook(note)


def _relay_all(house: House) -> None:
    with house.session() as session:
        ids = list(session.scalars(sa.select(OutboxRow.id)))
    for row_id in ids:
        outbox.relay(house.engine, row_id, owner="test:1:a")


def _noted(house: House, run_id: str) -> list[tuple[str, str]]:
    with house.session() as session:
        wanted = sa.select(RunLog.event, RunLog.message).where(
            RunLog.run_id == run_id, RunLog.event.startswith("test.")
        )
        return sorted((row.event, row.message) for row in session.execute(wanted))


def _story(url: str) -> list[dict[str, Any]]:
    return [
        {"id": "ads", "type": "generate_copy", "config": {"prompt": "Write ads", "count": 2}},
        {"id": "pictures", "type": "generate_image", "config": {"prompt": "A car", "count": 1}},
        {"id": "declared", "type": "reach", "config": {"url": url, "way": "declared"}},
        {"id": "called", "type": "reach", "config": {"url": url, "way": "call"}},
        {"id": "rude", "type": "reach", "config": {"url": url, "way": "socket"}},
        {"id": "odd", "type": "reach_undeclared", "config": {"url": url, "way": "socket"}},
        {"id": "named", "type": "reach", "config": {"url": "http://far.example/", "way": "socket"}},
        {"id": "program", "type": "reach", "config": {"way": "program"}},
        {"id": "back", "type": "call_back"},
        {"id": "pause", "type": "delay", "config": {"seconds": 3 * 86_400}},
        {"id": "check", "type": "review", "after": ["ads", "pause"], "name": "The manager decides",
         "config": {"documents": "ads", "approvers": ["bob@example.com", "cleo@example.com"], "policy": "all",
                    "undo_s": 600}},
        {"id": "tell", "type": "notify", "after": ["check:approved"],
         "config": {"to": ["bob@example.com", "dan@example.com"], "subject": "Ready"}},
    ]  # fmt: skip


def test_nothing_of_a_test_run_leaves_the_house(house: House, far: dict[str, Any]) -> None:
    run_id = house.start(_story(far["sink"].url), facts=TESTER, test=True)
    _connected.clear()
    house.work(run_id)
    wait = house.wait(run_id)
    assert (house.run(run_id).status, wait.kind) == ("waiting", "approval")
    with house.session() as session:
        assert control.decide(session, wait.id, outcome="approved", output={"decision": "approved"})
    house.work(run_id)
    _relay_all(house)

    run, done = house.run(run_id), house.steps(run_id)
    assert (run.status, run.cost_microusd, run.reserved_microusd) == ("completed", 0, 0)
    # neither the far sides nor this process saw a connection
    assert (far["sink"].log, far["mail"], far["ai"].of("chat"), far["ai"].of("images")) == ([], [], [], [])
    assert [address for address in _connected if isinstance(address, tuple)] == []
    # what stood in
    assert done["declared"].output == {"status": 200, "by": "step"}
    assert [done[one].output["by"] for one in ("called", "rude", "named", "program")] == ["sample"] * 4
    assert done["odd"].output == {"by": "", "status": ""}
    # what would have happened
    url = far["sink"].url
    said = [message for _, message in _noted(house, run_id)]
    people = "2 people (bob@example.com, cleo@example.com)"
    assert said[0] == f"Would ask {people} by e-mail to decide: “The manager decides”."
    for target in (url, "post", "127.0.0.1", "far.example", "another program"):
        assert f"Would call {target}." in said
    assert "Would wait for an answer from outside." in said
    assert any(message.startswith("Would wait until ") for message in said)
    assert (wait.detail["approvers"], wait.detail["policy"], wait.detail["undo_s"]) == (["ann@example.com"], "any", 0)
    with house.session() as session:
        mails = session.execute(sa.select(OutboxRow.recipient, OutboxRow.status, OutboxRow.due_at)).all()
        assert sorted(tuple(row) for row in mails) == [
            ("bob@example.com", "test", None),
            ("dan@example.com", "test", None),
        ]
        # what it made says that it is a test
        assert set(session.scalars(sa.select(Document.test))) == {True}
        assert set(session.scalars(sa.select(Image.model))) == {"Sample writer"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_same_steps_do_reach_out_in_a_run(house: House, far: dict[str, Any]) -> None:
    """Without this the test above would prove nothing."""
    url = far["sink"].url
    run_id = house.start(
        [
            {"id": "ads", "type": "generate_copy", "config": {"prompt": "Write ads", "count": 2}},
            {"id": "called", "type": "reach", "config": {"url": url, "way": "call"}},
            {"id": "rude", "type": "reach", "config": {"url": url, "way": "socket"}},
            {"id": "program", "type": "reach", "config": {"way": "program"}},
            {"id": "tell", "type": "notify", "config": {"to": ["bob@example.com"], "subject": "Ready"}},
        ],
        facts=TESTER,
    )
    _connected.clear()
    house.work(run_id)
    _relay_all(house)
    assert house.run(run_id).status == "completed"
    assert (len(far["sink"].log), len(far["mail"]), len(far["ai"].of("chat"))) == (2, 1, 1)
    assert len(_connected) >= 3
    assert _noted(house, run_id) == []


def test_the_guard_ends_with_its_block_and_is_for_one_thread(sink: Sink) -> None:
    other: list[int] = []
    with offline.guard():
        thread = threading.Thread(target=lambda: other.append(_ask(sink.url).value["status"]))
        thread.start()
        thread.join(60)
        with pytest.raises(offline.WouldReach):
            _ask(sink.url)
        with offline.guard(on=False):
            _ask(sink.url)
        with pytest.raises(offline.WouldReach):
            _ask(sink.url)
    assert other == [200]
    assert _ask(sink.url).value == {"status": 200}


def test_a_stand_in_leaves_by_an_outcome_of_its_type() -> None:
    def nothing(config: Any) -> Mapping[str, Any]:
        return {"x": 1}

    kind = dataclasses.replace(REACH, outcomes=("yes", "no"), sample=nothing)
    assert stand_ins.stand_in(kind, Far()) == Done({"x": 1}, "yes")
