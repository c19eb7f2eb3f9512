"""Wrong passwords cost time; the right one works after the wait; others are not touched. On both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from freezegun import freeze_time
from sqlalchemy.orm import Session

from app.core.db import db, make_engine, transaction
from app.core.settings import Settings
from app.features.accounts import throttle
from app.features.accounts.models import Throttle
from tests.cast import Cast, enter
from tests.features.accounts.test_sign_in import sign_in

ADDRESS = "203.0.113.9"


def attempt(session: Session, email: str = "a@b.example", address: str = ADDRESS) -> int:
    """Try once; return how long one must wait, 0 when the try was let through."""
    try:
        throttle.begin(session, throttle.keys(email, address))
    except throttle.TooManyTries as error:
        return error.wait_s
    return 0


def test_the_wait_doubles_and_stays_within_a_minute(session: Session) -> None:
    moment, waits = datetime(2026, 3, 1, tzinfo=UTC), []
    name = throttle.keys("a@b.example", ADDRESS)[0].name
    for _ in range(12):
        with freeze_time(moment):
            assert attempt(session) == 0
            until = session.get_one(Throttle, name).blocked_until
            waits.append(int((until - moment).total_seconds()) if until else 0)
            moment += timedelta(seconds=waits[-1])
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_refused_try_is_not_counted(session: Session) -> None:
    with freeze_time("2026-03-01 12:00:00"):
        while attempt(session) == 0:
            pass
        counted = session.scalars(sa.select(sa.func.max(Throttle.failures))).one()
        for _ in range(20):
            assert attempt(session) > 0
        assert session.scalars(sa.select(sa.func.max(Throttle.failures))).one() == counted


def test_failures_are_forgotten_after_an_hour(session: Session) -> None:
    with freeze_time("2026-03-01 12:00:00"):
        while attempt(session) == 0:
            pass
    with freeze_time("2026-03-01 13:00:30"):
        assert [attempt(session) for _ in range(4)] == [0, 0, 0, 0]


def test_many_tries_at_once_gain_nothing(app: Flask, database_url: str) -> None:
    engine = make_engine(database_url)

    def try_once(_: int) -> int:
        with transaction(engine) as session:
            return attempt(session)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(try_once, range(24)))
    engine.dispose()
    assert results.count(0) <= 5


def test_an_address_of_version_6_is_counted_by_its_network() -> None:
    first, second = (throttle.keys("a@b.example", f"2001:db8:1:2::{end}")[1].name for end in ("1", "ffff"))
    other = throttle.keys("a@b.example", "2001:db8:1:3::1")[1].name
    assert first == second != other
    assert throttle.keys("a@b.example", "::ffff:203.0.113.9")[1].name == "address:203.0.113.9"


def test_twenty_wrong_then_right_and_nobody_else_is_touched(cast: Cast) -> None:
    start = datetime.now(UTC)
    with freeze_time(start):
        victim = cast.browser(None)
        statuses = [
            sign_in(victim, "alice@north.example", "wrong but long enough").status_code for _ in range(20)
        ]
        assert set(statuses) == {422, 429}
        blocked = sign_in(victim, "alice@north.example")
        assert blocked.status_code == 429
        assert 1 <= int(blocked.headers["Retry-After"]) <= 60
        assert "Too many tries" in blocked.text
        assert sign_in(cast.browser(None), "charlie@south.example").status_code == 303
    with freeze_time(start + timedelta(seconds=61)):
        assert sign_in(victim, "alice@north.example").status_code == 303
    with cast.app.app_context():
        kept = db.session.scalars(sa.select(Throttle.key)).all()
    assert [key for key in kept if key.startswith("account:")] == []


def test_an_address_that_tries_many_accounts_must_wait(cast: Cast) -> None:
    with freeze_time("2026-11-20 10:00:00"):
        client = cast.browser(None)
        statuses = [
            sign_in(client, f"guess{n}@north.example", "wrong but long enough").status_code for n in range(24)
        ]
    assert statuses[:20] == [422] * 20
    assert 429 in statuses[20:]


def test_signing_in_works_while_redis_is_away(web_settings: Settings, make_app: Callable[..., Flask]) -> None:
    app = make_app(web_settings.replace(redis_url="redis://127.0.0.1:1/0"))
    cast = enter(app)
    assert sign_in(cast.browser(None), "alice@north.example").status_code == 303


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_first_tries_at_once_do_not_collide(app: Flask, database_url: str) -> None:
    engine = make_engine(database_url, pool=8)

    def try_once(number: int) -> int:
        with transaction(engine) as session:
            return attempt(session, address=f"198.51.100.{number}")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(try_once, range(4))) == {0}
    engine.dispose()
