"""Random chaos: whoever is killed or frozen and whenever, every run ends right and every effect has one key."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.core.db import transaction
from app.engine import claims
from app.engine.answers import Reply, answer
from app.engine.models import Run, StepRun
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.faults import serving
from tests.faults.chaos import rage, wait_for_the_end
from tests.faults.fleet import LEASE_S, SECRET, Fleet
from tests.faults.invariants import check
from tests.faults.shapes import five
from tests.processes.house import House as Serving
from tests.processes.waiting import lives
from tests.servers import wait_until

KILLS = 200
LOAD = 50


def test_f10_short_random_kills_leave_every_run_right(house: House, fleet: Fleet, seed: int) -> None:
    rage(house, fleet, seed=seed, runs=20, workers=3, seconds=4.0)


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_f10_ninety_seconds_of_random_kills(house: House, fleet: Fleet, seed: int, number: int) -> None:
    rage(house, fleet, seed=seed + number, runs=600, workers=8, seconds=90.0)


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_f03_any_process_of_serve_is_killed_200_times(
    house: House, database_url: str, sink: Sink, seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    killed = Counter[str]()
    begun = 0
    dyno = Dyno(tmp_path, database_url, sink)
    try:
        while killed.total() < KILLS:
            if _open_runs(house) < LOAD // 2:
                begun += len([house.start(five(sink)) for _ in range(LOAD)])
            dyno.keep()
            if chance.random() < 0.9:  # else one that still starts is hit
                dyno.wait()
            time.sleep(chance.uniform(0.0, 1.2))  # any moment
            living = [pid for pid in dyno.serving.pids() if lives(pid)]
            if living:
                victim = chance.choice(living)
                killed["supervisor" if victim == dyno.serving.process.pid else "child"] += 1
                os.kill(victim, signal.SIGKILL)
        asked = list[str]()

        def meanwhile() -> None:
            dyno.keep()
            asked.extend(_do_again(house))

        wait_for_the_end(house, f"seed {seed}", meanwhile)
    finally:
        dyno.serving.end()
    assert len(asked) <= KILLS // 20, "a step that was alone in two of the processes that were killed, and no other"
    times = Counter(request.key for request in sink.requests)
    doubled = sum(count > 1 for count in times.values())
    print(f"seed {seed}: {dict(killed)}, {begun} runs, {doubled} effects came twice, {len(asked)} steps asked")
    assert len(times) == 2 * begun
    check(house, sink, repeats=doubled)


def _do_again(house: House) -> list[str]:
    """Press *Try again* at steps whose own process was killed twice: of these a person is asked."""
    with transaction(house.engine) as session:
        wanted = sa.select(StepRun).where(StepRun.status == "needs_attention", StepRun.crashes >= claims.MAX_CRASHES)
        asking = [(row.run_id, row.id) for row in session.scalars(wanted)]
        for run_id, step_run_id in asking:
            answer(session, run_id, step_run_id, Reply.AGAIN, by="Alice")
    return [step_run_id for _, step_run_id in asking]


class Dyno:
    """The real ``serve`` with an embedded Redis and the tests' step types; a host starts it again when it has ended."""

    def __init__(self, folder: Path, database_url: str, sink: Sink) -> None:
        self._folder = folder / "data"
        self._settings = {
            "DATABASE_URL": database_url, "SECRET_KEY": SECRET, "LEASE_S": str(LEASE_S), "GREENLIGHT_ENV": "test",
            "SINK_URL": sink.url, "HOST": "127.0.0.1",
        }  # fmt: skip
        self.serving = self._start()

    def keep(self) -> None:
        """Start it again if it has ended."""
        if self.serving.process.poll() is not None:
            self.serving.end()
            self.serving = self._start()

    def wait(self) -> None:
        """Wait until its children are there, or it has ended."""

        def is_up() -> bool:
            return "clock_started" in self.serving.output or self.serving.process.poll() is not None

        wait_until(is_up, timeout_s=30)

    def _start(self) -> Serving:
        return Serving(self._folder, script=serving.__file__, **self._settings)


def _open_runs(house: House) -> int:
    with transaction(house.engine) as session:
        return int(session.scalar(sa.select(sa.func.count()).where(Run.finished_at.is_(None))) or 0)
