"""How much memory a process and all below it really take (Linux): shared pages are counted once, in parts."""

import os
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
    return sum(_pss(one) for one in pids_of_tree(pid))


def pss_by_process(pid: int) -> dict[int, int]:
    """Return the proportional set size of each process of the tree, in bytes."""
    return {one: _pss(one) for one in pids_of_tree(pid)}


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    import sys

    for one, size in pss_by_process(int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()).items():
        print(f"{one:>8} {size / 1e6:8.1f} MB")
