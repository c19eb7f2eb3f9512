"""How a workflow makes its result: what one should have at hand, and a sentence a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.definition import launch_form
from app.definition.schema import Definition, Input, InputType, Step
from app.engine import catalog
from app.engine.contract import StepType
from app.features.gallery.known import filled, with_whole_vehicles
from app.features.gallery.quote import BY_AI

_SAID = {
    "attach_images": "Pictures can be swapped later",
    "condition": "What comes next depends on it",
    "delay": "The run goes on by itself then",
    "review": "By e-mail, on a phone, without an account",
    "notify": "By e-mail, with a link to all of it",
    "transform": "From your answers",
}


@dataclass(frozen=True, slots=True)
class Made:
    """One step of "how it is made": icon, name, a sentence."""

    icon: str
    name: str
    text: str


def at_hand(definition: Definition) -> list[Input]:
    """Return what one should have at hand: the required questions, then optional ones that nothing answers for you."""
    required = [question for question in launch_form.asked(definition) if question.required]
    useful = (
        InputType.TEXT,
        InputType.LONG_TEXT,
        InputType.URL,
        InputType.VIN,
        InputType.EMAIL,
        InputType.MONEY,
    )
    rest = [q for q in launch_form.asked(definition) if not q.required and q.default is None and q.type in useful]
    return (required + rest)[:6]


def made(definition: Definition, inputs: Mapping[str, Any]) -> list[Made]:
    """Return how it is made, step by step, with *inputs* in the sentences."""
    scope = {"inputs": with_whole_vehicles(definition, inputs), "run": {"started_by": {"name": "you", "email": "you"}}}
    return [
        _made(step, definition, scope) for step in definition.steps if step.type not in ("parallel", "merge")
    ]


def _made(step: Step, definition: Definition, scope: Mapping[str, Any]) -> Made:
    step_type = catalog.step_type(step.type)
    if step_type is None:
        return Made("route", step.name, "")
    text = _SAID.get(step.type) or _summary(step_type, filled(step.config, scope))
    beside = [other for other in definition.steps if other.after == step.after and other.type in BY_AI]
    if len(beside) > 1 and step in beside[1:]:
        text = f"{text}, at the same time" if text else "At the same time"
    return Made(step_type.icon, step.name, text)


def _summary(step_type: StepType, config: Mapping[str, Any]) -> str:
    """Return the type's own sentence without the prompt that may follow it; nothing where a run alone can tell."""
    try:
        text = step_type.summary(config).partition(": ")[0].replace("**", "")
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    return "" if "{{" in text else text
