"""A queue that is away, empty, full, crowded or encrypted: it holds hints only, so it may cost seconds, never a run."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from flask import Flask
from redis import Redis
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import ResponseError
from rq import Worker

from app.core.db import db
from app.core.settings import Settings
from app.engine import jobs
from app.engine.models import Run
from app.features.gallery import service as gallery
from app.supervisor import preflight
from tests.cast import enter
from tests.engine.rig import House
from tests.faults.chaos import wait_for_the_end
from tests.faults.fleet import SECRET, Fleet
from tests.faults.invariants import check
from tests.faults.servers import DEBIAN_REDIS, TlsRedis, debian
from tests.faults.shapes import five, spending
from tests.page import Page
from tests.servers import RedisServer, wait_until

END_S = 180.0
OUTAGE_S = 60.0
SWEEP_S = 5.0  # how late a lost hint may make a step, at these leases


def settle(house: House, fleet: Fleet, *, effects: int, repeats: int = 0) -> None:
    """Wait until every run has completed, then check what must hold."""
    wait_for_the_end(house, "")
    assert len({request.key for request in fleet.sink.requests}) == effects
    check(house, fleet.sink, repeats=repeats)


def on(fleet: Fleet, server: RedisServer) -> Fleet:
    """Move the fleet, and this process's hints, to another Redis."""
    jobs.configure(
        Settings(environment="test", database_url=fleet.database_url, redis_url=server.url, secret_key=SECRET)
    )
    return fleet.but(redis_url=server.url)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_f11_redis_is_away_for_a_minute(
    house: House, fleet: Fleet, own_redis: RedisServer, make_app: Callable[[Settings], Flask]
) -> None:
    app = make_app(
        Settings(environment="test", database_url=fleet.database_url, redis_url=own_redis.url, secret_key=SECRET,
                 base_url="http://localhost")
    )  # fmt: skip
    cast = enter(app)
    alice = cast.browser(cast.alice)
    fleet.lease_s = 20.0  # nobody dies here: no lease may run out on a busy machine
    fleet.sink.hold = True
    busy = house.start(spending(fleet.sink, count=2))
    fleet.start("clock")
    workers = [fleet.start() for _ in range(2)]  # one idle, one busy
    jobs.hint_run(busy)
    wait_until(lambda: len(fleet.sink.requests) == 1, timeout_s=END_S)
    own_redis.stop()
    stopped = time.monotonic()
    fleet.sink.latency.set()
    wait_until(lambda: house.run(busy).status == "completed", timeout_s=END_S)  # the busy one kept its result
    later = [house.start(five(fleet.sink)) for _ in range(5)]
    began = time.monotonic()
    assert not jobs.hint_runs(later)
    assert time.monotonic() - began < 10, "an enqueue gives up"
    began = time.monotonic()
    assert alice.get("/runs").status_code == 200
    assert alice.get("/readyz").json["redis"] == "down"
    assert time.monotonic() - began < 30
    wait_until(lambda: {house.run(run_id).status for run_id in later} == {"completed"}, timeout_s=END_S)
    time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - stopped)))
    assert [worker.poll() for worker in workers] == [None, None]
    own_redis.start()
    with Redis.from_url(own_redis.url) as connection:
        wait_until(lambda: Worker.count(connection=connection) == 2, timeout_s=END_S)
    last = house.start(five(fleet.sink))
    assert jobs.hint_run(last)
    settle(house, fleet, effects=2 + 12)


def test_f11_a_start_without_redis_is_answered_at_once_and_kept(
    database_url: str, own_redis: RedisServer, make_app: Callable[[Settings], Flask]
) -> None:
    app = make_app(
        Settings(environment="test", database_url=database_url, redis_url=own_redis.url, secret_key=SECRET,
                 base_url="http://localhost")
    )  # fmt: skip
    cast = enter(app)
    with app.app_context():
        gallery.seed_templates(db.session())
        db.session.commit()
    alice, launch = cast.browser(cast.alice), "/gallery/facebook-ads-campaign/launch"
    pages = [{"offer": "A car"}, {"tone": "Friendly", "copies": "3", "pictures": "1"}, {"approver": cast.bob.email}]
    for number, answers in enumerate(pages, 1):
        alice.post(f"{launch}?page={number}", data={f"q_{key}": value for key, value in answers.items()})
    draft = Page(alice.get(f"{launch}?page=check").text).fields()["draft"]
    own_redis.stop()
    began = time.monotonic()
    first, second = (alice.post(f"{launch}/run", data={"draft": draft}) for _ in range(2))
    took = time.monotonic() - began
    assert (first.status_code, first.location) == (303, second.location), "pressed twice it is one run"
    assert took < 20, f"two answers took {took:.1f} s: an enqueue gives up within one"
    page = alice.get(first.location)
    assert page.status_code == 200
    assert "Each one starts by itself and nothing is lost." in page.text
    assert "Redis cannot be reached" in page.text, "an owner can do something about it"
    assert "Redis cannot" not in cast.browser(cast.bob).get(first.location).text
    with app.app_context():
        run = db.session.scalars(sa.select(Run)).one()
        assert (run.status, run.due_at is not None) == ("queued", True), "the clock finds it"


def test_f12_flushed_with_fifty_ready_and_one_under_way(house: House, fleet: Fleet) -> None:
    fleet.sink.hold = True
    first = house.start(spending(fleet.sink))
    fleet.start()
    jobs.hint_run(first)
    wait_until(lambda: len(fleet.sink.requests) == 1, timeout_s=END_S)
    for process in fleet.processes:
        process.freeze()
    ready = [house.start(spending(fleet.sink)) for _ in range(50)]
    jobs.hint_runs(ready)
    with Redis.from_url(fleet.redis_url) as connection:
        connection.flushall()
    for process in fleet.processes:
        process.thaw()
    fleet.sink.latency.set()
    fleet.start("clock")
    settle(house, fleet, effects=51, repeats=1)


@pytest.fixture(params=["noeviction", "allkeys-lru"])
def small_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A Redis of 3 MB with this policy."""
    server = RedisServer("--maxmemory", "3mb", "--maxmemory-policy", request.param)
    yield server
    server.stop()


def _fill(connection: Redis, name: str) -> None:
    for size in (10_000, 10):  # the last corners too
        with suppress(ResponseError):  # out of memory
            for number in range(400):
                connection.set(f"{name}-{size}-{number}", "x" * size)


@pytest.mark.faults
def test_f13_redis_is_full(
    house: House, fleet: Fleet, small_redis: RedisServer, make_app: Callable[[Settings], Flask]
) -> None:
    with Redis.from_url(small_redis.url) as connection:
        policy = connection.config_get("maxmemory-policy")["maxmemory-policy"]
        _fill(connection, "first")
        with structlog.testing.capture_logs() as logs:
            preflight.check_redis(Settings(environment="test", redis_url=small_redis.url, secret_key=SECRET))
        warned = [log for log in logs if log.get("policy") == policy]
        assert len(warned) == (policy != "noeviction"), "the start warns of any policy but noeviction"
    cast = enter(
        make_app(Settings(environment="test", database_url=fleet.database_url, redis_url=small_redis.url,
                          secret_key=SECRET, base_url="http://localhost"))
    )  # fmt: skip
    fleet = on(fleet, small_redis)
    if policy == "noeviction":
        run_id = house.start(five(fleet.sink))
        with Redis.from_url(small_redis.url) as connection:
            _fill(connection, "again")  # what it has free again since then
            assert not jobs.hint_run(run_id)
        page = cast.browser(cast.alice).get("/runs").text
        assert "Redis is full: give it more memory" in page
        assert "nothing is lost" in page
    else:
        jobs.hint_run(house.start(five(fleet.sink)))
    fleet.start("clock")
    for _ in range(2):
        fleet.start()
    begun = [house.start(five(fleet.sink)) for _ in range(40)]
    jobs.hint_runs(begun)
    settle(house, fleet, effects=82)


@pytest.mark.faults
def test_f14_redis_takes_no_more_clients(house: House, fleet: Fleet) -> None:
    server = RedisServer("--maxclients", "6")
    try:
        fleet = on(fleet, server)
        taken = []
        try:
            for _ in range(20):
                client = Redis.from_url(server.url)
                client.ping()
                taken.append(client)
        except RedisGone:
            """No more."""
        workers = [fleet.start() for _ in range(2)]
        fleet.start("clock")
        began = time.monotonic()
        begun = [house.start(five(fleet.sink)) for _ in range(10)]
        assert not jobs.hint_runs(begun)
        wait_for_the_end(house, "")
        time.sleep(max(0.0, 6 - (time.monotonic() - began)))
        tries = sum("queue_lost" in line and "worker" in line for line in fleet.said.splitlines())
        assert tries <= 2 * (time.monotonic() - began) + 2, "each tries at most once a second"
        assert [worker.poll() for worker in workers] == [None, None]
        for client in taken:
            client.close()
        wait_until(lambda: _workers(server) >= 1, timeout_s=20)
        settle(house, fleet, effects=20)
    finally:
        fleet.end()
        server.stop()


def _workers(server: RedisServer) -> int:
    """Return how many workers the queue knows; none where it does not let us in."""
    try:
        with Redis.from_url(server.url) as connection:
            return Worker.count(connection=connection)
    except RedisGone:
        return 0


@pytest.fixture
def tls_redis(tmp_path: Path) -> Iterator[TlsRedis]:
    debian("redis-tools", DEBIAN_REDIS)
    server = TlsRedis(tmp_path)
    yield server
    server.stop()


@pytest.mark.faults
def test_f15_a_certificate_of_its_own_works_with_the_documented_setting(
    house: House, fleet: Fleet, tls_redis: TlsRedis
) -> None:
    url = f"{tls_redis.tls_url}?ssl_cert_reqs=none"
    jobs.configure(Settings(environment="test", database_url=fleet.database_url, redis_url=url, secret_key=SECRET))
    fleet = fleet.but(redis_url=url)
    fleet.start()  # and no clock: the hint has to come through
    run_id = house.start(five(fleet.sink))
    assert jobs.hint_run(run_id)
    settle(house, fleet, effects=2)


@pytest.mark.faults
def test_f15_without_the_setting_the_start_names_it(tls_redis: TlsRedis) -> None:
    settings = Settings(environment="test", redis_url=tls_redis.tls_url, secret_key=SECRET)
    with pytest.raises(preflight.NotReady, match=r"ssl_cert_reqs=none"):
        preflight.check_redis(settings)
