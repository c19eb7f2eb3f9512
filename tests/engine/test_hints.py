"""Hints are RQ's jobs; those of several threads go in few round trips, and none is left behind or taken for nobody."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis
from rq.job import JobStatus

from app.core import queue
from app.core.settings import Settings
from app.engine import jobs
from app.engine.crew import Crew
from app.engine.dispatcher import Dispatcher
from tests.servers import wait_until


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


def test_what_comes_while_one_thread_sends_goes_together_and_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, list[str]]] = []
    is_sending, go_on, is_done = threading.Event(), threading.Event(), threading.Event()

    def send(run_ids: list[str]) -> bool:
        sent.append((threading.current_thread().name[:5], run_ids))
        if run_ids == ["a"]:
            is_sending.set()
            return go_on.wait(60)
        if "e" in run_ids:
            return not is_done.set()
        jobs.hint_soon("e")  # comes while the rest is sent
        return True

    monkeypatch.setattr(jobs, "hint_runs", send)
    with ThreadPoolExecutor(1, thread_name_prefix="first") as pool:
        first = pool.submit(jobs.hint_soon, "a")
        assert is_sending.wait(60)
        for run_id in "bcd":
            jobs.hint_soon(run_id)  # does not wait
        go_on.set()
        first.result(10)
        assert is_done.wait(60)
    assert sent == [("first", ["a"]), ("hints", ["b", "c", "d"]), ("hints", ["e"])]


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
    wait_until(lambda: len(sent) == 2000)
    assert sorted(sent, key=int) == [str(number) for number in range(2000)]


class Desk:
    """What a dispatcher needs of its worker: a crew of *threads*, who keep all that they are handed until it ends.

    It ends when *last* has been handed over.
    """

    def __init__(self, settings: Settings, *, threads: int, last: str) -> None:
        self.planning = Crew("plan", threads)
        alive = SimpleNamespace(say=lambda _: None)
        self.seat: Any = SimpleNamespace(owner="w", is_ending=threading.Event(), alive=alive)
        self.taken: list[str] = []
        self._last = last
        self.dispatcher = Dispatcher(queue.worker_client(settings), self.seat, self.planning, self.take)

    def take(self, _function: str, arguments: Sequence[Any]) -> None:
        self.taken += arguments
        self.planning.submit(lambda: self.seat.is_ending.wait(60))
        if arguments == [self._last]:
            self.seat.is_ending.set()


def _listen(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *, threads: int, last: str
) -> tuple[list[str], list[str]]:
    """Put ten hints on the line and hand them out; return what was handed out and what is on the line then."""
    monkeypatch.setattr(jobs, "_settings", settings)
    jobs.hint_runs("abcdefghij")
    desk = Desk(settings, threads=threads, last=last)
    desk.dispatcher.listen()
    with Redis.from_url(settings.redis_url) as connection:
        return desk.taken, [job.args[0] for job in jobs.job_queue(connection).get_jobs()]


def test_a_worker_takes_no_more_hints_than_it_has_free_threads(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, left = _listen(Settings(redis_url=redis_url), monkeypatch, threads=4, last="d")

    assert (taken, left) == (list("abcd"), list("efghij"))


def test_what_a_worker_took_and_did_not_read_is_first_in_line_when_it_ends(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, left = _listen(Settings(redis_url=redis_url), monkeypatch, threads=8, last="a")

    assert (taken, left) == (["a"], list("bcdefghij"))


def test_hints_that_wait_are_read_together(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Redis.from_url(redis_url) as connection:
        before = connection.info("commandstats")
        taken, left = _listen(Settings(redis_url=redis_url), monkeypatch, threads=10, last="j")
        after = connection.info("commandstats")

    assert (taken, left) == (list("abcdefghij"), [])
    assert [_calls(after, name) - _calls(before, name) for name in ("blpop", "lpop", "hget")] == [1, 9, 10]


def _calls(stats: dict[str, Any], name: str) -> int:
    return int(stats.get(f"cmdstat_{name}", {}).get("calls", 0))


def test_what_a_busy_worker_took_is_left_to_the_others(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(redis_url=redis_url)
    monkeypatch.setattr(jobs, "_settings", settings)
    jobs.hint_runs("abc")
    busy = Desk(settings, threads=3, last="").dispatcher
    assert [arguments for _, arguments in busy._pop(3)] == [["a"]]

    assert busy._pop(0) == []

    with Redis.from_url(redis_url) as connection:
        assert [job.args[0] for job in jobs.job_queue(connection).get_jobs()] == ["b", "c"]


def test_a_job_that_is_none_of_ours_takes_no_hint_with_it(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(redis_url=redis_url)
    monkeypatch.setattr(jobs, "_settings", settings)
    jobs.hint_runs("abc")
    worker = Desk(settings, threads=3, last="").dispatcher
    with Redis.from_url(redis_url) as connection:
        broken = jobs.job_queue(connection).job_ids[1]
        connection.hset(f"rq:job:{broken}", "data", b"not ours")

    assert [arguments for _ in range(2) for _, arguments in worker._pop(3)] == [["a"], ["c"]]
