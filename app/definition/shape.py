"""Whether data is plain JSON of a bearable size: looked at before anything else reads it (faults F34 and F35)."""

from math import isfinite
from typing import Any

from app.definition.problems import Problem, pointer, shorten

MAX_WHOLE = 2**53
_NOTHING = object()  # stands for a key that is not there

_Way = tuple[Any, object]  # the way to a part: that of its owner, or None, and the key


def check_shape(data: object, *, most_bytes: int, most_depth: int) -> list[Problem]:
    """Return why *data* cannot be stored as JSON, with a place for every fault; an empty list when it can.

    Looks at each part once, without recursion, and stops as soon as *most_bytes* or *most_depth* is passed. Bytes are
    those of the shortest JSON, give or take escapes.
    """
    problems: list[Problem] = []
    size = 0
    waiting: list[tuple[object, int, _Way | None]] = [(data, 0, None)]
    while waiting:
        value, depth, way = waiting.pop()
        size += _size(value)
        if size > most_bytes:
            return [
                Problem("", "too_large", f"It is larger than {most_bytes // 1024} KiB.", "Make it smaller.")
            ]
        if fault := _fault(value):
            problems.append(Problem(_pointer(way), *fault))
        if not isinstance(value, dict | list):
            continue
        if depth >= most_depth:
            return [
                Problem(
                    "", "too_large", f"It is nested more than {most_depth} levels deep.", "Make it flatter."
                )
            ]
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        waiting.extend((part, depth + 1, (way, key)) for key, part in parts)
    return problems


def text_fault(text: str) -> str:
    """Return which character of *text* cannot be stored, in words, or "": NUL, control characters, half characters."""
    if text.isascii() and text.isprintable():
        return ""
    for mark in text:
        if mark == "\x00" or "\ud800" <= mark <= "\udfff":
            return "a character that cannot be stored"
        if (mark < " " and mark not in "\t\n\r") or mark == "\x7f":
            return "a control character"
    return ""


def places(old: object, new: object) -> set[str]:
    """Return where two plain values differ, as JSON pointers: the innermost that hold something else."""
    found: set[str] = set()
    waiting: list[tuple[str, object, object]] = [("", old, new)]
    while waiting:
        at, one, other = waiting.pop()
        if isinstance(one, dict | list) and repr(one) == repr(other):
            continue  # most of a definition, and much quicker than to look into it
        if isinstance(one, dict) and isinstance(other, dict):
            keys = one.keys() | other.keys()
            waiting += [(at + pointer(str(key)), one.get(key, _NOTHING), other.get(key, _NOTHING)) for key in keys]
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            waiting += [(at + pointer(place), *pair) for place, pair in enumerate(zip(one, other, strict=True))]
        elif one != other or type(one) is not type(other):
            found.add(at)
    return found


def is_same(one: object, other: object) -> bool:
    """Tell whether two plain values are the very same: 1 is neither true nor 1.0."""
    return one == other and not places(one, other)


def _pointer(way: _Way | None) -> str:
    parts: list[str | int] = []
    while way:
        way, key = way
        parts.append(key if isinstance(key, int) else shorten(str(key)))
    return pointer(*reversed(parts))


def _fault(value: object) -> tuple[str, str, str] | None:
    match value:
        case None | bool() | list():
            return None
        case str():
            fault = text_fault(value)
            return ("bad_value", f"The text holds {fault}.", "Type it again.") if fault else None
        case int():
            return (
                ("out_of_range", "The number is too large.", "Write a smaller number.")
                if abs(value) > MAX_WHOLE
                else None
            )
        case float():
            return None if isfinite(value) else ("out_of_range", "This is not a number.", "Write a number.")
        case dict():
            return next(filter(None, map(_key_fault, value)), None)
    return "wrong_type", "This is not text, a number, yes or no, or a list.", "Put it in quotes."


def _key_fault(key: object) -> tuple[str, str, str] | None:
    if not isinstance(key, str):
        return "wrong_type", f"The key {shorten(repr(key))} is not text.", "Put it in quotes."
    fault = text_fault(key)
    return ("bad_value", f"A key holds {fault}.", "Type it again.") if fault else None


def _size(value: object) -> int:
    match value:
        case str():
            return 3 + (len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass")))
        case bool() | None:
            return 5
        case int():
            return 2 + value.bit_length() // 3
        case dict():
            return 2 + sum(2 + _size(key) for key in value if isinstance(key, str))
        case list():
            return 2 + len(value)
        case _:
            return 10
