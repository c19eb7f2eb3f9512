"""One step of a draft alone: what it brings along, what stands in for others, and that nothing else matters."""

from typing import Any

import pytest
from flask import Flask

from app.definition.alone import alone
from app.definition.schema import check
from app.engine import catalog
from tests.definition.facts import TYPES, step, workflow
from tests.factories import ADS

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _ids(data: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    return [(each["id"], each["type"], each["after"]) for each in data["steps"]]


@sqlite
def test_a_step_alone_brings_what_it_uses_and_nothing_else(app: Flask) -> None:
    types = catalog.facts()
    pictures = alone(ADS, "pictures", types, {})
    assert _ids(pictures) == [("pictures", "generate_image", [])]
    assert [each["key"] for each in pictures["inputs"]] == ["offer"]
    assert _ids(alone(ADS, "attach", types, {})) == [
        ("ads", "generate_copy", []), ("pictures", "generate_image", []),
        ("attach", "attach_images", ["ads", "pictures"]),
    ]  # fmt: skip
    # a decision is taken as approved: nobody is asked for a sample
    rejected = alone(ADS, "tell_rejected", types, {})
    assert _ids(rejected) == [("check", "transform", []), ("tell_rejected", "notify", ["check"])]
    assert rejected["inputs"] == []


@sqlite
def test_a_last_runs_results_stand_in_and_are_not_read_as_values(app: Flask) -> None:
    known = {"ads": {"documents": ["d1"], "texts": ["Buy {{ inputs.x }} now"], "titles": [""]}}
    cut = alone(ADS, "attach", catalog.facts(), known)
    assert cut["steps"][0]["config"] == {
        "set": {"documents": ["d1"], "texts": ["Buy { { inputs.x }} now"], "titles": [""]}
    }
    assert check(cut, catalog.facts()) == []


@sqlite
def test_every_step_of_our_definition_can_be_done_alone(app: Flask) -> None:
    for each in ADS["steps"]:
        cut = alone(ADS, each["id"], catalog.facts(), {})
        assert check(cut, catalog.facts()) == []
        assert cut["steps"][-1]["id"] == each["id"]


def test_what_it_does_not_use_may_be_anything() -> None:
    data: dict[str, Any] = workflow(step("a"), step("b", "a", when=7, retry={"attempts": "many"}, on_failure="sing"))
    data |= {"limits": "none", "odd": 1, "inputs": ["no question", {"key": 3}]}
    data["steps"] += ["no step", {"id": "b"}, {"id": ["b"]}, {"name": "without an id", "after": 1}]
    assert check(alone(data, "b", TYPES, {}), TYPES) == []
    with pytest.raises(KeyError):
        alone(data, "c", TYPES, {})
    assert alone({"steps": [{"id": "x"}], "inputs": 1}, "x", TYPES, {})["inputs"] == []


def test_what_it_uses_must_be_right() -> None:
    a, b = (step(each, config={"set": {"x": f"{{{{ steps.{other} }}}}"}}) for each, other in ("ab", "ba"))
    assert {problem.code for problem in check(alone(workflow(a, b), "a", TYPES, {}), TYPES)} == {"cycle"}
    lost = workflow(step("a", config={"set": {"x": "{{ steps.gone.x }} {{ inputs.gone }}"}}))
    found = check(alone(lost, "a", TYPES, {}), TYPES)
    assert [problem.code for problem in found] == ["unknown_step", "unknown_input"]
