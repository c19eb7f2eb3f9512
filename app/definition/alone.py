"""A definition that does one step of a draft alone: what a sample of it runs. Pure.

It is cut out of unchecked data, so that what is wrong with other steps and questions does not matter to it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from app.definition.edit import entry
from app.definition.graph import Outline, outline
from app.definition.parts import TypeFacts
from app.definition.values import names_in

Data = dict[str, Any]
MOST_VALUES = 100  # what a step that sets values takes
_DECIDED = {"decision": "approved", "reason": "", "by": "the test", "answers": {}}
_ORDER = ("when", "retry", "on_failure", "join", "after")


def alone(
    data: Mapping[str, Any],
    step_id: str,
    types: Mapping[str, TypeFacts],
    known: Mapping[str, Mapping[str, Any]],
) -> Data:
    """Return a definition that does one step with the steps and questions it uses, near or far, and nothing else.

    *known* has the outputs of a last run by step id: those stand in for the steps that made them. What has none is done
    first, a decision is taken as approved. What would keep a step from being done now is left out: its condition, its
    place. Raises KeyError for an unknown step.
    """
    steps = {step.id: step for step in reversed(outline(data)) if step.id}
    used: dict[str, Data] = {}
    uses: dict[str, list[str]] = {}
    waiting = [step_id]
    while waiting:
        current = waiting.pop()
        if current in used:
            continue
        step = steps[current]
        instead = _instead(step, types, known.get(current)) if current != step_id else None
        used[current] = instead or data["steps"][step.place]
        uses[current] = [] if instead else [each for each in _uses(step, types) if each in steps]
        waiting += uses[current]
    order = sorted(used, key=lambda each: (each == step_id, steps[each].place))
    cut = [_plain(used[each], _after(each, uses[each], used, types)) for each in order]
    return {"schema": 1, "inputs": _asked(data.get("inputs"), cut), "steps": cut}


def _uses(step: Outline, types: Mapping[str, TypeFacts]) -> list[str]:
    """Return the ids of the steps whose results a step names, in its values or as a setting."""
    facts = types.get(step.type or "")
    named = [
        str(name.path[0])
        for name in names_in([step.config, step.items])
        if name.root == "steps" and name.path
    ]
    for key in facts.step_refs if facts else ():
        value = (step.config or {}).get(key)
        named += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return list(dict.fromkeys(named))


def _instead(step: Outline, types: Mapping[str, TypeFacts], output: Mapping[str, Any] | None) -> Data | None:
    facts = types.get(step.type or "")
    if output is None and facts is not None and "approved" in facts.outcomes:
        output = _DECIDED
    if not output or len(output) > MOST_VALUES or not all(key.isidentifier() for key in output):
        return None
    values = {key: _without_values(value) for key, value in output.items()}
    return {"id": step.id, "type": "transform", "name": step.name, "config": {"set": values}}


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


def _after(step_id: str, uses: Iterable[str], used: Mapping[str, Data], types: Mapping[str, TypeFacts]) -> list[str]:
    """Return entries by which a step comes after all that it uses, however that ends."""
    found = []
    for before in uses:
        facts = types.get(str(used[before].get("type")))
        outcomes = ("done",) if facts is None or facts.has_done else facts.outcomes
        found += [entry(before, outcome) for outcome in outcomes if before != step_id]
    return found


def _plain(step: Data, after: list[str]) -> Data:
    return {key: value for key, value in step.items() if key not in _ORDER} | {"after": after, "join": "any"}


def _asked(inputs: object, steps: Iterable[Data]) -> list[Data]:
    """Return the questions whose answers *steps* use, compared with no other."""
    used = names_in([[step.get("config"), step.get("for_each")] for step in steps])
    keys = {str(name.path[0]) if name.path else "" for name in used if name.root == "inputs"}
    return [
        {key: value for key, value in each.items() if key != "not_before"}
        for each in (inputs if isinstance(inputs, list) else [])
        if isinstance(each, dict) and (each.get("key") in keys or "" in keys)
    ]
