"""Steps of one run that are done side by side: each is claimed once, and each end wakes the run once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from app.core.db import make_engine, write_small
from app.engine import claims, definitions, leases, results, runner, turn
from app.engine.attempt import Tried
from app.engine.enums import StepStatus
from app.engine.models import Run, StepRun
from tests.engine.rig import House, url_for

NAMES = [f"n{number}" for number in range(8)]


def fan(house: House) -> str:
    """Start a run, do its first step, and leave its siblings pending and without a hint."""
    siblings = [{"id": name, "type": "echo", "after": ["first"], "config": {"say": name}} for name in NAMES]
    last = {"id": "last", "type": "echo", "after": NAMES, "config": {"say": "all"}}
    run_id = house.start([{"id": "first", "type": "echo", "config": {"say": 1}}, *siblings, last])
    turn.advance(house.seat(), run_id)
    house.line.clear()
    return run_id


def pending(house: House, run_id: str) -> list[str]:
    return [step.id for name, step in house.steps(run_id).items() if name in NAMES]


def work_off(house: House, run_id: str) -> None:
    house.line.extend(("step", step_run_id) for step_run_id in pending(house, run_id))
    house.work()
    assert house.run(run_id).status == "completed"


def test_siblings_that_end_at_once_each_wake_the_run(house: House) -> None:
    run_id, seat = fan(house), house.seat()
    definition = definitions.definition_of(house.engine, house.run(run_id).version_id)
    held = [runner._claim(seat, step_run_id) for step_run_id in pending(house, run_id)]
    before, together = house.run(run_id).revision, threading.Barrier(len(held))

    def end(claim: Any) -> None:
        together.wait(60)
        tried = Tried(StepStatus.COMPLETED, "done", {"said": claim.step_id})
        results.record(seat, definition.step(claim.step_id), claim, tried)

    with ThreadPoolExecutor(len(held)) as threads:
        list(threads.map(end, held))

    assert house.run(run_id).revision == before + len(NAMES)
    ended = {name: step for name, step in house.steps(run_id).items() if name in NAMES}
    assert {step.output["said"] for step in ended.values() if step.output} == set(NAMES)
    assert {(step.status, step.lease_owner, step.attempts) for step in ended.values()} == {("completed", None, 1)}
    house.work(run_id)
    assert house.run(run_id).status == "completed"


def test_a_sibling_costs_few_round_trips(house: House) -> None:
    run_id, seat = fan(house), house.seat()
    mine, *others = pending(house, run_id)
    for other in others:
        assert runner._claim(seat, other)
    trips = 0

    def statement(connection: Any, *_: object) -> None:
        nonlocal trips
        trips += 1

    def begun(connection: Any) -> None:
        nonlocal trips
        trips += 0 if getattr(connection.connection.driver_connection, "autocommit", False) else 2  # and its end

    event.listen(house.engine, "before_cursor_execute", statement)
    event.listen(house.engine, "begin", begun)
    claim = runner._claim(seat, mine)
    assert claim is not None
    assert runner._do_one(seat, claim) is None
    event.remove(house.engine, "before_cursor_execute", statement)
    event.remove(house.engine, "begin", begun)

    assert house.steps(run_id)["n0"].status == "completed"
    if house.engine.dialect.name == "postgresql":
        assert trips == 4  # the claim, the run, what was brought before, the end


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_writes_in_company_waits_for_nobodys_step(house: House, database_url: str) -> None:
    run_id, seat = fan(house), house.seat()
    one, two, *_ = pending(house, run_id)
    claim = runner._claim(seat, one)
    assert claim is not None
    dialect, result = house.engine.dialect.name, {"outcome": "done", "went_in": None, "output": {}}
    other = make_engine(url_for(database_url), pool=1)
    with other.connect() as holder:
        holder.execute(sa.select(StepRun.id).where(StepRun.id.in_([one, two])).with_for_update())
        assert not write_small(house.engine, lambda: claims.end_plain(dialect, claim, result), locks=run_id)
        assert write_small(house.engine, lambda: claims.claim_trusted(two, "test:2:b", 60.0), locks=two) is None
    other.dispose()
    assert write_small(house.engine, lambda: claims.end_plain(dialect, claim, result), locks=run_id)
    work_off(house, run_id)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("what", ["run", "step"])
def test_a_lost_answer_costs_another_thread_nothing_that_it_has_just_taken(house: House, what: str) -> None:
    """One thread has taken it and has not heard so yet when another comes for the same and its connection is cut."""
    run_id, seat = fan(house), house.seat()
    row_id = run_id if what == "run" else pending(house, run_id)[0]
    has_taken, may_go_on = threading.Event(), threading.Event()
    taken: list[Any] = []

    def slow_or_cut(connection: Any, _cursor: object, text: str, *_: object) -> None:
        if threading.current_thread().name == "slow" and not has_taken.is_set():
            has_taken.set()
            may_go_on.wait(60)
        elif threading.current_thread().name == "cut" and text.startswith("UPDATE") and not may_go_on.is_set():
            connection.connection.driver_connection.close()
            may_go_on.set()

    def take() -> None:
        if what == "run":
            taken.append(seat.held.take(run_id, lambda: turn._take(seat, run_id)))
        else:
            taken.append(runner._claim_trusted(seat, row_id))

    event.listen(house.engine, "after_cursor_execute", slow_or_cut)
    slow, cut = (threading.Thread(target=take, name=name) for name in ("slow", "cut"))
    slow.start()
    assert has_taken.wait(60)
    cut.start()
    cut.join(60)
    may_go_on.set()
    slow.join(60)
    event.remove(house.engine, "after_cursor_execute", slow_or_cut)

    assert [one is None for one in taken] == [True, False]
    if what == "run":
        assert (taken[1].epoch, seat.held.runs) == (house.run(run_id).epoch, {run_id: taken[1].epoch})
        with house.session() as session:
            leases.let_go(session, taken[1], after_s=0.0)
            session.execute(sa.update(Run).values(revision=Run.revision + 1))
    else:
        assert (taken[1].fence, seat.held.steps[row_id][0]) == (house.steps(run_id)["n0"].fence, taken[1].fence)
        with house.session() as session:
            claims.leave_step(session, taken[1])
    work_off(house, run_id)
