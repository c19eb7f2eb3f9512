"""durability: PostgreSQL is killed in the middle of w1; every step that was acknowledged is there when it comes back.

Between the chain's steps stands a step that writes to a file when it begins. The engine begins it only after the
database has acknowledged the step before it, so each line is an acknowledgement that must have survived.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import figures, seed
from bench.counting import pids
from bench.figures import Figure
from bench.ground import Ground, House
from bench.steps import NOTES

DATABASES = ("postgresql",)
RUNS, PAIRS, KILLS = 400, 5, 3


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    if "TEST_POSTGRES_URL" in os.environ:
        figures.say("  not killed: TEST_POSTGRES_URL names a server that is not ours")
        return
    missing: list[float] = []
    acknowledged = 0
    notes = ground.folder / "notes"
    with ground.house(kind, workers=2, clock=True, LEASE_S="4", **{NOTES: str(notes)}) as house:
        team = seed.team(house, _chain())
        for _ in range(KILLS):
            notes.write_bytes(b"")
            team.start(RUNS)
            house.until(lambda: notes.stat().st_size > 60_000, "some steps")
            _kill(ground, house)
            lines = _acknowledged(notes)
            acknowledged += len(lines)
            missing.append(len(lines - _recorded(house)))
            _go_on(house)
            team.wait_ended(limit_s=240)
        team.check_completed(RUNS * KILLS)
    yield figures.Figure(
        "durability_missing_steps",
        sum(missing),
        "steps",
        acknowledged,
        min(missing),
        max(missing),
        figures.middle(missing),
    )
    yield figures.of("durability_unfinished_runs", [0], "runs")


def _chain() -> list[dict[str, Any]]:
    """Return pairs of a step that does nothing and one that notes that it was begun."""
    steps = seed.chain(1)
    for number in range(1, PAIRS + 1):
        steps.append({"id": f"n{number}", "type": "note", "name": f"Note {number}", "after": [f"s{number}"]})
        value = {"set": {"value": number}}
        steps.append({"id": f"s{number + 1}", "type": "transform", "after": [f"n{number}"], "config": value})
    return steps


def _kill(ground: Ground, house: House) -> None:
    """Kill the server with all it does, hold the workers still, and let it recover from its log."""
    ground.postgres.kill()
    time.sleep(0.1)
    for pid in pids(house):
        os.kill(pid, signal.SIGSTOP)
    house.engine.dispose()
    ground.postgres.start_again()


def _go_on(house: House) -> None:
    for pid in pids(house):
        os.kill(pid, signal.SIGCONT)


def _acknowledged(notes: Path) -> set[tuple[str, str]]:
    """Return run and step for every step whose successor was seen to begin."""
    lines = [line.split() for line in notes.read_text().splitlines()]
    return {(run_id, step_id.replace("n", "s")) for run_id, step_id in lines}


def _recorded(house: House) -> set[tuple[str, str]]:
    with house.reader.connect() as connection:
        rows = connection.exec_driver_sql("SELECT run_id, step_id FROM step_run WHERE status = 'completed'")
        return {(row.run_id, row.step_id) for row in rows}
