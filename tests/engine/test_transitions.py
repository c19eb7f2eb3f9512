"""The transition functions in any order, by two workers with a connection each and people in between.

A machine of random rules: whatever is done, and however stale it is when it is written, no status changes but as the
table of transitions allows, nothing that has ended changes, a fenced write leaves no trace, and every run can still
come to its end.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import make_engine, transaction
from app.core.errors import Conflict
from app.core.together import carry_out
from app.engine import claims, control, definitions, leases, store, timers, turn
from app.engine.enums import STEP_TRANSITIONS, Effect, RunStatus, StepStatus
from app.engine.held import Fenced, HeldRun, HeldStep
from app.engine.models import Run, StepRun, WaitRow
from app.engine.planner import plan
from tests.engine.rig import House, make_house, reachable, url_for

STEPS: list[dict[str, Any]] = [
    {"id": "a", "type": "echo", "config": {}},
    {"id": "b", "type": "spend", "after": ["a"], "config": {"url": "http://127.0.0.1:9/"}, "on_failure": "continue"},
    {"id": "c", "type": "ask", "after": ["a"], "config": {}},
    {"id": "d", "type": "spend", "after": ["b", "c:approved"], "config": {"url": "http://127.0.0.1:9/"}},
    {"id": "e", "type": "echo", "after": ["c:rejected"], "config": {}},
    {"id": "f", "type": "echo", "after": ["d", "e"], "join": "any", "config": {}},
]
BEFORE = {"a": "", "b": "a", "c": "a", "d": "bc", "e": "c", "f": "de"}
LEASE_S = 60.0
EXAMPLES = 30


class Transitions(RuleBasedStateMachine):
    """One run, two workers, each with an engine of its own."""

    house: House
    engines: list[sa.Engine]

    runs = Bundle("runs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.run_id = self.house.start(STEPS)
        self.seats = [
            replace(self.house.seat(f"test:{n}:a", LEASE_S), engine=engine, reader=engine)
            for n, engine in enumerate(self.engines)
        ]
        self.seen: dict[str, tuple[str, int, Any, Any]] = {}
        self.run_seen = RunStatus.QUEUED
        self.epoch = 0

    # --- workers ---

    @initialize(target=claims)
    def begin(self) -> tuple[int, HeldStep]:
        """The first step is done, the two after it are ready, and somebody has one of them."""
        turn.advance(self.seats[0], self.run_id)
        return self._claimed(0, "b").values[0]

    @rule(target=runs, who=st.integers(0, 1))
    def take(self, who: int) -> MultipleResults[tuple[int, HeldRun]]:
        with transaction(self.engines[who]) as session:
            held = carry_out(session, leases.take_run(self.run_id, self.seats[who].owner, LEASE_S))
        return multiple() if held is None else multiple((who, held))

    @rule(hold=consumes(runs))
    def plan_and_release(self, hold: tuple[int, HeldRun]) -> None:
        """Write what the plan says and let go: refused as a whole where anything has changed since the take."""
        who, held = hold
        definition = definitions.definition_of(self.engines[who], held.version_id)
        with transaction(self.engines[who]) as session:
            recorded = store.read_results(session, held.id)
        todo = plan(definition, recorded.results, held.now, turn._control(held))
        before, run = self._rows(), self.house.run(held.id)
        is_current = (run.epoch, run.revision) == (held.epoch, held.revision)
        done, _step = turn._release(self.seats[who], held, definition, recorded, todo, None)
        assert done == is_current, "a plan made of what is not so any more would leave the run asleep"
        if not done:
            assert self._rows() == before, "a refused plan leaves no trace"

    @rule(who=st.integers(0, 1))
    def advance(self, who: int) -> None:
        turn.advance(self.seats[who], self.run_id)

    @rule(target=claims, who=st.integers(0, 1), step=st.sampled_from("bcd"))
    def claim(self, who: int, step: str) -> MultipleResults[tuple[int, HeldStep]]:
        return self._claimed(who, step)

    @rule(target=claims, who=st.integers(0, 1))
    def claim_sibling(self, who: int) -> MultipleResults[tuple[int, HeldStep]]:
        with transaction(self.engines[who]) as session:
            owner, effects = self.seats[who].owner, list(Effect)
            held = claims.claim_sibling(session, self.run_id, owner, LEASE_S, effects=effects)
        return multiple() if held is None else multiple((who, held))

    @rule(claim=claims, how=st.sampled_from(["completed", "failed", "retrying", "needs_attention"]))
    def end(self, claim: tuple[int, HeldStep], how: str) -> None:
        """End a try, perhaps one that was taken from us long ago."""
        who, held = claim
        if held.step_id == "c":
            how = "waiting"
        row = self.house.steps(self.run_id)[held.step_id]
        is_ours = (row.fence, row.status) == (held.fence, "running")
        try:
            with transaction(self.engines[who]) as session:
                claims.end_step(session, held, **self._values(how))
                if how == "waiting":
                    self._wait(session, held)
                store.wake_run(session, held.run_id)
        except Fenced:
            assert not is_ours
        else:
            assert is_ours

    @rule(claim=claims)
    def note(self, claim: tuple[int, HeldStep]) -> None:
        who, held = claim
        row = self.house.steps(self.run_id)[held.step_id]
        try:
            with transaction(self.engines[who]) as session:
                claims.note_step(session, held, doing="something")
        except Fenced:
            assert (row.fence, row.status) != (held.fence, "running")

    @rule(claim=claims)
    def leave(self, claim: tuple[int, HeldStep]) -> None:
        who, held = claim
        row = self.house.steps(self.run_id)[held.step_id]
        is_ours = (row.fence, row.status) == (held.fence, "running")
        with transaction(self.engines[who]) as session:
            claims.leave_step(session, held)
        assert (self.house.steps(self.run_id)[held.step_id].fence == row.fence) != is_ours

    @rule(who=st.integers(0, 1))
    def die(self, who: int) -> None:
        """A worker is gone, and what it held is given back; what it still writes later is refused."""
        with transaction(self.engines[who]) as session:
            for run_id in leases.give_back_steps(session, self.seats[who].owner, is_dead=True, was_alone=False):
                store.wake_run(session, run_id)
            leases.give_back_runs(session, self.seats[who].owner, is_dead=True)

    @rule()
    def lapse(self) -> None:
        """Time passes: every lease runs out, every retry is due."""
        past = clock.now() - timedelta(seconds=1)
        with self.house.session() as session:
            for model in (Run, StepRun):
                session.execute(sa.update(model).where(model.lease_until.is_not(None)).values(lease_until=past))
            session.execute(sa.update(StepRun).where(StepRun.not_before.is_not(None)).values(not_before=past))
            session.execute(sa.update(Run).where(Run.due_at.is_not(None)).values(due_at=past))

    @rule(who=st.integers(0, 1))
    def tick(self, who: int) -> None:
        timers.tick(self.engines[who], hint_runs=lambda ids: None, hint_outbox=lambda ids: None, count=1)

    # --- people ---

    @rule(outcome=st.sampled_from(["approved", "rejected"]), undo_s=st.sampled_from([0, 600]))
    def decide(self, outcome: str, undo_s: int) -> None:
        with self.house.session() as session:
            for wait in session.scalars(sa.select(WaitRow).where(WaitRow.run_id == self.run_id)):
                was = wait.status
                taken = control.decide(session, wait.id, outcome=outcome, output={}, undo_s=undo_s)
                assert taken == (was == "waiting"), "a decision counts once"

    @rule(what=st.sampled_from([control.undo, control.go_on]))
    def think_again(self, what: Any) -> None:
        with self.house.session() as session:
            for wait_id in list(session.scalars(sa.select(WaitRow.id).where(WaitRow.run_id == self.run_id))):
                what(session, wait_id)

    @rule(what=st.sampled_from([control.pause, control.resume]))
    def press(self, what: Any) -> None:
        try:
            with self.house.session() as session:
                what(session, self.run_id)
        except Conflict:
            """It has ended, or stops: nothing was written."""

    @rule(yes=st.integers(0, 9))
    def stop(self, yes: int) -> None:
        if yes == 0:  # else few machines come far
            self.press(control.stop)

    # --- what must hold after every rule ---

    @invariant()
    def every_promise_holds(self) -> None:
        with self.house.session() as session:
            run = session.get_one(Run, self.run_id)
            rows = {row.step_id: row for row in session.scalars(sa.select(StepRun).where(StepRun.run_id == run.id))}
        self._changes_are_of_the_table(rows)
        self._nothing_begins_before_what_it_comes_after(rows)
        self._run_goes_only_where_it_may(run, rows)

    def _changes_are_of_the_table(self, rows: dict[str, StepRun]) -> None:
        for step_id, row in rows.items():
            now = (row.status, row.fence, row.output, row.finished_at)
            was = self.seen.get(step_id, now)
            self.seen[step_id] = now
            before, after = StepStatus(was[0]), StepStatus(now[0])
            assert now[1] >= was[1], "a fence never goes back"
            if before.is_settled:
                assert now == was, f"{step_id} had ended"
            elif before != after:
                assert after in STEP_TRANSITIONS[before], f"{step_id}: {before} → {after}"

    def _nothing_begins_before_what_it_comes_after(self, rows: dict[str, StepRun]) -> None:
        for step_id, row in rows.items():
            if row.status not in ("skipped", "cancelled"):
                for source in BEFORE[step_id]:
                    assert source in rows, f"{step_id} before {source}"
                    assert StepStatus(rows[source].status).is_settled, f"{step_id} before {source}"

    def _run_goes_only_where_it_may(self, run: Run, rows: dict[str, StepRun]) -> None:
        before, self.run_seen = self.run_seen, RunStatus(run.status)
        assert run.epoch >= self.epoch
        self.epoch = run.epoch
        if before != self.run_seen:
            assert self.run_seen in reachable(before), f"{before} → {run.status}"
        if not run.is_open:
            assert all(StepStatus(row.status).is_settled for row in rows.values())
            assert run.lease_owner is None
        elif run.due_at is None:
            assert run.status in ("waiting", "paused", "needs_attention")

    def teardown(self) -> None:
        """Whatever was done to it, the run can be stopped, and then it ends and holds nothing."""
        self.lapse()
        try:
            with self.house.session() as session:
                control.stop(session, self.run_id)
        except Conflict:
            """It has ended already."""
        self.lapse()
        turn.advance(self.seats[0], self.run_id)
        run = self.house.run(self.run_id)
        assert not run.is_open
        assert all(StepStatus(row.status).is_settled for row in self.house.steps(self.run_id).values())
        self.house.check()

    # --- how ---

    def _claimed(self, who: int, step: str) -> MultipleResults[tuple[int, HeldStep]]:
        row = self.house.steps(self.run_id).get(step)
        if row is None:
            return multiple()
        with transaction(self.engines[who]) as session:
            held = claims.claim_step(session, row.id, self.seats[who].owner, LEASE_S)
        return multiple() if held is None else multiple((who, held))

    def _values(self, how: str) -> dict[str, Any]:
        now = clock.now()
        return {
            "completed": {"status": "completed", "outcome": "done", "output": {"said": 1}, "finished_at": now},
            "failed": {"status": "failed", "outcome": "failed", "error": {"message": "no"}, "finished_at": now},
            "retrying": {"status": "retrying", "not_before": now + timedelta(seconds=60)},
            "needs_attention": {"status": "needs_attention", "error": {"message": "what?"}},
            "waiting": {"status": "waiting"},
        }[how]

    def _wait(self, session: Session, held: HeldStep) -> None:
        session.add(
            WaitRow(workspace_id=held.workspace_id, run_id=held.run_id, step_run_id=held.id, kind="callback",
                    status="waiting", on_until="expired", detail={}, created_at=clock.now())
        )  # fmt: skip

    def _rows(self) -> list[tuple[Any, ...]]:
        with self.house.session() as session:
            return [
                tuple(row)
                for row in session.execute(
                    sa.select(StepRun.id, StepRun.status, StepRun.fence)
                    .where(StepRun.run_id == self.run_id)
                    .order_by(StepRun.id)
                )
            ]


@pytest.fixture
def machine(database_url: str) -> Iterator[type[Transitions]]:
    house = make_house(database_url)
    engines = [make_engine(url_for(database_url)) for _ in range(2)]
    yield type("OnThisDatabase", (Transitions,), {"house": house, "engines": engines})
    for engine in (house.engine, *engines):
        engine.dispose()


def test_transitions_keep_the_promises_in_any_order(machine: type[Transitions]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
