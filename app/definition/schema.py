"""A definition as the outside writes it: read it, check it, write it. Every fault is found at once.

The models are in ``parts``; this module is the front door: :func:`parse`, :func:`check`, :func:`dump`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from app.definition import graph, inputs
from app.definition.conditions import check_condition
from app.definition.kinds import Kinds
from app.definition.parts import (
    MAX_DEPTH,
    MAX_INPUTS,
    MAX_ITEMS,
    MAX_JSON_BYTES,
    MAX_STEPS,
    Definition,
    ForEach,
    Input,
    InputType,
    Limits,
    Retry,
    Step,
    TypeFacts,
    in_words,
)
from app.definition.problems import (
    CODES,
    DefinitionInvalid,
    Problem,
    in_reading_order,
    pointer,
    shorten,
    suggest,
)
from app.definition.shape import check_shape
from app.definition.values import has_value

__all__ = [
    "MAX_DEPTH",
    "MAX_INPUTS",
    "MAX_ITEMS",
    "MAX_JSON_BYTES",
    "MAX_STEPS",
    "Definition",
    "DefinitionInvalid",
    "ForEach",
    "Input",
    "InputType",
    "Limits",
    "Problem",
    "Retry",
    "Step",
    "TypeFacts",
    "check",
    "check_config",
    "check_filled",
    "compact",
    "dump",
    "parse",
]


def parse(data: object, types: Mapping[str, TypeFacts]) -> Definition:
    """Return the definition that *data* (plain JSON data) is. Raises :class:`DefinitionInvalid` with all problems."""
    problems = check(data, types)
    if problems:
        raise DefinitionInvalid(problems)
    return Definition.model_validate(data)


def dump(definition: Definition) -> dict[str, Any]:
    """Write a definition as JSON data: every key present, in one order, so equal definitions give equal JSON."""
    return definition.model_dump(mode="json", by_alias=True)


def compact(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return definition data without what holds anyway: as people write it. Reading it gives the same definition."""
    new = {key: value for key, value in data.items() if key != "limits"}
    new["inputs"] = [_without_usual(each, Input) for each in _listed(data, "inputs")]
    new["steps"] = [_without_usual(each, Step) for each in _listed(data, "steps")]
    limits = _without_usual(data.get("limits", {}), Limits)
    if limits != {}:
        new["limits"] = limits
    if not new["inputs"]:
        del new["inputs"]
    return new


def _listed(data: Mapping[str, Any], key: str) -> list[Any]:
    found = data.get(key)
    return found if isinstance(found, list) else []


def _without_usual(part: Any, model: type[BaseModel]) -> Any:
    if not isinstance(part, dict):
        return part
    usual = {key: field.get_default() for key, field in model.model_fields.items() if not field.is_required()}
    return {
        key: _without_usual(value, _PARTS[key]) if key in _PARTS else value
        for key, value in part.items()
        if key not in usual or value != usual[key] or type(value) is not type(usual[key])
    }


_PARTS: Mapping[str, type[BaseModel]] = {"retry": Retry, "for_each": ForEach}


def check(data: object, types: Mapping[str, TypeFacts]) -> list[Problem]:
    """Return everything that is wrong with *data* as a definition, in reading order; an empty list when it is right.

    *types* tells what is known of each step type. What is too large or too deep is not looked into further.
    """
    shape = check_shape(data, most_bytes=MAX_JSON_BYTES, most_depth=MAX_DEPTH)
    if any(problem.code == "too_large" for problem in shape):
        return shape
    problems = list(_in_words(_errors(Definition, data), Definition, data))
    if isinstance(data, dict):
        problems += _check_counts(data)
        problems += inputs.check_questions(data)
        steps = graph.outline(data)
        fields: dict[str, frozenset[str] | None] = {}
        kinds = Kinds(data, steps, types)
        for step in steps:
            problems += _check_step(step, types, fields, kinds)
        problems += graph.check_graph(steps, inputs.types(data), types, fields)
    found = {problem.path for problem in shape}
    return in_reading_order([*shape, *(problem for problem in problems if problem.path not in found)])


def check_config(facts: TypeFacts, config: object) -> list[Problem]:
    """Return what is wrong with one step's config, with paths relative to it.

    Any text with ``{{ … }}`` may stand where another type belongs: its value is known only in a run.
    """
    return list(_in_words(_sure(_errors(facts.config, config)), facts.config, config))


def check_filled(model: type[BaseModel], config: object) -> list[Problem]:
    """Return what is wrong with a step's config whose ``{{ … }}`` are worked out: it says what each came to."""
    return list(_in_words(_errors(model, config, is_filled=True), model, config, is_filled=True))


def check_model(model: type[BaseModel], data: object) -> list[Problem]:
    """Return what a model of another file finds wrong with *data*, in the same words as a definition's problems."""
    return in_reading_order(list(_in_words(_errors(model, data), model, data)))


def _check_counts(data: dict[str, Any]) -> Iterator[Problem]:
    for key, most in (("steps", MAX_STEPS), ("inputs", MAX_INPUTS)):
        found = data.get(key)
        if isinstance(found, list) and len(found) > most:
            message = f"The workflow has {len(found)} {key if key == 'steps' else 'questions'}; {most} is the limit."
            yield Problem(pointer(key), "too_large", message, "Split it into several workflows.")
    if data.get("steps", []) == []:
        yield Problem("/steps", "required", "The workflow has no steps.", "Add a step.")


def _check_step(
    step: graph.Outline, types: Mapping[str, TypeFacts], fields: dict[str, frozenset[str] | None], kinds: Kinds
) -> Iterator[Problem]:
    facts = types.get(step.type or "")
    if isinstance(step.when, dict):
        yield from (problem.under("steps", step.place, "when") for problem in check_condition(step.when))
    if isinstance(step.items, str) and (words := kinds.misfit(step.items, "list")):
        message = f"{step.name} repeats for every item of a list; “{words}” is none."
        yield Problem(step.at + "/for_each/items", "wrong_type", message, "Choose a value that is a list.")
    if facts is None or step.config is None:
        return
    errors = _errors(facts.config, step.config)
    faults = list(_in_words(_sure(errors), facts.config, step.config))
    misfits = _misfits([error for error in errors if _open(error)], facts.config, step.config, kinds)
    yield from (problem.under("steps", step.place, "config") for problem in (*faults, *misfits))
    if step.id and step.items is None and step.id not in fields:
        known = None if faults or facts.outputs_of is None else facts.outputs_of(step.config)
        fields[step.id] = known if facts.outputs_of is not None else facts.output_fields


# --- pydantic's errors in our words --------------------------------------------------------------------------------


def _errors(model: type[BaseModel], data: object, *, is_filled: bool = False) -> list[ErrorDetails]:
    try:
        model.model_validate(data, context={"is_written": not is_filled})
    except ValidationError as invalid:
        return invalid.errors(include_url=False)
    return []


def _sure(errors: Iterable[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out what a ``{{ … }}`` will decide in a run."""
    return [error for error in errors if not _open(error)]


def _in_words(
    errors: Sequence[ErrorDetails], model: type[BaseModel], data: object, *, is_filled: bool = False
) -> Iterator[Problem]:
    """Yield what *model* found wrong with *data*: of each place once, and of the deepest place that is meant.

    *is_filled* says what stands there, which nobody wrote.
    """
    places = [_place(error, data) for error in errors]
    seen: set[str] = set()
    for error, place in zip(errors, places, strict=True):
        path = pointer(*place)
        deeper = any(len(other) > len(place) and other[: len(place)] == place for other in places)
        if path not in seen and not (deeper and error["type"] not in ("missing", "extra_forbidden")):
            seen.add(path)
            yield from _filled(error, place, model) if is_filled else _problems(error, place, model)


def _misfits(
    errors: Iterable[ErrorDetails], model: type[BaseModel], config: object, kinds: Kinds
) -> Iterator[Problem]:
    """Yield where nothing but a number, or yes or no, may stand and a value stands that is none in any run."""
    wanted: dict[tuple[str | int, ...], set[str]] = {}
    texts: dict[tuple[str | int, ...], str] = {}
    for error in errors:
        if isinstance(error["input"], str):
            place = _place(error, config)
            texts[place] = error["input"]
            wanted.setdefault(place, set()).add(_NEEDS.get(error["type"].split("_", 1)[0], ""))
    for place, needs in wanted.items():
        need = needs.pop() if len(needs) == 1 else ""
        if need and (words := kinds.misfit(texts[place], need)):
            yield _misfit(place, model, need, words[:1].upper() + words[1:])


_NEEDS = {"int": "number", "float": "number", "decimal": "number", "bool": "yes_no"}


def _misfit(place: tuple[str | int, ...], model: type[BaseModel], need: str, words: str) -> Problem:
    what, instead, other = {
        "number": ("a number", "Write a number", "none"),
        "yes_no": ("yes or no", "Choose yes or no", "neither"),
    }[need]
    message = f"{_label(place, model)} needs {what}; “{words}” is {other}."
    return Problem(pointer(*place), "wrong_type", message, f"{instead}, or another value.")


_NEVER_OPEN = CODES | {"missing", "extra_forbidden", "too_long", "too_short"}


def _open(error: ErrorDetails) -> bool:
    return error["type"] not in _NEVER_OPEN and has_value(error["input"])


def _place(error: ErrorDetails, data: object) -> tuple[str | int, ...]:
    """Return where an error is in *data*: pydantic's place without the names of a union's alternatives."""
    place: list[str | int] = []
    current: Any = data
    for number, part in enumerate(error["loc"]):
        last = number == len(error["loc"]) - 1
        if _holds(current, part):
            current = current[part]
        elif not (last and error["type"] == "missing"):
            continue
        place.append(part)
    return tuple(place)


def _holds(value: object, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _problems(error: ErrorDetails, place: tuple[str | int, ...], model: type[BaseModel]) -> Iterator[Problem]:
    context = error.get("ctx") or {}
    if error["type"] in CODES:
        inner = context.get("problems")
        for fault in (
            inner
            if isinstance(inner, list)
            else [{"path": "", "code": error["type"], "message": error["msg"]}]
        ):
            fix = fault.get("fix") or context.get("fix") or "Write something else."
            yield Problem(pointer(*place) + fault["path"], fault["code"], fault["message"], fix)
        return
    code, say = _WORDS.get(error["type"]) or _by_ending(error["type"])
    message, fix = say(_label(place, model), error, context)
    if error["type"] == "extra_forbidden":
        fix = suggest(str(place[-1]), [f.alias or key for key, f in _fields(model, place).items()], "Remove it.")
    yield Problem(pointer(*place), code, message, fix)


def _filled(error: ErrorDetails, place: tuple[str | int, ...], model: type[BaseModel]) -> Iterator[Problem]:
    found = error["input"]
    for problem in _problems(error, place, model):
        if error["type"] in CODES:
            yield problem
        elif problem.code == "wrong_type":
            what = "" if found in (None, "") else f", which is {_KINDS[error['type'].split('_', 1)[0]].what}"
            yield replace(problem, message=f"{_label(place, model)} is {_said(found)}{what}.")
        elif problem.code == "out_of_range":
            yield replace(problem, message=f"{problem.message.removesuffix('.')}; it is {_said(found)}.")
        else:
            yield problem


def _said(value: object) -> str:
    match value:
        case None | "":
            return "empty"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(value)
        case list():
            return "a list"
        case dict():
            return "a record"
    return f"“{shorten(str(value))}”"


Words = tuple[str, Callable[[str, ErrorDetails, Mapping[str, Any]], tuple[str, str]]]


def _label(place: tuple[str | int, ...], model: type[BaseModel]) -> str:
    names = [part for part in place if isinstance(part, str)]
    if not names:
        return "This"
    for key, field in _fields(model, place).items():
        if place[-1] in (key, field.alias) and field.title:
            return f"“{field.title}”"
    label = f"“{in_words(names[-1])}”"
    return f"{label} number {place[-1] + 1}" if isinstance(place[-1], int) else label


def _fields(model: type[BaseModel], place: tuple[str | int, ...]) -> Mapping[str, FieldInfo]:
    """Return the fields of what holds *place*; empty when that is not easily told."""
    parts = [part for part in place[:-1] if isinstance(part, str)]
    known: Mapping[tuple[str, ...], type[BaseModel]] = {(): model}
    if model is Definition:
        known = {
            (): Definition, ("inputs",): Input, ("steps",): Step, ("limits",): Limits,
            ("steps", "retry"): Retry, ("steps", "for_each"): ForEach,
        }  # fmt: skip
    found = known.get(tuple(parts))
    return found.model_fields if found else {}


def _bound(word: str, key: str, fix: str) -> Words:
    def say(label: str, error: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
        return f"{label} must be {word} {context.get(key)}.", f"{fix} {context.get(key)}."

    return "out_of_range", say


def _fixed(code: str, message: str, fix: str) -> Words:
    return code, lambda label, error, context: (f"{label} {message}", fix)


def _too_long(label: str, error: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    most = context.get("max_length", 0)
    unit = "characters" if isinstance(error["input"], str) else "of them"
    return f"{label} is too long: at most {most} {unit} fit.", "Make it shorter."


def _too_short(label: str, error: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    if not error["input"]:
        return f"{label} is empty.", "Fill it in."
    return f"{label} needs at least {context.get('min_length', 1)}.", "Add what is missing."


def _choice(label: str, error: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    known = str(context.get("expected", "")).replace("'", "")
    return f"{label} cannot be “{shorten(str(error['input']))}”.", f"Use {known}."


def _pattern(label: str, error: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"{label} cannot be “{shorten(str(error['input']))}”.",
        "Use letters, digits and _, starting with a letter, at most 64.",
    )


def _own_words(label: str, error: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    said = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ").strip()
    return f"{label}: {shorten(said, 300)}".rstrip(".") + ".", "Write something else."


_WORDS: dict[str, Words] = {
    "missing": _fixed("required", "is missing.", "Fill it in."),
    "extra_forbidden": _fixed("unknown_key", "is not known here.", "Remove it."),
    "greater_than": _bound("more than", "gt", "Write a number above"),
    "greater_than_equal": _bound("at least", "ge", "Write at least"),
    "less_than": _bound("less than", "lt", "Write a number below"),
    "less_than_equal": _bound("at most", "le", "Write at most"),
    "multiple_of": _bound("a multiple of", "multiple_of", "Write a multiple of"),
    "decimal_max_places": _fixed("out_of_range", "has too many decimals.", "Write it like 5.00."),
    "decimal_max_digits": _fixed("out_of_range", "is too large.", "Write a smaller amount."),
    "finite_number": _fixed("out_of_range", "is not a number.", "Write a number."),
    "too_long": ("too_large", _too_long),
    "string_too_long": ("too_large", _too_long),
    "too_short": ("required", _too_short),
    "string_too_short": ("required", _too_short),
    "literal_error": ("bad_value", _choice),
    "enum": ("bad_value", _choice),
    "string_pattern_mismatch": ("bad_value", _pattern),
}

class _Kind(NamedTuple):
    must: str
    fix: str
    what: str  # what another value is


_KINDS = {
    "int": _Kind("must be a whole number.", "Write it like 10, without quotes.", "not a whole number"),
    "float": _Kind("must be a number.", "Write it like 2.5.", "not a number"),
    "decimal": _Kind("must be an amount.", "Write it like 5.00.", "not an amount"),
    "bool": _Kind("must be yes or no.", "Write true or false.", "neither yes nor no"),
    "string": _Kind("must be text.", "Put it in quotes.", "not text"),
    "list": _Kind("must be a list.", "Write it in [ ], parts separated by commas.", "not a list"),
    "dict": _Kind("must hold keys and values.", "Write it like {key: value}.", "not a record"),
    "model": _Kind("must hold keys and values.", "Write it like {key: value}.", "not a record"),
    "date": _Kind("must be a date.", "Write it like 2026-11-30.", "not a date"),
    "datetime": _Kind("must be a date and time.", "Write it like 2026-11-30T09:00:00Z.", "not a date and time"),
}


def _by_ending(kind: str) -> Words:
    """Word the families of pydantic's errors: ``int_type``, ``int_parsing``, ``int_from_float`` …"""
    first = kind.split("_", 1)[0]
    if first in _KINDS and kind != first:
        return _fixed("wrong_type", _KINDS[first].must, _KINDS[first].fix)
    return "bad_value", _own_words
