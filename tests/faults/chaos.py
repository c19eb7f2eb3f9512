"""Chaos: random workers are killed and frozen while runs go on; what must hold afterwards is checked."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import sqlalchemy as sa

from app.core.db import transaction
from app.engine import jobs
from app.engine.models import Run, StepRun
from tests.engine.rig import House
from tests.faults.fleet import Fleet, Process
from tests.faults.invariants import check
from tests.faults.shapes import five
from tests.servers import wait_until

EVERY_S = 0.2
FROZEN_FOR_LEASES = 1.5


def rage(house: House, fleet: Fleet, *, seed: int, runs: int, workers: int, seconds: float) -> dict[str, int]:
    """Kill or freeze a random worker every 0.2 s for *seconds*, then let the runs end; return what was counted."""
    chance = random.Random(seed)
    begun = [house.start(five(fleet.sink)) for _ in range(runs)]
    fleet.start("clock")
    for _ in range(workers):
        fleet.start()
    feeding = threading.Thread(target=_feed, args=(begun, seconds), daemon=True)
    feeding.start()
    counted = Counter[str]()
    frozen: dict[int, tuple[Process, float]] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(EVERY_S)
        _thaw(frozen)
        living = [process for process in fleet.living() if process.pid not in frozen]
        if living:
            victim = chance.choice(living)
            if chance.random() < 0.2:
                victim.freeze()
                frozen[victim.pid] = (victim, time.monotonic() + FROZEN_FOR_LEASES * fleet.lease_s)
                counted["frozen"] += 1
            else:
                victim.kill()
                counted["killed"] += 1
        for _ in range(workers - len(fleet.living())):
            fleet.start()
    for process, _at in frozen.values():
        process.thaw()
    feeding.join()
    wait_for_the_end(house, f"seed {seed}")
    # one process holds several steps when it dies, and a frozen one may come late with each of them
    doubled = [key for key, times in Counter(r.key for r in fleet.sink.requests).items() if times > 1]
    assert len({request.key for request in fleet.sink.requests}) == 2 * runs, f"seed {seed}"
    check(house, fleet.sink, repeats=len(doubled))
    for line in (f"seed {seed}: {runs} runs, {dict(counted)}, {len(doubled)} effects came twice",):
        print(line)
    return {**counted, "doubled": len(doubled)}


def _feed(run_ids: list[str], seconds: float) -> None:
    """Hint the runs one after the other, over three quarters of the time."""
    for run_id in run_ids:
        jobs.hint_run(run_id)
        time.sleep(0.75 * seconds / len(run_ids))


def _thaw(frozen: dict[int, tuple[Process, float]]) -> None:
    for pid, (process, at) in list(frozen.items()):
        if time.monotonic() >= at:
            with contextlib.suppress(ProcessLookupError):
                process.thaw()
            del frozen[pid]


def wait_for_the_end(house: House, said: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Wait until every run has ended; all must have completed, and no innocent step may want a person."""

    def is_over() -> bool:
        meanwhile()
        with transaction(house.engine) as session:
            left = session.execute(sa.select(sa.func.count()).where(Run.finished_at.is_(None))).scalar_one()
        return not left

    try:
        wait_until(is_over, timeout_s=180, every_s=0.5)
    except TimeoutError:
        pass
    with transaction(house.engine) as session:
        runs = Counter(session.scalars(sa.select(Run.status)))
        steps = Counter(session.scalars(sa.select(StepRun.status)))
    assert set(runs) == {"completed"}, f"{said}: {runs}, {steps}"
    assert set(steps) == {"completed"}, f"{said}: {steps}"
