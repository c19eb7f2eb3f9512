"""A definition's values and conditions as people read them: answers by their question, results by their step's name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.definition.expressions import Constant, Expression, Filtered, Named, Part, ValueInvalid, parse_value
from app.definition.parts import Definition, in_words
from app.definition.problems import listed, shorten

OPERATORS = {
    "eq": "is",
    "neq": "is not",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "is_empty": "is empty",
    "is_not_empty": "is not empty",
    "before": "is before",
    "after": "is after",
}
_RUN = {
    "started_by": "whoever started the run",
    "number": "the run’s number",
    "label": "the run’s name",
    "url": "the run’s address",
    "created_at": "the time of the start",
    "workspace": "the workspace",
    "workflow": "the workflow",
}
_FILTERS = {
    ("upper", 0): "{}, in capitals",
    ("lower", 0): "{}, in small letters",
    ("title", 0): "{}, with capital initials",
    ("trim", 0): "{}, without spaces around it",
    ("default", 1): "{}, or {} where there is none",
    ("int", 0): "{}, as a whole number",
    ("int", 1): "{}, as a whole number or {}",
    ("float", 0): "{}, as a number",
    ("float", 1): "{}, as a number or {}",
    ("round", 0): "{}, rounded",
    ("round", 1): "{}, rounded to {} decimals",
    ("length", 0): "the number of {}",
    ("join", 0): "{}, as one text",
    ("join", 1): "{}, with {} between them",
    ("rows", 0): "the rows of {}",
    ("first", 0): "the first of {}",
    ("last", 0): "the last of {}",
    ("replace", 2): "{}, with {} replaced by {}",
    ("date", 0): "{}, as a date",
    ("date", 1): "{}, as a date",
    ("datetime", 0): "{}, as a date and time",
    ("datetime", 1): "{}, as a date and time",
    ("money", 0): "{}, as money",
    ("money", 1): "{}, as money in {}",
    ("json", 0): "{}, as data",
    ("truncate", 0): "{}, shortened",
    ("truncate", 1): "{}, shortened to {} letters",
    ("truncate", 2): "{}, shortened to {} letters",
}
_VALUE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_BRACES = re.compile(r"\{\{|\}\}|\{%|%\}")


@dataclass(frozen=True, slots=True)
class Names:
    """What a definition's questions (by key) and steps (by id) are called; what is not known is called by its id."""

    questions: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, definition: Definition) -> "Names":
        """Collect the names of a definition."""
        return cls(
            {question.key: question.label for question in definition.inputs},
            {step.id: step.name for step in definition.steps},
        )

    def question(self, key: str) -> str:
        """Return the label of a question."""
        return shorten(self.questions.get(key) or in_words(key), 80)

    def step(self, step_id: str) -> str:
        """Return the name of a step."""
        return shorten(self.steps.get(step_id) or in_words(step_id), 80)


def value_in_words(text: str, names: Names) -> str:
    """Return a text with its values said: alone as words, inside other text in brackets."""
    try:
        value = parse_value(text)
    except ValueInvalid:
        return _BRACES.sub("", text)

    def said(path: list[str]) -> str:
        return _path(path, names)

    if value.alone is not None:
        return _expression(value.alone, said)
    return "".join(
        piece if isinstance(piece, str) else f"[{_expression(piece, said)}]" for piece in value.pieces
    )


def values_in_words(texts: Mapping[str, str], written: str, names: Names) -> dict[str, str]:
    """Return a short label for every ``{{ … }}`` in *written*: "The offer, shortened to 60 letters".

    *texts* has the labels of values that are known by what is written.
    """

    def said(path: list[str]) -> str:
        match path:
            case ["inputs", key]:
                return names.question(key).rstrip(" ?:")
            case ["steps", step_id, *rest] if rest:
                return f"{names.step(step_id)}: {', '.join(map(_part, rest))}"
        if label := texts.get(f"{{{{ {'.'.join(path)} }}}}"):
            return label
        if path[0] == "inputs":
            return f"{names.question(path[1]).rstrip(' ?:')}: {', '.join(map(_part, path[2:]))}"
        return _path(path, names)

    found = {}
    for text in dict.fromkeys(_VALUE.findall(written)):
        if text not in texts:
            try:
                alone = parse_value(text).alone
            except ValueInvalid:
                continue
            if alone is not None:
                found[text] = shorten(_expression(alone, said), 120)
    return found


def settings_in_words(obj: Any, names: Names) -> Any:
    """Return settings (a text, list or dict at any depth) with every ``{{ … }}`` in words; the rest as it is."""
    match obj:
        case str() if "{{" in obj:
            return _VALUE.sub(lambda found: value_in_words(found[0], names), obj)
        case list():
            return [settings_in_words(each, names) for each in obj]
        case dict():
            return {key: settings_in_words(each, names) for key, each in obj.items()}
    return obj


def condition_in_words(tree: object, names: Names) -> str:
    """Return a condition as a clause: "the answer “Price” is more than 30,000 and …"."""
    return _condition(tree, names, is_inner=False)


def _condition(tree: object, names: Names, *, is_inner: bool) -> str:
    if not isinstance(tree, Mapping):
        return "nothing is chosen yet"
    for word, between in (("all", " and "), ("any", " or ")):
        parts = tree.get(word)
        if isinstance(parts, list):
            said = between.join(_condition(part, names, is_inner=len(parts) > 1) for part in parts)
            return f"({said})" if is_inner and len(parts) > 1 else said
    if "not" in tree:
        return f"it is not so that {_condition(tree['not'], names, is_inner=True)}"
    operator = OPERATORS.get(str(tree.get("op")), "is")
    other = "" if "than" not in tree or tree["than"] is None else _other(tree["than"], names)
    return f"{_side(tree.get('value'), names)} {operator} {other}".strip()


def _other(than: object, names: Names) -> str:
    if isinstance(than, list):
        return listed([_side(one, names) for one in than], "or")
    return _side(than, names)


def _side(value: object, names: Names) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return _number(value)
        case str() if "{{" in value:
            return value_in_words(value, names)
        case str():
            return f"“{shorten(value, 80)}”"
    return "nothing" if value is None else "a list"


def _number(value: object) -> str:
    return (
        f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value).lower()
    )


def _expression(expression: Expression, said: Callable[[list[str]], str]) -> str:
    """Say an expression; *said* says a path."""
    match expression:
        case Named(path):
            return said([str(part) for part in path])
        case Part(of, key):
            return f"{_expression(of, said)}, {_part(str(key))}"
        case Filtered(of, name, arguments):
            words = _FILTERS.get((name, len(arguments)), f"{{}}, as {name}")
            if name == "default" and arguments == (Constant(""),):
                words = "{}, if there is one"
            return words.format(
                _expression(of, said), *(_expression(argument, said) for argument in arguments)
            )
        case Constant(value):
            return f"“{shorten(value, 80)}”" if isinstance(value, str) else _number(value)


def _path(path: list[str], names: Names) -> str:
    match path:
        case ["inputs", key, *rest]:
            return f"the answer “{names.question(key)}”" + "".join(f", {_part(part)}" for part in rest)
        case ["steps", step_id, *rest]:
            what = " of ".join(_part(part) for part in reversed(rest)) or "result"
            return f"the {what} of “{names.step(step_id)}”"
        case ["run", fact, *rest]:
            tail = "" if fact == "started_by" or not rest else f", {_part(rest[-1])}"
            return _RUN.get(fact, f"the run’s {_part(fact)}") + tail
        case ["item", *rest]:
            return "the item" + "".join(f", {_part(part)}" for part in rest)
        case [root, *rest]:
            return f"the {_part(root)}’s {' '.join(_part(part) for part in rest)}".removesuffix("’s ")
    return "a value"


def _part(key: str) -> str:
    return f"number {int(key) + 1}" if key.isdecimal() and len(key) < 6 else key.replace("_", " ").lower()
