"""Limits with a place in line: two cannot both take the last place, and the oldest goes first."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import transaction
from app.core.settings import Settings
from app.engine import claims, control, limits, line, runner, store
from app.engine.held import HeldStep
from app.engine.models import Allowance, Run, StepRun
from tests.engine.rig import House
from tests.engine.sink import Sink


@pytest.fixture(autouse=True)
def no_limits() -> Iterator[None]:
    """Take the limits of the whole house away again."""
    yield
    limits.configure(Settings(environment="test", secret_key="-"))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a place be told as soon as a step stands in line."""
    monkeypatch.setattr(line, "A_MOMENT_S", 0.0)


def limit_house(**most: int) -> None:
    limits.configure(Settings(environment="test", secret_key="-", **most))


def allow(house: House, **most: int) -> None:
    with house.session() as session:
        session.merge(Allowance(workspace_id=house.workspace_id, **most))


def outward(step: str, sink: Sink, *, kind: str = "spend") -> dict[str, Any]:
    return {"id": step, "type": kind, "after": [], "config": {"url": sink.url}}


def stand(house: House, sink: Sink, count: int, **options: Any) -> list[str]:
    """Bring *count* runs to the point where their one step waits to be claimed; the oldest first."""
    runs = []
    for _ in range(count):
        run_id = house.start([outward("one", sink, **options)])
        runner.advance(house.seat(), run_id)
        runs.append(run_id)
    house.line.clear()
    return runs


def step_id(house: House, run_id: str) -> str:
    return str(house.steps(run_id)["one"].id)


def claim(house: House, run_id: str) -> HeldStep | None:
    """Claim as a worker does that was hinted at this run's step."""
    hinted = step_id(house, run_id)
    with house.session() as session:
        held = claims.claim_step(session, hinted, "test:1:a", 60.0)
        if held is None and line.is_kept(session, hinted):
            held = line.claim_oldest(session, "test:1:a", 60.0)
        return held


def claimed(house: House, runs: list[str]) -> list[str]:
    """Hint at the step of each run in turn; return the runs whose steps began, in the order of *runs*."""
    began = {held.run_id for run_id in runs if (held := claim(house, run_id)) is not None}
    return [run_id for run_id in runs if run_id in began]


def numbers(house: House, runs: list[str]) -> list[int | None]:
    with house.session() as session:
        found = line.places(session, house.workspace_id, runs)
    return [found[run_id].number if run_id in found else None for run_id in runs]


def end(house: House, held: HeldStep) -> None:
    with house.session() as session:
        claims.end_step(session, held, status="completed", outcome="done", finished_at=clock.now())
        store.wake_run(session, held.run_id)


def test_without_a_limit_nothing_is_counted(house: House, sink: Sink) -> None:
    for run_id in stand(house, sink, 3):
        held = claim(house, run_id)
        assert held is not None
        assert held.is_counted is False


def test_twenty_threads_take_three_places(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=3)
    runs = stand(house, sink, 20)
    gate, took = threading.Barrier(20), []

    def take(run_id: str) -> None:
        gate.wait()
        held = claim(house, run_id)
        if held is not None:
            took.append(held.run_id)

    threads = [threading.Thread(target=take, args=(run_id,)) for run_id in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(took) == sorted(runs[:3])
    assert numbers(house, runs) == [None, None, None, *range(1, 18)]


def test_a_place_in_line_counts_runs_and_its_time_their_steps(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=1)
    runs = []
    for _ in range(3):
        runs.append(house.start([outward(name, sink) for name in ("one", "two")]))
        runner.advance(house.seat(), runs[-1])
    assert claim(house, runs[0]) is not None

    assert numbers(house, runs) == [None, 2, 3]  # the first run’s other step is before them
    with house.session() as session:
        found = session.execute(line._places(house.workspace_id, runs)).all()
    assert sorted((row.number, row.steps) for row in found) == [(2, 2), (3, 4)]


def test_a_step_of_an_unknown_type_keeps_nobody_behind_it_waiting(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=1)
    future, run_id = stand(house, sink, 2)
    with transaction(house.engine) as session:
        session.execute(sa.update(StepRun).where(StepRun.run_id == future).values(type="from_the_future"))
    assert claimed(house, [run_id]) == [run_id]
    assert runner.do_oldest(house.seat()) is False


def test_a_paused_run_gives_the_place_back_that_a_dead_worker_held(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=1)
    paused, run_id = stand(house, sink, 2)
    assert claim(house, paused) is not None
    with house.session() as session:
        control.pause(session, paused)
    house.work(paused)
    assert (house.run(paused).status, claim(house, run_id)) == ("pausing", None)
    house.make_due(paused, step="one", lease_until=True)
    house.work()
    assert (house.run(paused).status, house.steps(paused)["one"].status) == ("paused", "pending")
    assert claim(house, run_id) is not None
    with house.session() as session:
        control.resume(session, paused)
        session.execute(sa.delete(Allowance))
    house.work(paused)
    assert (house.run(paused).status, len(sink.log)) == ("completed", 1)


def test_the_oldest_goes_first_whoever_is_hinted(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=1)
    runs = stand(house, sink, 3)
    held = claim(house, runs[2])
    assert held is not None
    assert (held.run_id, held.is_counted) == (runs[0], True)
    assert claim(house, runs[1]) is None
    assert numbers(house, runs) == [None, 1, 2]
    end(house, held)
    following = claim(house, runs[2])
    assert following is not None
    assert following.run_id == runs[1]


def test_all_get_through_one_place_one_after_the_other(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=1)
    runs = stand(house, sink, 5)
    house.line.append(("step", step_id(house, runs[4])))
    house.work()
    assert [house.run(run_id).status for run_id in runs] == ["completed"] * 5
    assert [key.partition("-one")[0] for key in sink.log] == [f"gl-{run_id}" for run_id in runs]


@pytest.mark.parametrize(
    ("most", "expected"),
    [({"steps_at_once": 2}, 2), ({"ai_steps_at_once": 2}, 2), ({"steps_at_once": 9, "ai_steps_at_once": 3}, 3)],
)
def test_limits_of_the_house_hold_over_workspaces(
    house: House, sink: Sink, most: dict[str, int], expected: int
) -> None:
    limit_house(**most)
    other = House(house.engine)
    runs = [*stand(house, sink, 2), *stand(other, sink, 2)]
    assert sum(claim(house, run_id) is not None for run_id in runs) == expected


def test_a_limit_on_ai_lets_sending_through(house: House, sink: Sink) -> None:
    allow(house, ai_at_once=1)
    asking, sending = stand(house, sink, 2), stand(house, sink, 2, kind="send")
    assert claimed(house, [*asking, *sending]) == [asking[0], *sending]


def test_a_workflows_limit_counts_all_its_runs_and_no_others(house: House, sink: Sink) -> None:
    runs = stand(house, sink, 3)
    with transaction(house.engine) as session:
        workflow_id = session.get_one(Run, runs[0]).workflow_id
        for run_id in runs[:2]:
            run = session.get_one(Run, run_id)
            run.workflow_id, run.at_once = workflow_id, 1
    assert claimed(house, runs) == [runs[0], runs[2]]


def test_another_workspace_stands_in_no_line(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=1)
    mine, other = stand(house, sink, 2), House(house.engine)
    theirs = stand(other, sink, 2)
    assert claimed(house, [*mine, *theirs]) == [mine[0], *theirs]


def test_a_dead_lease_keeps_its_place_and_is_taken_over(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=1)
    runs = stand(house, sink, 2)
    assert claim(house, runs[0]) is not None
    house.make_due(runs[0], step="one", lease_until=True)
    assert claim(house, runs[1]) is None
    held = claim(house, runs[0])
    assert held is not None
    assert held.run_id == runs[0]


def test_a_step_whose_process_died_is_not_taken_from_the_line_but_done_alone(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=1)
    suspect, other = stand(house, sink, 2)
    with transaction(house.engine) as session:
        session.execute(sa.update(StepRun).where(StepRun.run_id == suspect).values(is_suspect=True))
        held = line.claim_oldest(session, "test:1:a", 60.0)
    assert held is not None
    assert held.run_id == other


def test_a_retry_that_is_due_stands_in_line_by_its_time(house: House, sink: Sink) -> None:
    sink.script = [(429, {"Retry-After": "60"})]
    allow(house, steps_at_once=1)
    first = house.start([outward("one", sink)])
    house.work(first)
    assert house.steps(first)["one"].status == "retrying"
    (second,) = stand(house, sink, 1)
    house.make_due(first, step="one", not_before=True)
    held = claim(house, second)
    assert held is not None
    assert held.run_id == first


def test_standing_in_line_between_two_tries_is_no_work(house: House, sink: Sink) -> None:
    sink.script = [(429, {"Retry-After": "60"})]
    allow(house, steps_at_once=1)
    run_id = house.start([outward("one", sink), {**outward("two", sink), "after": ["one"]}], limits={"minutes": 1})
    house.work(run_id)
    (other,) = stand(house, sink, 1)
    held = claim(house, other)
    assert held is not None
    now = clock.now()
    in_line = {"started_at": now - timedelta(hours=2), "not_before": now - timedelta(hours=2) + timedelta(seconds=5)}
    with house.session() as session:
        session.execute(sa.update(StepRun).where(StepRun.run_id == run_id).values(**in_line))
    house.work(run_id)
    assert (house.run(run_id).status, house.steps(run_id)["one"].status) == ("running", "retrying")
    end(house, held)
    house.work(run_id)
    assert house.run(run_id).status == "completed"
    assert now - house.steps(run_id)["one"].started_at < timedelta(minutes=1)


def test_about_how_long_is_told_from_five_on(house: House, sink: Sink) -> None:
    allow(house, steps_at_once=2)
    for _ in range(5):
        house.work(house.start([outward("one", sink)]))
    with transaction(house.engine) as session:
        began = datetime(2026, 1, 1, tzinfo=UTC)
        session.execute(sa.update(StepRun).values(started_at=began, finished_at=began + timedelta(minutes=1)))
    runs = stand(house, sink, 5)
    for run_id in runs[:2]:
        claim(house, run_id)
    with house.session() as session:
        found = line.places(session, house.workspace_id, runs)
    assert [(found[run_id].number, found[run_id].wait_s) for run_id in runs[2:]] == [(1, 60.0), (2, 60.0), (3, 120.0)]


def test_a_place_is_told_only_of_what_has_stood_there_for_a_moment(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "A_MOMENT_S", 600.0)
    allow(house, steps_at_once=1)
    runs = stand(house, sink, 3)
    with house.session() as session:
        assert line.places(session, house.workspace_id, runs) == {}
    with transaction(house.engine) as session:
        before = clock.now() - timedelta(seconds=601)
        session.execute(sa.update(StepRun).where(StepRun.run_id == runs[1]).values(created_at=before))
        found = line.places(session, house.workspace_id, runs)
    assert found == {runs[1]: line.Place(1)}
