"""Databases that crash, fill up, run out of connections and lose their answers."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import make_engine, transaction
from app.core.settings import Settings
from app.engine import jobs
from app.engine.models import Run, StepRun
from app.features.accounts.service import Actor
from app.features.runs import service as runs
from app.features.runs.models import RunCounter
from app.features.workflows.models import Version, Workflow
from tests.cast import Cast, enter
from tests.conftest import ROOT, migrate
from tests.engine.rig import House, make_house, url_for
from tests.engine.sink import Sink
from tests.faults.chaos import wait_for_the_end
from tests.faults.fleet import SECRET, Fleet, Nursery
from tests.faults.invariants import check
from tests.faults.proxy import COMMIT, SYNC, Proxy
from tests.faults.servers import DurablePostgres, not_run
from tests.faults.shapes import five, spending
from tests.servers import RedisServer, wait_until

END_S = 60.0
BUSY_TITLE = "Greenlight is busy"
SWELL = "INSERT INTO ballast SELECT convert_to(repeat(md5(n::text), 60), 'UTF8') FROM generate_series(1, 20000) n"


@pytest.fixture(scope="module")
def durable() -> Iterator[DurablePostgres]:
    """A PostgreSQL that may be crashed."""
    server = DurablePostgres()
    yield server
    server.stop()


@pytest.fixture
def durable_url(durable: DurablePostgres) -> Iterator[str]:
    """A database with the newest schema on it."""
    name = f"gl{time.monotonic_ns()}"
    url = durable.create_database(name)
    migrate(url)
    yield url
    durable.drop_database(name)


def settle(house: House, fleet: Fleet, *, repeats: int = 0) -> None:
    """Wait until every run has completed, then check what must hold."""
    wait_for_the_end(house, "")
    check(house, fleet.sink, repeats=repeats)


def page_app(url: str, redis_url: str, make_app: Callable[[Settings], Flask]) -> Cast:
    """Return the cast of a web application on this database."""
    return enter(
        make_app(Settings(environment="test", database_url=url, secret_key=SECRET, base_url="http://localhost",
                          redis_url=redis_url))
    )  # fmt: skip


def assert_busy(answer: Any) -> None:
    """Check a page that says: not now, nothing is lost, try again."""
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert BUSY_TITLE in answer.text
    assert "Traceback" not in answer.text


# --- PostgreSQL ---


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_f18_postgresql_crashes_three_times_under_load(
    durable: DurablePostgres, durable_url: str, own_redis: RedisServer, nursery: Nursery, sink: Sink
) -> None:
    house, fleet = _house_and_fleet(durable_url, own_redis, nursery, sink)
    try:
        begun = [house.start(five(sink)) for _ in range(150)]
        fleet.start("clock")
        for _ in range(2):
            fleet.start()
        threading.Thread(target=_feed, args=(begun, 15.0), daemon=True).start()
        for _ in range(3):
            time.sleep(5)  # some load between the crashes
            acknowledged = _completed(house)
            durable.crash()
            house.engine.dispose()
            assert acknowledged <= _completed(house), "what was acknowledged is there"
        wait_for_the_end(house, "")
        times = Counter(request.key for request in sink.requests)
        assert len(times) == 300
        check(house, sink, repeats=sum(count > 1 for count in times.values()))
    finally:
        fleet.end()
        house.engine.dispose()


@pytest.mark.faults
def test_f18_without_postgresql_pages_say_try_again(
    durable: DurablePostgres, durable_url: str, own_redis: RedisServer, make_app: Callable[[Settings], Flask]
) -> None:
    cast = page_app(durable_url, own_redis.url, make_app)
    alice = cast.browser(cast.alice)
    assert alice.get("/runs").status_code == 200
    durable.down()
    try:
        for answer in (alice.get("/runs"), alice.get("/gallery"), alice.post("/runs/x/pause"), alice.get("/")):
            assert_busy(answer)
        assert alice.get("/healthz").status_code == 200
        assert alice.get("/readyz").status_code == 503
        fragment = alice.get("/runs/panel", headers={"HX-Request": "true"})
        assert (fragment.status_code, "Retry-After" in fragment.headers) == (503, True)
    finally:
        durable.up()
    assert alice.get("/runs").status_code == 200


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("ends", [COMMIT, SYNC], ids=["commit", "statement"])
def test_f19_a_lost_answer_to_any_commit_of_a_worker_repeats_nothing(
    durable_url: str, own_redis: RedisServer, nursery: Nursery, sink: Sink, ends: bytes
) -> None:
    house, fleet = _house_and_fleet(durable_url, own_redis, nursery, sink)
    proxy = Proxy(durable_url, ends)
    try:
        fleet.start("clock")
        fleet.start(DATABASE_URL=proxy.url)
        warm = house.start(five(sink))
        jobs.hint_run(warm)
        wait_until(lambda: house.run(warm).status == "completed", timeout_s=END_S)
        for number in range(1, 15):
            run_id = house.start(five(sink))
            proxy.drop(number)
            jobs.hint_run(run_id)
            wait_until(lambda run_id=run_id: house.run(run_id).status == "completed", timeout_s=END_S)
        assert proxy.dropped >= 12
        assert len(sink.requests) == 30, "nothing was done blindly a second time"
        check(house, sink)
    finally:
        fleet.end()
        proxy.stop()
        house.engine.dispose()


@pytest.mark.faults
def test_f19_a_start_whose_answer_was_lost_is_the_same_run_the_second_time(durable_url: str) -> None:
    house = make_house(durable_url)
    proxy = Proxy(durable_url)
    engine = make_engine(url_for(proxy.url))
    house.start(spending(Sink()))
    with house.session() as session:
        session.add(RunCounter(workspace_id=house.workspace_id, next_number=100))

    def start() -> str:
        with transaction(engine) as session:
            workflow = session.scalars(sa.select(Workflow)).one()
            actor = Actor(None, "Alice", "alice@north.example")
            run = runs.start(
                session, workspace_id=house.workspace_id, workflow=workflow, inputs={}, actor=actor,
                trigger_kind="api", dedupe_key="order-7", version=session.scalars(sa.select(Version)).one(),
            )  # fmt: skip
            return run.id

    try:
        proxy.drop(1)
        with pytest.raises(sa.exc.OperationalError):
            start()
        assert proxy.dropped == 1
        first, second = start(), start()
        with transaction(house.engine) as session:
            kept = list(session.scalars(sa.select(Run.id).where(Run.dedupe_key == "order-7")))
        assert kept == [first] == [second]
    finally:
        engine.dispose()
        proxy.stop()
        house.engine.dispose()


@pytest.mark.faults
def test_f20_no_connections_left_is_a_page_and_a_pause_not_a_crash(
    durable: DurablePostgres, durable_url: str, own_redis: RedisServer, nursery: Nursery, sink: Sink,
    make_app: Callable[[Settings], Flask],
) -> None:  # fmt: skip
    name = durable_url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(durable.url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE few_{name} LOGIN CONNECTION LIMIT 5")
        owner.execute(f"GRANT postgres TO few_{name}")
    few_url = durable_url.replace("postgres:@", f"few_{name}:@")
    house, fleet = _house_and_fleet(durable_url, own_redis, nursery, sink)
    taken: list[psycopg.Connection[Any]] = []
    try:
        with psycopg.connect(durable_url, autocommit=True) as owner:
            owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO few_{name}")
        cast = page_app(few_url, own_redis.url, make_app)
        alice = cast.browser(cast.alice)
        assert alice.get("/runs").status_code == 200
        with cast.app.app_context():
            from app.core.db import db

            db.session.remove()
            db.engine.dispose()
        taken = [psycopg.connect(few_url) for _ in range(5)]
        began = time.monotonic()
        assert_busy(alice.get("/runs"))
        assert time.monotonic() - began < 8
        run_id = house.start(five(sink))
        worker, clock = (fleet.start(role, DATABASE_URL=few_url) for role in ("worker", "clock"))
        jobs.hint_run(run_id)
        time.sleep(3)  # long enough for one that gives up to be gone
        assert (worker.poll(), clock.poll()) == (None, None)
        for connection in taken:
            connection.close()
        wait_until(lambda: house.run(run_id).status == "completed", timeout_s=END_S)
        check(house, sink)
    finally:
        for connection in taken:
            connection.close()
        fleet.end()
        house.engine.dispose()


# --- SQLite ---


@pytest.mark.faults
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_f22_while_somebody_holds_sqlite_writers_wait_and_readers_read(
    house: House, fleet: Fleet, database_url: str, make_app: Callable[[Settings], Flask]
) -> None:
    cast = page_app(database_url, fleet.redis_url, make_app)
    alice = cast.browser(cast.alice)
    run_id = house.start(five(fleet.sink))
    fleet.start("clock")
    fleet.start()
    holder = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None, timeout=10)
    holder.execute("BEGIN IMMEDIATE")
    until = time.monotonic() + 20
    jobs.hint_run(run_id)
    began = time.monotonic()
    assert alice.get("/runs").status_code == 200
    assert time.monotonic() - began < 10, "reads go on"
    assert_busy(alice.post("/settings/theme", data={"theme": "dark"}))
    time.sleep(max(0.0, until - time.monotonic()))
    holder.execute("ROLLBACK")
    holder.close()
    assert {process.poll() for process in fleet.processes} == {None}
    settle(house, fleet)


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """Mount a disk of *size* in memory; the test is not run where that cannot be done."""
    folder = Path(tempfile.mkdtemp(prefix="gl-small-"))
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]).returncode:
        not_run("no small disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder])
        folder.rmdir()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Fill the disk to its last page; empty it again at the end."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["sqlite"])
def test_f23_a_full_disk_loses_nothing_and_things_go_on_when_there_is_space(
    kind: str, own_redis: RedisServer, nursery: Nursery, sink: Sink, make_app: Callable[[Settings], Flask]
) -> None:
    with small_disk("6m") as folder:
        url = f"sqlite:///{folder}/greenlight.db"
        migrate(url)
        _fill_and_go_on(url, folder, own_redis, nursery, sink, make_app)
        with sqlite3.connect(f"{folder}/greenlight.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["postgresql"])
def test_f23_postgresql_on_a_full_disk_loses_nothing_and_things_go_on_when_it_is_back(
    kind: str, own_redis: RedisServer, nursery: Nursery, sink: Sink, make_app: Callable[[Settings], Flask]
) -> None:
    with small_disk("240m") as folder, ExitStack() as ending:
        server = DurablePostgres(str(folder / "postgresql"))
        ending.callback(server.stop)
        url = server.create_database("full")
        migrate(url)
        house, fleet = _house_and_fleet(url, own_redis, nursery, sink)
        ending.callback(fleet.end)
        cast = page_app(url, own_redis.url, make_app)
        alice = cast.browser(cast.alice)
        fleet.start("clock")
        fleet.start()
        jobs.hint_run(house.start(five(sink)))
        wait_for_the_end(house, "")
        acknowledged = _completed(house)
        begun = [house.start(five(sink)) for _ in range(5)]
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("CREATE TABLE ballast (content bytea)")
        with full(folder):
            with _as_large(cast):
                answer = alice.post("/settings/theme", data={"theme": "dark"})
            assert (answer.status_code, "no space" in answer.text) == (507, True)
            jobs.hint_runs(begun)
            wait_until(lambda: "No space left" in fleet.said, timeout_s=END_S)
            with suppress(psycopg.OperationalError):  # and now its log has no room either: it goes down
                server.run("SELECT pg_switch_wal()", "SELECT pg_logical_emit_message(true, '', 'more')")
            wait_until(lambda: not server.is_there(), timeout_s=END_S)
            assert_busy(alice.get("/runs"))
            assert alice.get("/healthz").status_code == 200
            assert {process.poll() for process in fleet.processes} == {None}
        wait_until(server.is_up, timeout_s=END_S, every_s=0.5)
        house.engine.dispose()
        assert acknowledged <= _completed(house), "what was acknowledged is there"
        wait_for_the_end(house, "")
        assert alice.post("/settings/theme", data={"theme": "dark"}).status_code in (200, 303)
        check(house, sink, repeats=10)


@contextmanager
def _as_large(cast: Cast) -> Iterator[None]:
    """Have what a page writes need pages that the disk has not."""

    def swell(connection: Any, *_rest: Any) -> None:
        connection.exec_driver_sql(SWELL)

    with cast.app.app_context():
        from app.core.db import db

        engine = db.engine
    sa.event.listen(engine, "commit", swell)
    try:
        yield
    finally:
        sa.event.remove(engine, "commit", swell)


def _fill_and_go_on(
    url: str, folder: Path, redis: RedisServer, nursery: Nursery, sink: Sink, make_app: Callable[[Settings], Flask]
) -> None:
    house, fleet = _house_and_fleet(url, redis, nursery, sink)
    try:
        cast = page_app(url, redis.url, make_app)
        alice = cast.browser(cast.alice)
        begun = [house.start(five(sink)) for _ in range(5)]
        with full(folder):
            fleet.start("clock")
            fleet.start()
            jobs.hint_runs(begun)
            answer = alice.post("/settings/theme", data={"theme": "dark"})
            assert answer.status_code == 507
            assert "no space" in answer.text
            assert "Traceback" not in answer.text
            time.sleep(4)  # the workers meet the full disk too
            assert {process.poll() for process in fleet.processes} == {None}
        wait_for_the_end(house, "")
        check(house, sink, repeats=10)
    finally:
        fleet.end()
        house.engine.dispose()


# --- both ---


@pytest.mark.faults
def test_f24_children_of_a_process_with_an_open_pool_read_their_own_rows(database_url: str) -> None:
    environ = {**os.environ, "DATABASE_URL": database_url, "SECRET_KEY": SECRET, "GREENLIGHT_ENV": "test"}
    forked = subprocess.run(
        [sys.executable, "-m", "tests.faults.forking"], env=environ, cwd=ROOT, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert forked.stdout.splitlines() == ["150 right"] * 4, forked.stdout + forked.stderr


def _house_and_fleet(url: str, redis: RedisServer, nursery: Nursery, sink: Sink) -> tuple[House, Fleet]:
    jobs.configure(Settings(environment="test", database_url=url, redis_url=redis.url, secret_key=SECRET))
    return make_house(url), Fleet(nursery, url, redis.url, sink)


def _completed(house: House) -> set[str]:
    with transaction(house.engine) as session:
        return set(session.scalars(sa.select(StepRun.id).where(StepRun.status == "completed")))


def _feed(run_ids: list[str], seconds: float) -> None:
    for run_id in run_ids:
        jobs.hint_run(run_id)
        time.sleep(seconds / len(run_ids))
