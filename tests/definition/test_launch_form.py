"""The pages of the form that starts a run, also of questions that are not right yet."""

from app.definition import launch_form
from app.definition.schema import Definition, InputType


def _definition(count: int) -> Definition:
    inputs = [{"key": f"q{n}", "label": f"Q{n}", "group": "Even" if n % 2 else "Odd"} for n in range(count)]
    return Definition.model_validate({"inputs": inputs, "steps": [{"id": "s", "type": "merge"}]})


def test_up_to_seven_questions_stand_on_one_page() -> None:
    assert [(title, len(asked)) for title, asked in launch_form.pages(_definition(7))] == [("Your answers", 7)]


def test_more_than_seven_questions_are_asked_a_group_a_page() -> None:
    assert [(title, len(asked)) for title, asked in launch_form.pages(_definition(9))] == [("Odd", 5), ("Even", 4)]
    assert launch_form.pages(_definition(0)) == []


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
