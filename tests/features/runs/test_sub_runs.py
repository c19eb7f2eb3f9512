"""A step that runs another workflow: one run a step, its end settles the step, its money is the whole's."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core.db import db, transaction
from app.engine import control, money, runner, timers
from app.engine.calls import Ledger
from app.engine.claims import held_row
from app.engine.contract import Answer, StepError
from app.engine.enums import Effect
from app.engine.models import Run, StepRun
from app.engine.seat import Seat
from app.features.runs import service
from app.features.workflows import service as workflows
from tests import factories
from tests.cast import enter

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

    def work(self) -> None:
        seat = Seat(
            engine=self.engine, reader=self.engine, owner="test:1:a", lease_s=60.0, hint_steps=lambda rows: None,
            hint_run=lambda run_id: None, hint_outbox=lambda: None, is_ending=threading.Event(),
            is_over=threading.Event(),
        )  # fmt: skip
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
    assert yard.step(run_id, "sub").error["message"].startswith(f"Run {child.number} did not get to its end. This step")
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
