"""A worker whose thread hangs past its deadline takes no more work, gives the rest back and ends with 75."""

import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.core.settings import Settings
from app.engine import heartbeat, runner, worker_process
from app.engine.models import StepRun
from tests.engine.rig import House, make_house
from tests.engine.sink import Sink

OWNER = "worker:1:hung"


@pytest.fixture
def house(sqlite_url: str) -> House:
    return make_house(sqlite_url)


def test_a_thread_that_hangs_ends_its_worker_with_75(house: House, sqlite_url: str, tmp_path: Path) -> None:
    sink = Sink(hold=True)
    settings = Settings(
        environment="test", database_url=sqlite_url, data_dir=str(tmp_path), secret_key="-", lease_s=0.4,
        redis_url="redis://127.0.0.1:1/0",
    )  # fmt: skip
    run_id = house.start([{"id": "one", "type": "spend", "config": {"url": sink.url}, "timeout_s": 30}])
    worker = worker_process.Worker(settings, OWNER)
    codes: list[int] = []
    working = threading.Thread(target=lambda: codes.append(worker.run()), daemon=True)
    working.start()
    runner.advance(house.seat(), run_id)
    step_id = house.steps(run_id)["one"].id
    worker.calling.offer(lambda: runner.do_step(worker.seat, step_id))
    until = time.monotonic() + 20
    while step_id not in worker.seat.held.steps and time.monotonic() < until:
        threading.Event().wait(0.02)
    fence, _ = worker.seat.held.steps[step_id]
    assert codes == []  # a step that is within its time ends nothing
    worker.seat.held.steps[step_id] = (fence, time.monotonic() - heartbeat.OVERDUE_S - 1)
    working.join(20)
    assert codes == [worker_process.EXIT_OVERDUE] == [75]
    with house.session() as session:
        step = session.scalars(sa.select(StepRun)).one()
        assert (step.status, step.lease_owner, step.attempts) == ("pending", None, 0)
    sink.close()
