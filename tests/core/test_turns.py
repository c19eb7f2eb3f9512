"""Turns, and a pool of connections that keeps to them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
import sqlalchemy as sa

from app.core.turns import FairPool, Turns


def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(5000):
        if is_so():
            return
        time.sleep(0.001)
    pytest.fail("it did not come to that within 5 s")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(
        f"sqlite:///{tmp_path}/some.db", poolclass=FairPool, pool_size=2, max_overflow=0, pool_timeout=5,
        connect_args={"check_same_thread": False},
    )  # fmt: skip
    yield made
    made.dispose()


def _pool(engine: sa.Engine) -> FairPool:
    assert isinstance(engine.pool, FairPool)
    return engine.pool


def test_places_are_taken_in_the_order_of_asking() -> None:
    turns, entered = Turns(2), list[int]()

    def enter(number: int) -> None:
        assert turns.take(10)
        entered.append(number)

    assert turns.take(0)
    assert turns.take(0)
    threads = []
    for number in range(4):
        threads.append(Thread(target=enter, args=(number,)))
        threads[-1].start()
        _until(lambda number=number: turns.waiting == number + 1)  # type: ignore[misc]
    for number in range(4):
        turns.give_back()
        _until(lambda number=number: len(entered) == number + 1)  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert entered == [0, 1, 2, 3]
    assert not turns.take(0)
    turns.give_back()
    assert turns.take(0)


def test_who_gives_a_connection_back_and_wants_one_again_comes_after_those_who_wait(engine: sa.Engine) -> None:
    first, other = engine.connect(), engine.connect()
    served = list[str]()

    def serve(name: str) -> None:
        with engine.connect():
            served.append(name)

    waiting = Thread(target=serve, args=("waited",))
    waiting.start()
    _until(lambda: _pool(engine).turns.waiting == 1)
    first.close()
    serve("came back")
    waiting.join()
    other.close()
    assert served == ["waited", "came back"]


def test_a_connection_is_free_again_however_it_ended(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed, found dead, taken out of the pool for good, not to be had at all: its place is given back once."""
    for _ in range(3):
        dead = engine.connect()
        dead.invalidate()
        dead.close()
        detached = engine.connect()
        detached.detach()
        detached.close()
    engine.dispose()

    def refused(*_: object, **_options: object) -> None:
        raise sa.exc.OperationalError("connect", {}, Exception("nobody there"))

    with monkeypatch.context() as patched:
        patched.setattr(engine.dialect, "connect", refused)
        for _ in range(3):
            with pytest.raises(sa.exc.OperationalError):
                engine.connect()
    first, second = engine.connect(), engine.connect()
    assert not _pool(engine).turns.take(0)
    first.close()
    second.close()
    assert all(_pool(engine).turns.take(0) for _ in range(2))
    assert not _pool(engine).turns.take(0)
