"""What a test is made from: sample answers, and a definition that does one step alone. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from app.core import clock
from app.definition.inputs import clean_inputs
from app.definition.parts import Input, InputType
from app.definition.problems import InputsInvalid
from app.definition.schema import Definition, Step, TypeFacts
from app.definition.values import names_in

_DECIDED = {"decision": "approved", "reason": "", "by": "the test", "answers": {}}
MOST_VALUES = 100  # what a step that sets values takes


def answers(
    definition: Definition,
    last: Mapping[str, Any],
    *,
    tester: str,
    documents: Sequence[str] = (),
    images: Sequence[str] = (),
) -> dict[str, Any]:
    """Return an answer for every question that is asked: the last run's, the question's own, else a sample.

    *documents* and *images* are ids of some that are there; the first stands in where one is asked for.
    """
    there = {
        InputType.DOCUMENT: documents,
        InputType.DOCUMENTS: documents,
        InputType.IMAGE: images,
        InputType.IMAGES: images,
    }
    found: dict[str, Any] = {}
    for question in definition.inputs:
        if question.fixed:
            continue
        sample = next(iter(there[question.type]), None) if question.type in there else _made_up(question, tester)
        tried = (last.get(question.key), question.default, sample if question.required else None)
        found[question.key] = next((value for value in tried if _fits(definition, question, value)), None)
    return {key: value for key, value in found.items() if value is not None}


def _fits(definition: Definition, question: Input, value: Any) -> bool:
    if value is None or value in ("", []):
        return False
    alone = definition.model_copy(update={"inputs": [question]})
    try:
        return clean_inputs(alone, {question.key: value})[question.key] is not None
    except InputsInvalid:
        return False


def _made_up(question: Input, tester: str) -> Any:
    make = _SAMPLES.get(question.type)
    value = make(question, tester) if make else f"Sample: {question.label}"
    if isinstance(value, str) and question.max_length:
        return value[: question.max_length]
    return value


def _number(question: Input, _: str) -> Any:
    for bound in (question.min, question.max):
        if bound is not None:
            return bound
    return 10


_SAMPLES: dict[InputType, Callable[[Input, str], Any]] = {
    InputType.NUMBER: _number,
    InputType.INTEGER: _number,
    InputType.MONEY: lambda question, _: question.min or "28990.00",
    InputType.PERCENT: _number,
    InputType.BOOLEAN: lambda question, _: True,
    InputType.DATE: lambda question, _: question.min or (clock.now() + timedelta(days=7)).date().isoformat(),
    InputType.DATETIME: lambda question, _: question.min or clock.iso(clock.now() + timedelta(days=7)),
    InputType.CHOICE: lambda question, _: next(iter(question.choices), None),
    InputType.MULTI_CHOICE: lambda question, _: list(question.choices[:1]),
    InputType.EMAIL: lambda question, tester: tester or "sample@example.com",
    InputType.PEOPLE: lambda question, tester: [tester or "sample@example.com"],
    InputType.PHONE: lambda question, _: "+1 555 010 2030",
    InputType.URL: lambda question, _: "https://example.com/offer",
    InputType.VIN: lambda question, _: "1HGCM82633A004352",
    InputType.CSV: lambda question, _: "name,email\nSam Sample,sam@example.com\n",
    InputType.JSON: lambda question, _: {"sample": True},
}


# --- one step alone ------------------------------------------------------------------------------------------------


def alone(
    definition: Definition,
    step_id: str,
    types: Mapping[str, TypeFacts],
    known: Mapping[str, Mapping[str, Any]],
) -> Definition:
    """Return a definition that does one step with what it uses of others, and nothing else.

    *known* has the outputs of a last run by step id: those stand in for the steps that made them. What has none is done
    first, a decision is taken as approved. Raises KeyError for an unknown step.
    """
    wanted = definition.step(step_id)
    used: dict[str, Step] = {}
    waiting = _uses(wanted, definition, types)
    while waiting:
        before = waiting.pop()
        if before.id in used or before.id == step_id:
            continue
        instead = _instead(before, types, known.get(before.id))
        used[before.id] = instead or before
        if instead is None:
            waiting.extend(_uses(before, definition, types))
    steps = [
        _plain(used[step.id], _sources(used[step.id], used, definition, types))
        for step in definition.steps
        if step.id in used
    ]
    last = _plain(wanted, _sources(wanted, used, definition, types))
    return definition.model_copy(update={"steps": [*steps, last]})


def _uses(step: Step, definition: Definition, types: Mapping[str, TypeFacts]) -> list[Step]:
    """Return the steps whose results a step names, in its values or as a setting."""
    facts = types.get(step.type)
    named = [
        str(name.path[0])
        for name in names_in([step.config, step.for_each and step.for_each.items])
        if name.root == "steps" and name.path
    ]
    for key in facts.step_refs if facts else ():
        value = step.config.get(key)
        named += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return [definition.step(step_id) for step_id in dict.fromkeys(named) if definition.has_step(step_id)]


def _instead(step: Step, types: Mapping[str, TypeFacts], output: Mapping[str, Any] | None) -> Step | None:
    facts = types.get(step.type)
    if output is None and facts is not None and "approved" in facts.outcomes:
        output = _DECIDED
    if not output or len(output) > MOST_VALUES or not all(key.isidentifier() for key in output):
        return None
    values = {key: _without_values(value) for key, value in output.items()}
    return Step(id=step.id, type="transform", name=step.name, config={"set": values})


def _without_values(value: Any) -> Any:
    """Return recorded data so that nothing in it is taken for a ``{{ … }}`` again."""
    match value:
        case str():
            return value.replace("{{", "{ {")
        case list():
            return [_without_values(one) for one in value]
        case dict():
            return {key: _without_values(one) for key, one in value.items()}
    return value


def _sources(
    step: Step, used: Mapping[str, Step], definition: Definition, types: Mapping[str, TypeFacts]
) -> list[str]:
    if step.type == "transform" and step is not definition.step(step.id):
        return []
    found = []
    for before in _uses(step, definition, types):
        if before.id in used:
            facts = types.get(used[before.id].type)
            outcomes = ("done",) if facts is None or facts.has_done else facts.outcomes
            found += [before.id if outcome == "done" else f"{before.id}:{outcome}" for outcome in outcomes]
    return found


def _plain(step: Step, after: list[str]) -> Step:
    """Return a step without what would keep it from being done now."""
    return step.model_copy(
        update={"after": after, "join": "any", "when": None, "retry": None, "on_failure": "stop"}
    )
