"""A definition's values and conditions as people read them: answers by their question, results by their step's name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.definition.parts import Definition, in_words
from app.definition.problems import listed, shorten
from app.definition.values import Constant, Expression, Filtered, Named, Part, ValueInvalid, parse_value

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
    "number": "the run's number",
    "label": "the run's name",
    "url": "the run's address",
    "created_at": "the time of the start",
    "workspace": "the workspace",
    "workflow": "the workflow",
}
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
    if value.alone is not None:
        return _expression(value.alone, names)
    return "".join(
        piece if isinstance(piece, str) else f"[{_expression(piece, names)}]" for piece in value.pieces
    )


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
            return f"{value:,}"
        case str() if "{{" in value:
            return value_in_words(value, names)
        case str():
            return f"“{shorten(value, 80)}”"
    return "nothing" if value is None else "a list"


def _expression(expression: Expression, names: Names) -> str:
    match expression:
        case Named(path):
            return _path([str(part) for part in path], names)
        case Part(of, key):
            return f"{_expression(of, names)}, {_part(str(key))}"
        case Filtered(of, name, arguments):
            said = ", ".join(_expression(argument, names) for argument in arguments)
            return f"{_expression(of, names)} ({name}{' ' + said if said else ''})"
        case Constant(value):
            return _side(value, names)


def _path(path: list[str], names: Names) -> str:
    match path:
        case ["inputs", key, *rest]:
            return f"the answer “{names.question(key)}”" + "".join(f", {_part(part)}" for part in rest)
        case ["steps", step_id, *rest]:
            what = " of ".join(_part(part) for part in reversed(rest)) or "result"
            return f"the {what} of “{names.step(step_id)}”"
        case ["run", fact, *rest]:
            tail = "" if fact == "started_by" or not rest else f", {_part(rest[-1])}"
            return _RUN.get(fact, f"the run's {_part(fact)}") + tail
        case ["item", *rest]:
            return "the item" + "".join(f", {_part(part)}" for part in rest)
        case [root, *rest]:
            return f"the {_part(root)}'s {' '.join(_part(part) for part in rest)}".removesuffix("'s ")
    return "a value"


def _part(key: str) -> str:
    return f"number {int(key) + 1}" if key.isdecimal() and len(key) < 6 else key.replace("_", " ").lower()
