"""Runs to break: what their steps are and how many effects they have."""

from typing import Any

from tests.engine.sink import Sink

Steps = list[dict[str, Any]]


def chain(sink: Sink) -> Steps:
    """Pure, spending, pure, sending: one after the other; four effects."""
    return [
        {"id": "a", "type": "echo", "config": {"say": 1}},
        {"id": "b", "type": "spend", "after": ["a"], "config": {"url": sink.url, "count": 3}},
        {"id": "c", "type": "echo", "after": ["b"], "config": {"say": "{{ steps.b.answers }}"}},
        {"id": "d", "type": "post", "after": ["c"], "config": {"to": "sam@example.com"}},
    ]


def fan_out(sink: Sink) -> Steps:
    """Four lanes, two of them spending, that join; four effects."""
    lanes = [
        {"id": f"l{n}", "type": "spend" if n % 2 else "echo", "after": ["a"],
         "config": {"url": sink.url, "count": 2} if n % 2 else {"say": n}}
        for n in range(4)
    ]  # fmt: skip
    join = {"id": "z", "type": "echo", "after": [lane["id"] for lane in lanes], "config": {"say": "all"}}
    return [{"id": "a", "type": "echo", "config": {"say": 1}}, *lanes, join]


def waiting(sink: Sink) -> Steps:
    """A spending step, a wait for a person, and what follows a yes; three effects."""
    return [
        {"id": "b", "type": "spend", "config": {"url": sink.url, "count": 2}},
        {"id": "ask", "type": "ask", "after": ["b"], "config": {}},
        {"id": "d", "type": "post", "after": ["ask:approved"], "config": {"to": "sam@example.com"}},
        {"id": "n", "type": "echo", "after": ["ask:rejected"], "config": {"say": "no"}},
    ]


def spending(sink: Sink, *, count: int = 1, kind: str = "spend") -> Steps:
    """One step that makes *count* outward calls; ``send`` instead of ``spend``: to a far side that knows no keys."""
    return [{"id": "b", "type": kind, "config": {"url": sink.url, "count": count}}]


def five(sink: Sink) -> Steps:
    """Five steps in a row, the second and the fourth with one outward call each."""
    call = {"url": sink.url, "count": 1}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("echo", {"say": 1}), ("spend", call), ("echo", {"say": "{{ steps.s2.answers }}"}), ("spend", call),
        ("echo", {"say": "end"}),
    ]  # fmt: skip
    return [
        {"id": f"s{n}", "type": kind, "after": [f"s{n - 1}"] if n > 1 else [], "config": config}
        for n, (kind, config) in enumerate(kinds, 1)
    ]


SHAPES = {"chain": chain, "fan_out": fan_out, "waiting": waiting}
EFFECTS = {"chain": 4, "fan_out": 4, "waiting": 3}
