"""What threads ask of PostgreSQL together goes out in one piece."""

import os
import socket
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.core import db
from app.core.db import make_engine
from app.core.together import Writing
from tests.core.test_together import ADD, READ, at_once, in_line, with_driver
from tests.faults.proxy import Proxy

PIECES = 3  # at most: all that is asked, the end, the driver's word that it waits for answers; a busy system joins two
SENT_AGAIN, SENT = 100, 156  # where Linux's struct tcp_info has total_retrans and data_segs_out

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_INFO"), reason="this system does not say what a connection has sent"
)


class Wire:
    """The only connection of *engine*, by TCP: each send of the driver is a piece of its own there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._driver: Any = None
        event.listen(engine, "connect", self._note)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE word (word TEXT PRIMARY KEY, times INTEGER NOT NULL)"))

    def _note(self, driver: Any, _record: object) -> None:
        self._driver = driver

    def pieces(self) -> int:
        """Return how many pieces the driver has sent."""
        with socket.socket(fileno=os.dup(self._driver.pgconn.socket)) as wire:
            told = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
        sent, again = (struct.unpack_from("I", told, place)[0] for place in (SENT, SENT_AGAIN))
        return int(sent - again)


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Wire]:
    """The connection to a database with a table of words."""
    proxy = Proxy(postgres_url)
    engine = make_engine(with_driver(proxy.url), pool=1)
    yield Wire(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE word"))
    engine.dispose()
    proxy.stop()


def test_what_is_written_together_is_sent_in_one_piece(wire: Wire) -> None:
    def sent(*words: str) -> int:
        before, after = list[int](), list[int]()

        def add(word: str) -> Writing[None]:
            before.append(wire.pieces())
            yield ADD, {"word": word}
            after.append(wire.pieces())

        at_once(wire.engine, [partial(add, word) for word in words])
        assert len(after) == len(before) == len(words)
        return min(after) - max(before)

    assert sent("a") == 1
    assert sent(*"bcdefghi") <= PIECES


def test_what_is_read_together_is_asked_in_one_piece(wire: Wire) -> None:
    def sent(*words: str) -> int:
        before = list[int]()

        def look_up(word: str) -> Writing[Any]:
            before.append(wire.pieces())
            return (yield READ, {"b_word": word})

        line = db._reading_line(wire.engine)
        asking: list[Callable[[], object]] = [
            partial(line.join, partial(look_up, word), locks="") for word in words
        ]
        assert in_line(wire.engine, line, asking) == [None] * len(words)
        return wire.pieces() - max(before)

    assert sent("a") == 1
    assert sent(*"bcdefghi") <= PIECES
