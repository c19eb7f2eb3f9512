"""Who keeps a core of its own: asked of processes that do it."""

import os
import subprocess
import sys

KEEP = "import os; from app.core.priority import keep_core; keep_core({place}, {of}); print(*os.sched_getaffinity(0))"


def kept(place: int, of: int) -> set[int]:
    """Return the cores of a process that is number *place* *of* so many."""
    said = subprocess.run(
        [sys.executable, "-c", KEEP.format(place=place, of=of)], check=True, capture_output=True, text=True
    )
    return set(map(int, said.stdout.split()))


def test_as_many_processes_as_cores_have_one_each_and_others_go_where_there_is_room() -> None:
    cores = sorted(os.sched_getaffinity(0))

    assert [kept(place, len(cores)) for place in range(len(cores))] == [{core} for core in cores]
    assert kept(0, len(cores) + 1) == set(cores)
