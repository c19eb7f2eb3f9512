"""Counting: commits and sizes of the database, processor time and memory of processes."""

import os
from pathlib import Path

from bench.ground import House
from bench.pss import pids_of_tree, pss_of_tree

MB = 1_000_000


def commits(house: House) -> int:
    """Return how many transactions PostgreSQL has committed in the house's database; idle sessions report late."""
    return int(house.scalar("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"))


def database_bytes(house: House) -> int:
    """Return the size of the database, indexes and all."""
    if house.kind == "postgresql":
        return int(house.scalar("SELECT pg_database_size(current_database())"))
    return int(house.scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))


def cpu_s(pids: list[int]) -> float:
    """Return the processor time, user and system, that processes have used so far."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def pids(house: House, *names: str) -> list[int]:
    """Return the processes of the house, or those of some of its parts, and all below them."""
    wanted = names or tuple(house.processes)
    return [pid for name in wanted for pid in pids_of_tree(house.pid(name))]


def pss_mb(house: House) -> float:
    """Return the memory that all processes of the house really take."""
    return sum(pss_of_tree(process.pid) for process in house.processes.values()) / MB
