"""Turns: threads that want the same lock, or a connection, come in by the order in which they asked."""

import threading
from collections import deque
from typing import Any

import sqlalchemy as sa


class Turns:
    """A lock for one thread, or *places*, that lets them in by the order in which they came; Python's has no order."""

    def __init__(self, places: int = 1) -> None:
        self._lock = threading.Lock()
        self._line: deque[threading.Lock] = deque()
        self._free = places

    @property
    def waiting(self) -> int:
        """How many threads are in line."""
        return len(self._line)

    def take(self, wait_s: float) -> bool:
        """Wait for one's turn; False when it did not come within *wait_s* seconds."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Lock()
            mine.acquire()
            self._line.append(mine)
        if mine.acquire(timeout=wait_s):
            return True
        with self._lock:
            if mine in self._line:
                self._line.remove(mine)
                return False
        return True  # it came in the very last moment

    def give_back(self) -> None:
        """Let the next one in."""
        with self._lock:
            if self._line:
                self._line.popleft().release()
            else:
                self._free += 1


class FairPool(sa.pool.QueuePool):
    """A pool of connections that hands the next free one to who has waited longest.

    SQLAlchemy's wakes a thread that waits, and lets another that comes just then go before it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.turns = Turns(self.size() + self._max_overflow)

    def _do_get(self) -> Any:
        if not self.turns.take(self.timeout()):
            raise sa.exc.TimeoutError(f"no connection was free within {self.timeout():.0f} s")
        try:
            return super()._do_get()
        except BaseException:
            self.turns.give_back()
            raise

    def _do_return_conn(self, record: Any) -> None:
        try:
            super()._do_return_conn(record)
        finally:
            self.turns.give_back()
