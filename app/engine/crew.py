"""A crew of daemon threads that take tasks from one line; a thread is started only when none is free, and ends when
it had nothing to do for half a minute: its stack is memory.

Not a ThreadPoolExecutor: its atexit hook would hold up the exit of a worker that has been told to go.
"""

import queue
import threading
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)
Task = Callable[[], None]
IDLE_S = 30.0


class Crew:
    """At most *size* threads named *name*."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._line: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lock = threading.Condition()
        self._threads = 0
        self._open = 0  # tasks taken or in line

    def submit(self, task: Task) -> None:
        """Put a task in line."""
        with self._lock:
            self._open += 1
            needs_thread = self._open > self._threads and self._threads < self.size
            if needs_thread:
                self._threads += 1
                number = self._threads
        self._line.put(task)
        if needs_thread:
            threading.Thread(target=self._work, name=f"{self.name}-{number}", daemon=True).start()

    def offer(self, task: Task) -> bool:
        """Put a task in line if a thread is free for it; False otherwise."""
        with self._lock:
            if self._open >= self.size:
                return False
        self.submit(task)
        return True

    @property
    def is_full(self) -> bool:
        """Whether all threads are busy: what comes now waits, here or in the queue, from which none takes it."""
        return self._open >= self.size

    @property
    def open_tasks(self) -> int:
        """Tasks taken or in line."""
        return self._open

    def wait_free(self, timeout_s: float) -> int:
        """Wait until a thread is free and return how many are; 0 when none was within the time."""
        with self._lock:
            self._lock.wait_for(lambda: self._open < self.size, timeout_s)
            return max(0, self.size - self._open)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is under way or in line; False when something still is."""
        with self._lock:
            return self._lock.wait_for(lambda: self._open == 0, timeout_s)

    def _work(self) -> None:
        while True:
            try:
                task = self._line.get(timeout=IDLE_S)
            except queue.Empty:
                if self._may_leave():
                    return
                continue
            try:
                task()
            except Exception:  # noqa: BLE001 (a thread's edge: the clock repeats it)
                _log.exception("task_failed", crew=self.name)
            finally:
                with self._lock:
                    self._open -= 1
                    self._lock.notify_all()

    def _may_leave(self) -> bool:
        """Leave the crew, unless the tasks under way and in line need every thread there is."""
        with self._lock:
            if self._open >= self._threads:
                return False
            self._threads -= 1
            return True
