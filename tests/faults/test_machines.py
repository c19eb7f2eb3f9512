"""Several machines: work spreads, nothing is done twice; old and new versions, and clocks that differ."""

import time
from collections import Counter

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import insist, transaction
from app.engine import jobs
from app.engine.models import Run, StepRun
from tests.engine.rig import House
from tests.faults.chaos import wait_for_the_end
from tests.faults.fleet import Fleet
from tests.faults.invariants import check
from tests.faults.servers import FAKETIME, debian
from tests.faults.shapes import chain, five, spending
from tests.faults.timepiece import Timepiece, odd
from tests.servers import wait_until

END_S = 60.0
HOUR_S = 3600


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_f25_three_machines_share_the_work_and_do_nothing_twice(house: House, fleet: Fleet) -> None:
    fleet.lease_s = 20.0  # nobody dies here: no lease may run out on a busy machine
    fleet.sink.slow_s = 0.02
    for _ in range(3):
        fleet.start("clock")
        fleet.start()
    begun = [house.start(chain(fleet.sink)) for _ in range(60)]
    jobs.hint_runs(begun)
    seen: Counter[str] = Counter()

    def watch() -> bool:
        with transaction(house.engine) as session:
            for row_id, owner in session.execute(
                sa.select(StepRun.id, StepRun.lease_owner).where(StepRun.lease_owner.is_not(None))
            ):
                seen[f"{owner}"] += bool(row_id)
            return not session.scalar(sa.select(sa.func.count()).where(Run.finished_at.is_(None)))

    wait_until(watch, timeout_s=120, every_s=0.02)
    wait_until(lambda: len(fleet.sink.requests) >= 240, timeout_s=END_S)
    assert len([owner for owner in seen if owner.startswith("worker")]) >= 2, f"work spreads: {seen}"
    assert set(Counter(request.key for request in fleet.sink.requests).values()) == {1}
    assert len(fleet.sink.requests) == 240
    check(house, fleet.sink)


@pytest.mark.faults
def test_f25_an_older_worker_leaves_what_it_does_not_know_to_a_newer_one(house: House, fleet: Fleet) -> None:
    old = [fleet.start(without="spend") for _ in range(2)]
    fleet.start("clock", without="spend")
    begun = [house.start(five(fleet.sink)) for _ in range(5)]
    jobs.hint_runs(begun)
    time.sleep(3)  # the old ones meet what they do not know, again and again
    assert fleet.sink.requests == []
    with transaction(house.engine) as session:
        statuses = set(session.scalars(sa.select(StepRun.status).where(StepRun.type == "spend")))
        assert statuses <= {"pending", "running"}, "looked at, and left to a newer one"
        assert set(session.scalars(sa.select(Run.status))) <= {"running", "waiting"}
    assert [worker.poll() for worker in old] == [None, None]
    assert "needs_newer_worker" in fleet.said
    fleet.start()
    wait_for_the_end(house, "")
    assert len(fleet.sink.requests) == 10
    check(house, fleet.sink)


@pytest.mark.faults
def test_f25_old_workers_go_on_beside_a_schema_that_has_grown(house: House, fleet: Fleet) -> None:
    fleet.start("clock")
    for _ in range(2):
        fleet.start()
    begun = [house.start(five(fleet.sink)) for _ in range(60)]
    for number, run_id in enumerate(begun):
        jobs.hint_run(run_id)
        time.sleep(0.05)
        if number == 20:  # an expanding migration, as ours are: what is old goes on to work
            changes = [f"ALTER TABLE {table} ADD COLUMN grown VARCHAR(20)" for table in ("run", "step_run", "call")]
            for change in [*changes, "CREATE TABLE grown (id INTEGER PRIMARY KEY)"]:
                insist(house.engine, lambda session, change=change: session.execute(sa.text(change)))
    wait_for_the_end(house, "")
    assert len(fleet.sink.requests) == 120
    assert "Traceback" not in fleet.said
    check(house, fleet.sink)


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite is one host with one clock
@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S])
def test_f26_a_worker_an_hour_off_steals_nothing_and_delays_nothing(house: House, fleet: Fleet, offset_s: int) -> None:
    debian("libfaketime", FAKETIME)
    fleet.sink.slow_s = 1.0
    fleet.start("clock")
    fleet.start()
    with odd(fleet, Timepiece(offset_s), "worker") as (worker,):
        begun = [house.start(chain(fleet.sink)) for _ in range(6)] + [house.start(spending(fleet.sink, count=5))]
        jobs.hint_runs(begun)
        wait_for_the_end(house, "")
        wait_until(lambda: len(fleet.sink.requests) >= 6 * 4 + 5, timeout_s=END_S)
        worker.kill()  # what it holds comes back by the database's clock, not by its own
        lost = house.start(spending(fleet.sink))
        jobs.hint_run(lost)
        wait_for_the_end(house, "")
    assert set(Counter(request.key for request in fleet.sink.requests).values()) == {1}, "nothing is stolen early"
    with transaction(house.engine) as session:
        hinted = session.scalar(sa.select(sa.func.max(StepRun.hinted_at)))
        assert hinted is not None
        assert abs((hinted - clock.now()).total_seconds()) < 300, "a lost hint costs seconds, not an hour"
    check(house, fleet.sink)


@pytest.mark.faults
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S])
def test_f26_a_delay_takes_as_long_as_it_says_on_a_worker_an_hour_off(
    house: House, fleet: Fleet, offset_s: int
) -> None:
    debian("libfaketime", FAKETIME)
    delay = {"id": "ask", "type": "ask", "config": {"kind": "time", "seconds": 4.0, "on_until": "approved"}}
    after = {"id": "b", "type": "spend", "after": ["ask:approved"], "config": {"url": fleet.sink.url}}
    fleet.start("clock")
    with odd(fleet, Timepiece(offset_s), "worker"):  # and no other
        began = time.time()
        jobs.hint_run(run_id := house.start([delay, after]))
        wait_for_the_end(house, "")
    (came,) = [request.at for request in fleet.sink.requests]
    assert came - began >= 4.0, "not early"
    assert house.steps(run_id)["ask"].outcome == "approved"
    check(house, fleet.sink)
