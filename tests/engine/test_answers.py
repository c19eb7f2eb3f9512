"""What becomes of a step that asks, by what a person says; and taking up a failed run."""

from typing import Any

import pytest
import sqlalchemy as sa

from app.core.db import transaction
from app.core.errors import Conflict, NotFound
from app.engine import answers, claims, control, line, runner
from app.engine.answers import Reply
from app.engine.calls import Ledger
from app.engine.contract import Answer, Effect
from app.engine.enums import CallStatus
from app.engine.held import Fenced
from app.engine.models import Call, Run, RunLog, StepRun
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.engine.test_runs import echo

UNCLEAR = {"value": "{{ inputs.price }}", "op": "gt", "than": 30000}


def reply(house: House, run_id: str, step: str, said: Reply) -> None:
    row = house.steps(run_id)[step]
    with house.session() as session:
        answers.answer(session, run_id, row.id, said, by="Alice")


def unclear_run(house: House, **step: Any) -> str:
    run_id = house.start([echo("ad", when=UNCLEAR, **step), echo("after", "ad")], inputs={"price": "dear"})
    house.work(run_id)
    assert house.run(run_id).status == "needs_attention"
    return run_id


def test_yes_does_the_step_and_no_skips_it_with_the_name_of_who_said_so(house: House) -> None:
    yes, no, fail = unclear_run(house), unclear_run(house), unclear_run(house)
    for run_id, said in ((yes, Reply.YES), (no, Reply.NO), (fail, Reply.FAIL)):
        reply(house, run_id, "ad", said)
        house.work(run_id)
    assert [house.steps(run_id)["ad"].status for run_id in (yes, no, fail)] == [
        "completed",
        "skipped",
        "failed",
    ]
    assert house.steps(no)["ad"].reason == "Alice said not to do it"
    assert house.steps(no)["after"].reason == "“ad” was skipped"
    assert [house.run(run_id).status for run_id in (yes, no, fail)] == ["completed", "completed", "failed"]
    with transaction(house.engine) as session:
        said = session.scalars(
            sa.select(RunLog.message).where(RunLog.run_id == yes, RunLog.event == "answered")
        )
        assert list(said) == ["Alice answered: yes."]
    house.check()


def test_yes_opens_a_step_that_is_done_for_every_item(house: House) -> None:
    run_id = unclear_run(house, for_each={"items": [1, 2], "parallel": 2}, config={"say": "{{ item }}"})
    reply(house, run_id, "ad", Reply.YES)
    house.work(run_id)
    assert house.run(run_id).status == "completed"
    with transaction(house.engine) as session:
        rows = session.scalars(sa.select(StepRun).where(StepRun.run_id == run_id, StepRun.step_id == "ad"))
        assert sorted((row.item, row.status) for row in rows) == [
            (-1, "completed"), (0, "completed"), (1, "completed"),
        ]  # fmt: skip


def test_nobody_does_a_step_for_every_item_as_one_while_it_is_to_be_opened(house: House, sink: Sink) -> None:
    spend = {"type": "spend", "config": {"url": sink.url}, "for_each": {"items": [1, 2], "parallel": 2}}
    run_id = house.start([{"id": "ad", "when": UNCLEAR, **spend}], inputs={"price": "dear"})
    house.work(run_id)
    reply(house, run_id, "ad", Reply.YES)
    with house.session() as session:  # threads that look for work before the run is planned again
        frame = house.steps(run_id)["ad"].id
        assert claims.claim_sibling(session, run_id, "test:2:b", 60.0, effects=list(Effect)) is None
        assert claims.claim_step(session, frame, "test:2:b", 60.0) is None
        assert line.claim_oldest(session, "test:2:b", 60.0) is None
    house.work()
    assert (house.run(run_id).status, len(sink.log)) == ("completed", 2)


def test_answer_counts_once_and_only_what_the_step_asks(house: House) -> None:
    run_id = unclear_run(house)
    row = house.steps(run_id)["ad"]
    with pytest.raises(Conflict, match="does not ask that"):
        reply(house, run_id, "ad", Reply.SENT)
    reply(house, run_id, "ad", Reply.NO)
    with pytest.raises(Conflict, match="answered before"):
        reply(house, run_id, "ad", Reply.YES)
    other = unclear_run(house)
    with pytest.raises(NotFound), house.session() as session:
        answers.answer(session, other, row.id, Reply.YES, by="Charlie")


def test_answer_to_a_stopped_run_changes_nothing(house: House) -> None:
    run_id = unclear_run(house)
    with house.session() as session:
        control.stop(session, run_id)
    house.work(run_id)
    with pytest.raises(Conflict):
        reply(house, run_id, "ad", Reply.YES)
    assert house.run(run_id).status == "stopped"


def unsure_run(house: House, sink: Sink) -> str:
    """A run whose request may have been sent: its worker died before it could say so."""
    run_id = house.start([{"id": "tell", "type": "send", "config": {"url": sink.url}}], budget=10**6)
    house.work(run_id)
    with transaction(house.engine) as session:
        row = house.steps(run_id)["tell"]
        session.execute(sa.update(Call).values(status=CallStatus.INTENDED.value, estimate_microusd=500))
        session.execute(
            sa.update(StepRun).where(StepRun.id == row.id).values(
                status="needs_attention", outcome=None, finished_at=None,
                error={"category": "unsure", "code": "unsure", "message": "We cannot tell if this was sent."},
            )
        )  # fmt: skip
        session.execute(
            sa.update(Run).where(Run.id == run_id).values(
                status="needs_attention", finished_at=None, reserved_microusd=500
            )
        )  # fmt: skip
    return run_id


@pytest.mark.parametrize(
    ("said", "effects", "status"),
    [(Reply.SENT, 1, "completed"), (Reply.SEND_AGAIN, 2, "completed"), (Reply.FAIL, 1, "failed")],
)
def test_request_in_doubt_goes_on_as_the_person_says(
    house: House, sink: Sink, said: Reply, effects: int, status: str
) -> None:
    run_id = unsure_run(house, sink)
    reply(house, run_id, "tell", said)
    house.work(run_id)
    assert house.run(run_id).status == status
    assert len(sink.log) == effects
    assert len({line.split()[0] for line in sink.log}) == effects
    assert house.run(run_id).reserved_microusd == 0


@pytest.mark.parametrize(("said", "effects"), [(Reply.SENT, 0), (Reply.SEND_AGAIN, 1)])
def test_request_whose_answer_came_too_late_is_in_doubt_as_well(
    house: House, sink: Sink, said: Reply, effects: int
) -> None:
    run_id = house.start([{"id": "tell", "type": "send", "config": {"url": sink.url}}])
    runner.advance(house.seat(), run_id)
    with house.session() as session:
        claim = claims.claim_step(session, house.steps(run_id)["tell"].id, "test:2:frozen", 60.0)
    assert claim is not None

    def do(key: str, timeout_s: float) -> Answer:  # it is sent, and frozen until its lease is over
        house.make_due(run_id, step="tell", lease_until=True)
        house.work(run_id)
        assert house.steps(run_id)["tell"].status == "needs_attention"
        return Answer("thanks")

    with pytest.raises(Fenced):
        Ledger(house.engine, claim, Effect.SENDS).call(
            "call-1", do, 5, about="", estimate_microusd=0, keep=None, keyed=False
        )
    assert house.calls(run_id)[0].status == "late"
    reply(house, run_id, "tell", said)
    house.work(run_id)
    assert (house.run(run_id).status, len(sink.log)) == ("completed", effects)


def test_failed_run_is_taken_up_and_keeps_what_was_finished(house: House, sink: Sink) -> None:
    run_id = house.start(
        [
            echo("good"),
            {"id": "bad", "type": "spend", "config": {"url": sink.url, "count": 2}, "retry": {"attempts": 1}},
            echo("after", "bad", "good"),
        ]
    )  # fmt: skip
    sink.script = [(200, {}), (500, {})]
    house.work(run_id)
    assert house.run(run_id).status == "failed"
    good = house.steps(run_id)["good"].id
    with house.session() as session:
        control.try_again(session, run_id)
    house.work(run_id)
    run = house.run(run_id)
    assert (run.status, run.error, run.steps_done) == ("completed", None, 3)
    assert house.steps(run_id)["good"].id == good
    assert house.steps(run_id)["after"].status == "completed"
    assert [line.split()[1] for line in sink.log] == ["1", "2", "2"]
    with pytest.raises(Conflict), house.session() as session:
        control.try_again(session, run_id)
    house.check()


def test_trying_again_does_failed_items_alone(house: House) -> None:
    step = {
        "id": "each", "type": "echo", "config": {"say": "{{ item }}", "fail": "{{ inputs.fail }}"},
        "for_each": {"items": [1, 2], "parallel": 2},
    }  # fmt: skip
    run_id = house.start([step, echo("after", "each")], inputs={"fail": "input"})
    house.work(run_id)
    assert house.run(run_id).status == "failed"
    with house.session() as session:
        session.execute(sa.update(Run).where(Run.id == run_id).values(inputs={"fail": ""}))
        control.try_again(session, run_id)
    house.work(run_id)
    assert house.run(run_id).status == "completed"
    assert house.steps(run_id)["after"].status == "completed"
    house.check()


def test_a_run_that_was_answered_just_now_is_not_stopped_as_one_that_asks(house: House, sink: Sink) -> None:
    run_id = unsure_run(house, sink)
    reply(house, run_id, "tell", Reply.SEND_AGAIN)
    with pytest.raises(Conflict, match="goes on"), house.session() as session:
        control.stop_asking(session, run_id)
    house.work(run_id)
    assert (house.run(run_id).status, len(sink.log)) == ("completed", 2)
