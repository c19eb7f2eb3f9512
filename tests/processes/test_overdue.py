"""A worker whose thread hangs past its deadline takes nothing new, lets the others end and ends with 75."""

import threading
import time
from pathlib import Path

import pytest

from app.core.settings import Settings
from app.engine import alive, heartbeat, runner, worker_process
from tests.engine.rig import House, make_house
from tests.engine.sink import Sink

OWNER = "worker:1:hung"


@pytest.fixture
def house(sqlite_url: str) -> House:
    return make_house(sqlite_url)


def test_a_thread_that_hangs_ends_its_worker_with_75(
    house: House, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive, "TELL_EVERY_S", 0.05)
    told = threading.Event()
    sink = Sink(hold=True)
    settings = Settings(
        environment="test", database_url=sqlite_url, data_dir=str(tmp_path), secret_key="-", lease_s=0.4,
        redis_url="redis://127.0.0.1:1/0",
    )  # fmt: skip
    quick = Sink(hold=True)
    steps = [{"id": one, "type": "send", "config": {"url": far.url}, "timeout_s": 30}
             for one, far in (("one", sink), ("two", quick))]  # fmt: skip
    run_id = house.start(steps)
    worker = worker_process.Worker(settings, OWNER, tell=told.set)
    codes: list[int] = []
    working = threading.Thread(target=lambda: codes.append(worker.run()), daemon=True)
    working.start()
    runner.advance(house.seat(), run_id)
    ids = [house.steps(run_id)[step_id].id for step_id in ("one", "two")]
    for step_id in ids:
        worker.calling.offer(lambda step_id=step_id: runner.do_step(worker.seat, step_id))
    until = time.monotonic() + 20
    while not (len(worker.seat.held.steps) == 2 and sink.log and quick.log) and time.monotonic() < until:
        threading.Event().wait(0.02)
    fence, _ = worker.seat.held.steps[ids[0]]
    assert codes == []  # a step that is within its time ends nothing
    assert told.wait(60)  # nor does it take the sign of life
    worker.seat.held.steps[ids[0]] = (fence, time.monotonic() - heartbeat.OVERDUE_S - 1)
    assert worker.seat.is_ending.wait(60)
    quick.latency.set()
    working.join(60)
    assert codes == [worker_process.EXIT_OVERDUE] == [75]
    ended = house.steps(run_id)
    assert (ended["one"].status, ended["one"].lease_owner, ended["one"].attempts) == ("pending", None, 0)
    assert (ended["two"].status, len(quick.log)) == ("completed", 1)  # whoever is within its time ends it
    sink.close()
    quick.close()
