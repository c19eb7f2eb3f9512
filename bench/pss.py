"""How much memory a process and all below it really take (Linux): shared pages are counted once, in parts.

By hand, for a running Greenlight: ``python -m bench.pss PID``.
"""

import sys
import threading
from pathlib import Path


def pids_of_tree(pid: int) -> list[int]:
    """Return *pid* and all its descendants that live now."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def pss_of_tree(pid: int) -> int:
    """Return the proportional set size of *pid* and all its descendants, in bytes; one that ends meanwhile counts 0."""
    return sum(pss_by_process(pid).values())


def pss_by_process(pid: int) -> dict[int, int]:
    """Return the proportional set size of each process of the tree, in bytes."""
    return {one: _pss(one) for one in pids_of_tree(pid)}


def told(sizes: dict[int, int]) -> str:
    """Say the sum and each process's part in MB, the largest first, by its pid."""
    parts = sorted(sizes.items(), key=lambda one: -one[1])
    return f"{sum(sizes.values()) / 1e6:.0f} MB: " + ", ".join(
        f"{size / 1e6:.0f} ({pid})" for pid, size in parts
    )


class Peak:
    """Looks at a tree of processes every *every_s* seconds from a thread of its own, while it is a ``with`` block.

    ``most`` is the largest sum seen, in bytes; ``by_process`` is how it was spread then.
    """

    def __init__(self, pid: int, *, every_s: float = 0.25) -> None:
        self.most = 0
        self.by_process: dict[int, int] = {}
        self._pid = pid
        self._every_s = every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            now = pss_by_process(self._pid)
            if sum(now.values()) > self.most:
                self.most, self.by_process = sum(now.values()), now
            if self._is_over.wait(self._every_s):
                return


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    print(told(pss_by_process(int(sys.argv[1]))))
