"""SIGKILL at every crash point, in every shape of run, on both databases: nothing lost, twice only under its key.

Each test starts a real worker that kills itself at the point, then a second one that goes on, with a real Redis that is
flushed in between; the far side's log is compared line by line.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis import Redis

from app.core.settings import Settings
from app.engine import control, jobs
from tests.engine.rig import House, make_house
from tests.engine.sink import Sink
from tests.servers import RedisServer, wait_until

POINTS = ["after_claim", "after_intent", "after_effect", "after_commit", "before_release"]
LEASE_S = 3.0


@dataclass
class Fleet:
    """Worker and clock processes on one database and one Redis."""

    database_url: str
    redis_url: str
    sink: Sink
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, role: str, crash_at: str = "") -> subprocess.Popen[bytes]:
        environ = {
            **os.environ, "GREENLIGHT_ENV": "test", "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url,
            "SECRET_KEY": "a secret for tests only, long enough to sign with", "LEASE_S": str(LEASE_S),
            "GREENLIGHT_CRASH_AT": crash_at, "SINK_URL": self.sink.url, "LOG_LEVEL": "warning",
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, "-m", "tests.faults.worker", role], env=environ)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    house = make_house(database_url)
    yield house
    house.check()
    house.engine.dispose()


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A queue whose hints no other test's worker takes."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def fleet(database_url: str, own_redis: RedisServer) -> Iterator[Fleet]:
    redis_url = own_redis.url
    with Redis.from_url(redis_url) as connection:
        connection.flushall()
    sink = Sink()
    fleet = Fleet(database_url, redis_url, sink)
    jobs.configure(
        Settings(environment="test", database_url=database_url, redis_url=redis_url, secret_key="x" * 32)
    )
    yield fleet
    fleet.end()
    sink.close()


def chain(sink: Sink) -> list[dict[str, Any]]:
    """Pure, spending, pure, sending: one after the other."""
    return [
        {"id": "a", "type": "echo", "config": {"say": 1}},
        {"id": "b", "type": "spend", "after": ["a"], "config": {"url": sink.url, "count": 3}},
        {"id": "c", "type": "echo", "after": ["b"], "config": {"say": "{{ steps.b.answers }}"}},
        {"id": "d", "type": "post", "after": ["c"], "config": {"to": "sam@example.com"}},
    ]


def fan_out(sink: Sink) -> list[dict[str, Any]]:
    """Four lanes, two of them spending, that join."""
    lanes = [
        {"id": f"l{n}", "type": "spend" if n % 2 else "echo", "after": ["a"],
         "config": {"url": sink.url, "count": 2} if n % 2 else {"say": n}}
        for n in range(4)
    ]  # fmt: skip
    join = {"id": "z", "type": "echo", "after": [lane["id"] for lane in lanes], "config": {"say": "all"}}
    return [{"id": "a", "type": "echo", "config": {"say": 1}}, *lanes, join]


def waiting(sink: Sink) -> list[dict[str, Any]]:
    """A spending step, a wait for a person, and what follows a yes."""
    return [
        {"id": "b", "type": "spend", "config": {"url": sink.url, "count": 2}},
        {"id": "ask", "type": "ask", "after": ["b"], "config": {}},
        {"id": "d", "type": "post", "after": ["ask:approved"], "config": {"to": "sam@example.com"}},
        {"id": "n", "type": "echo", "after": ["ask:rejected"], "config": {"say": "no"}},
    ]


SHAPES = {"chain": chain, "fan_out": fan_out, "waiting": waiting}
EFFECTS = {"chain": 4, "fan_out": 4, "waiting": 3}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("point", POINTS)
def test_killed_worker_loses_nothing_and_repeats_only_under_its_key(
    house: House, fleet: Fleet, point: str, shape: str
) -> None:
    run_id = house.start(SHAPES[shape](fleet.sink))
    fleet.start("clock")
    first = fleet.start("worker", crash_at=point)
    jobs.hint_run(run_id)
    if shape == "waiting":
        _decide_when_asked(house, run_id, first)
    assert first.wait(timeout=30) == -9, "the worker dies at the point"
    Redis.from_url(fleet.redis_url).flushall()
    fleet.start("worker")
    if shape == "waiting":
        _decide_when_asked(house, run_id)
    wait_until(lambda: house.run(run_id).status == "completed", timeout_s=30)
    wait_until(lambda: len({line.split()[0] for line in fleet.sink.log}) == EFFECTS[shape], timeout_s=20)
    lines = Counter(fleet.sink.log)
    keys = Counter(line.split()[0] for line in lines)
    doubled = {line: times for line, times in lines.items() if times > 1}
    assert set(keys.values()) == {1}, "one key an effect, however often it is repeated"
    at_once = (
        2 if shape == "fan_out" else 1
    )  # calls that can lie between effect and record when the process dies
    least = 0 if shape == "fan_out" or point == "after_effect" else at_once
    assert len(doubled) <= at_once - least, doubled
    assert set(doubled.values()) <= {2}
    steps = house.steps(run_id)
    assert {step.status for step in steps.values()} <= {"completed", "skipped"}
    spent = sum(len(call.answer) for call in house.calls(run_id) if call.answer)
    assert spent == len("thanks") * len(house.calls(run_id))
    assert house.run(run_id).cost_microusd == 1000 * len(house.calls(run_id)), "each answer is paid for once"


def _decide_when_asked(house: House, run_id: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Say yes as soon as the run waits; give up where the worker is dead and the run cannot come that far."""

    def asked() -> bool:
        return house.run(run_id).status == "waiting" or (process is not None and process.poll() is not None)

    wait_until(asked, timeout_s=30)
    if house.run(run_id).status != "waiting":
        return
    with house.session() as session:
        control.decide(session, house.wait(run_id).id, outcome="approved", output={"by": "Sam"})
    jobs.hint_run(run_id)


def test_flushed_and_dead_queue_costs_seconds_not_runs(house: House, fleet: Fleet) -> None:
    runs = [house.start(chain(fleet.sink)) for _ in range(10)]
    fleet.start("clock")
    fleet.start("worker")
    for run_id in runs[:5]:
        jobs.hint_run(run_id)
    Redis.from_url(fleet.redis_url).flushall()
    wait_until(lambda: all(house.run(run_id).status == "completed" for run_id in runs), timeout_s=40)
    wait_until(lambda: len(fleet.sink.log) == 40, timeout_s=20)
    assert len(set(fleet.sink.log)) == 40


def test_told_to_end_the_worker_gives_its_work_back_uncounted(house: House, fleet: Fleet) -> None:
    fleet.sink.hold = True
    run_id = house.start([{"id": "b", "type": "spend", "config": {"url": fleet.sink.url, "count": 1}}])
    worker = fleet.start("worker")
    jobs.hint_run(run_id)
    wait_until(lambda: len(fleet.sink.log) == 1, timeout_s=20)
    worker.terminate()
    worker.terminate()
    time.sleep(0.5)  # long enough for a worker that ignores its work to be gone: it must still be there
    assert worker.poll() is None
    fleet.sink.latency.set()
    assert worker.wait(timeout=25) == 0
    step = house.steps(run_id)["b"]
    assert (step.status, step.attempts) == ("completed", 1)
