"""Short names of steps and questions: free ones, and other ones everywhere they are used. Pure functions on data."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

from app.definition.graph import outline, split
from app.definition.parts import NAME_PATTERN, TypeFacts
from app.definition.problems import shorten
from app.definition.unchecked import Data, EditImpossible, step_in, steps_in

_BRACES = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")


class NameImpossible(EditImpossible):
    """Say why a step or a question cannot have this short name, and which one near it can."""


def free_id(data: Data, wanted: str) -> str:
    """Return an id that no step has, made from *wanted* (a name or an id)."""
    return _free_name(wanted, "step", {step.id for step in outline(data)})


def free_key(data: Data, wanted: str) -> str:
    """Return a key that no question has, made from *wanted*, the words of the question."""
    listed = data.get("inputs")
    found = listed if isinstance(listed, list) else []
    return _free_name(wanted, "question", {each.get("key") for each in found if isinstance(each, dict)})


def check_name(wanted: str, thing: str, taken: Collection[str | None]) -> None:
    """Raise NameImpossible when *wanted* is no short name of a *thing* (step, question), or another one has it."""
    if not re.fullmatch(NAME_PATTERN, wanted):
        said = f"“{shorten(wanted)}” cannot be a short name" if wanted else "A short name is needed"
        near = f", such as {_free_name(wanted, thing, taken)}" if wanted else ""
        raise NameImpossible(f"{said}. Use 1 to 64 letters, digits and _, beginning with a letter{near}.")
    if wanted in taken:
        raise NameImpossible(
            f"Another {thing} has the short name “{wanted}”. Use another, such as {_free_name(wanted, thing, taken)}."
        )


def _free_name(wanted: str, thing: str, taken: Collection[str | None]) -> str:
    plain = unicodedata.normalize("NFKD", wanted.casefold()).encode("ascii", "ignore").decode()
    base = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:50]
    base = base if re.match(NAME_PATTERN, base) else f"{thing}_{base}".rstrip("_")
    number = 1
    while (found := base if number == 1 else f"{base}_{number}") in taken:
        number += 1
    return found


def rename_step(data: Data, step_id: str, to: str, types: Mapping[str, TypeFacts]) -> Data:
    """Give a step another id, everywhere it is named. Raises NameImpossible for an id that is taken or none."""
    if to == step_id:
        return deepcopy(data)
    check_name(to, "step", {step.id for step in outline(data)})
    new = _in_values(data, "steps", step_id, to)
    step_in(new, step_id)["id"] = to
    for step in steps_in(new):
        if isinstance(step, dict):
            if isinstance(step.get("after"), list):
                step["after"] = [_renamed(each, step_id, to) for each in step["after"]]
            _rename_references(step, types.get(str(step.get("type"))), step_id, to)
    return new


def rename_input(data: Data, key: str, to: str) -> Data:
    """Give a question another key, everywhere its answer is used. Raises NameImpossible for one taken or none."""
    keys = [each.get("key") for each in data.get("inputs") or () if isinstance(each, dict)]
    check_name(to, "question", [other for other in keys if other != key])
    new = _in_values(data, "inputs", key, to)
    for question in new.get("inputs") or ():
        if isinstance(question, dict):
            for part in ("key", "not_before"):
                if question.get(part) == key:
                    question[part] = to
    return new


def _renamed(each: Any, step_id: str, to: str) -> Any:
    if not isinstance(each, str) or split(each)[0] != step_id:
        return each
    return f"{to}:{split(each)[1]}" if split(each)[1] else to


def _rename_references(step: Data, facts: TypeFacts | None, step_id: str, to: str) -> None:
    config = step.get("config")
    if not isinstance(config, dict) or facts is None:
        return
    for field in facts.step_refs:
        value = config.get(field)
        if isinstance(value, list):
            config[field] = [to if each == step_id else each for each in value]
        elif value == step_id:
            config[field] = to


def _in_values(data: Data, root: str, name: str, to: str) -> Data:
    """Return a copy of *data* where ``{{ root.name }}`` says *to* in every text; quoted words stay."""
    word = re.compile(rf"\b({root}\s*\.\s*){re.escape(name)}\b")

    def in_braces(found: re.Match[str]) -> str:
        parts = _QUOTED.split(found[0])
        parts[::2] = [word.sub(rf"\g<1>{to}", part) for part in parts[::2]]
        return "".join(parts)

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return _BRACES.sub(in_braces, value) if "{{" in value else value
        if isinstance(value, list):
            return [walk(each) for each in value]
        if isinstance(value, dict):
            return {key: walk(each) for key, each in value.items()}
        return value

    copied: Data = walk(data)
    return copied
