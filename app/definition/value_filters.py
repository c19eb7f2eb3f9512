"""The filters that a value may go through, and how a value reads inside text. Pure functions on plain data."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.definition import tables, vehicle
from app.definition.problems import shorten

MAX_TEXT = 256 * 1024
MAX_NUMBER = 10**15
MAX_WHOLE = 2**53


class ValueProblem(Exception):
    """Say in staff words why a value cannot be worked out; *message* is the sentence."""

    def __init__(self, message: str) -> None:
        self.message = message if message.endswith(".") else message + "."
        super().__init__(self.message)


class MissingValue(ValueProblem):
    """Say what is named but not there. The filter ``default`` stands in for it."""


class UnusableValue(ValueProblem):
    """Say that a value is there but of a kind that cannot be used so, or too large."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Hold one filter: its function, how many arguments it takes, an example, and a check of constant arguments."""

    run: Callable[..., Any]
    least: int
    most: int
    example: str
    kinds: tuple[type, ...] = ()

    def check(self, constants: Sequence[object]) -> str:
        """Return what is wrong with constant arguments (None: not a constant) in one sentence, or ""."""
        for constant, kind in zip(constants, self.kinds, strict=False):
            if constant is not None and (isinstance(constant, bool) or not isinstance(constant, kind)):
                return "That filter needs " + ("a whole number." if kind is int else "text in quotes.")
        return ""


def apply(name: str, value: Any, arguments: Sequence[Any], zone: str = "") -> Any:
    """Return *value* after the filter *name*. Raises :class:`ValueProblem`, never anything else.

    What writes dates and times writes them in *zone* ("America/New_York"); as they stand where none is known.
    """
    known = FILTERS[name]
    if zone and name in ("date", "datetime"):
        value = _in_zone(value, zone)
    if fault := known.check(arguments):
        raise UnusableValue(fault)
    try:
        return known.run(value, *arguments)
    except (ArithmeticError, ValueError, TypeError, RecursionError) as error:
        raise UnusableValue(f"“{_shown(value)}” cannot go through the filter “{name}”") from error


def as_text(value: object) -> str:
    """Return how a value reads inside text. Raises :class:`UnusableValue` for what is not plain data."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case int():
            if abs(value) >= 10**300:
                raise UnusableValue("The number is too large")
            return str(value)
        case float():
            if not isfinite(value):
                raise UnusableValue("The value is not a number")
            return str(int(value)) if value.is_integer() and abs(value) < MAX_NUMBER else repr(value)
        case Decimal():
            return _fixed(value)
        case date():
            return value.isoformat()
        case list() | tuple() if not any(isinstance(item, dict | list | tuple) for item in value):
            return ", ".join(map(as_text, value))
        case dict() | list() | tuple():
            return vehicle.in_words(value) if vehicle.is_vehicle(value) else as_json(value)
    raise UnusableValue("The value is not text, a number, a date or a list")


def as_json(value: object) -> str:
    """Return a value as JSON on one line; amounts and dates become text."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (ValueError, TypeError, RecursionError, ArithmeticError) as error:
        raise UnusableValue("The value cannot be written as JSON") from error
    return _bounded(text)


def as_number(value: object) -> Decimal:
    """Return a number, or text that is one ("28990", "28,990.00"), exactly. Raises :class:`UnusableValue`."""
    number = number_or_none(value)
    if number is None:
        raise UnusableValue(f"“{_shown(value)}” is not a number")
    return number


def number_or_none(value: object) -> Decimal | None:
    """Return a finite number of at most 40 digits exactly, or None for everything else, yes/no included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if value.bit_length() <= 128 else None
    if isinstance(value, float):
        return Decimal(repr(value)) if isfinite(value) and abs(value) < 1e40 else None
    if isinstance(value, Decimal):
        return (
            value
            if value.is_finite() and abs(value.adjusted()) <= 40 and len(value.as_tuple().digits) <= 60
            else None
        )
    if isinstance(value, str) and len(value) <= 60 and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip().replace(",", ""))
    return None


def moment_or_none(value: object) -> date | datetime | None:
    """Return a date, or a date and time, from either or from ISO 8601 text; None for everything else."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or len(value) > 40:
        return None
    text = value.strip()
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        return None


def _in_zone(value: object, zone: str) -> object:
    moment = moment_or_none(value)
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return value
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OverflowError):
        return value


_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,40})(?:\.[0-9]{1,20})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)
_WORD = re.compile(r"[^\s\-(\[{<]+")
_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_TOKEN = re.compile(r"%(-?[A-Za-z%])")


def _title(value: object) -> str:
    return _WORD.sub(lambda word: word[0][:1].upper() + word[0][1:].lower(), as_text(value))


def _int(value: object, otherwise: Any = None) -> Any:
    number = number_or_none(value)
    if number is None and otherwise is not None:
        return otherwise
    whole = int(as_number(value))
    if abs(whole) > MAX_WHOLE:
        raise UnusableValue("The number is too large")
    return whole


def _float(value: object, otherwise: Any = None) -> Any:
    number = number_or_none(value)
    return otherwise if number is None and otherwise is not None else float(as_number(value))


def _round(value: object, digits: int = 0) -> int | float:
    if not 0 <= digits <= 10:
        raise UnusableValue("A number is rounded to 0 to 10 digits")
    number = as_number(value)
    if abs(number) > MAX_WHOLE:
        raise UnusableValue("The number is too large")
    rounded = number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return float(rounded) if digits else int(rounded)


def _length(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, str | list | tuple | dict):
        return len(value)
    raise UnusableValue(f"“{_shown(value)}” has no length")


def _join(value: object, between: str = ", ") -> str:
    if isinstance(value, str) or value is None:
        return as_text(value)
    if not isinstance(value, list | tuple):
        raise UnusableValue(f"“{_shown(value)}” is not a list")
    if len(between) * len(value) > MAX_TEXT:
        raise UnusableValue("The text comes to more than 256 KiB")
    return _bounded(between.join(map(as_text, value)))


def _end(place: int) -> Callable[[object], Any]:
    def pick(value: object) -> Any:
        if not isinstance(value, str | list | tuple):
            raise UnusableValue(f"“{_shown(value)}” is not a list")
        if not value:
            raise MissingValue("The list is empty, so it has no first or last")
        return value[place]

    return pick


def _rows(value: object) -> list[dict[str, str]]:
    if value is None or value == "":
        return []
    if not isinstance(value, str):
        raise UnusableValue(f"“{_shown(value)}” is not a table")
    try:
        return tables.read(value).records()
    except tables.TableInvalid as invalid:
        raise UnusableValue(f"This is not a table. {invalid}") from invalid


def _replace(value: object, old: str, new: str) -> str:
    text = as_text(value)
    if not old:
        raise UnusableValue("The filter “replace” needs a text to look for")
    if text.count(old) * len(new) > MAX_TEXT:
        raise UnusableValue("The text comes to more than 256 KiB")
    return text.replace(old, new)


def _date(value: object, form: str = "%-d %B %Y") -> str | None:
    if value is None or value == "":
        return None  # no answer stays none, for “default”
    moment = moment_or_none(value)
    if moment is None:
        raise UnusableValue(f"“{_shown(value)}” is not a date")
    return _bounded(_TOKEN.sub(lambda token: _date_part(moment, token[1]), form[:100]))


def _datetime(value: object, form: str = "") -> str | None:
    moment = moment_or_none(value)
    if form or moment is None:
        return _date(value, form)
    mark = " UTC" if isinstance(moment, datetime) and moment.tzinfo is UTC else ""  # nobody's zone: it says so
    return _date(moment, f"%A %-d %B %Y, %H:%M{mark}" if isinstance(moment, datetime) else "%A %-d %B %Y")


def _date_part(moment: date, token: str) -> str:
    hour, minute = (moment.hour, moment.minute) if isinstance(moment, datetime) else (0, 0)
    parts = {
        "Y": f"{moment.year:04}", "m": f"{moment.month:02}", "d": f"{moment.day:02}", "y": f"{moment.year % 100:02}",
        "-m": str(moment.month), "-d": str(moment.day), "H": f"{hour:02}", "M": f"{minute:02}", "-H": str(hour),
        "I": f"{(hour - 1) % 12 + 1:02}", "-I": str((hour - 1) % 12 + 1), "p": "AM" if hour < 12 else "PM",
        "B": _MONTHS[moment.month - 1], "b": _MONTHS[moment.month - 1][:3],
        "A": _DAYS[moment.weekday()], "a": _DAYS[moment.weekday()][:3], "%": "%",
    }  # fmt: skip
    if token not in parts:
        raise UnusableValue(f"“%{token}” is not a part of a date")
    return parts[token]


def _money(value: object, sign: str = "$") -> str | None:
    if value is None or value == "":
        return None
    number = as_number(value)
    if abs(number) > 10**20:
        raise UnusableValue("The number is too large")
    amount = number.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{'-' if amount < 0 else ''}{sign[:5]}{abs(amount):,.2f}"


def _truncate(value: object, most: int = 255, end: str = "…") -> str:
    text = as_text(value)
    if not 1 <= most <= MAX_TEXT:
        raise UnusableValue("A text is cut to 1 to 262,144 characters")
    if len(text) <= most:
        return text
    cut = text[: max(most - len(end), 0)]
    if text[len(cut)] != " " and " " in cut:
        cut = cut[: cut.rindex(" ")]
    return (cut.rstrip() + end)[:most]


def _fixed(value: Decimal) -> str:
    if number_or_none(value) is None:
        raise UnusableValue("The number is too large")
    return format(value, "f")


def _plain(value: object) -> str:
    if isinstance(value, Decimal | date):
        return as_text(value)
    raise TypeError


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise UnusableValue("The text comes to more than 256 KiB")
    return text


def _shown(value: object) -> str:
    try:
        return shorten(as_text(value))
    except ValueProblem:
        return "this value"


FILTERS: dict[str, Filter] = {
    "upper": Filter(lambda value: as_text(value).upper(), 0, 0, "{{ inputs.name | upper }}"),
    "lower": Filter(lambda value: as_text(value).lower(), 0, 0, "{{ inputs.name | lower }}"),
    "title": Filter(_title, 0, 0, "{{ inputs.name | title }}"),
    "trim": Filter(lambda value: as_text(value).strip(), 0, 0, "{{ inputs.name | trim }}"),
    "default": Filter(lambda value, otherwise: value, 1, 1, '{{ inputs.name | default("friend") }}'),
    "int": Filter(_int, 0, 1, "{{ inputs.count | int }}"),
    "float": Filter(_float, 0, 1, "{{ inputs.price | float }}"),
    "round": Filter(_round, 0, 1, "{{ inputs.price | round(2) }}", (int,)),
    "length": Filter(_length, 0, 0, "{{ steps.ads.texts | length }}"),
    "join": Filter(_join, 0, 1, '{{ steps.ads.texts | join(", ") }}', (str,)),
    "rows": Filter(_rows, 0, 0, "{{ inputs.owners | rows }}"),
    "first": Filter(_end(0), 0, 0, "{{ steps.ads.texts | first }}"),
    "last": Filter(_end(-1), 0, 0, "{{ steps.ads.texts | last }}"),
    "replace": Filter(_replace, 2, 2, '{{ inputs.name | replace("a", "b") }}', (str, str)),
    "date": Filter(_date, 0, 1, '{{ inputs.day | date("%-d %B %Y") }}', (str,)),
    "datetime": Filter(_datetime, 0, 1, "{{ inputs.send_at | datetime }}", (str,)),
    "money": Filter(_money, 0, 1, "{{ inputs.price | money }}", (str,)),
    "json": Filter(as_json, 0, 0, "{{ steps.ads.texts | json }}"),
    "truncate": Filter(_truncate, 0, 2, "{{ inputs.offer | truncate(100) }}", (int, str)),
}
