"""Values in text, such as ``{{ inputs.offer | upper }}``: worked out by our own small walker, and what they name.

Nothing but plain data (dict, list, text, numbers, dates) is ever looked into. How a text is read is in ``expressions``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.definition.expressions import (
    Constant,
    Expression,
    Filtered,
    Named,
    Part,
    ValueInvalid,
    check_value,
    parse_value,
)
from app.definition.problems import pointer
from app.definition.value_filters import MissingValue, UnusableValue, ValueProblem, apply, as_text

__all__ = [
    "MAX_OUTPUT_BYTES",
    "MissingValue",
    "Reference",
    "UnusableValue",
    "ValueProblem",
    "as_text",
    "evaluate",
    "has_value",
    "names_in",
    "resolve",
    "texts_in",
]

MAX_OUTPUT_BYTES = 256 * 1024
ROOTS = ("inputs", "steps", "run", "item")


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
