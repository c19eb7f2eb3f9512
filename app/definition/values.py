"""Values in text, such as ``{{ inputs.offer | upper }}``: read by Jinja's parser, worked out by our own small walker.

Only names, parts, constants and the filters of ``value_filters`` exist; no loop, call, test or attribute walk does, and
nothing but plain data (dict, list, text, numbers, dates) is ever looked into. Text is never rendered by Jinja itself.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from app.definition.problems import Problem, listed, pointer, shorten, suggest
from app.definition.value_filters import FILTERS, MissingValue, UnusableValue, ValueProblem, apply, as_text

__all__ = [
    "MAX_OUTPUT_BYTES",
    "MissingValue",
    "Reference",
    "UnusableValue",
    "Value",
    "ValueInvalid",
    "ValueProblem",
    "as_text",
    "check_value",
    "evaluate",
    "has_value",
    "names_in",
    "parse_value",
    "resolve",
    "texts_in",
]

MAX_OUTPUT_BYTES = 256 * 1024
MAX_NESTING = 20
ROOTS = ("inputs", "steps", "run", "item")


class ValueInvalid(Exception):
    """Refuse a text whose ``{{ … }}`` cannot be read. *problems* have paths relative to the text."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Named:
    """Stand for a value by its path: ``inputs.offer`` is ``("inputs", "offer")``."""

    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """Stand for itself: text, number, yes/no or nothing."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Part:
    """Stand for one part of what a filter gave, as in ``(inputs.people | first).name``."""

    of: "Expression"
    key: str | int


@dataclass(frozen=True, slots=True)
class Filtered:
    """Stand for a value that went through a filter."""

    of: "Expression"
    name: str
    arguments: tuple["Expression", ...]


Expression = Named | Constant | Part | Filtered


@dataclass(frozen=True, slots=True)
class Value:
    """Hold a read text: literal pieces and expressions in their order."""

    pieces: tuple[str | Expression, ...]

    @property
    def alone(self) -> Expression | None:
        """Return the expression when the text is nothing else, so that its type is kept."""
        only = self.pieces[0] if len(self.pieces) == 1 else None
        return None if isinstance(only, str) else only


@dataclass(frozen=True, slots=True)
class Reference:
    """Say that the text at *at* (a JSON pointer inside what was searched) names ``root.path…``."""

    root: str
    path: tuple[str | int, ...]
    at: str = ""
    has_default: bool = False

    @property
    def text(self) -> str:
        """Return the name as it is written: ``steps.ads.texts[0]``."""
        return _written((self.root, *self.path))


def has_value(obj: object) -> bool:
    """Tell whether *obj* is, or holds at any depth, a text with ``{{ … }}``."""
    return any("{{" in text for _, text in texts_in(obj))


def parse_value(text: str) -> Value:
    """Read a text. Raises :class:`ValueInvalid` with every problem in it."""
    if len(text) > MAX_OUTPUT_BYTES:
        raise ValueInvalid([Problem("", "too_large", "The text is longer than 256 KiB.", "Make it shorter.")])
    read = _read(text) if len(text) <= 2048 else _read.__wrapped__(text)
    if isinstance(read, Value):
        return read
    raise ValueInvalid(list(read))


def check_value(text: str) -> list[Problem]:
    """Return what is wrong with a text's ``{{ … }}``; an empty list when nothing is."""
    try:
        parse_value(text)
    except ValueInvalid as invalid:
        return invalid.problems
    return []


def names_in(obj: object) -> list[Reference]:
    """Return every name that the texts in *obj* (a text, list or dict at any depth) use; unreadable texts give none."""
    found: list[Reference] = []
    for at, text in texts_in(obj):
        if "{{" in text and not check_value(text):
            for piece in parse_value(text).pieces:
                if not isinstance(piece, str):
                    found.extend(_references(piece, at, has_default=False))
    return found


def texts_in(obj: object) -> Iterator[tuple[str, str]]:
    """Yield every text in *obj* (dict keys aside) in reading order, with its JSON pointer."""
    waiting: list[tuple[str, object]] = [("", obj)]
    while waiting:
        at, item = waiting.pop()
        if isinstance(item, str):
            yield at, item
        elif isinstance(item, dict):
            waiting.extend((at + pointer(str(key)), value) for key, value in reversed(item.items()))
        elif isinstance(item, list | tuple):
            waiting.extend((at + pointer(place), value) for place, value in reversed(list(enumerate(item))))


def evaluate(obj: object, scope: Mapping[str, object]) -> Any:
    """Return *obj* with every ``{{ … }}`` worked out from *scope* (``inputs steps run item``).

    A text that is nothing but one ``{{ … }}`` becomes the value itself, type kept; in longer text nothing is "", yes/no
    are words, a list of words is joined with commas, other lists and dicts are JSON. Times that a
    filter writes are in the zone of ``run.workspace``. Raises :class:`MissingValue` when something named is not there,
    :class:`UnusableValue` when it does not fit or comes to more than 256 KiB in all.
    """
    return _Evaluation(scope).of(obj, 0)


def resolve(expression: Expression, scope: Mapping[str, object]) -> Any:
    """Return what one expression stands for. Raises as :func:`evaluate` does."""
    match expression:
        case Constant(value):
            return value
        case Named(path):
            return _walk(path, scope)
        case Part(of, key):
            return _pick(resolve(of, scope), key, "the value")
        case Filtered(of, name, arguments):
            return _filtered(of, name, arguments, scope)


# --- working out ---------------------------------------------------------------------------------------------------


class _Evaluation:
    def __init__(self, scope: Mapping[str, object]) -> None:
        self._scope = scope
        self._left = MAX_OUTPUT_BYTES

    def of(self, obj: object, depth: int) -> Any:
        if depth > 64:
            raise UnusableValue("The setting is nested too deep.")
        if isinstance(obj, str):
            return self._text(obj)
        if isinstance(obj, dict):
            return {key: self.of(value, depth + 1) for key, value in obj.items()}
        if isinstance(obj, list | tuple):
            return [self.of(value, depth + 1) for value in obj]
        return obj

    def _text(self, text: str) -> Any:
        try:
            value = parse_value(text)
        except ValueInvalid as invalid:
            raise UnusableValue(invalid.problems[0].message) from invalid
        if value.alone is not None:
            result = resolve(value.alone, self._scope)
            self._spend(_weight(result, self._left))
            return result
        return "".join(map(self._piece, value.pieces))

    def _piece(self, piece: str | Expression) -> str:
        text = piece if isinstance(piece, str) else as_text(resolve(piece, self._scope))
        self._spend(_bytes(text))
        return text

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise UnusableValue("The text with its values comes to more than 256 KiB.")


def _walk(path: tuple[str | int, ...], scope: Mapping[str, object]) -> Any:
    if path[0] not in scope:
        raise MissingValue(f"{_in_words(path)} is not known here")
    current: object = scope[str(path[0])]
    if len(path) > 1 and isinstance(current, Mapping) and not isinstance(current, dict):
        current = dict(current)
    for place, key in enumerate(path[1:], 1):
        if current is None and path[0] == "inputs":
            return None  # what was not answered has no parts: each of them is nothing, too
        current = _pick(current, key, _in_words(path[:place]), whole=path[: place + 1])
    return current


def _pick(value: object, key: str | int, owner: str, whole: tuple[str | int, ...] | None = None) -> Any:
    if isinstance(value, dict) and (key in value or str(key) in value):
        return value[key] if key in value else value[str(key)]
    if isinstance(value, list | tuple) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    missing = _in_words(whole) if whole else f"“{key}” of {owner}"
    if isinstance(value, list | tuple) and isinstance(key, int):
        raise MissingValue(f"{missing} is missing: there are {len(value)}")
    raise MissingValue(f"{missing} is missing")


def _filtered(
    of: Expression, name: str, arguments: tuple[Expression, ...], scope: Mapping[str, object]
) -> Any:
    if name != "default":
        given = [resolve(argument, scope) for argument in arguments]
        return apply(name, resolve(of, scope), given, _zone(scope))
    try:
        value = resolve(of, scope)
    except MissingValue:
        value = None
    return resolve(arguments[0], scope) if value is None or value == "" else value


def _zone(scope: Mapping[str, object]) -> str:
    """Return the zone of the run's workspace; "" where it is not known."""
    run = scope.get("run")
    workspace = run.get("workspace") if isinstance(run, Mapping) else None
    zone = workspace.get("timezone") if isinstance(workspace, Mapping) else None
    return zone if isinstance(zone, str) else ""


def _weight(value: object, most: int) -> int:
    """Count the bytes of text and 8 for every other thing in *value*; stop soon after *most*."""
    total, waiting = 0, [value]
    while waiting and total <= most:
        item = waiting.pop()
        total += _bytes(item) if isinstance(item, str) else 8
        if isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
    return total


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


# --- reading -------------------------------------------------------------------------------------------------------

_NEVER = (
    "\x00\x01"  # what no text may hold: it switches Jinja's comments off, so that "{#" is text like any other
)
_JINJA = Environment(  # noqa: S701 - only its parser is used: nothing is rendered, so nothing can be escaped
    comment_start_string=_NEVER + "c", comment_end_string=_NEVER + "d", keep_trailing_newline=True
)
_PLAIN = re.compile(r"\{\{ ?([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+) ?\}\}")
_ONLY = "Only names, their parts and filters can stand between {{ and }}."


@lru_cache(maxsize=2048)
def _read(text: str) -> Value | tuple[Problem, ...]:
    if "{{" not in text and "{%" not in text:
        return Value((text,))
    if "{%" in text:
        return (
            _bad(
                f"“{_shown(text, '{%')}” is not used here. {_ONLY}", "Remove what stands between {% and %}."
            ),
        )
    plain = _read_plain(text)
    if plain is not None:
        return plain
    if "\x00" in text:
        return (_bad("The text holds a character that cannot be stored.", "Type the text again."),)
    tree = _parse(text)
    if isinstance(tree, Problem):
        return (tree,)
    reading = _Reading()
    pieces = tuple(reading.pieces(tree))
    return tuple(dict.fromkeys(reading.problems)) or Value(pieces)


def _read_plain(text: str) -> Value | None:
    """Read a text whose every ``{{ … }}`` is a plain dotted name, without Jinja: the same answer, 20 times sooner."""
    parts = _PLAIN.split(text)
    literals = parts[::2]
    if any("{{" in literal or "\r" in literal for literal in literals):
        return None
    if any(literal.endswith("{") for literal in literals[:-1]):
        return None
    if any(name.count(".") > MAX_NESTING for name in parts[1::2]):
        return None
    pieces: list[str | Expression] = []
    for place, part in enumerate(parts):
        if place % 2:
            pieces.append(Named(tuple(part.split("."))))
        elif part:
            pieces.append(part)
    return Value(tuple(pieces))


def _parse(text: str) -> nodes.Template | Problem:
    try:
        return Parser(_JINJA, text).parse()
    except TemplateSyntaxError:
        return _bad(f"The value in “{_shown(text, '{{')}” cannot be read.", _HOW)
    except RecursionError:
        return _bad("The value is nested too deep.", "Make it simpler.")
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        return _bad("The value holds a number that is too large.", "Write a smaller number.")


_HOW = "Write it like {{ inputs.offer }}."


def _shown(text: str, start: str) -> str:
    return shorten(text[text.find(start) :], 40)


class _Reading:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def pieces(self, tree: nodes.Template) -> Iterator[str | Expression]:
        for statement in tree.body:
            for node in statement.nodes if isinstance(statement, nodes.Output) else ():
                yield node.data if isinstance(node, nodes.TemplateData) else self.expression(node, 0)

    def expression(self, node: nodes.Node | None, depth: int) -> Expression:
        if depth > MAX_NESTING:
            return self._refuse("The value is nested too deep.", "Make it simpler.")
        match node:
            case nodes.Name():
                return Named((node.name,))
            case nodes.Const() | nodes.Neg():
                return self._constant(node)
            case nodes.Getattr():
                return self._part(self.expression(node.node, depth + 1), node.attr)
            case nodes.Getitem():
                return self._item(node, depth)
            case nodes.Filter():
                return self._filter(node, depth)
            case _:
                return self._refuse(_ONLY, _HOW)

    def _constant(self, node: nodes.Const | nodes.Neg) -> Expression:
        value = node.value if isinstance(node, nodes.Const) else None
        if isinstance(node, nodes.Neg):
            inner = node.node
            if (
                not isinstance(inner, nodes.Const)
                or isinstance(inner.value, bool)
                or not isinstance(inner.value, int | float)
            ):
                return self._refuse(_ONLY, _HOW)
            value = -inner.value
        if isinstance(value, int | float) and not (
            abs(value) <= 2**53 if isinstance(value, int) else isfinite(value)
        ):
            return self._refuse("The value holds a number that is too large.", "Write a smaller number.")
        return Constant(value)

    def _part(self, of: Expression, key: str | int) -> Expression:
        return Named((*of.path, key)) if isinstance(of, Named) else Part(of, key)

    def _item(self, node: nodes.Getitem, depth: int) -> Expression:
        key = self.expression(node.arg, depth + 1)
        if (
            not isinstance(key, Constant)
            or isinstance(key.value, bool)
            or not isinstance(key.value, str | int)
        ):
            return self._refuse(
                "In [ ] only a number or a word in quotes can stand.", "Write it like {{ inputs.list[0] }}."
            )
        return self._part(self.expression(node.node, depth + 1), key.value)

    def _filter(self, node: nodes.Filter, depth: int) -> Expression:
        of = self.expression(node.node, depth + 1)
        arguments = tuple(self.expression(argument, depth + 1) for argument in node.args)
        known = FILTERS.get(node.name)
        if known is None:
            fix = suggest(node.name, FILTERS, f"Use one of {listed(sorted(FILTERS), 'or', 20)}.")
            self._problem("unknown_filter", f"“{shorten(node.name)}” is not a filter.", fix)
        elif (
            node.kwargs or node.dyn_args or node.dyn_kwargs or not known.least <= len(arguments) <= known.most
        ):
            self._refuse(
                f"The filter “{node.name}” is not used like that.", f"Write it like {known.example}."
            )
        elif fault := known.check([a.value if isinstance(a, Constant) else None for a in arguments]):
            self._refuse(fault, f"Write it like {known.example}.")
        return Filtered(of, node.name, arguments)

    def _problem(self, code: str, message: str, fix: str) -> None:
        self.problems.append(Problem("", code, message, fix))

    def _refuse(self, message: str, fix: str) -> Expression:
        self._problem("bad_value", message, fix)
        return Constant(None)


def _bad(message: str, fix: str) -> Problem:
    return Problem("", "bad_value", message, fix)


# --- names ---------------------------------------------------------------------------------------------------------


def _references(expression: Expression, at: str, *, has_default: bool) -> Iterator[Reference]:
    match expression:
        case Named(path):
            yield Reference(str(path[0]), path[1:], at, has_default)
        case Part(of, _):
            yield from _references(of, at, has_default=has_default)
        case Filtered(of, name, arguments):
            yield from _references(of, at, has_default=has_default or name == "default")
            for argument in arguments:
                yield from _references(argument, at, has_default=has_default)


def _written(path: tuple[str | int, ...]) -> str:
    first, *rest = path
    return str(first) + "".join(
        f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]" for key in rest
    )


def _in_words(path: tuple[str | int, ...]) -> str:
    """Name a value in staff words: the answer “offer”, “texts” of the step “ads”, …"""
    root, *rest = path
    deeper = "".join(
        f" {key + 1 if key >= 0 else key}" if isinstance(key, int) else f" “{key}”" for key in rest[1:]
    )
    match root:
        case "inputs" if rest:
            return f"The answer “{rest[0]}”" + (f", part{deeper}," if deeper else "")
        case "steps" if len(rest) > 1:
            return f"The result{deeper} of the step “{rest[0]}”"
        case "steps" if rest:
            return f"The result of the step “{rest[0]}”"
        case _:
            return f"“{_written(path)}”"
