"""JSON values as people write them in one field, and back: what was written is read as the very same value.

A text stands for itself; what would be read as something else (a number, yes or no, a list) is put in quotes.
"""

import json
import re
from collections.abc import Callable
from typing import Any

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_GROUPED = re.compile(r"-?\$?\d{1,3}(,\d{3})+(\.\d+)?|-?\$\d+(\.\d+)?")
_PART = re.compile(r"""\s*(\{\{.*?\}\}[^,]*|"(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|$)""", re.DOTALL)
_MOST_DIGITS = 300
_SPAN = re.compile(
    r"(\d+(?:\.\d+)?)\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:eeks?)?)\b",
    re.IGNORECASE,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def write(value: Any) -> str:
    """Write any JSON value so that :func:`read` gives it back."""
    return _nicest(value, read, [value] if isinstance(value, str) else [])


def read(text: str) -> Any:
    """Read what a person wrote: a number, true, false, null, JSON in brackets or quotes, else the text itself."""
    text = text.strip()
    if text in ("true", "false", "null") or text[:1] in ('"', "[", "{") or _is_number(text):
        try:
            return json.loads(text, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return text
    return text


def write_list(value: Any) -> str:
    """Write the items of a list with commas between them; what is no list as :func:`write` does."""
    if not isinstance(value, list):
        return write(value)
    return _nicest(value, read_list, [", ".join(map(_write_item, value))])


def read_list(text: str) -> Any:
    """Read a list as people write it (``Honda, Toyota``); one value ``{{ … }}`` alone is not put into a list."""
    text = text.strip()
    if text[:1] == "[" or (text[:2] == "{{" and text.find("}}") == len(text) - 2):
        return read(text)
    parts, place = [], 0
    while place < len(text):
        found = _PART.match(text, place)
        if found is None or found.end() == place:
            return [read(text)]
        parts.append(found[1])
        place = found.end()
    return [read(part) for part in parts if part.strip()]


def read_amount(text: str) -> Any:
    """Read like :func:`read`, and amounts as people write them too: ``$30,000`` is 30000."""
    bare = text.strip()
    return read(bare.replace(",", "").replace("$", "") if _GROUPED.fullmatch(bare) else bare)


def read_seconds(text: str) -> Any:
    """Read like :func:`read_amount`, and lengths of time in seconds: ``3 days``, ``1 h 30 min``."""
    found = _SPAN.findall(text)
    if not found or len(text) > _MOST_DIGITS or _SPAN.sub("", text).replace("and", "").strip(" ,"):
        return read_amount(text)
    total = sum((float(number) * _SECONDS[unit[0].lower()] for number, unit in found), 0.0)
    return int(total) if total.is_integer() else total


def write_amount(value: Any) -> str:
    """Write a value so that :func:`read_amount` gives it back."""
    return _nicest(value, read_amount, [value] if isinstance(value, str) else [])


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the very same: 1 is not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _write_item(value: Any) -> str:
    return (
        write(value)
        if not isinstance(value, str) or "," not in value
        else json.dumps(value, ensure_ascii=False)
    )


def _nicest(value: Any, back: Callable[[str], Any], tries: list[str]) -> str:
    for text in tries:
        if text and "\r" not in text and text == text.strip() and same(back(text), value):
            return text
    return json.dumps(value, ensure_ascii=False)


def _is_number(text: str) -> bool:
    return len(text) < _MOST_DIGITS and _NUMBER.fullmatch(text) is not None
