"""A run's working time: waits do not count, its end keeps what is done, and trying again gives the time once more."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock, events, outbox
from app.core.db import transaction
from app.engine import answers, claims, control, leases, runner, store
from app.engine.answers import Reply
from app.engine.events import WaitEnded
from app.engine.held import Fenced, HeldStep
from app.engine.models import Run, RunLog, StepRun, WaitRow
from tests.engine.rig import House
from tests.engine.sink import Sink

HOUR = {"minutes": 1}


def spend(sink: Sink, **more: Any) -> dict[str, Any]:
    return {"id": "work", "type": "spend", "config": {"url": sink.url}, **more}


def begin(house: House, run_id: str, *, ago_s: float) -> HeldStep:
    """Let a worker have begun the step ``work`` some time ago; it does not answer."""
    runner.advance(house.seat(), run_id)
    with house.session() as session:
        held = claims.claim_step(session, house.steps(run_id)["work"].id, "slow:1:a", 3600.0)
    assert held is not None
    with transaction(house.engine) as session:
        began = clock.now() - timedelta(seconds=ago_s)
        session.execute(sa.update(StepRun).where(StepRun.id == held.id).values(started_at=began))
    house.line.clear()
    return held


def test_a_run_that_works_too_long_fails_keeps_what_is_done_and_can_be_tried_again(house: House, sink: Sink) -> None:
    told: list[str] = []
    events.listen(WaitEnded, lambda session, event: told.append(event.why))
    run_id = house.start(
        [
            {"id": "first", "type": "echo", "config": {"say": 1}},
            spend(sink, after=["first"]),
            {"id": "ask", "type": "ask", "after": ["first"], "config": {}},
            {"id": "last", "type": "echo", "after": ["work"], "config": {"say": 2}},
        ],
        limits=HOUR,
    )
    held = begin(house, run_id, ago_s=61)
    house.work(run_id)
    run, steps = house.run(run_id), house.steps(run_id)
    assert (run.status, run.error["category"], run.error["code"]) == ("failed", "timeout", "run_minutes")
    assert "worked longer than the 1 min" in run.error["message"]
    assert {row.step_id: row.status for row in steps.values()} == {
        "first": "completed", "work": "failed", "ask": "failed", "last": "skipped",
    }  # fmt: skip
    assert "withdrawn" in told
    with house.session() as session:
        failed = sa.select(RunLog.step_id).where(RunLog.run_id == run_id, RunLog.event == "failed")
        assert sorted(session.scalars(failed)) == ["ask", "work"]
    with pytest.raises(Fenced), house.session() as session:
        claims.end_step(session, held, status="completed", outcome="done")
    with house.session() as session:
        control.try_again(session, run_id)
    house.work()
    assert house.steps(run_id)["work"].status == "completed"
    assert house.run(run_id).status == "waiting"


def test_what_the_end_of_the_time_cut_off_is_tried_again_even_where_the_run_may_go_on_without_it(
    house: House, sink: Sink
) -> None:
    run_id = house.start([spend(sink, on_failure="continue")], limits=HOUR)
    begin(house, run_id, ago_s=61)
    house.work(run_id)
    assert (house.run(run_id).status, house.steps(run_id)["work"].status) == ("failed", "failed")
    with house.session() as session:
        control.try_again(session, run_id)
    house.work()
    assert (house.run(run_id).status, house.steps(run_id)["work"].status) == ("completed", "completed")


def test_a_run_that_was_cut_off_says_so_although_a_step_failed_before_that_it_could_do_without(
    house: House, sink: Sink
) -> None:
    bad = {"id": "bad", "type": "echo", "config": {"say": "{{ inputs.nothing }}"}, "on_failure": "continue"}
    run_id = house.start([bad, spend(sink, on_failure="continue")], limits=HOUR)
    begin(house, run_id, ago_s=61)
    house.work(run_id)
    run = house.run(run_id)
    assert (house.steps(run_id)["bad"].status, run.status) == ("failed", "failed")
    assert (run.error["step"], run.error["code"]) == ("work", "run_minutes")


def test_a_run_that_was_cut_off_fails_also_where_its_worker_dies_before_the_end(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = house.start([spend(sink, on_failure="continue")], limits=HOUR)
    begin(house, run_id, ago_s=61)
    monkeypatch.setattr(runner.turn, "_again", lambda *_: None)
    runner.advance(house.seat(), run_id)
    assert (house.run(run_id).status, house.steps(run_id)["work"].status) == ("running", "failed")
    monkeypatch.undo()
    with house.session() as session:
        leases.give_back_runs(session, "test:1:a", is_dead=True)
    house.work()
    assert house.run(run_id).status == "failed"


def test_waiting_and_standing_in_line_are_no_work(house: House, sink: Sink) -> None:
    run_id = house.start(
        [{"id": "ask", "type": "ask", "config": {}}, spend(sink, after=["ask:approved"])], limits=HOUR
    )
    house.work(run_id)
    long_ago = clock.now() - timedelta(hours=2)
    with transaction(house.engine) as session:
        session.execute(sa.update(StepRun).values(started_at=long_ago, created_at=long_ago))
        session.execute(sa.update(Run).values(started_at=long_ago, created_at=long_ago))
        control.decide(session, session.scalars(sa.select(WaitRow.id)).one(), outcome="approved", output={})
    house.work()
    assert house.run(run_id).status == "completed"


def long_ago(house: House, run_id: str) -> None:
    """Let what has begun have begun two hours ago."""
    began = clock.now() - timedelta(hours=2)
    with transaction(house.engine) as session:
        mine = sa.update(StepRun).where(StepRun.run_id == run_id, StepRun.started_at.is_not(None))
        session.execute(mine.values(started_at=began))


def test_a_step_that_asked_a_person_did_not_work_meanwhile(house: House, sink: Sink) -> None:
    steps = [spend(sink, config={"url": sink.url, "cost": 2_000_000}), {**spend(sink), "id": "next", "after": ["work"]}]
    run_id = house.start(steps, limits=HOUR, budget=1_000_000)
    house.work(run_id)
    assert house.run(run_id).status == "needs_attention"
    long_ago(house, run_id)
    with house.session() as session:
        answers.answer(session, run_id, house.steps(run_id)["work"].id, Reply.ADD_MONEY, by="Sam")
    house.work()
    assert house.run(run_id).status == "completed"
    assert clock.now() - house.steps(run_id)["work"].started_at < timedelta(hours=1)


@pytest.mark.parametrize("how", ["paused", "held"])
def test_a_step_between_two_tries_does_not_work_while_nothing_may_begin(house: House, sink: Sink, how: str) -> None:
    sink.script = [(429, {"Retry-After": "60"})]
    steps = [spend(sink, type="send"), {**spend(sink), "id": "next", "after": ["work"]}]
    run_id = house.start(steps, limits=HOUR)
    house.work(run_id)
    with house.session() as session:
        if how == "paused":
            control.pause(session, run_id)
        else:
            session.add(outbox.SendingHold(workspace_id=house.workspace_id, by="Sam", at=clock.now()))
    house.work()
    long_ago(house, run_id)
    with house.session() as session:
        if how == "paused":
            control.resume(session, run_id)
        else:
            session.execute(sa.delete(outbox.SendingHold))
            store.wake_held(session, house.workspace_id)
    house.make_due(run_id, step="work", not_before=None)
    house.work()
    assert house.run(run_id).status == "completed"


def test_steps_side_by_side_count_once(house: House, sink: Sink) -> None:
    run_id = house.start([spend(sink), {**spend(sink), "id": "beside"}], limits=HOUR)
    begin(house, run_id, ago_s=40)
    with transaction(house.engine) as session:
        began = clock.now() - timedelta(seconds=40)
        session.execute(
            sa.update(StepRun).where(StepRun.step_id == "beside").values(started_at=began, finished_at=clock.now(),
                                                                        status="completed", outcome="done")
        )  # fmt: skip
    house.work(run_id)
    assert house.run(run_id).status == "running"


def test_the_run_is_looked_at_when_its_time_is_over(house: House, sink: Sink) -> None:
    run_id = house.start([spend(sink)], limits=HOUR)
    begin(house, run_id, ago_s=10)
    house.work(run_id)
    run = house.run(run_id)
    assert run.status == "running"
    over = house.steps(run_id)["work"].started_at + timedelta(minutes=1)
    assert over - timedelta(seconds=1) < run.due_at < over + timedelta(seconds=2)


def test_without_a_limit_a_run_may_work_for_hours(house: House, sink: Sink) -> None:
    run_id = house.start([spend(sink)])
    begin(house, run_id, ago_s=50_000)
    house.work(run_id)
    assert house.run(run_id).status == "running"


def test_a_failure_that_may_continue_does_not_go_on_after_the_end(house: House, sink: Sink) -> None:
    steps = [
        spend(sink, on_failure="continue"),
        {"id": "rescue", "type": "echo", "after": ["work:failed"], "config": {"say": 1}},
    ]
    run_id = house.start(steps, limits=HOUR)
    begin(house, run_id, ago_s=61)
    house.work(run_id)
    assert house.run(run_id).status == "failed"
    assert house.steps(run_id)["rescue"].status == "failed"
