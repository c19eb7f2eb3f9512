"""A worker whose threads are all busy, with more steps in line than they can do: mail leaves all the same."""

import threading
from pathlib import Path
from typing import Any

import pytest

from app.core import outbox
from app.core.settings import Settings
from app.engine import jobs, runner, worker_process
from tests.engine.rig import make_house
from tests.engine.sink import Sink


def test_mail_leaves_between_two_steps_while_steps_stand_in_line(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, sink = make_house(sqlite_url), Sink(hold=True)
    settings = Settings(
        environment="test", database_url=sqlite_url, data_dir=str(tmp_path), secret_key="-", call_threads=1,
        redis_url="redis://127.0.0.1:1/0",
    )  # fmt: skip
    worker = worker_process.Worker(settings, "worker:1:busy")
    done_before: list[int] = []

    def deliver(content: dict[str, Any], recipient: str, message_id: str) -> None:
        done_before.append(len(sink.log))
        sent.set()

    sent = threading.Event()
    monkeypatch.setitem(outbox._channels, "slow", deliver)
    for _ in range(3):
        run_id = house.start([{"id": "one", "type": "spend", "config": {"url": sink.url}}])
        runner.advance(house.seat(), run_id)
        worker.take(jobs.DO_STEP, [house.steps(run_id)["one"].id, True])
    row_id = house.post("slow")
    worker.take(jobs.RELAY, [row_id])
    sink.latency.set()
    assert sent.wait(60)
    assert worker.calling.wait_idle(60)
    assert (done_before, len(sink.log)) == ([1], 3)
    sink.close()
    worker.seat.engine.dispose()
