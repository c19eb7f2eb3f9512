"""A property that is worked out once an object.

Python 3.11's own holds a lock, one a class: while a thread waits in it for a connection, others that hold connections
wait for the lock, and nobody goes on until the first gives up. Python 3.12's has none either.
"""

import functools
from typing import Any, TypeVar, overload

T = TypeVar("T")


class cached_property(functools.cached_property[T]):  # noqa: N801, TID251 (it takes that one's place)
    """As functools', without the lock: two threads with the same object may both work it out, and agree."""

    @overload
    def __get__(self, it: None, owner: type | None = None) -> "cached_property[T]": ...
    @overload
    def __get__(self, it: object, owner: type | None = None) -> T: ...
    def __get__(self, it: Any, owner: type | None = None) -> Any:
        """Work it out and keep it in the object, where it is found from then on."""
        if it is None:
            return self
        assert self.attrname is not None
        value = it.__dict__[self.attrname] = self.func(it)
        return value
