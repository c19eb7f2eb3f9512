"""The whole house with real processes: the dyno dies, a child dies, forks after a pool was used."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from app.engine import jobs
from tests.engine.rig import House as Engine
from tests.faults.fleet import Fleet
from tests.faults.forkpool import FORKS, QUERIES
from tests.faults.invariants import check
from tests.faults.shapes import chain, spending
from tests.faults.test_parents import END_S, comes_to, pid_of
from tests.processes.house import ROOT, House
from tests.processes.waiting import lives, until
from tests.servers import wait_until

Start = Callable[..., House]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[House] = []

    def _start(*command: str, **settings: str) -> House:
        started.append(House(tmp_path / "data", *command, **settings))
        return started[-1]

    yield _start
    for house in started:
        house.end()


def test_f03_the_whole_dyno_dies_and_every_run_moves_again(house: Engine, fleet: Fleet) -> None:
    fleet.sink.slow_s = 2.0
    first = fleet.start("parent")
    pids = [first.pid, pid_of(fleet, "worker"), pid_of(fleet, "clock")]
    runs = [house.start(chain(fleet.sink)) for _ in range(3)] + [house.start(spending(fleet.sink))]
    for run_id in runs:
        jobs.hint_run(run_id)
    wait_until(lambda: len(fleet.sink.requests) >= 4, timeout_s=END_S)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(lives, pids[1:])))
    fleet.sink.slow_s = 0.0
    fleet.start("parent")
    for run_id in runs:
        comes_to(house, run_id, "completed")
        assert {step.crashes for step in house.steps(run_id).values()} == {0}
    check(house, fleet.sink, repeats=4)


AT_ONCE = re.compile(r"died, starting it again.*in_s=0\.0")


def test_f08_each_child_that_dies_comes_back_alone_and_health_names_it(start: Start) -> None:
    house = start("dev", "--no-demo", WEB_PROCESSES="1")
    house.wait_for("Greenlight is ready")
    died = {"redis": 0, "web": 0, "worker": 0, "clock": 0}
    for role in ("worker", "clock", "redis", "web"):
        others = [pid_in(house, other) for other in died if other != role]
        os.kill(pid_in(house, role), signal.SIGKILL)
        died[role] += 1
        until(lambda: deaths(house) == died, limit_s=END_S)
        until(lambda: len(AT_ONCE.findall(house.output)) == sum(died.values()))
        assert all(map(lives, others)), "only that child"


def pid_in(house: House, role: str) -> int:
    """Return the pid of a process that lives: one that has just been started again may not have said its own yet."""

    def found() -> int:
        pids = house.pids()
        known = {name: house.pid_of(name) for name in ("worker", "clock", "redis")}
        if role != "web":
            return known[role] if known[role] in pids and lives(known[role]) else 0
        rest = [pid for pid in pids[1:] if pid not in known.values() and lives(pid)]
        # who welcomes and who tidies up have gone, and all others are known
        return rest[0] if len(rest) == 1 and set(known.values()) < set(pids) else 0

    return until(found, limit_s=END_S)


def deaths(house: House) -> dict[str, int] | None:
    """Return the deaths of each process that health tells, when all live."""
    try:
        told: dict[str, Any] = house.json("/healthz")["processes"]
    except (OSError, HTTPException):  # the web server is what died, perhaps in mid-answer
        return None
    return {name: facts["deaths"] for name, facts in told.items()} if all(f["alive"] for f in told.values()) else None


@pytest.mark.faults
def test_f08_five_deaths_of_the_web_server_within_a_minute_end_the_dyno(start: Start) -> None:
    house = start("dev", "--no-demo", WEB_PROCESSES="1")
    house.wait_for("Greenlight is ready")
    killed: set[int] = set()
    for _ in range(5):
        until(lambda: house.status() == 200 and pid_in(house, "web") not in killed, limit_s=20)
        killed.add(web := pid_in(house, "web"))
        os.kill(web, signal.SIGKILL)
    assert house.process.wait(timeout=35) == 1
    assert re.search(r"it keeps dying, so all ends", house.end())


def test_f24_forks_of_a_parent_that_used_its_pool_have_connections_of_their_own(database_url: str) -> None:
    command = [sys.executable, "-m", "tests.faults.forkpool", database_url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=END_S, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["codes"] == [0] * FORKS
    assert [answer["right"] for answer in found["answers"]] == [QUERIES] * FORKS
    assert found["parent_after"] == found["parent"], "the parent's connection is still its own"
    if database_url.startswith("postgresql"):
        sessions = {answer["session"] for answer in found["answers"]}
        assert len(sessions) == FORKS
        assert found["parent"] not in sessions
