"""A step that runs another workflow: one run a step, its end settles the step, its money is the whole's."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.cli import launching
from app.core import clock
from app.core.db import db, moment, transaction, write_alone
from app.core.errors import Conflict
from app.engine import answers, claims, control, definitions, money, results, runner, store, timers, turn
from app.engine.answers import Reply
from app.engine.attempt import try_step
from app.engine.calls import Ledger
from app.engine.claims import held_row
from app.engine.contract import Answer, StepError
from app.engine.enums import Effect
from app.engine.models import Run, RunLog, StepRun
from app.engine.seat import Seat
from app.features.runs import listing, service, story
from app.features.workflows import service as workflows
from tests import factories
from tests.cast import enter
from tests.factories import until_locked
from tests.servers import wait_until

Step = dict[str, Any]
ASKED = [{"key": "car", "label": "Which car?", "required": True}]
CHILD: Step = {"id": "text", "type": "transform", "config": {"set": {"line": "Buy the {{ inputs.car }}"}}}
CALLS: Step = {"id": "sub", "type": "run_workflow", "config": {"workflow": "Texts", "inputs": {"car": "CR-V"}}}
AFTER: Step = {
    "id": "after", "type": "transform", "after": ["sub"],
    "config": {"set": {"all": "{{ steps.sub.outputs.text.line | upper }}"}},
}  # fmt: skip


class Yard:
    """One workspace whose runs are worked on in this thread."""

    def __init__(self, app: Flask) -> None:
        with app.app_context():
            self.engine = db.engine
        self.workspace_id = enter(app).alice.workspace_id

    def workflow(self, name: str, *steps: Step, inputs: list[Step] | None = None, **limits: str) -> None:
        definition = {"schema": 1, "inputs": inputs or [], "steps": list(steps), "limits": limits}
        with transaction(self.engine) as session:
            workflows.create(
                session, workspace_id=self.workspace_id, name=name, definition=definition, actor_id=None
            )

    def start(self, name: str, **inputs: Any) -> str:
        from app.features.workflows import queries

        with transaction(self.engine) as session:
            workflow = queries.named(session, self.workspace_id, name)
            return service.start(
                session, workspace_id=self.workspace_id, workflow=workflow, inputs=inputs, actor=factories.ALICE
            ).id

    def seat(self) -> Seat:
        return Seat(
            engine=self.engine, reader=self.engine, owner="test:1:a", lease_s=60.0, hint_steps=lambda rows: None,
            hint_run=lambda run_id: None, hint_outbox=lambda: None, is_ending=threading.Event(),
            is_over=threading.Event(),
        )  # fmt: skip

    def work(self) -> None:
        seat = self.seat()
        for _ in range(50):
            due: list[str] = []
            timers.tick(self.engine, hint_runs=due.extend, hint_outbox=lambda ids: None, count=1)
            if not due:
                return
            for run_id in due:
                runner.advance(seat, run_id)
        raise AssertionError("the runs do not come to rest")

    def read(self, wanted: Callable[[Session], Any]) -> Any:
        with transaction(self.engine) as session:
            return wanted(session)

    def run(self, run_id: str) -> Run:
        return self.read(lambda session: session.get_one(Run, run_id))

    def child(self, run_id: str) -> Run:
        return self.read(lambda session: session.scalars(sa.select(Run).where(Run.parent_run_id == run_id)).one())

    def step(self, run_id: str, name: str) -> StepRun:
        wanted = sa.select(StepRun).where(StepRun.run_id == run_id, StepRun.step_id == name)
        return self.read(lambda session: session.scalars(wanted).one())


@pytest.fixture
def yard(app: Flask) -> Yard:
    yard = Yard(app)
    yard.workflow("Texts", CHILD, inputs=ASKED)
    return yard


def test_results_of_the_other_workflow_are_the_steps_own(yard: Yard) -> None:
    yard.workflow("Campaign", CALLS, AFTER)
    run_id = yard.start("Campaign")
    yard.work()
    child = yard.child(run_id)
    assert (yard.run(run_id).status, child.status, child.label) == ("completed", "completed", "Texts, for Campaign")
    assert yard.step(run_id, "sub").output == {
        "run": child.id, "number": child.number, "outputs": {"text": {"line": "Buy the CR-V"}},
    }  # fmt: skip
    assert yard.step(run_id, "after").output == {"all": "BUY THE CR-V"}
    assert (child.trigger_kind, child.facts["part_of"]) == ("run", [run_id])


def test_failure_below_fails_the_step_and_trying_again_takes_the_same_run_up(yard: Yard) -> None:
    each = {"id": "text", "type": "transform", "for_each": {"items": "{{ inputs.car }}"}, "config": {"set": {"a": 1}}}
    yard.workflow("Bad", each, inputs=ASKED)
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Bad", "inputs": {"car": "CR-V"}}})
    run_id = yard.start("Campaign")
    yard.work()
    child = yard.child(run_id)
    assert yard.run(run_id).status == "failed"
    said = yard.step(run_id, "sub").error["message"]
    assert said.startswith(f"Run {child.number} did not get to its end. This step")
    logged = sa.select(RunLog.message).where(RunLog.run_id == run_id, RunLog.event == "failed")
    assert yard.read(lambda session: list(session.scalars(logged))) == [said]
    with transaction(yard.engine) as session:
        session.execute(sa.update(Run).where(Run.id == child.id).values(inputs={"car": ["CR-V"]}))
        control.try_again(session, run_id)
    yard.work()
    assert [yard.run(one).status for one in (run_id, child.id)] == ["completed", "completed"]
    assert yard.child(run_id).id == child.id


def failed_below(yard: Yard, *more: Step) -> tuple[str, Run]:
    """Let a run fail by the run that its step waits for, and see to it that it would go well now."""
    each = {"id": "text", "type": "transform", "for_each": {"items": "{{ inputs.car }}"}, "config": {"set": {"a": 1}}}
    yard.workflow("Bad", each, *more, inputs=ASKED)
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Bad", "inputs": {"car": "CR-V"}}})
    run_id = yard.start("Campaign")
    yard.work()
    child = yard.child(run_id)
    with transaction(yard.engine) as session:
        values = {"inputs": {"car": ["CR-V"]}, "cost_microusd": 1000}
        session.execute(sa.update(Run).where(Run.id == child.id).values(**values))
        session.execute(sa.update(StepRun).where(StepRun.run_id == run_id).values(cost_microusd=1000))
    return run_id, child


def try_again(yard: Yard, run_id: str) -> None:
    with transaction(yard.engine) as session:
        control.try_again(session, run_id)
    yard.work()


def test_a_run_below_that_somebody_took_up_is_waited_for_and_not_started_once_more(yard: Yard) -> None:
    run_id, child = failed_below(yard, {"id": "wait", "type": "delay", "after": ["text"], "config": {"seconds": 3600}})
    try_again(yard, child.id)
    try_again(yard, run_id)
    assert [yard.run(one).status for one in (run_id, yard.child(run_id).id)] == ["waiting", "waiting"]
    with transaction(yard.engine) as session:
        control.stop(session, child.id)
    yard.work()
    assert (yard.run(run_id).status, yard.child(run_id).status) == ("failed", "stopped")


def test_a_run_below_that_somebody_brought_to_its_end_gives_its_results(yard: Yard) -> None:
    run_id, child = failed_below(yard)
    try_again(yard, child.id)
    assert [yard.run(one).status for one in (run_id, child.id)] == ["failed", "completed"]
    try_again(yard, run_id)
    assert (yard.run(run_id).status, yard.child(run_id).id) == ("completed", child.id)
    assert yard.step(run_id, "sub").output["outputs"]["text"]["a"] == [1]


def stuck_below(yard: Yard, text: Step) -> tuple[str, Run]:
    """Let a run come to rest with one below it whose only step does not get on with its answer."""
    yard.workflow("Bad", {**CHILD, **text}, inputs=ASKED)
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Bad", "inputs": {"car": "CR-V"}}})
    run_id = yard.start("Campaign")
    yard.work()
    child = yard.child(run_id)
    with transaction(yard.engine) as session:
        session.execute(sa.update(Run).where(Run.id == child.id).values(cost_microusd=1000))
        session.execute(sa.update(StepRun).where(StepRun.run_id == run_id).values(cost_microusd=1000))
    return run_id, child


def follow(yard: Yard, run_id: str, how: str) -> str:
    """Continue a run, or start it over, with an answer with which it goes well."""
    with transaction(yard.engine) as session:
        run = session.get_one(Run, run_id)
        run.inputs = run.inputs if how == "continue" else {"car": "4"}
        session.flush()
        if how == "continue":
            return service.continue_from(session, run, "text", {"car": "4"}, actor=factories.ALICE, dedupe_key="c").id
        return service.start_over(session, run, actor=factories.ALICE, dedupe_key="o").id


@pytest.mark.parametrize("how", ["continue", "over"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_a_run_that_follows_one_below_is_taken_up_in_its_place(yard: Yard, how: str, is_ended: bool) -> None:
    run_id, child = stuck_below(yard, {"config": {"set": {"number": "{{ inputs.car | int }}"}}})
    assert [yard.run(one).status for one in (run_id, child.id)] == ["failed", "failed"]
    following_id = follow(yard, child.id, how)
    assert follow(yard, child.id, how) == following_id
    if is_ended:
        yard.work()
        assert yard.run(following_id).status == "completed"
    with transaction(yard.engine) as session:
        session.execute(sa.update(Run).where(Run.id == following_id).values(cost_microusd=500))
    try_again(yard, run_id)
    following = yard.run(following_id)
    assert [yard.run(run_id).status, following.status] == ["completed", "completed"]
    assert yard.step(run_id, "sub").output["run"] == following_id
    assert yard.step(run_id, "sub").cost_microusd == 1500
    assert (following.facts["part_of"], following.parent_run_id) == ([run_id], run_id)
    every = yard.read(lambda session: session.scalar(sa.select(sa.func.count()).select_from(Run)))
    assert every == 3


def test_a_run_below_that_asks_is_continued_without_failing_the_one_above(yard: Yard) -> None:
    run_id, child = stuck_below(yard, {"when": {"value": "{{ inputs.car | int }}", "op": "gt", "than": 3}})
    assert (yard.run(run_id).status, child.status) == ("waiting", "needs_attention")
    with transaction(yard.engine) as session:
        session.execute(sa.update(StepRun).where(StepRun.run_id == run_id).values(cost_microusd=0))
    with transaction(yard.engine) as session:
        old = session.get_one(Run, child.id)
        following = service.continue_from(session, old, "text", {"car": "4"}, actor=factories.ALICE)
        said = session.scalars(sa.select(RunLog.message).where(RunLog.run_id == following.id)).all()
    yard.work()
    assert [yard.run(one).status for one in (run_id, child.id, following.id)] == ["completed", "stopped", "completed"]
    step = yard.step(run_id, "sub")
    assert (step.output["run"], step.cost_microusd) == (following.id, 1000)
    above = yard.run(run_id).number
    assert f"It takes the place of run {child.number} in run {above}." in said


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_answers_a_run_below_and_who_continues_it_do_not_wait_for_each_other(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, child = stuck_below(yard, {"when": {"value": "{{ inputs.car | int }}", "op": "gt", "than": 3}})
    stop_asking, asking = control.stop_asking, yard.step(child.id, "text").id

    def answer() -> None:
        with suppress(Conflict), transaction(yard.engine) as session:  # it is stopped meanwhile
            answers.answer(session, child.id, asking, Reply.YES, by="Sam")

    with ThreadPoolExecutor(1) as beside, transaction(yard.engine) as session:

        def meanwhile(session: Session, of: str) -> None:
            stop_asking(session, of)
            others.append(beside.submit(answer))
            until_locked(yard.engine)

        others: list[Future[None]] = []
        monkeypatch.setattr(control, "stop_asking", meanwhile)
        old = session.get_one(Run, child.id)
        following_id = service.continue_from(session, old, "text", {"car": "4"}, actor=factories.ALICE).id
        session.commit()
        others[0].result(60)
    yard.work()
    assert [yard.run(one).status for one in (run_id, child.id, following_id)] == ["completed", "stopped", "completed"]


def test_a_run_below_that_went_well_keeps_its_place(yard: Yard) -> None:
    yard.workflow("Campaign", CALLS, AFTER)
    run_id = yard.start("Campaign")
    yard.work()
    child = yard.child(run_id)
    with transaction(yard.engine) as session:
        following = service.start_over(session, session.get_one(Run, child.id), actor=factories.ALICE)
    assert (following.parent_run_id, yard.child(run_id).id) == (None, child.id)


def test_what_a_run_below_cost_is_counted_once_however_often_it_is_taken_up(yard: Yard) -> None:
    run_id, child = failed_below(yard)
    with transaction(yard.engine) as session:
        session.execute(sa.update(Run).where(Run.id == child.id).values(cost_microusd=1500))
    try_again(yard, run_id)
    assert (yard.run(run_id).status, yard.step(run_id, "sub").cost_microusd) == ("completed", 1500)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"workflow": "Nothing"}, "There is no workflow called “Nothing”."),
        ({"workflow": "Texts"}, "“Texts” does not take these answers: “Which car?” needs an answer."),
        ({"workflow": "Campaign"}, "“Campaign” would run itself."),
    ],
)
def test_what_cannot_be_started_fails_the_step_in_words(yard: Yard, config: Step, said: str) -> None:
    yard.workflow("Campaign", {**CALLS, "config": config})
    run_id = yard.start("Campaign")
    yard.work()
    assert yard.run(run_id).status == "failed"
    assert yard.step(run_id, "sub").error["message"] == said


def test_workflows_run_each_other_five_deep_at_most(yard: Yard) -> None:
    for depth in range(1, 7):
        below = {**CALLS, "config": {"workflow": f"Level {depth + 1}"}}
        yard.workflow(f"Level {depth}", below if depth < 6 else {**CHILD, "config": {"set": {"a": 1}}})
    run_id = yard.start("Level 1")
    yard.work()
    assert yard.run(run_id).status == "failed"
    assert "5 deep at most" in yard.step(run_id, "sub").error["message"]
    assert yard.read(lambda session: session.scalar(sa.select(sa.func.count()).select_from(Run))) == 5


def test_stopping_stops_what_runs_below(yard: Yard) -> None:
    yard.workflow("Slow", {"id": "wait", "type": "delay", "config": {"seconds": 3600}})
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Slow"}})
    run_id = yard.start("Campaign")
    yard.work()
    child = yard.child(run_id)
    assert [yard.run(one).status for one in (run_id, child.id)] == ["waiting", "waiting"]
    with transaction(yard.engine) as session:
        control.stop(session, run_id)
    yard.work()
    assert [yard.run(one).status for one in (run_id, child.id)] == ["stopped", "stopped"]


def test_a_run_whose_one_above_is_gone_still_runs_other_workflows(yard: Yard) -> None:
    yard.workflow("Middle", CALLS)
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Middle"}})
    top = yard.start("Campaign")
    yard.work()
    middle = yard.child(top).id
    with transaction(yard.engine) as session:
        session.execute(sa.delete(Run).where(Run.id == top))
        session.execute(sa.delete(Run).where(Run.parent_run_id == middle))
        session.execute(sa.delete(StepRun).where(StepRun.run_id == middle))
        again = {"status": "running", "due_at": moment(), "finished_at": None}
        session.execute(sa.update(Run).where(Run.id == middle).values(**again))
    yard.work()
    assert yard.step(middle, "sub").status == "completed"
    assert yard.child(middle).facts["part_of"] == [middle]


def family(yard: Yard) -> list[str]:
    """Start a run that waits for one that waits for one that waits for its time; return all three, the first on top."""
    yard.workflow("Slow", {"id": "wait", "type": "delay", "config": {"seconds": 3600}})
    yard.workflow("Middle", {**CALLS, "config": {"workflow": "Slow"}})
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Middle"}})
    top = yard.start("Campaign")
    yard.work()
    middle = yard.child(top).id
    return [top, middle, yard.child(middle).id]


def press(yard: Yard, what: Callable[[Session, str], None], run_id: str) -> None:
    with transaction(yard.engine) as session:
        what(session, run_id)
    yard.work()


def statuses(yard: Yard, run_ids: list[str]) -> list[str]:
    return [yard.run(run_id).status for run_id in run_ids]


def test_pausing_pauses_what_runs_below_and_resuming_lets_it_go_on(yard: Yard) -> None:
    runs = family(yard)
    press(yard, control.pause, runs[0])
    assert statuses(yard, runs) == ["paused"] * 3
    press(yard, control.resume, runs[0])
    assert statuses(yard, runs) == ["waiting"] * 3
    assert not any(yard.run(run_id).is_paused_above for run_id in runs)


def test_a_run_is_pausing_until_what_runs_below_has_ended_its_step(yard: Yard) -> None:
    side = {"id": "side", "type": "transform", "config": {"set": {"a": 1}}}
    yard.workflow("Two", side, {**side, "id": "other"})
    yard.workflow("Middle", {**CALLS, "config": {"workflow": "Two"}})
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Middle"}})
    top, seat = yard.start("Campaign"), yard.seat()
    runner.advance(seat, top)
    middle = yard.child(top).id
    runner.advance(seat, middle)
    low = yard.child(middle).id
    mine = turn.advance(seat, low)
    assert mine is not None
    with transaction(yard.engine) as session:
        claim = claims.claim_step(session, mine, seat.owner, 60.0)
        held = store.read_run(session, low)
    assert claim is not None
    press(yard, control.pause, top)
    assert statuses(yard, [top, middle, low]) == ["pausing"] * 3
    step = definitions.definition_of(yard.engine, held.version_id).step(claim.step_id)
    results.record(seat, step, claim, try_step(seat, claim, step, held, {}))
    yard.work()
    assert statuses(yard, [top, middle, low]) == ["paused"] * 3


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_resuming_waits_for_what_is_written_below_without_holding_what_that_writes_next(yard: Yard) -> None:
    top, middle, low = family(yard)
    press(yard, control.pause, top)
    with ThreadPoolExecutor(1) as beside, transaction(yard.engine) as session:  # the lowest comes to rest just now
        session.execute(sa.update(Run).where(Run.id == low).values(changed_at=moment()))
        resuming = beside.submit(write_alone, yard.engine, lambda other: control.resume(other, top))
        wait_until(lambda: session.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
        session.execute(sa.select(Run.id).where(Run.id == middle).with_for_update(nowait=True, key_share=True))
        session.commit()
        resuming.result(60)
    yard.work()
    assert statuses(yard, [top, middle, low]) == ["waiting"] * 3


def test_a_run_that_somebody_paused_by_itself_stays_paused_when_the_one_above_goes_on(yard: Yard) -> None:
    runs = top, middle, low = family(yard)
    press(yard, control.pause, middle)
    press(yard, control.pause, top)
    press(yard, control.resume, top)
    assert statuses(yard, runs) == ["waiting", "paused", "paused"]
    press(yard, control.pause, top)
    press(yard, control.pause, low)  # paused with the others: now also by itself
    press(yard, control.resume, top)
    press(yard, control.resume, middle)
    assert statuses(yard, runs) == ["waiting", "waiting", "paused"]


def test_a_run_below_a_paused_one_is_not_resumed_alone(yard: Yard) -> None:
    top, middle, low = family(yard)
    press(yard, control.pause, top)
    with pytest.raises(Conflict, match=f"belongs to run {yard.run(middle).number}, which is paused"):
        press(yard, control.resume, low)
    assert statuses(yard, [top, middle, low]) == ["paused"] * 3


def test_a_run_that_ends_while_it_is_being_paused_with_the_one_above_is_not_paused_any_more(yard: Yard) -> None:
    top, middle, low = family(yard)
    press(yard, control.pause, top)
    with transaction(yard.engine) as session:  # it was at its last step
        session.execute(sa.update(Run).where(Run.id == low).values(status="pausing", due_at=moment()))
        ended = {"status": "completed", "outcome": "done", "finished_at": moment()}
        session.execute(sa.update(StepRun).where(StepRun.run_id == low).values(**ended))
    yard.work()
    assert (yard.run(low).status, yard.run(low).is_paused_above) == ("completed", False)
    press(yard, control.resume, top)
    assert statuses(yard, [top, middle]) == ["completed", "completed"]


def test_a_run_that_starts_while_the_one_above_is_being_paused_is_paused(yard: Yard) -> None:
    yard.workflow("Slow", {"id": "wait", "type": "delay", "config": {"seconds": 3600}})
    side = {"id": "side", "type": "transform", "config": {"set": {"a": 1}}}
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Slow"}}, side)
    run_id, seat = yard.start("Campaign"), yard.seat()
    turn.advance(seat, run_id)
    with transaction(yard.engine) as session:
        claim = claims.claim_step(session, yard.step(run_id, "sub").id, seat.owner, 60.0)
        held = store.read_run(session, run_id)
    assert claim is not None
    step = definitions.definition_of(yard.engine, held.version_id).step("sub")
    tried = try_step(seat, claim, step, held, {})
    with transaction(yard.engine) as session:
        control.pause(session, run_id)
    results.record(seat, step, claim, tried)
    yard.work()
    assert statuses(yard, [run_id, yard.child(run_id).id]) == ["paused", "paused"]


EACH: Step = {
    **CALLS, "for_each": {"items": ["CR-V", "Civic", "Pilot", "Fit"], "parallel": 2},
    "config": {"workflow": "Slow", "inputs": {"car": "{{ item }}"}},
}  # fmt: skip


def below(yard: Yard, run_id: str) -> list[str]:
    wanted = sa.select(Run.status).where(Run.parent_run_id == run_id).order_by(Run.number)
    return yard.read(lambda session: list(session.scalars(wanted)))


def test_of_many_runs_below_only_so_many_work_at_a_time(yard: Yard) -> None:
    yard.workflow("Slow", CHILD, inputs=ASKED)
    yard.workflow("Campaign", EACH)
    run_id = yard.start("Campaign")
    for _ in range(4):
        runner.advance(yard.seat(), run_id)
    assert below(yard, run_id) == ["queued", "queued"]
    below_it = sa.select(Run.id).where(Run.parent_run_id == run_id).order_by(Run.number)
    first = yard.read(lambda session: session.scalars(below_it).first())
    runner.advance(yard.seat(), first)
    runner.advance(yard.seat(), run_id)
    assert below(yard, run_id) == ["completed", "queued", "queued"]
    yard.work()
    assert (yard.run(run_id).status, below(yard, run_id)) == ("completed", ["completed"] * 4)


def test_a_run_below_that_waits_for_the_clock_or_people_holds_up_no_other(yard: Yard) -> None:
    yard.workflow("Slow", {"id": "wait", "type": "delay", "config": {"seconds": 3600}}, inputs=ASKED)
    yard.workflow("Campaign", EACH)
    run_id = yard.start("Campaign")
    yard.work()
    assert (yard.run(run_id).status, below(yard, run_id)) == ("waiting", ["waiting"] * 4)


def said_of(yard: Yard, run_id: str) -> tuple[str, str, str]:
    """Return the page's sentence and the line below it, and what a list says."""
    with transaction(yard.engine) as session:
        run, now = session.get_one(Run, run_id), clock.now()
        told = story.tell(session, run, zone="UTC", now=now).now
        [row] = listing.rows(session, run.workspace_id, [run], zone="UTC", now=now)
        return told.sentence, told.more, row.sentence


def test_a_run_that_waits_for_another_one_says_for_which_and_how_that_stands(yard: Yard) -> None:
    run_id, child = stuck_below(yard, {"when": {"value": "{{ inputs.car | int }}", "op": "gt", "than": 3}})
    waits = f"“Sub” waits for run {child.number}."
    assert said_of(yard, run_id) == (
        waits, "It needs an answer: open it to give one.", "Goes on when that one has ended.",
    )  # fmt: skip
    with transaction(yard.engine) as session:
        control.pause(session, child.id)
    yard.work()
    assert said_of(yard, run_id)[:2] == (waits, "It is paused: this one goes on when somebody resumes it.")
    with transaction(yard.engine) as session:
        control.resume(session, child.id)
    assert said_of(yard, run_id)[:2] == (waits, "It goes on by itself when that one is finished.")


def test_a_terminal_that_watches_a_run_stops_where_one_far_below_asks_a_person(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = {"text": "Which one?", "approvers": ["sam@northfield.example"]}
    yard.workflow("Asks", {"id": "check", "type": "review", "name": "Sam decides", "config": asks})
    yard.workflow("Middle", {**CALLS, "config": {"workflow": "Asks"}})
    rest = {"id": "rest", "type": "delay", "config": {"seconds": 3600}}
    yard.workflow("Above", {**CALLS, "config": {"workflow": "Middle"}})
    yard.workflow("Busy", {**CALLS, "config": {"workflow": "Middle"}}, rest)
    run_ids = [yard.start("Above"), yard.start("Busy")]
    yard.work()
    assert [yard.run(run_id).status for run_id in run_ids] == ["waiting", "waiting"]
    with transaction(yard.engine) as session:
        above, busy = (session.get_one(Run, run_id) for run_id in run_ids)
        assert launching.exit_code(session, above) == launching.WAITS_FOR_PERSON
        assert launching.exit_code(session, busy) is None  # its other step goes on by itself
        launching.report(session, above, launching.WAITS_FOR_PERSON)
        ended = session.scalars(sa.select(Run).where(Run.parent_run_id == above.id)).one()
        control.stop(session, ended.id)
        session.expire_all()
        assert launching.exit_code(session, above) is None
    said = capsys.readouterr().err
    assert said.count("bin/greenlight approval decide") == 1
    assert "“Sam decides” is with sam@northfield.example:" in said


def test_money_spent_below_counts_in_both_and_keeps_to_the_limit_above(yard: Yard) -> None:
    yard.workflow("Slow", {"id": "wait", "type": "delay", "config": {"seconds": 3600}})
    yard.workflow("Campaign", {**CALLS, "config": {"workflow": "Slow"}}, cost_usd="1.00")
    run_id = yard.start("Campaign")
    yard.work()
    child = yard.child(run_id)
    ledger = Ledger(yard.engine, held_row(yard.step(child.id, "wait")), Effect.SPENDS, child.facts)
    with transaction(yard.engine) as session:
        day = money.day_of(child.created_at, "UTC")
        money.reserve(session, ledger._payers, child.workspace_id, day, 600_000)
        ledger._charge_run(session, _row(child), Answer("x", cost_microusd=550_000), freed=600_000)
    assert [yard.run(one).cost_microusd for one in (run_id, child.id)] == [550_000, 550_000]
    assert [yard.run(one).reserved_microusd for one in (run_id, child.id)] == [0, 0]
    with pytest.raises(StepError, match="money limit"), transaction(yard.engine) as session:
        money.reserve(session, ledger._payers, child.workspace_id, day, 500_000)
    assert yard.run(child.id).reserved_microusd == 0


def _row(child: Run) -> Any:
    from app.engine.calls import Recorded
    from app.engine.enums import CallStatus

    return Recorded("", "", "", 0, CallStatus.INTENDED, None, 600_000, child.created_at)
