"""Whether data is plain JSON of a bearable size: looked at before anything else reads it (faults F34 and F35)."""

from collections.abc import Iterator
from math import isfinite

from app.definition.problems import Problem, pointer, shorten

MAX_WHOLE = 2**53


def check_shape(data: object, *, most_bytes: int, most_depth: int) -> list[Problem]:
    """Return why *data* cannot be stored as JSON, with a place for every fault; an empty list when it can.

    Looks at each part once, without recursion, and stops as soon as *most_bytes* or *most_depth* is passed. Bytes are
    those of the shortest JSON, give or take escapes.
    """
    problems: list[Problem] = []
    size = 0
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if len(path) >= most_depth and isinstance(value, dict | list):
            return [
                Problem(
                    "", "too_large", f"It is nested more than {most_depth} levels deep.", "Make it flatter."
                )
            ]
        size += _size(value)
        if size > most_bytes:
            return [
                Problem("", "too_large", f"It is larger than {most_bytes // 1024} KiB.", "Make it smaller.")
            ]
        problems += (Problem(pointer(*path), code, message, fix) for code, message, fix in _faults(value))
        if isinstance(value, dict):
            waiting.extend(((*path, shorten(str(key))), part) for key, part in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, place), part) for place, part in enumerate(value))
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


def _faults(value: object) -> Iterator[tuple[str, str, str]]:
    match value:
        case None | bool():
            return
        case str():
            if fault := text_fault(value):
                yield "bad_value", f"The text holds {fault}.", "Type it again."
        case int():
            if abs(value) > MAX_WHOLE:
                yield "out_of_range", "The number is too large.", "Write a smaller number."
        case float():
            if not isfinite(value):
                yield "out_of_range", "This is not a number.", "Write a number."
        case dict():
            for key in value:
                if not isinstance(key, str):
                    yield "wrong_type", f"The key {shorten(repr(key))} is not text.", "Put it in quotes."
                elif text_fault(key):
                    yield "bad_value", f"A key holds {text_fault(key)}.", "Type it again."
        case list():
            return
        case _:
            yield "wrong_type", "This is not text, a number, yes or no, or a list.", "Put it in quotes."


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
