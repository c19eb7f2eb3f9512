"""Whoever shares what takes long to make is in one process of a whole run, and in no more."""

import re
from pathlib import Path

from tests.distribution import TOGETHER

ROOT = Path(__file__).resolve().parents[1]
SHARED = re.compile(r"def test_.*\(\s*[^)]*\b(greenlight: Greenlight|(paying_)?house: Running|stage: Stage)\b")


def test_every_test_that_shares_a_house_or_a_stage_is_in_a_group() -> None:
    names = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*/**/test_*.py"))
    sharing = [name for name in names if SHARED.search((ROOT / name).read_text())]
    assert "tests/e2e/test_main_job.py" in sharing
    assert [name for name in sharing if name not in TOGETHER] == []


def test_every_group_has_tests() -> None:
    for start in TOGETHER:
        name, _, test = start.partition("::")
        assert f"def {test.partition('[')[0]}" in (ROOT / name).read_text(), start
