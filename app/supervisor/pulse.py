"""A sign of life that a child gives and its parent reads: two numbers in memory shared over the fork."""

import mmap
import struct
import time

_FORMAT = struct.Struct("dq")


class Pulse:
    """Made by the parent before the fork; *limit_s* without a beat means that the child hangs."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def beat(self, held: int = 0) -> None:
        """Give a sign of life now, and say how much the child has in its hands."""
        _FORMAT.pack_into(self._page, 0, time.monotonic(), held)

    @property
    def stops_at(self) -> float:
        """The moment of :func:`time.monotonic` at which the child counts as hanging, if no beat comes before."""
        last: float = _FORMAT.unpack_from(self._page)[0]
        return last + self.limit_s

    @property
    def held(self) -> int:
        """What the child had in its hands at its last beat."""
        held: int = _FORMAT.unpack_from(self._page)[1]
        return held

    def is_fresh(self, within_s: float) -> bool:
        """Whether the last beat came in the last *within_s* seconds."""
        return self.stops_at - self.limit_s >= time.monotonic() - within_s
