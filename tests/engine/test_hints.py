"""Hints are RQ's jobs; those of several threads go in few round trips, and none is left behind."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from rq.job import JobStatus

from app.core.settings import Settings
from app.engine import jobs


def test_a_hint_is_a_job_to_rq(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_settings", Settings(redis_url=redis_url))
    assert jobs.hint_run("r1")
    assert jobs.hint_steps([("s1", True)])

    with Redis.from_url(redis_url) as connection:
        advance, do_step = jobs.job_queue(connection).get_jobs()
    assert (advance.func_name, advance.args, advance.kwargs) == (jobs.ADVANCE, ["r1"], {})
    assert (do_step.func_name, do_step.args) == (jobs.DO_STEP, ["s1", True])
    assert advance.get_status() is JobStatus.QUEUED
    assert advance.enqueued_at is not None
    assert (advance.timeout, advance.result_ttl, advance.failure_ttl) == (-1, 0, jobs.FAILURE_TTL_S)


def test_what_comes_while_one_thread_sends_goes_along_with_its_next(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[str]] = []
    is_sending, go_on = threading.Event(), threading.Event()

    def send(run_ids: list[str]) -> bool:
        sent.append(run_ids)
        is_sending.set()
        return go_on.wait(60)

    monkeypatch.setattr(jobs, "hint_runs", send)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(jobs.hint_soon, "a")
        assert is_sending.wait(60)
        for run_id in "bcd":
            jobs.hint_soon(run_id)  # does not wait
        go_on.set()
        first.result(10)
    assert sent == [["a"], ["b", "c", "d"]]


def test_a_lost_hint_leaves_the_line_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(_run_ids: list[str]) -> bool:
        raise MemoryError

    monkeypatch.setattr(jobs, "hint_runs", send)
    with pytest.raises(MemoryError):
        jobs.hint_soon("a")
    sent: list[list[str]] = []
    monkeypatch.setattr(jobs, "hint_runs", lambda run_ids: not sent.append(run_ids))
    jobs.hint_soon("b")
    assert sent == [["b"]]


def test_no_hint_of_many_threads_stays_in_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(jobs, "hint_runs", lambda run_ids: not sent.extend(run_ids))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(jobs.hint_soon, map(str, range(2000))))
    assert sorted(sent, key=int) == [str(number) for number in range(2000)]
