"""Everything that people can do to runs, in any order, among workers that die, come late and are wrong.

A machine of random rules over a family of runs. After every rule the books are right, and nothing that has ended
changes but by *try again*; at the end every run comes to its end, well where nobody stops it, nothing is held any more,
and the invariants of the faults hold.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.engine import Engine

from app.core.db import make_engine, transaction
from app.engine import claims, leases, runner, store, timers, turn
from app.engine.enums import RunStatus, StepStatus
from app.engine.held import HeldStep
from app.engine.models import Run, StepRun
from tests.engine.family import DEEDS, Deed, Family, do
from tests.engine.rig import bind, reachable, url_for
from tests.engine.sink import RESET, Sink
from tests.faults.invariants import check

EXAMPLES = 3
LEASE_S = 60.0
NUMBERS = st.integers(0, 999)
WEATHER = [[], [500], [RESET], [429, 500], [500, 500], [RESET, RESET], [RESET, 500, 200, RESET]]


class AnyOrder(RuleBasedStateMachine):
    """A family of runs, two workers with an engine each, people at both."""

    engines: list[Engine]
    sink: Sink

    def __init__(self) -> None:
        super().__init__()
        self.family = Family(self.engines[0], self.sink)
        self.seats = [
            replace(self.family.house.seat(f"test:{n}:a", LEASE_S), engine=engine, reader=engine)
            for n, engine in enumerate(self.engines)
        ]
        self.line = self.family.house.line
        self.claims: list[tuple[int, HeldStep]] = []
        self.steps: dict[str, tuple[str, int, Any, Any]] = {}
        self.runs: dict[str, RunStatus] = {}
        self.meanwhile: list[BaseException] = []
        self.is_stopped = False

    @initialize(is_stopped=st.booleans())
    def begin(self, is_stopped: bool) -> None:
        self.is_stopped = is_stopped
        run_id = self.family.start()
        turn.advance(self.seats[0], run_id)

    # --- workers ---

    @rule(who=st.integers(0, 1), n=NUMBERS)
    def work(self, who: int, n: int) -> None:
        """Do what one of the hints says."""
        if self.line:
            self._follow(who, *self.line.pop(n % len(self.line)))

    @rule(who=st.integers(0, 1))
    def work_off(self, who: int) -> None:
        """Do what all hints say that there are now."""
        for _ in range(len(self.line)):
            self._follow(who, *self.line.pop(0))

    @rule()
    def rest(self) -> None:
        """All hints are followed, so that a pause has come down to the runs below."""
        self._settle()
        with transaction(self.engines[0]) as session:
            runs = {run.id: run for run in self.family.runs(session)}
            waits = {step.id: step.run_id for step in self.family.steps(session, StepRun.status == "waiting")}
        for run in runs.values():
            above = runs.get(waits.get(run.parent_step_run_id or "", ""))
            if above is not None and above.status == RunStatus.PAUSED:
                assert run.status in ("pausing", "paused"), f"{run.number} goes on below {above.number}"

    @rule(who=st.integers(0, 1), n=NUMBERS)
    def advance(self, who: int, n: int) -> None:
        """Advance a run that nobody hinted."""
        with transaction(self.engines[who]) as session:
            every = self.family.runs(session)
        runner.advance(self.seats[who], every[n % len(every)].id)

    @rule(who=st.integers(0, 1), n=NUMBERS)
    def claim(self, who: int, n: int) -> None:
        with transaction(self.engines[who]) as session:
            open_ = self.family.steps(session, StepRun.status.not_in([s.value for s in StepStatus if s.is_settled]))
        held = runner._claim(self.seats[who], open_[n % len(open_)].id) if open_ else None
        self.claims += [] if held is None else [(who, held)]

    @rule(n=NUMBERS)
    def end(self, n: int) -> None:
        """Do a claimed step, perhaps one that was taken from us long ago."""
        if self.claims:
            who, held = self.claims[n % len(self.claims)]
            runner._do_one(self.seats[who], held)

    @rule(n=NUMBERS)
    def leave(self, n: int) -> None:
        if self.claims:
            who, held = self.claims[n % len(self.claims)]
            with transaction(self.engines[who]) as session:
                claims.leave_step(session, held)

    @rule(who=st.integers(0, 1))
    def die(self, who: int) -> None:
        """A worker is gone, and what it held is given back."""
        self._die(who)

    @rule()
    def lapse(self) -> None:
        self.family.lapse()

    @rule(who=st.integers(0, 1))
    def tick(self, who: int) -> None:
        self._tick(who)

    @rule(weather=st.sampled_from(WEATHER))
    def change_weather(self, weather: list[int]) -> None:
        """How the far side answers the next requests: it refuses, or the reply is lost."""
        self.sink.script[:] = [(status, {}) for status in weather]

    @rule(deed=st.sampled_from([*DEEDS, Family.stop]), n=NUMBERS)
    def meanwhile_somebody(self, deed: Deed, n: int) -> None:
        """While the next request is under way, somebody does something."""
        self._during(lambda: do(self.family, self.engines[1], deed, n))

    @rule(who=st.integers(0, 1))
    def meanwhile_gone(self, who: int) -> None:
        """While the next request is under way its worker is thought dead, and the others go on."""

        def gone() -> None:
            self.family.lapse()
            self._die(who)
            self._tick(1 - who)

        self._during(gone)

    @rule()
    def meanwhile_late(self) -> None:
        """While the next request is under way its lease runs out, and another takes the step up and does it."""

        def late() -> None:
            self.family.lapse()
            with transaction(self.engines[1]) as session:
                rows = self.family.steps(session, StepRun.status == StepStatus.RUNNING.value)
            for row in rows:
                runner.do_step(self.seats[1], row.id)

        self._during(late)

    # --- people ---

    @rule(deed=st.sampled_from(DEEDS), who=st.integers(0, 1), n=NUMBERS)
    def somebody(self, deed: Deed, who: int, n: int) -> None:
        do(self.family, self.engines[who], deed, n)

    @rule(deed=st.sampled_from([Family.answer, Family.decide, Family.continue_from, Family.start_over]), n=NUMBERS)
    def two_say_the_same(self, deed: Deed, n: int) -> None:
        for engine in self.engines:
            do(self.family, engine, deed, n)

    @rule(n=NUMBERS, yes=st.integers(0, 5))
    def stop(self, n: int, yes: int) -> None:
        if yes == 0:  # else few machines come far
            do(self.family, self.engines[0], Family.stop, n)

    # --- what must hold after every rule ---

    @invariant()
    def every_promise_holds(self) -> None:
        assert not self.meanwhile, self.meanwhile
        with transaction(self.engines[0]) as session:
            runs, steps = self.family.runs(session), self.family.steps(session)
        taken_up = self._runs_go_only_where_they_may(runs)
        self._steps_go_only_where_they_may(steps, taken_up)
        self._no_place_too_many(steps)
        for fault in self.family.faults():
            raise AssertionError(fault)

    def _runs_go_only_where_they_may(self, runs: list[Run]) -> set[str]:
        taken_up = set[str]()
        for run in runs:
            after = RunStatus(run.status)
            before = self.runs.get(run.id, after)
            self.runs[run.id] = after
            if before == after:
                continue
            assert after in reachable(before), f"run {run.number}: {before} → {after}"
            if before is RunStatus.FAILED:
                taken_up.add(run.id)
        for run in runs:
            if not run.is_open:
                assert (run.lease_owner, run.due_at, run.reserved_microusd) == (None, None, 0), run.number
            elif run.due_at is None:
                assert run.status in ("waiting", "paused", "needs_attention"), f"{run.number} is {run.status}"
            assert not run.is_paused_above or run.status in ("pausing", "paused"), run.number
        return taken_up

    def _steps_go_only_where_they_may(self, steps: list[StepRun], taken_up: set[str]) -> None:
        """Nothing that has ended changes, unless its run was taken up."""
        now = {row.id: (row.status, row.fence, row.output, row.finished_at) for row in steps}
        run_of = {row.id: row.run_id for row in steps}
        for row_id, is_ in now.items():
            was = self.steps.get(row_id, is_)
            before = StepStatus(was[0])
            assert is_[1] >= was[1], "a fence never goes back"
            if before.is_settled and run_of[row_id] not in taken_up:
                assert is_ == was, f"{row_id} had ended"
            if before is StepStatus.COMPLETED:
                assert is_ == was, f"{row_id} was done"
        self.steps = now

    def _no_place_too_many(self, steps: list[StepRun]) -> None:
        under_way = [step for step in steps if step.status == "running" and step.effect != "none" and step.lease_owner]
        assert len(under_way) <= 4, "two at once of each of two workflows"

    def teardown(self) -> None:
        """Whatever was done: it comes to an end, and holds nothing."""
        if self.runs:
            self.sink.script.clear()
            self.sink.meanwhile = None
            self._end_all()
            faults = [*self.family.faults(), *self.family.left_over()]
            assert not faults, faults
            check(self.family.house, self.sink, repeats=len(self.sink.requests), pages=0)

    # --- how ---

    def _end_all(self) -> None:
        """Stop all, or go on until all is well: whoever asks is answered, who failed is taken up."""
        self._do(Family.hold, 0)
        if self.is_stopped:
            for n in range(len(self.runs)):
                self._do(Family.stop, n)
        for _ in range(60):
            self.family.lapse()
            self._settle()
            with transaction(self.engines[0]) as session:
                runs = self.family.runs(session)
            failed = [n for n, run in enumerate(runs) if run.status == RunStatus.FAILED and not run.parent_run_id]
            if not any(run.is_open for run in runs) and (self.is_stopped or not failed):
                return
            for n in failed:
                assert self._do(Family.try_again, n), f"run {runs[n].number} cannot be taken up"
            for n in range(len(runs)):
                self._do(Family.resume, n)
                self._do(Family.answer_first, n)
                self._do(Family.approve, n)
        raise AssertionError({run.number: run.status for run in runs})

    def _do(self, deed: Deed, n: int) -> bool:
        return do(self.family, self.engines[0], deed, n)

    def _settle(self) -> None:
        for _ in range(400):
            if not self.line:
                self._tick(0)
            if not self.line:
                return
            self._follow(0, *self.line.pop(0))
        raise AssertionError("the runs do not come to rest")

    def _follow(self, who: int, kind: str, row_id: str) -> None:
        seat = self.seats[who]
        if kind == "line":
            runner.do_oldest(seat)
        elif kind == "run":
            runner.advance(seat, row_id)
        else:
            runner.do_step(seat, row_id)

    def _die(self, who: int) -> None:
        owner = self.seats[who].owner
        with transaction(self.engines[who]) as session:
            for run_id in leases.give_back_steps(session, owner, is_dead=True, was_alone=False):
                store.wake_run(session, run_id)
            leases.give_back_runs(session, owner, is_dead=True)

    def _tick(self, who: int) -> None:
        timers.tick(
            self.engines[who],
            hint_runs=lambda ids: self.line.extend(("run", run_id) for run_id in ids),
            hint_outbox=lambda ids: None,
            count=1,
        )

    def _during(self, act: Callable[[], object]) -> None:
        def meanwhile() -> None:
            self.sink.meanwhile = None
            try:
                act()
            except BaseException as error:
                self.meanwhile.append(error)

        self.sink.meanwhile = meanwhile


@pytest.fixture
def machine(database_url: str, sink: Sink) -> Iterator[type[AnyOrder]]:
    bind()
    engines = [make_engine(url_for(database_url)) for _ in range(2)]
    yield type("OnThisDatabase", (AnyOrder,), {"engines": engines, "sink": sink})
    for engine in engines:
        engine.dispose()


def test_every_promise_holds_in_any_order(machine: type[AnyOrder]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
