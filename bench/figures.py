"""Figures: one JSON object a line as it is measured, and a table of all at the end."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Goal:
    """What a figure must reach and aims at: at least when *more* is better, else at most."""

    must: float | None = None
    aim: float | None = None
    more: bool = False

    def verdict(self, value: float) -> str:
        if self.must is None:
            return ""
        if self.aim is not None and self._reaches(value, self.aim):
            return "aim"
        return "must" if self._reaches(value, self.must) else "MISSED"

    def _reaches(self, value: float, bound: float) -> bool:
        return value >= bound if self.more else value <= bound


GOALS = {
    "w1_steps_per_s": Goal(2000, 2900, more=True),
    "w1_steps_per_s_sqlite": Goal(1200, 2200, more=True),
    "w1_commits_per_run": Goal(14, 12),
    "w2_start_ms": Goal(11, 7.6),
    "w2_start_p95_ms": Goal(22, 15),
    "w3_fanout_ms": Goal(140, 115),
    "w4_pss_mb": Goal(190, 165),
    "w4_pss_peak_mb": Goal(250, 170),
    "w4_pss_more_after_mb": Goal(10),
    "w5_start_req_per_s": Goal(420, 700, more=True),
    "w5_start_p95_ms": Goal(120),
    "w6_concurrent_s": Goal(10, 7.5),
    "w6_start_ratio": Goal(1.5),
    "w7_w1_ratio": Goal(0.9, more=True),
    "w7_pages_ratio": Goal(1.3),
    "w7_queries_more": Goal(0),
    "w7_page_ms": Goal(50),
    "w7_poll_ms": Goal(10),
    "w7_bytes_per_run": Goal(10_240),
    "w9_w1_ratio": Goal(0.9, more=True),
    "w9_poll_p95_ms": Goal(50),
    "w9_connections_more": Goal(0),
    "w10_idle_cpu_percent": Goal(1.0),
    "w10_redis_bytes_more": Goal(0),
    "w10_late_s": Goal(1.0),
    "pictures_idle_pss_mb": Goal(220, 200),
    "pictures_peak_pss_mb": Goal(280, 255),
    "pictures_page_p95_ms": Goal(200, 150),
    "durability_missing_steps": Goal(0),
    "durability_unfinished_runs": Goal(0),
}


@dataclass(frozen=True)
class Figure:
    """One figure of a scenario, before it is given the suffix of its database."""

    name: str
    value: float
    unit: str
    n: int
    least: float
    most: float
    median: float


def of(name: str, values: Sequence[float], unit: str) -> Figure:
    """Return the median of repeated measurements."""
    middle = statistics.median(values)
    return Figure(name, middle, unit, len(values), min(values), max(values), middle)


def p95(name: str, values: Sequence[float], unit: str) -> Figure:
    """Return the 95th percentile of single measurements."""
    return Figure(
        name, percentile(values, 95), unit, len(values), min(values), max(values), statistics.median(values)
    )


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def percentile(values: Sequence[float], rank: float) -> float:
    """Return the value below which *rank* percent of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(rank / 100 * len(ordered) + 0.5) - 1))]


class Report:
    """Takes figures: prints each as JSON at once (unless a table is wanted), and the table at the end."""

    def __init__(self, *, as_table: bool) -> None:
        self._as_table = as_table
        self._rows: list[tuple[str, Figure]] = []

    def add(self, figure: Figure, *, suffix: str) -> None:
        name = figure.name + suffix
        self._rows.append((name, figure))
        described = {
            "figure": name, "value": _short(figure.value), "unit": figure.unit, "n": figure.n,
            "min": _short(figure.least), "median": _short(figure.median), "max": _short(figure.most),
        }  # fmt: skip
        if not self._as_table:
            print(json.dumps(described, ensure_ascii=False), flush=True)
        say(f"  {name} = {_short(figure.value)} {figure.unit}  {_verdict(name, figure.value)}")

    def table(self) -> str:
        """Return the figures as a Markdown table, the machine first."""
        lines = [machine(), "", "| figure | value | unit | n | min | median | max | must | aim | reached |"]
        lines.append("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
        for name, figure in self._rows:
            goal = goal_of(name)
            spread = map(_short, (figure.least, figure.median, figure.most))
            numbers = [_short(figure.value), figure.unit, figure.n, *spread]
            goals = ["" if bound is None else _short(bound) for bound in (goal.must, goal.aim)]
            lines.append(
                f"| `{name}` | {' | '.join(map(str, [*numbers, *goals, _verdict(name, figure.value)]))} |"
            )
        return "\n".join(lines)

    def finish(self) -> None:
        print(self.table(), file=sys.stdout if self._as_table else sys.stderr, flush=True)


def goal_of(name: str) -> Goal:
    """Return a figure's goal: SQLite's own where it has one, else that of PostgreSQL."""
    return GOALS.get(name) or GOALS.get(name.removesuffix("_sqlite")) or Goal()


def say(words: str) -> None:
    """Tell the person at the terminal what happens."""
    print(words, file=sys.stderr, flush=True)


def machine() -> str:
    """Describe the machine in one line."""
    processor = _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    memory = _first("/proc/meminfo", "MemTotal")
    gib = f"{int(memory.split()[0]) / 1024**2:.0f} GiB, " if memory else ""
    return (
        f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores ({processor}), "
        f"{gib}{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _first(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _verdict(name: str, value: float) -> str:
    return goal_of(name).verdict(value)


def _short(value: float) -> float | int:
    return int(value) if float(value).is_integer() else round(value, 1 if abs(value) >= 100 else 3)
