"""The AI steps in the real engine, against a real local AI server, on both databases: calls, costs, documents."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app import steps
from app.core.settings import Settings
from app.engine import catalog, ports
from app.engine.models import Run, Spending, StepRun
from app.features.ai import service as ai
from app.features.files import queries
from app.features.files import service as files
from app.features.files.models import Document, Image
from app.features.notifications import service as notifications
from tests.engine.rig import House, make_house
from tests.fakes.openai_server import FakeOpenAI, Reply, png

COPY = {
    "id": "ads",
    "type": "generate_copy",
    "config": {"prompt": "Write ads", "count": 10, "max_chars": 125},
}
PICTURES = {"id": "pictures", "type": "generate_image", "config": {"prompt": "A car", "count": 5}}
ATTACH = {
    "id": "attach", "type": "attach_images", "after": ["ads", "pictures"],
    "config": {"documents": "ads", "images": "pictures"},
}  # fmt: skip
REVIEW = {
    "id": "check", "type": "review", "after": ["attach"],
    "config": {"documents": "ads", "approvers": ["maria@example.com"]},
}  # fmt: skip


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    house = make_house(database_url)
    catalog.discover(steps)
    ports.bind(
        write_text=ai.write_text, make_image=ai.make_image, estimate_text=ai.estimate_text,
        estimate_image=ai.estimate_image, create_document=files.create_document, read_documents=files.read_documents,
        attach=files.attach, prepare_image=files.prepare_image, store_image=files.store_image,
        notice=notifications.notice,
    )  # fmt: skip
    yield house
    house.check()
    house.engine.dispose()


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        ai.configure(
            Settings(
                environment="test", secret_key="x", openai_base_url=server.url, ai_image_model="gpt-image-1"
            )
        )
        yield server
    ai.configure(Settings(environment="test", secret_key="x"))


@pytest.fixture
def sample() -> None:
    ai.configure(Settings(environment="test", secret_key="x"))


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once: the number of tries is what counts here."""
    monkeypatch.setattr("app.engine.retry.random.uniform", lambda least, most: 0.0)


def test_ten_ads_with_pictures_reach_their_review(house: House, server: FakeOpenAI) -> None:
    run_id = house.start([COPY, PICTURES, ATTACH, REVIEW])
    house.work(run_id)
    assert house.run(run_id).status == "waiting"
    wait = house.wait(run_id)
    with house.session() as session:
        documents = list(session.scalars(sa.select(Document).where(Document.run_id == run_id)))
        assert len({document.created_at for document in documents}) == 1  # so that a list keeps them in their order
        pictures = queries.attachments(session, [document.id for document in documents])
        images = list(session.scalars(sa.select(Image).where(Image.run_id == run_id)))
    assert sorted(document.position for document in documents) == list(range(1, 11))
    assert {document.written_by for document in documents} == {"gpt-5-mini"}
    assert all([fact.is_primary for fact in facts] == [True] for facts in pictures.values())
    assert sorted(image.position for image in images) == [1, 2, 3, 4, 5]
    assert {image.model for image in images} == {"gpt-image-1"}
    assert set(wait.detail["documents"]) == {document.id for document in documents}
    calls = house.calls(run_id)
    assert sorted(call.name for call in calls) == ["copy", *(f"picture-{number}" for number in range(1, 6))]
    assert sum(call.cost_microusd for call in calls) == house.run(run_id).cost_microusd == 290 + 5 * 42_490
    assert (len(server.of("chat")), len(server.of("images"))) == (1, 5)


def test_text_seven_too_long_is_one_further_call_with_its_own_cost(house: House, server: FakeOpenAI) -> None:
    server.script("chat", Reply(too_long=(7,)))
    run_id = house.start([COPY])
    house.work(run_id)
    step = house.steps(run_id)["ads"]
    assert step.status == "completed"
    assert all(len(text) <= 125 for text in step.output["texts"])
    assert [(call.name, call.cost_microusd) for call in house.calls(run_id)] == [
        ("copy", 290),
        ("copy-7-again-1", 290),
    ]
    assert len(server.of("chat")) == 2
    assert "exactly 1 text" in server.of("chat")[1].prompt


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("reply", "attempts", "category"),
    [
        (Reply(status=429), 6, "busy"),
        (Reply(status=500), 3, "outside"),
        (Reply(reset=True), 5, "network"),
        (Reply(status=401), 1, "permission"),
        (Reply(status=429, code="insufficient_quota"), 1, "budget"),
        (Reply(refusal="No."), 2, "ai_answer"),
    ],
    ids=["busy", "outside", "network", "permission", "budget", "refusal"],
)
def test_there_is_one_request_an_attempt(
    house: House, server: FakeOpenAI, reply: Reply, attempts: int, category: str
) -> None:
    server.always("chat", reply)
    run_id = house.start([COPY])
    house.work(run_id)
    step = house.steps(run_id)["ads"]
    assert (step.status, step.error["category"]) == ("failed", category)
    assert len(server.of("chat")) == attempts
    [call] = house.calls(run_id)
    assert call.tries == attempts


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_answer_of_no_use_is_in_the_ledger_with_its_cost(house: House, server: FakeOpenAI) -> None:
    server.always("chat", Reply(invalid=True))
    run_id = house.start([COPY])
    house.work(run_id)
    calls = {call.name: (call.status, call.tries, call.cost_microusd) for call in house.calls(run_id)}
    assert calls == dict.fromkeys(("copy", "copy-repair"), ("refused", 2, 2 * 290))  # two tries, one repair each
    assert (len(server.of("chat")), house.run(run_id).cost_microusd) == (4, 4 * 290)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_repaired_answer_is_kept_and_paid_for_once(house: House, server: FakeOpenAI) -> None:
    server.script("chat", Reply(invalid=True))
    run_id = house.start([COPY])
    house.work(run_id)
    assert house.steps(run_id)["ads"].status == "completed"
    with house.session() as session:  # the step's process died after the repair, before the result
        values = {"status": "pending", "finished_at": None, "output": None, "outcome": None, "hinted_at": None}
        session.execute(sa.update(StepRun).where(StepRun.run_id == run_id).values(**values))
        session.execute(sa.update(Run).where(Run.id == run_id).values(status="running", finished_at=None))
    house.work(run_id)
    assert house.steps(run_id)["ads"].status == "completed"
    assert (len(server.of("chat")), house.run(run_id).cost_microusd) == (2, 2 * 290)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_repair_that_the_budget_has_no_room_for_is_not_asked_for(house: House, server: FakeOpenAI) -> None:
    first = house.start([COPY])
    house.work(first)
    [call] = house.calls(first)
    server.script("chat", Reply(invalid=True))
    run_id = house.start([COPY], budget=call.estimate_microusd + 10)
    house.work(run_id)
    run = house.run(run_id)
    assert (run.status, run.cost_microusd, run.reserved_microusd) == ("needs_attention", 290, 0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_repair_whose_answer_was_lost_holds_no_money_when_it_is_not_needed(house: House, server: FakeOpenAI) -> None:
    server.script("chat", Reply(invalid=True), Reply(cut=True))
    run_id = house.start([COPY])
    house.work(run_id)
    assert house.steps(run_id)["ads"].status == "completed"
    calls = {call.name: call.status for call in house.calls(run_id)}
    assert calls == {"copy": "answered", "copy-repair": "refused"}
    with house.session() as session:
        assert session.scalar(sa.select(Spending.reserved_microusd)) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_picture_of_no_use_is_in_the_ledger_with_its_cost(house: House, server: FakeOpenAI) -> None:
    server.script("images", Reply(content=png(64, 64, 9_000)[:4_000]))
    run_id = house.start([PICTURES])
    house.work(run_id)
    assert house.steps(run_id)["pictures"].status == "completed"
    costs = {call.name: (call.tries, call.cost_microusd) for call in house.calls(run_id)}
    assert costs["picture-1"] == (2, 2 * 42_490)
    assert house.run(run_id).cost_microusd == 6 * 42_490


def test_a_failure_at_picture_four_pays_for_nothing_twice(house: House, server: FakeOpenAI) -> None:
    fine = Reply()
    server.script("images", fine, fine, fine, Reply(status=500), fine, fine)
    run_id = house.start([PICTURES])
    house.work(run_id)
    assert house.steps(run_id)["pictures"].status == "completed"
    assert len(server.of("images")) == 6
    assert house.run(run_id).cost_microusd == 5 * 42_490
    with house.session() as session:
        assert len(queries.images(session, house.workspace_id)) == 5


def test_a_lost_reply_is_asked_again_under_the_same_key(house: House, server: FakeOpenAI) -> None:
    server.script("chat", Reply(cut=True))
    run_id = house.start([COPY])
    house.work(run_id)
    assert house.steps(run_id)["ads"].status == "completed"
    keys = [request.headers["idempotency-key"] for request in server.of("chat")]
    assert len(keys) == 2
    assert keys[0] == keys[1] == f"gl-{run_id}-ads-0-copy"


def test_the_samples_cost_nothing_and_go_the_same_way(house: House, sample: None) -> None:
    inputs: dict[str, Any] = {"offer": "Lease a Honda CR-V for $289 a month", "audience": "families"}
    run_id = house.start([COPY, PICTURES, ATTACH, REVIEW], inputs=inputs)
    house.work(run_id)
    assert house.run(run_id).status == "waiting"
    assert house.run(run_id).cost_microusd == 0
    with house.session() as session:
        documents = queries.documents(session, house.workspace_id, run_id=run_id)
        images = queries.images(session, house.workspace_id, run_id=run_id)
    assert {document.written_by for document in documents} == {"Sample writer"}
    assert all(document.body.startswith("Sample") and "CR-V" in document.body for document in documents)
    assert len({document.body for document in documents}) == 10
    assert len({image.sha256 for image in images}) == 5
