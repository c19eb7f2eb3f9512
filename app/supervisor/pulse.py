"""A sign of life that a child gives and its parent reads: one number in memory shared over the fork."""

import mmap
import struct
import time

_FORMAT = struct.Struct("d")


class Pulse:
    """Made by the parent before the fork; *limit_s* without a beat means that the child hangs."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def beat(self) -> None:
        """Give a sign of life now."""
        _FORMAT.pack_into(self._page, 0, time.monotonic())

    @property
    def stops_at(self) -> float:
        """The moment of :func:`time.monotonic` at which the child counts as hanging, if no beat comes before."""
        last: float = _FORMAT.unpack_from(self._page)[0]
        return last + self.limit_s
