"""The pages of the form that starts a run, also of questions that are not right yet."""

from typing import Any

import pytest

from app.definition import launch_form
from app.definition.schema import Definition, Input, InputType


def _definition(count: int) -> Definition:
    inputs = [{"key": f"q{n}", "label": f"Q{n}", "group": "Even" if n % 2 else "Odd"} for n in range(count)]
    return Definition.model_validate({"inputs": inputs, "steps": [{"id": "s", "type": "merge"}]})


def test_up_to_seven_questions_stand_on_one_page() -> None:
    assert [(title, len(asked)) for title, asked in launch_form.pages(_definition(7))] == [("Your answers", 7)]


def test_more_than_seven_questions_are_asked_a_group_a_page() -> None:
    assert [(title, len(asked)) for title, asked in launch_form.pages(_definition(9))] == [("Odd", 5), ("Even", 4)]
    assert launch_form.pages(_definition(0)) == []


def test_the_parts_of_a_vehicle_count_as_questions() -> None:
    car = {"key": "car", "type": "vehicle", "group": "The car"}
    rest = {"key": "rest", "group": "The rest"}
    for parts, titles in ((["vin", "price"], ["Your answers"]), ([], ["The car", "The rest"])):
        definition = launch_form.sketched({"inputs": [car | {"parts": parts}, rest]})
        assert [title for title, _ in launch_form.pages(definition)] == titles


def test_what_is_wrong_in_a_question_counts_as_not_there() -> None:
    odd = {"key": "c", "type": "odd", "help": "H", "x": 1}
    listed = [{"key": "a b", "label": "A", "choices": [1]}, "no question", odd]
    first, second = launch_form.sketched({"inputs": listed}).inputs
    assert (first.key, first.label, first.choices) == ("question_1", "A", [])
    assert (second.key, second.type, second.help) == ("c", InputType.TEXT, "H")
    assert launch_form.sketched({"inputs": {}}).inputs == []


def test_fixed_questions_are_on_no_page() -> None:
    definition = launch_form.sketched({"inputs": [{"key": "a", "fixed": True, "default": "x"}, {"key": "b"}]})
    assert [each.key for _, page in launch_form.pages(definition) for each in page] == ["b"]
    assert [each.key for each in launch_form.fixed(definition)] == ["a"]


@pytest.mark.parametrize(
    ("question", "has_one"),
    [
        ({"min": 1, "max": 10}, True),
        ({"min": -50, "max": 50}, True),
        ({"min": 0, "max": 101}, False),
        ({"min": 5, "max": 5}, False),
        ({"min": 1}, False),
        ({"max": 9}, False),
        ({"min": 1, "max": 10, "type": "number"}, False),
        ({"min": "1", "max": "9", "type": "date"}, False),
    ],
)
def test_a_slider_stands_beside_a_whole_number_between_two_near_ends(question: dict[str, Any], has_one: bool) -> None:
    asked = Input.model_validate({"key": "copies", "type": "integer", **question})
    assert launch_form.has_slider(asked) is has_one
