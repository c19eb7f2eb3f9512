"""The web server: which of several takes a connection."""

import selectors
import socket
import time
from collections.abc import Iterator

import pytest
from flask import Flask

from app.core.settings import Settings
from app.supervisor import web
from app.supervisor.pulse import Pulse


@pytest.fixture
def other() -> Pulse:
    """The server beside it."""
    return Pulse(60)


@pytest.fixture
def worker(other: Pulse) -> Iterator[web.Worker]:
    """A server of two threads, before it takes anything."""
    server = web.Server(Flask(__name__), Settings(environment="test", secret_key="-", web_threads=2))
    with socket.create_server(("127.0.0.1", 0)) as listener, selectors.DefaultSelector() as poller:
        worker = web.Worker(server, [listener], Pulse(60), [other])
        worker.poller = poller
        yield worker


@pytest.mark.parametrize(
    ("held", "resting", "others_hold", "takes"),
    [
        (1, 0, 0, True),  # a thread is free
        (2, 0, 1, False),
        (2, 0, 2, True),
        (9, 8, 0, True),  # the others of its own say nothing now
        (9, 7, 8, False),
    ],
)
def test_a_busy_server_leaves_connections_to_one_that_holds_fewer(
    worker: web.Worker, other: Pulse, held: int, resting: int, others_hold: int, takes: bool
) -> None:
    other.beat(others_hold)
    worker.nr_conns = held
    worker.keepalived_conns.extend(range(resting))
    worker.set_accept_enabled(True)
    assert bool(worker.poller.get_map()) == takes


def test_a_busy_server_waits_for_none_that_gives_no_sign_of_life(
    worker: web.Worker, other: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.beat(0)
    worker.nr_conns = 2
    worker.set_accept_enabled(True)
    assert not worker.poller.get_map()
    later = time.monotonic() + 10
    monkeypatch.setattr(time, "monotonic", lambda: later)
    worker.set_accept_enabled(True)
    assert worker.poller.get_map()


def test_a_server_that_fills_up_stops_taking_and_goes_on_when_the_other_has_as_many(
    worker: web.Worker, other: Pulse
) -> None:
    other.beat(1)
    worker.set_accept_enabled(True)
    worker.nr_conns = 2
    worker.notify()
    assert not worker.poller.get_map()
    other.beat(2)
    worker.set_accept_enabled(True)
    assert worker.poller.get_map()
