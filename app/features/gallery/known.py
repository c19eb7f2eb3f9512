"""What is known before the start: a step's settings with the answers in them, as far as these tell."""

from collections.abc import Mapping
from typing import Any

from app.definition import vehicle
from app.definition.schema import Definition, InputType
from app.definition.values import ValueProblem, evaluate


def filled(value: Any, scope: Mapping[str, Any]) -> Any:
    """Return a config with the values that are known already; the others stay as they are written."""
    if isinstance(value, dict):
        return {key: filled(part, scope) for key, part in value.items()}
    if isinstance(value, list):
        return [filled(part, scope) for part in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    try:
        return evaluate(value, scope)
    except ValueProblem:
        return value


def with_whole_vehicles(definition: Definition, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return answers as they stand, where each vehicle has all its parts: so it reads as one."""
    vehicles = {question.key for question in definition.inputs if question.type is InputType.VEHICLE}
    return {
        key: vehicle.whole(value) if key in vehicles and isinstance(value, Mapping) else value
        for key, value in answers.items()
    }
