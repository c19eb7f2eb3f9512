"""One answer: cleaned to the type its question asks for and held to its bounds, or refused in words.

What each type becomes: text and choices a text; ``number``, ``integer`` and ``percent`` a number; ``money`` an exact
decimal as text ("28990.00"); ``boolean`` true or false; ``date`` "2026-11-30"; ``datetime`` UTC,
"2026-11-30T14:00:00Z"; ``multi_choice``, ``documents``, ``images`` and ``people`` a list of texts; ``json`` JSON data;
``vehicle`` the parts that :mod:`app.definition.vehicle` names.
An optional question that was not answered is None, a ``boolean`` false.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from app.core import clock
from app.definition import tables, vehicle
from app.definition.parts import MAX_DEPTH, MAX_ITEMS, MAX_JSON_BYTES, Input, InputType
from app.definition.problems import Refused, listed, shorten, suggest
from app.definition.shape import check_shape, text_fault
from app.definition.value_filters import apply, moment_or_none, number_or_none

MAX_WHOLE = 2**53
MAX_CSV_BYTES = 1024 * 1024
MAX_LENGTHS = {
    InputType.TEXT: 2000, InputType.LONG_TEXT: 50_000, InputType.JSON: MAX_JSON_BYTES, InputType.CSV: MAX_CSV_BYTES,
}  # fmt: skip
DATES = (InputType.DATE, InputType.DATETIME)
YEARS = range(1900, 2200)  # who types "26" into a field of a browser for dates gives the year 26
TODAY = "today"  # a bound of dates: the day on which the answer is given


def answer(question: Input, raw: object, now: datetime | None = None) -> Any:
    """Return the typed answer, the question's own where none was given. Raises :class:`Refused`.

    *now* is the moment in the workspace's zone; without it no answer is too early or too late for today.
    """
    value = clean(question, raw)
    _check_today(question, value, now)
    if question.fixed and value is not None and value != clean(question, question.default):
        raise Refused("fixed", f"“{question.label}” is fixed here.", "Leave it out.")
    if value is None and question.default is not None:
        value = clean(question, question.default)
    if value is None and question.required:
        raise Refused("required", f"“{question.label}” needs an answer.", "Answer it.")
    if question.type is InputType.VEHICLE and value is not None:
        return one_vehicle(question, value)
    return False if value is None and question.type is InputType.BOOLEAN else value


def clean(question: Input, raw: object) -> Any:
    """Return the typed answer within its bounds, or None when there is none. Raises :class:`Refused`."""
    if isinstance(raw, str):
        if fault := text_fault(raw):
            raise Refused("bad_value", f"“{question.label}” holds {fault}.", "Type it again.")
        raw = raw.replace("\r\n", "\n").replace("\r", "\n")
        raw = raw if question.type is InputType.CSV else raw.strip()
    if (
        raw is None
        or raw == ""
        or (isinstance(raw, list | tuple) and not raw and question.type is not InputType.JSON)
    ):
        return None
    value = _CLEANERS[question.type](question, raw)
    _check_bounds(question, value)
    return value or None if isinstance(value, str) else value


def one_vehicle(question: Input, value: dict[str, Any]) -> dict[str, Any]:
    """Return a vehicle with what its VIN says. Raises :class:`Refused` for one unnamed, or without a part it needs."""
    ways, found = vehicle.naming(question), vehicle.with_facts(value, clock.now().year)
    faults = [
        Refused("required", f"“{question.label}” needs its {vehicle.called(part)}.", "Fill it in.", part=part.key)
        for part in vehicle.needed(question)
        if found[part.key] is None
    ]
    if question.required and ways and not vehicle.names_one(value):
        message = f"“{question.label}” does not say which vehicle it is."
        faults.insert(0, Refused("bad_value", message, f"Give {listed(ways, 'or')}."))
    if faults:
        raise Refused.of(faults)
    return found


def longest(question: Input) -> int:
    """Return how many characters of an answer are kept at most."""
    return question.max_length or MAX_LENGTHS.get(question.type, 300)


def _text(question: Input, raw: object) -> str:
    if not isinstance(raw, str):
        raise Refused("wrong_type", f"“{question.label}” must be text.", "Write it in words.")
    most = longest(question)
    if len(raw) > most:
        raise Refused(
            "too_large",
            f"“{question.label}” has {len(raw):,} characters; {most:,} is the limit.",
            "Make it shorter.",
        )
    return raw


def _line(question: Input, raw: object) -> str:
    text = _text(question, raw)
    if "\n" in text:
        raise Refused("bad_value", f"“{question.label}” must be one line.", "Remove the line breaks.")
    return text


def _number(question: Input, raw: object) -> int | float:
    number = number_or_none(raw)
    if number is None or abs(number) > MAX_WHOLE:
        raise Refused("wrong_type", f"{_said(raw)} is not a number.", "Write it like 12 or 12.5.")
    return int(number) if number == number.to_integral_value() else float(number)


def _integer(question: Input, raw: object) -> int:
    number = number_or_none(raw)
    if number is None or number != number.to_integral_value():
        raise Refused("wrong_type", f"{_said(raw)} is not a whole number.", "Write it like 12.")
    if abs(number) > MAX_WHOLE:
        raise Refused("out_of_range", f"{_said(raw)} is too large.", "Write a smaller number.")
    return int(number)


def _money(question: Input, raw: object) -> str:
    text = raw.removeprefix("$").strip() if isinstance(raw, str) else raw
    amount = number_or_none(text)
    if amount is not None and (abs(amount) > 10**13 or (amount < 0 and question.min is None)):
        raise Refused("out_of_range", f"${text} cannot be a price.", "Write it like 28990 or 28,990.00.")
    if amount is None or amount != amount.quantize(Decimal("0.01")):
        said = f"${text}" if isinstance(text, str) else _said(raw)
        raise Refused("wrong_type", f"{shorten(said)} is not a price.", "Write it like 28990 or 28,990.00.")
    return str(amount.quantize(Decimal("0.01")))


def _percent(question: Input, raw: object) -> int | float:
    number = number_or_none(raw.removesuffix("%").strip() if isinstance(raw, str) else raw)
    if number is None or abs(number) > 10**6:
        raise Refused("wrong_type", f"{_said(raw)} is not a percentage.", "Write it like 4.9.")
    if (number < 0 and question.min is None) or (number > 100 and question.max is None):
        raise Refused("out_of_range", f"{_said(raw)} is not between 0 and 100.", "Write it like 4.9.")
    return int(number) if number == number.to_integral_value() else float(number)


_YES, _NO = frozenset(("true", "yes", "on", "1", "y")), frozenset(("false", "no", "off", "0", "n"))


def _boolean(question: Input, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    word = raw.lower() if isinstance(raw, str) else ""
    if word not in _YES | _NO:
        raise Refused("wrong_type", f"{_said(raw)} is neither yes nor no.", "Answer yes or no.")
    return word in _YES


def _date(question: Input, raw: object) -> str:
    moment = moment_or_none(raw)
    if moment is None or isinstance(moment, datetime):
        raise Refused("wrong_type", f"{_said(raw)} is not a date.", "Write it like 2026-11-30.")
    _check_year(moment)
    return moment.isoformat()


def _datetime(question: Input, raw: object) -> str:
    moment = moment_or_none(raw)
    if not isinstance(moment, datetime):
        raise Refused(
            "wrong_type", f"{_said(raw)} is not a date and time.", "Write it like 2026-11-30T09:00:00-05:00."
        )
    if moment.tzinfo is None:
        raise Refused(
            "bad_value",
            f"{_said(raw)} does not say its time zone.",
            "Add it, like 2026-11-30T09:00:00-05:00.",
        )
    _check_year(moment)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _check_year(moment: date) -> None:
    if moment.year not in YEARS:
        fix = f"Write all of the year, from {YEARS[0]} to {YEARS[-1]}."
        raise Refused("out_of_range", f"The year {moment.year} cannot be meant.", fix)


def _choice(question: Input, raw: object) -> str:
    if not isinstance(raw, str) or raw not in question.choices:
        fix = suggest(
            raw if isinstance(raw, str) else "", question.choices, f"Choose {listed(question.choices, 'or')}."
        )
        raise Refused("bad_value", f"{_said(raw)} is not one of the choices.", fix)
    return raw


def _many(one: Callable[[Input, object], str]) -> Callable[[Input, object], list[str]]:
    """Return a cleaner for a list of what *one* cleans; a single one is taken as a list; repetition goes."""

    def clean(question: Input, raw: object) -> list[str]:
        items = list(raw) if isinstance(raw, list | tuple) else [raw]
        if len(items) > MAX_ITEMS:
            raise Refused(
                "too_large",
                f"“{question.label}” has {len(items)} of them; {MAX_ITEMS} is the limit.",
                "Leave some out.",
            )
        for item in items:
            if isinstance(item, str) and (fault := text_fault(item)):
                raise Refused("bad_value", f"“{question.label}” holds {fault}.", "Type it again.")
        return list(
            dict.fromkeys(one(question, item.strip() if isinstance(item, str) else item) for item in items)
        )

    return clean


def _people(question: Input, raw: object) -> list[str]:
    if isinstance(raw, str):
        raw = [part for part in re.split(r"[,;\s]+", raw) if part]
    return _many(_email)(question, raw)


_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}",
    re.ASCII,
)
"""WHATWG HTML's address, with at least one dot in the domain; RFC 5321 allows 254 characters in all."""


def _email(question: Input, raw: object) -> str:
    local, _, domain = raw.rpartition("@") if isinstance(raw, str) else ("", "", "")
    dots = local.startswith(".") or local.endswith(".") or ".." in local
    if not isinstance(raw, str) or len(raw) > 254 or dots or not _EMAIL.fullmatch(raw):
        raise Refused(
            "bad_value", f"{_said(raw)} is not an e-mail address.", "Write it like name@example.com."
        )
    return f"{local}@{domain.lower()}"


def _phone(question: Input, raw: object) -> str:
    digits = re.sub(r"[\s().\-/]", "", raw) if isinstance(raw, str) and len(raw) <= 40 else ""
    if not re.fullmatch(r"\+?[0-9]{7,15}", digits, re.ASCII):
        raise Refused("bad_value", f"{_said(raw)} is not a phone number.", "Write it like +1 555 010 2030.")
    return " ".join(str(raw).split())


_BARE_ADDRESS = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,63}(?::[0-9]+)?(?:[/?#].*)?")
"""What people type without https:// in front: "www.example.com/offer"."""


def _url(question: Input, raw: object) -> str:
    text = raw if isinstance(raw, str) and len(raw) <= 2048 else ""
    if _BARE_ADDRESS.fullmatch(text):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        fine = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and not parts.username
            and parts.port != 0
        )
    except ValueError:
        fine = False
    if not fine or any(mark.isspace() or mark in '<>"\\^`{|}' for mark in text):
        raise Refused(
            "bad_value", f"{_said(raw)} is not a web address.", "Write it like https://example.com/offer."
        )
    return text


_VIN_VALUES = {mark: value for marks, value in zip(
    ("0", "1AJ", "2BKS", "3CLT", "4DMU", "5ENV", "6FW", "7GPX", "8HY", "9RZ"), range(10), strict=True
) for mark in marks}  # fmt: skip
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def _vin(question: Input, raw: object) -> str:
    """Clean a vehicle identification number; the check digit is that of 49 CFR 565.15(c)."""
    text = raw.upper().replace(" ", "").replace("-", "") if isinstance(raw, str) and len(raw) <= 40 else ""
    if len(text) != 17:
        raise Refused(
            "bad_value",
            f"{_said(raw)} has {len(text)} characters; a VIN has 17.",
            "Read it again from the car.",
        )
    if wrong := [mark for mark in text if mark not in _VIN_VALUES]:
        message = f"A VIN has no “{shorten(wrong[0])}”."
        raise Refused("bad_value", message, "Use digits and letters without I, O and Q.")
    rest = sum(_VIN_VALUES[mark] * weight for mark, weight in zip(text, _VIN_WEIGHTS, strict=True)) % 11
    if text[8] != "0123456789X"[rest]:
        message = f"“{text}” is not a VIN: its check digit, the 9th, should be {'0123456789X'[rest]}."
        raise Refused("bad_value", message, "Read it again from the car.")
    return text


def _identity(question: Input, raw: object) -> str:
    if not isinstance(raw, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", raw, re.ASCII):
        raise Refused("bad_value", f"{_said(raw)} is not the id of one.", "Choose it from the list.")
    return raw


def _csv(question: Input, raw: object) -> str:
    if not isinstance(raw, str):
        raise Refused(
            "wrong_type", f"“{question.label}” must be a table as text.", "Paste it, or upload a CSV file."
        )
    if len(raw.encode("utf-8")) > MAX_CSV_BYTES or (question.max_length and len(raw) > question.max_length):
        most = f"{question.max_length:,} characters" if question.max_length else "1 MB"
        raise Refused("too_large", f"“{question.label}” is larger than {most}.", "Split the file.")
    if not raw.strip():
        return ""
    if question.columns:
        _check_columns(question, raw)
    return raw


def _check_columns(question: Input, raw: str) -> None:
    try:
        table = tables.read(raw)
    except tables.TableInvalid as invalid:
        raise Refused("bad_value", f"“{question.label}” is no table. {invalid}", "Choose another file.") from invalid
    missing = [name for name in question.columns if name not in table.headings]
    if missing:
        message = f"“{question.label}” has no column {listed(missing)}."
        raise Refused("columns", message, f"Its columns are {listed(table.headings)}: say which is which.")
    if not table.rows:
        raise Refused("bad_value", f"“{question.label}” has headings and no rows.", "Choose another file.")


def _json(question: Input, raw: object) -> Any:
    value = _json_text(question, raw) if isinstance(raw, str) else raw
    for problem in check_shape(value, most_bytes=MAX_JSON_BYTES, most_depth=MAX_DEPTH):
        raise Refused(problem.code, f"“{question.label}”: {problem.message}", problem.fix)
    return value


def _json_text(question: Input, text: str) -> Any:
    def refuse(_: str) -> Any:
        raise ValueError

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    if len(text) > MAX_JSON_BYTES:
        raise Refused("too_large", f"“{question.label}” is larger than 256 KiB.", "Make it smaller.")
    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        message = f"“{question.label}” is not JSON, or names a key twice."
        raise Refused("wrong_type", message, 'Write it like {"key": "value"}.') from error


def _vehicle(question: Input, raw: object) -> dict[str, Any] | None:
    """Clean a vehicle: its parts, the same as JSON text, or its VIN alone."""
    if isinstance(raw, str):
        raw = _json_text(question, raw) if raw.startswith("{") else {"vin": raw}
    return vehicle.cleaned(raw, clean)


_CLEANERS: dict[InputType, Callable[[Input, Any], Any]] = {
    InputType.TEXT: _line,
    InputType.LONG_TEXT: _text,
    InputType.NUMBER: _number,
    InputType.INTEGER: _integer,
    InputType.MONEY: _money,
    InputType.PERCENT: _percent,
    InputType.BOOLEAN: _boolean,
    InputType.DATE: _date,
    InputType.DATETIME: _datetime,
    InputType.CHOICE: _choice,
    InputType.MULTI_CHOICE: _many(_choice),
    InputType.EMAIL: _email,
    InputType.PHONE: _phone,
    InputType.URL: _url,
    InputType.VIN: _vin,
    InputType.DOCUMENT: _identity,
    InputType.DOCUMENTS: _many(_identity),
    InputType.IMAGE: _identity,
    InputType.IMAGES: _many(_identity),
    InputType.PEOPLE: _people,
    InputType.CSV: _csv,
    InputType.JSON: _json,
    InputType.VEHICLE: _vehicle,
}


def _said(raw: object) -> str:
    """Quote an answer for a message; what is neither text nor number is only pointed at."""
    return f"“{shorten(str(raw))}”" if isinstance(raw, str | float | Decimal) or _is_small(raw) else "This"


def _is_small(raw: object) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool) and raw.bit_length() <= 256


# --- bounds --------------------------------------------------------------------------------------------------------

_VALUES = (InputType.NUMBER, InputType.INTEGER, InputType.MONEY, InputType.PERCENT)


def bound_of(question: Input, bound: object) -> Any:
    """Return what a question's *min* or *max* means for its type: a number, a moment, or None when it means nothing."""
    if bound is None:
        return None
    if question.type is InputType.DATE:
        moment = moment_or_none(bound)
        return None if isinstance(moment, datetime) else moment
    if question.type is InputType.DATETIME:
        moment = moment_or_none(bound)
        return moment if isinstance(moment, datetime) and moment.tzinfo else None
    return number_or_none(bound)


def is_today(question: Input, bound: object) -> bool:
    """Tell whether a question's *min* or *max* is the day on which it is answered."""
    return question.type in DATES and bound == TODAY


def day_in_words(value: str, now: datetime | None = None) -> str:
    """Return a date, or a date and time in the zone of *now*, as people write it: "26 November 2026"."""
    if isinstance(moment_or_none(value), datetime):
        return str(apply("datetime", value, (), str(now.tzinfo) if now else ""))
    return str(apply("date", value, ()))


def _check_today(question: Input, value: Any, now: datetime | None) -> None:
    moment = moment_or_none(value) if now and question.type in DATES else None
    if moment is None or now is None:
        return
    day = moment.astimezone(now.tzinfo).date() if isinstance(moment, datetime) else moment
    said, today = f"“{question.label}” is {day_in_words(value, now)}", day_in_words(now.date().isoformat())
    if question.min == TODAY and day < now.date():
        raise Refused("out_of_range", f"{said}, which is in the past.", f"Give today, {today}, or a later day.")
    if question.max == TODAY and day > now.date():
        raise Refused("out_of_range", f"{said}, which is still to come.", f"Give today, {today}, or an earlier day.")


def _check_bounds(question: Input, value: Any) -> None:
    least, most = bound_of(question, question.min), bound_of(question, question.max)
    if least is None and most is None:
        return
    size = _measure(question, value)
    if size is None or ((least is None or size >= least) and (most is None or size <= most)):
        return
    unit = (
        "" if question.type in _VALUES + DATES else " characters" if isinstance(value, str) else " of them"
    )
    low, high = ("" if bound is None else _said_as(question, bound) for bound in (least, most))
    no_less, no_more = ("on or after", "on or before") if question.type in DATES else ("at least", "at most")
    allowed = (
        f"from {low} to {high}"
        if None not in (least, most)
        else f"{no_less} {low}"
        if least is not None
        else f"{no_more} {high}"
    )
    given = f"{size}{unit}" if unit else shorten(_said_as(question, value))
    raise Refused("out_of_range", f"“{question.label}” must be {allowed}{unit}.", f"Change it: you gave {given}.")


def _said_as(question: Input, value: Any) -> str:
    """Write a bound, or what was given, as people write it: "$1,000", "30 November 2026"."""
    if question.type is InputType.MONEY:
        return str(apply("money", value, ())).removesuffix(".00")
    return day_in_words(str(value)) if question.type is InputType.DATE else str(value)


def _measure(question: Input, value: Any) -> Any:
    if question.type in _VALUES:
        return number_or_none(value)
    if question.type in DATES:
        return moment_or_none(value)
    return Decimal(len(value)) if isinstance(value, str | list) else None
