"""Who keeps a core of its own: asked of processes that do it."""

import os
import subprocess
import sys

KEEP = "import os; from app.core import priority; priority.keep_core({place}, {of})"
SAY = "print(*os.sched_getaffinity(0))"
ROAM = f"\nwith priority.on_any_core():\n    {SAY}\n{SAY}"


def kept(place: int, of: int, then: str = f"; {SAY}") -> list[set[int]]:
    """Return the cores, each time it says them, of a process that is number *place* *of* so many."""
    code = KEEP.format(place=place, of=of) + then
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [set(map(int, line.split())) for line in said.stdout.splitlines()]


def test_as_many_processes_as_cores_have_one_each_and_others_go_where_there_is_room() -> None:
    cores = sorted(os.sched_getaffinity(0))

    assert [kept(place, len(cores)) for place in range(len(cores))] == [[{core}] for core in cores]
    assert kept(0, len(cores) + 1) == [set(cores)]


def test_long_work_goes_to_any_core_and_comes_back() -> None:
    cores = sorted(os.sched_getaffinity(0))

    assert kept(0, len(cores), ROAM) == [set(cores), {cores[0]}]
    assert kept(0, len(cores) + 1, ROAM) == [set(cores)] * 2
