"""The table of faults: what every test of a fault said, as one line a fault."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

ASKED = [*range(1, 29), 30]
DATABASES = ("postgresql", "sqlite")
NAMES = {
    1: "killed before the effect", 2: "killed between effect and commit", 3: "the whole dyno dies",
    4: "the parent dies", 5: "a zombie comes back", 6: "a deploy", 7: "told to end twice", 8: "one child dies",
    9: "a step that kills its process", 10: "random chaos", 11: "Redis is down", 12: "Redis is flushed",
    13: "Redis is full", 14: "Redis takes no more clients", 15: "Redis with a certificate of its own",
    16: "a storm of hints", 17: "the queue runs a job again", 18: "PostgreSQL crashes",
    19: "the answer to COMMIT is lost",
    20: "PostgreSQL takes no more connections", 21: "branches end together", 22: "SQLite's writer stalls",
    23: "the disk is full", 24: "a fork with an open pool", 25: "old and new version together",
    26: "clocks that differ, summer time", 27: "everything sleeps", 28: "two tickers", 30: "the reply is lost",
}  # fmt: skip
# Faults that only one of the databases can have.
ONLY = {18: "postgresql", 19: "postgresql", 20: "postgresql", 22: "sqlite"}

_NUMBERS = re.compile(r"test_((?:f\d\d_)+)")


@dataclass
class Cell:
    """What is known of one fault on one database."""

    ok: int = 0
    failed: int = 0
    not_run: list[str] = field(default_factory=list)

    def add(self, report: pytest.TestReport) -> None:
        """Count one report."""
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.not_run.append(reason.removeprefix("Skipped: "))
        elif report.failed:
            self.failed += 1
        else:
            self.ok += 1

    @property
    def text(self) -> str:
        """One or two words."""
        if self.failed:
            return "FAILED"
        if self.not_run:
            return "in part" if self.ok else "NOT RUN"
        return "ok" if self.ok else "NOT RUN"


class Table:
    """Collects reports; each database has a cell a fault, a test without a database counts for both."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, str], Cell] = {}

    def note(self, report: pytest.TestReport) -> None:
        """Take in one report of a phase of a test."""
        found = _NUMBERS.search(report.nodeid)
        if found is None or (report.when != "call" and report.passed):
            return
        named = [database for database in DATABASES if database in report.nodeid.partition("[")[2]]
        for number in found.group(1).removesuffix("_").split("_"):
            for database in named or DATABASES:
                self._cells.setdefault((int(number[1:]), database), Cell()).add(report)

    @property
    def lacks_some(self) -> bool:
        """Whether a test said that its fault cannot be injected here."""
        return any(cell.not_run for cell in self._cells.values())

    def lines(self) -> Iterator[str]:
        """Yield the table and, last, whether it is green."""
        counts = {"ok": 0, "FAILED": 0, "NOT RUN": 0, "in part": 0}
        yield f"{'':4} {'':40} {'PostgreSQL':12} {'SQLite':12}"
        for number in ASKED:
            texts, reasons = [], []
            for database in DATABASES:
                if ONLY.get(number, database) != database:
                    texts.append("—")
                    continue
                cell = self._cells.get((number, database), Cell(not_run=["there is no test of it"]))
                counts[cell.text] += 1
                texts.append(cell.text)
                reasons += cell.not_run
            why = "NOT RUN: " + "; ".join(dict.fromkeys(reasons)) if reasons else ""
            yield f"F{number:<3} {NAMES[number]:40} {texts[0]:12} {texts[1]:12} {why}".rstrip()
        missing = counts["FAILED"] + counts["NOT RUN"] + counts["in part"]
        said = ", ".join(f"{count} {text}" for text, count in counts.items())
        yield f"{said}: {'green' if not missing else 'not green'}"
