"""The table of faults itself: what could not be injected is neither ok nor green."""

import pytest

from tests.faults.table import ASKED, Table


def _report(test: str, outcome: str) -> pytest.TestReport:
    longrepr = ("test_x.py", 1, "Skipped: no small disk") if outcome == "skipped" else None
    return pytest.TestReport(f"test_x.py::{test}", ("test_x.py", 1, test), {}, outcome, longrepr, "call")  # type: ignore[arg-type]


def test_a_fault_that_was_not_injected_makes_the_table_not_green() -> None:
    table = Table()
    for number in ASKED:
        table.note(_report(f"test_f{number:02}_x", "passed"))
    assert list(table.lines())[-1].endswith("0 FAILED, 0 NOT RUN, 0 in part: green")
    assert not table.lacks_some

    table.note(_report("test_f23_another[sqlite]", "skipped"))
    (line,) = (line for line in table.lines() if line.startswith("F23"))
    assert line.split() == [*"F23 the disk is full ok in part NOT RUN: no small disk".split()]
    assert list(table.lines())[-1].endswith("1 in part: not green")
    assert table.lacks_some
