"""A process gives signs of life as long as all that must go on in it goes on."""

import threading

import pytest

from app.engine import alive
from app.engine.alive import Alive


def test_a_process_tells_that_it_lives_until_a_part_of_it_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive, "TELL_EVERY_S", 0.001)
    is_over, told = threading.Event(), threading.Event()
    signs = Alive(told.set)
    for part in ("dispatcher", "heartbeat"):
        signs.say(part)
    watching = threading.Thread(target=signs.watch, args=(is_over,), daemon=True)
    watching.start()
    assert told.wait(60)
    is_over.set()
    watching.join(60)
    assert signs.stalled() == []
    monkeypatch.setattr(alive, "STALLED_S", -1.0)
    assert signs.stalled() == ["dispatcher", "heartbeat"]
    told.clear()
    is_over.clear()
    threading.Timer(0.02, is_over.set).start()
    signs.watch(is_over)
    assert not told.is_set()
