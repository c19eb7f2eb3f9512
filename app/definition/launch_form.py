"""Rules of the form that starts a run: what is asked, on which page, and what may be handed in as a file."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from app.definition import vehicle
from app.definition.parts import Definition, Input, InputType

ONE_PAGE = 7
"""The most questions that one page asks, each part of a vehicle counted; more are asked a group a page."""

FILE_CHARS = 10_000
"""A long text that may hold so many characters can also be filled from a file."""

MOST_BUTTONS = 5
"""The most choices that stand side by side as buttons."""

MOST_SLID = 100
"""The furthest that the two ends of a slider lie apart: beyond, it cannot be set to one number by hand."""

HANDED = (InputType.DOCUMENT, InputType.DOCUMENTS, InputType.IMAGE, InputType.IMAGES)


def asked(definition: Definition) -> list[Input]:
    """Return the questions that are asked: all but the fixed ones."""
    return [question for question in definition.inputs if not question.fixed]


def fixed(definition: Definition) -> list[Input]:
    """Return the questions that always have the same answer."""
    return [question for question in definition.inputs if question.fixed]


def pages(definition: Definition) -> list[tuple[str, tuple[Input, ...]]]:
    """Return the pages of a launch form, each with its title: all on one, or a group a page when there are many."""
    questions = asked(definition)
    if not questions:
        return []
    if sum(map(_size, questions)) <= ONE_PAGE:
        return [("Your answers", tuple(questions))]
    groups: dict[str, list[Input]] = {}
    for question in questions:
        groups.setdefault(question.group or "Your answers", []).append(question)
    return [(title, tuple(asked)) for title, asked in groups.items()]


def _size(question: Input) -> int:
    """Return how many fields a question has."""
    return len(vehicle.asked(question)) if question.type is InputType.VEHICLE else 1


def takes_file(question: Input) -> bool:
    """Tell whether a file can be handed in instead of choosing or pasting."""
    if question.type is InputType.LONG_TEXT:
        return (question.max_length or 0) >= FILE_CHARS
    return question.type is InputType.CSV or question.type in HANDED


def has_buttons(question: Input, offered: int) -> bool:
    """Tell whether so many choices stand as buttons: few of them, and one is chosen already."""
    return offered <= MOST_BUTTONS and question.default is not None


def has_slider(question: Input) -> bool:
    """Tell whether a slider stands beside the field: for a whole number between two ends that are near each other."""
    least, most = question.min, question.max
    if question.type is not InputType.INTEGER or isinstance(least, str | None) or isinstance(most, str | None):
        return False
    return 0 < most - least <= MOST_SLID


def handed_ids(question: Input, answer: Any) -> list[str]:
    """Return the ids of documents or pictures that an answer names; none for other kinds of questions."""
    if question.type not in HANDED or not answer:
        return []
    return [each for each in (answer if isinstance(answer, list) else [answer]) if isinstance(each, str)]


def choice_label(choice: str) -> str:
    """Return how a choice is shown."""
    return choice[:1].upper() + choice[1:]


def sketched(data: Mapping[str, Any]) -> Definition:
    """Return the questions of unchecked *data* as far as they can be read; what is wrong in one counts as not there."""
    listed = data.get("inputs")
    found = [_sketched(each, place) for place, each in enumerate(listed if isinstance(listed, list) else [])]
    return Definition.model_construct(inputs=[each for each in found if each is not None], steps=[])


def _sketched(data: Any, place: int) -> Input | None:
    if not isinstance(data, dict):
        return None
    try:
        return Input.model_validate(data)
    except ValidationError as fault:
        wrong = {each["loc"][0] for each in fault.errors() if each["loc"]}
        right = {key: value for key, value in data.items() if key not in wrong}
        return Input.model_validate({"key": f"question_{place + 1}"} | right)
