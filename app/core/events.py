"""Events: how a lower floor tells an upper one, inside the same transaction, without importing it."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

E = TypeVar("E")
_listeners: dict[type, list[Callable[[Session, Any], None]]] = defaultdict(list)


def listen(kind: type[E], listener: Callable[[Session, E], None]) -> None:
    """Call *listener* with the session of the transaction for every event of *kind*; twice is once."""
    if listener not in _listeners[kind]:
        _listeners[kind].append(listener)


def publish(session: Session, event: object) -> None:
    """Tell the listeners now, in the caller's transaction: what they write commits or fails with it."""
    for listener in _listeners[type(event)]:
        listener(session, event)
