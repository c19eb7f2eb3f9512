"""A definition as data that may have problems: its steps, as far as they can be read."""

from typing import Any

from app.definition.parts import in_words
from app.definition.problems import shorten

Data = dict[str, Any]


class EditImpossible(ValueError):
    """Say in a sentence why a change cannot be made; nothing was changed."""


def steps_in(data: Data) -> list[Any]:
    """Return the list of steps itself, made where there is none."""
    if not isinstance(data.get("steps"), list):
        data["steps"] = []
    steps: list[Any] = data["steps"]
    return steps


def find_step(data: Data, step_id: str) -> Data | None:
    """Return the step with this id, None where there is none."""
    found = data.get("steps")
    steps = found if isinstance(found, list) else []
    return next((step for step in steps if isinstance(step, dict) and step.get("id") == step_id), None)


def step_in(data: Data, step_id: str) -> Data:
    """Return the step with this id. Raises EditImpossible where there is none any more."""
    found = find_step(data, step_id)
    if found is None:
        raise EditImpossible(f"There is no step “{shorten(step_id)}” any more.")
    return found


def name_of(step: Data) -> str:
    """Return what a step is called, by its id where it has no name."""
    return shorten(str(step.get("name") or in_words(str(step.get("id")))))


def entries_of(step: Data) -> list[str]:
    """Return what a step comes after, as far as it can be read."""
    after = step.get("after")
    return [each for each in after if isinstance(each, str)] if isinstance(after, list) else []
