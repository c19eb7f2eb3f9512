"""Values that can never be what a setting needs are found before a run; what may fit is left alone."""

from typing import Any

import pytest

from app.definition.problems import Problem
from app.definition.schema import InputType, check
from tests.definition.facts import TYPES, step, workflow

MAY_BE_NUMBERS = {"text", "number", "integer", "money", "percent", "choice", "json"}


def found(config: dict[str, Any], kind: str = "email") -> list[Problem]:
    data = workflow(
        step("ads", type="generate_copy", config={"prompt": "x"}, name="Write ads"),
        step("each", type="generate_copy", config={"prompt": "x"}, for_each={"items": ["a"]}),
        step("next", "ads", "each", type="generate_copy", config={"prompt": "x"} | config),
        inputs=[{"key": "asked", "type": kind, "label": "Who asks?", "choices": ["1"] if "choice" in kind else []}],
    )
    return check(data, TYPES)


@pytest.mark.parametrize("kind", InputType)
def test_an_answer_that_is_no_number_is_refused_where_one_is_needed(kind: InputType) -> None:
    problems = found({"count": "{{ inputs.asked }}"}, kind)
    said = [problem.message for problem in problems]
    assert said == ([] if kind in MAY_BE_NUMBERS else ["“How many” needs a number; “Who asks?” is none."])
    assert {problem.path for problem in problems} <= {"/steps/2/config/count"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{{ run.started_by.email }}", "E-mail of who started it"),
        ("{{run.label}}", "Run name"),
        ("{{ steps.ads.texts }}", "Write ads: texts"),
        ("{{ run.number }}", ""),
        ("{{ inputs.asked | length }}", ""),
        ("{{ inputs.asked | int }}", ""),
        ("1{{ inputs.asked }}", ""),
        ("{{ steps.ads.texts[0] }}", ""),
        ("{{ steps.each.texts }}", ""),
    ],
)
def test_a_result_or_a_fact_that_is_no_number_is_refused_by_its_words(value: str, words: str) -> None:
    assert [problem.sentence for problem in found({"count": value})] == [
        f"“How many” needs a number; “{words}” is none. Write a number, or another value."
    ] * bool(words)
    assert [problem.path for problem in found({"max_chars": value})] == ["/steps/2/config/max_chars"] * bool(words)


@pytest.mark.parametrize(
    ("items", "wrong"),
    [
        ("{{ inputs.asked }}", "Make ads repeats for every item of a list; “Who asks?” is none."),
        ("{{ run.number }}", "Make ads repeats for every item of a list; “run number” is none."),
        ("red, {{ inputs.several }}", "Make ads repeats for every item, but names no list."),
        ("red, blue", "Make ads repeats for every item, but names no list."),
        ("{{ inputs.several }}", ""),
        ("{{ inputs.asked | rows }}", ""),
        ("{{ steps.ads.texts }}", ""),
        ("{{ inputs.free }}", ""),
    ],
)
def test_what_is_no_list_is_refused_where_a_step_repeats(items: str, wrong: str) -> None:
    writing = {"type": "generate_copy", "config": {"prompt": "x"}}
    data = workflow(
        step("ads", **writing),
        step("each", "ads", **writing, name="Make ads", for_each={"items": items}),
        inputs=[
            {"key": "asked", "type": "csv", "label": "Who asks?"},
            {"key": "several", "type": "people"},
            {"key": "free", "type": "json"},
        ],
    )
    found = [(problem.path, problem.message) for problem in check(data, TYPES)]
    assert found == [("/steps/1/for_each/items", wrong)] * bool(wrong)


@pytest.mark.parametrize(("kind", "is_refused"), [("email", True), ("boolean", False), ("number", False)])
def test_yes_or_no_is_needed_deep_in_a_setting(kind: str, is_refused: bool) -> None:
    policy = {"at_least": 1, "strictly": "{{ inputs.asked }}"}
    asking = step("ask", type="review", config={"approvers": ["a@b.example"], "policy": policy})
    problems = check(workflow(asking, inputs=[{"key": "asked", "type": kind}]), TYPES)
    assert [(problem.path, problem.message) for problem in problems] == [
        ("/steps/0/config/policy/strictly", "“Strictly” needs yes or no; “Asked” is neither.")
    ] * is_refused
