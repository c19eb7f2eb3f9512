"""Ways that go on at the same time, and how they stand."""

from typing import Any

import pytest

from app.definition.parts import Definition
from app.engine.enums import StepStatus
from app.features.runs import beside
from tests.features.runs.conftest import Yard
from tests.page import Page


def _steps(**after: str) -> Definition:
    """``b="a"``: b comes after a; ``c="a:no b"`` after a's "no" and b; a capital begins a step that may fail."""
    steps: list[dict[str, Any]] = [
        {"id": step, "type": "transform", "after": said.split(), "on_failure": "continue" if step.isupper() else "stop"}
        for step, said in after.items()
    ]
    return Definition.model_validate({"schema": 1, "steps": steps})


def _ways(definition: Definition) -> list[tuple[str, list[str]]]:
    return [(fork.source, ["".join(sorted(way)) for way in fork.ways]) for fork in beside.forks(definition)]


THREE = _steps(p="", a="p", b="p", c="p", d="c", m="a b d", z="m")


def test_ways_begin_where_one_outcome_leads_to_several_and_end_where_they_meet() -> None:
    assert _ways(THREE) == [("p", ["a", "b", "cd"])]
    assert _ways(_steps(a="", b="", c="a b")) == [("", ["a", "b"])]
    assert _ways(_steps(a="", b="a", c="b")) == []
    assert _ways(_steps(q="", y="q:yes", n="q:no")) == []  # one or the other
    assert _ways(_steps(p="", a="p", b="p a")) == []  # b comes after a
    nested = _steps(p="", a="p", b="p", c="a", d="a", e="c d", m="e b")
    assert _ways(nested) == [("p", ["acde", "b"]), ("a", ["c", "d"])]


@pytest.mark.parametrize(
    ("statuses", "is_open", "said"),
    [
        ({}, True, ""),
        ({"p": "running"}, True, ""),
        ({"p": "completed", "a": "completed", "b": "failed", "c": "running"}, True, "1 of 3 done, 1 failed"),
        ({"p": "completed", "a": "completed", "b": "failed", "c": "completed", "d": "retrying"}, True,
         "1 of 3 done, 1 failed"),
        ({"p": "completed", "a": "completed", "b": "failed", "c": "completed", "d": "completed", "m": "skipped"}, True,
         "2 of 3 done, 1 failed"),
        ({"p": "completed", "a": "completed", "b": "skipped", "c": "failed", "d": "skipped"}, False,
         "1 of 3 done, 1 failed, 1 skipped"),
        ({"p": "completed", "a": "completed", "b": "completed", "c": "completed", "d": "completed"}, True, ""),
        ({"p": "failed", "a": "skipped", "b": "skipped", "c": "skipped", "d": "skipped"}, False, ""),
        ({"p": "completed", "a": "completed", "b": "cancelled", "c": "cancelled"}, False, ""),
    ],
)  # fmt: skip
def test_it_says_how_many_are_done_and_failed(statuses: dict[str, str], is_open: bool, said: str) -> None:
    found = beside.to_tell(THREE, {step: StepStatus(status) for step, status in statuses.items()}, is_open=is_open)
    assert (found.said if found else "") == said


def test_a_failure_that_another_step_takes_up_is_none_of_its_way() -> None:
    caught, uncaught = _steps(A="", b="", c="A:failed"), _steps(A="", b="")
    done, failed = StepStatus.COMPLETED, StepStatus.FAILED
    assert beside.to_tell(caught, {"A": failed, "b": done, "c": done}, is_open=False) is None
    told = beside.to_tell(uncaught, {"A": failed, "b": done}, is_open=False)
    assert told is not None
    assert told.said == "1 of 2 done, 1 failed"


def test_ways_that_are_all_steps_there_are_say_nothing_that_the_count_of_the_steps_says() -> None:
    both, running = _steps(a="", b=""), StepStatus.RUNNING
    assert beside.to_tell(both, {"a": StepStatus.NEEDS_ATTENTION, "b": running}, is_open=True) is None
    told = beside.to_tell(both, {"a": StepStatus.FAILED, "b": running}, is_open=True)
    assert told is not None
    assert told.said == "0 of 2 done, 1 failed"


def test_the_outer_ways_are_told_while_inner_ones_go_on() -> None:
    nested = _steps(p="", a="p", b="p", c="a", d="a", e="c d", m="e b")
    statuses = dict.fromkeys("pabc", StepStatus.COMPLETED) | {"d": StepStatus.RUNNING}
    told = beside.to_tell(nested, statuses, is_open=True)
    assert told is not None
    assert told.said == "1 of 2 done"


def test_page_and_lists_say_how_the_ways_stand(yard: Yard) -> None:
    running, failed = yard.make("running", "failed")
    alice = yard.cast.browser(yard.cast.alice)
    meter = Page(alice.get(f"/runs/{running}").text)
    assert (meter.faults, "1 of 2 done at the same time" in meter.text) == ([], True)
    assert "At the same time: 1 of 2 done, 1 failed." in Page(alice.get(f"/runs/{failed}").text).text
    for path in ("/runs", "/runs/panel", "/active"):
        assert "At the same time: 1 of 2 done." in Page(alice.get(path).text).text, path
