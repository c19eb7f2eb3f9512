"""A worker whose threads are all busy: the mail and the steps that find none are done by the next that is free."""

import threading
from pathlib import Path
from typing import Any

import pytest

from app.core import outbox
from app.core.settings import Settings
from app.engine import jobs, runner, worker_process
from tests.engine.rig import make_house
from tests.engine.sink import Sink


def _busy(sqlite_url: str, tmp_path: Path, *, threads: int = 1) -> worker_process.Worker:
    """Return a worker with so many threads for what goes out."""
    settings = Settings(
        environment="test", database_url=sqlite_url, data_dir=str(tmp_path), secret_key="-", call_threads=threads,
        redis_url="redis://127.0.0.1:1/0",
    )  # fmt: skip
    return worker_process.Worker(settings, "worker:1:busy")


def test_mail_leaves_between_two_steps_while_steps_stand_in_line(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, sink, worker = make_house(sqlite_url), Sink(hold=True), _busy(sqlite_url, tmp_path)
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


def test_what_comes_as_the_last_thread_has_looked_for_the_last_time_is_done(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, sink, worker = make_house(sqlite_url), Sink(), _busy(sqlite_url, tmp_path)
    delivered: list[str] = []
    monkeypatch.setitem(outbox._channels, "good", lambda content, recipient, message_id: delivered.append(recipient))
    run_id = house.start([{"id": "one", "type": "spend", "config": {"url": sink.url}}])
    runner.advance(house.seat(), run_id)
    ends = threading.Event()

    def look_no_more() -> None:
        ends.wait(60)

    worker.calling.submit(look_no_more)
    worker.take(jobs.DO_STEP, [house.steps(run_id)["one"].id, True])
    worker.take(jobs.RELAY, [house.post("good")])
    ends.set()
    assert worker.calling.wait_idle(60)
    assert (len(delivered), len(sink.log)) == (1, 1)
    sink.close()
    worker.seat.engine.dispose()


def test_every_thread_that_ends_with_a_mail_goes_on_with_those_that_came_meanwhile(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, worker = make_house(sqlite_url), _busy(sqlite_url, tmp_path, threads=2)
    two_at_once = threading.Barrier(2)
    delivered: list[str] = []

    def deliver(content: dict[str, Any], recipient: str, message_id: str) -> None:
        two_at_once.wait(60)
        delivered.append(recipient)

    monkeypatch.setitem(outbox._channels, "slow", deliver)
    rows = [house.post("slow", to=f"person-{number}") for number in range(6)]
    for row_id in rows:
        worker.take(jobs.RELAY, [row_id])
    assert worker.calling.wait_idle(60)
    assert (len(set(delivered)), two_at_once.broken) == (6, False)
    worker.seat.engine.dispose()
