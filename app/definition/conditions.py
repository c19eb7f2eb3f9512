"""Conditions: a tree of ``all``, ``any``, ``not`` and comparisons. Typed, and never guessed.

A comparison is ``{value: "{{ steps.score.value }}", op: gt, than: 80}``. What cannot be told for sure (a missing value,
a wrong type) raises :class:`ConditionUnclear`; a person then decides. An unclear part does not matter where the rest
decides alone: ``all`` with one false part is false, ``any`` with one true part is true.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from app.definition import vehicle
from app.definition.expressions import ValueInvalid, parse_value
from app.definition.problems import Problem, listed, shorten, suggest
from app.definition.value_filters import (
    MissingValue,
    ValueProblem,
    as_json,
    as_text,
    moment_or_none,
    number_or_none,
)
from app.definition.values import Reference, evaluate, has_value, names_in

MAX_DEPTH = 20
ORDER = {"gt": "more than", "gte": "at least", "lt": "less than", "lte": "at most"}
TIME = {"before": "before", "after": "after"}
MEMBER = {"in": "one of", "not_in": "one of"}
TEXT = {"starts_with": "start with", "ends_with": "end with"}
EMPTY = ("is_empty", "is_not_empty")
OPERATORS = (
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "not_in",
    "contains",
    "not_contains",
    *TEXT,
    *EMPTY,
    *TIME,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Tell whether a condition holds, and why in one plain sentence without a full stop."""

    value: bool
    because: str


class ConditionUnclear(Exception):
    """Say why a condition can be answered neither with yes nor with no; *message* is a sentence for staff."""

    def __init__(self, message: str) -> None:
        self.message = message if message.endswith(".") else message + "."
        super().__init__(self.message)


def check_condition(tree: object) -> list[Problem]:
    """Return what is wrong with a condition, with paths relative to it; an empty list when nothing is."""
    return list(_check(tree, 0))


def evaluate_condition(tree: object, scope: Mapping[str, object]) -> Verdict:
    """Answer a condition from *scope* (as in ``values.evaluate``).

    Raises :class:`ConditionUnclear`, and nothing else, whatever *tree* and the values are.
    """
    if problems := check_condition(tree):
        raise ConditionUnclear(f"The condition is not complete: {problems[0].message}")
    assert isinstance(tree, dict)  # check_condition saw to it
    try:
        return _verdict(tree, scope)
    except (ArithmeticError, ValueError, TypeError, RecursionError) as error:
        raise ConditionUnclear("The condition compares values that cannot be compared.") from error


def _as_condition(tree: Any) -> Any:
    if problems := check_condition(tree):
        faults = [problem.as_dict() for problem in problems]
        raise PydanticCustomError(
            "bad_condition", "{message}", {"message": problems[0].message, "problems": faults}
        )
    return tree


Condition = Annotated[dict[str, Any], BeforeValidator(_as_condition)]
"""A field of a step's config that holds a condition; a wrong one is reported with the place inside it."""


# --- checking ------------------------------------------------------------------------------------------------------

_SHAPE = (
    'Write {value: "{{ inputs.price }}", op: gt, than: 30000}, or all, any or not around such comparisons.'
)


def _check(tree: object, depth: int) -> Iterator[Problem]:
    if depth > MAX_DEPTH:
        yield _wrong("", "The condition is nested too deep.", f"Use at most {MAX_DEPTH} levels.")
    elif not isinstance(tree, dict):
        yield _wrong("", "This is not a condition.", _SHAPE)
    elif "all" in tree or "any" in tree:
        yield from _check_group(tree, "all" if "all" in tree else "any", depth)
    elif "not" in tree:
        yield from _check_keys(tree, ("not",))
        yield from (problem.under("not") for problem in _check(tree["not"], depth + 1))
    else:
        yield from _check_comparison(tree)


def _check_group(tree: dict[Any, Any], word: str, depth: int) -> Iterator[Problem]:
    yield from _check_keys(tree, (word,))
    parts = tree[word]
    if not isinstance(parts, list) or not parts:
        yield _wrong(f"/{word}", f"“{word}” needs a list with at least one condition.", _SHAPE)
        return
    for place, part in enumerate(parts):
        yield from (problem.under(word, place) for problem in _check(part, depth + 1))


def _check_comparison(tree: dict[Any, Any]) -> Iterator[Problem]:
    yield from _check_keys(tree, ("value", "op", "than"))
    op = tree.get("op")
    if "value" not in tree:
        yield _wrong("/value", "Nothing to compare yet.", "Choose what to look at.")
    if not isinstance(op, str) or op not in OPERATORS:
        fix = suggest(
            str(op)[:60] if isinstance(op, str) else "",
            OPERATORS,
            f"Use one of {listed(OPERATORS, 'or', 20)}.",
        )
        yield _wrong("/op", "The comparison does not say how to compare.", fix)
    elif op in EMPTY and tree.get("than") is not None:
        yield _wrong("/than", f"“{op}” compares with nothing.", "Leave what it is compared with empty.")
    elif op not in EMPTY and ("value" in tree or "than" in tree):
        yield from _check_than(op, tree.get("than"))


def _check_than(op: str, than: object) -> Iterator[Problem]:
    if than is None:
        yield _wrong(
            "/than",
            "Nothing to compare to.",
            "Write what to compare it with, or choose “is empty”.",
        )
    elif has_value(than):
        return
    elif op in MEMBER and not isinstance(than, list):
        yield _wrong("/than", f"“{op}” needs a list.", "Write it like [Honda, Toyota].")
    elif op in ORDER and number_or_none(than) is None and moment_or_none(than) is None:
        yield _wrong(
            "/than", f"“{_shown(than)}” is not a number.", "Write it like 30000, or a date like 2026-11-30."
        )
    elif op in TIME and moment_or_none(than) is None:
        yield _wrong(
            "/than", f"“{_shown(than)}” is not a date.", "Write it like 2026-11-30 or 2026-11-30T09:00:00Z."
        )
    elif op in TEXT and not isinstance(than, str):
        yield _wrong("/than", f"“{op}” needs a text.", "Put it in quotes.")


def _check_keys(tree: dict[Any, Any], known: tuple[str, ...]) -> Iterator[Problem]:
    for key in tree:
        if key not in known:
            fix = suggest(str(key)[:60], known, f"Remove it. Known here: {listed(known)}.")
            yield Problem(
                "", "unknown_key", f"“{shorten(str(key))}” is not known in this condition.", fix
            ).under(str(key))


def _wrong(path: str, message: str, fix: str) -> Problem:
    return Problem(path, "bad_condition", message, fix)


# --- answering -----------------------------------------------------------------------------------------------------


def _verdict(tree: dict[str, Any], scope: Mapping[str, object]) -> Verdict:
    if "not" in tree:
        inner = _verdict(tree["not"], scope)
        return Verdict(not inner.value, inner.because)
    if "all" in tree:
        return _group(tree["all"], scope, decisive=False)
    if "any" in tree:
        return _group(tree["any"], scope, decisive=True)
    return _compare(tree, scope)


def _group(parts: list[Any], scope: Mapping[str, object], *, decisive: bool) -> Verdict:
    """Answer ``all`` (a false part decides) or ``any`` (a true part decides); unclear only where nothing decides."""
    verdicts: list[Verdict] = []
    unclear: ConditionUnclear | None = None
    for part in parts:
        try:
            verdict = _verdict(part, scope)
        except ConditionUnclear as error:
            unclear = unclear or error
            continue
        if verdict.value is decisive:
            return verdict
        verdicts.append(verdict)
    if unclear:
        raise unclear
    reasons = [verdict.because for verdict in verdicts[:3]]
    more = len(verdicts) - len(reasons)
    return Verdict(not decisive, " and ".join(reasons) + (f" and {more} more" if more else ""))


def _compare(tree: dict[str, Any], scope: Mapping[str, object]) -> Verdict:
    op, name = tree["op"], _label(tree["value"])
    try:
        value = vehicle.said(evaluate(tree["value"], scope))
    except MissingValue as missing:
        if op not in EMPTY:
            raise ConditionUnclear(missing.message) from missing
        value = None
    except ValueProblem as problem:
        raise ConditionUnclear(problem.message) from problem
    if op in EMPTY:
        return _empty(op, name, value)
    try:
        than = vehicle.said(evaluate(tree["than"], scope))
    except ValueProblem as problem:
        raise ConditionUnclear(problem.message) from problem
    if value is None or than is None:
        raise ConditionUnclear(f"{_capital(name if value is None else _label(tree['than']))} has no value.")
    holds = _TESTS[op](name, value, than)
    return Verdict(holds, f"{_said(name, value)} {_words(op, holds)} {_shown_all(than)}")


def _empty(op: str, name: str, value: object) -> Verdict:
    if not (
        value is None or isinstance(value, str | list | tuple | dict | bool | int | float | Decimal | date)
    ):
        raise ConditionUnclear(f"{_capital(name)} is not text, a number or a list.")
    empty = (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, list | tuple | dict) and not value)
    )
    return Verdict(
        empty is (op == "is_empty"), f"{name} is empty" if empty else f"{_said(name, value)} is not empty"
    )


def _equal(name: str, value: object, than: object) -> bool:
    same = _same(value, than)
    if same is None:
        raise ConditionUnclear(
            f"{_capital(_said(name, value))} is {_kind(value)}, but {_shown(than)} is {_kind(than)}."
        )
    return same


def _same(value: object, than: object) -> bool | None:
    """Tell whether two values are equal; None when they are of kinds that cannot be compared."""
    if isinstance(value, bool) or isinstance(than, bool):
        return value is than if isinstance(value, bool) and isinstance(than, bool) else None
    if isinstance(value, str) and isinstance(than, str):
        return value == than or _same_written(value, than)
    if isinstance(value, list | tuple) and isinstance(than, list | tuple):
        return len(value) == len(than) and all(_same(a, b) is True for a, b in zip(value, than, strict=True))
    if isinstance(value, dict) and isinstance(than, dict):
        return value.keys() == than.keys() and all(_same(value[key], than[key]) is True for key in value)
    if value is None or than is None:
        return value is than
    return _same_exact(value, than)


def _same_exact(value: object, than: object) -> bool | None:
    numbers = number_or_none(value), number_or_none(than)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    if isinstance(value, date) or isinstance(than, date):
        moments = moment_or_none(value), moment_or_none(than)
        return _order(moments[0], moments[1]) == 0 if moments[0] and moments[1] else None
    return None


def _same_written(value: str, than: str) -> bool:
    """Tell whether two texts are one amount or one moment ("28990" and "28990.00"); "007" and "7" are not."""
    numbers = _plain_number(value), _plain_number(than)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    one, other = moment_or_none(value), moment_or_none(than)
    if isinstance(one, datetime) and isinstance(other, datetime) and one.tzinfo and other.tzinfo:
        return one == other
    return False


def _plain_number(text: str) -> Decimal | None:
    """Return the number that *text* is, None where leading zeros show that it is a code."""
    digits = text.removeprefix("-")
    return None if digits[:1] == "0" and digits[1:2] not in ("", ".") else number_or_none(text)


def _ordered(fits: Callable[[int], bool]) -> Callable[[str, object, object], bool]:
    def test(name: str, value: object, than: object) -> bool:
        return fits(_sign(name, value, than))

    return test


def _sign(name: str, value: object, than: object) -> int:
    """Return −1, 0 or 1 as *value* is less than, equal to or more than *than*: numbers, or else dates."""
    numbers = number_or_none(value), number_or_none(than)
    if numbers[0] is not None and numbers[1] is not None:
        return (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
    moments = moment_or_none(value), moment_or_none(than)
    if moments[0] and moments[1]:
        return _order(moments[0], moments[1])
    wrong, called = (value, name) if numbers[0] is None and not moments[0] else (than, "the other side")
    raise ConditionUnclear(f"{_capital(called)} ({_shown(wrong)}) is not a number that can be compared.")


def _timed(fits: Callable[[int], bool]) -> Callable[[str, object, object], bool]:
    def test(name: str, value: object, than: object) -> bool:
        moments = moment_or_none(value), moment_or_none(than)
        if moments[0] is None or moments[1] is None:
            raise ConditionUnclear(
                f"{_capital(name)} cannot be compared: {_shown(than if moments[0] else value)} is not a date."
            )
        return fits(_order(moments[0], moments[1]))

    return test


def _order(one: date | None, other: date | None) -> int:
    """Compare two moments; a date beside a date and time is compared by the day."""
    assert one is not None  # callers looked
    assert other is not None
    if isinstance(one, datetime) and isinstance(other, datetime):
        if one.tzinfo is None or other.tzinfo is None:
            raise ConditionUnclear("A time is given without its time zone.")
        return (one > other) - (one < other)
    days = [moment.date() if isinstance(moment, datetime) else moment for moment in (one, other)]
    return (days[0] > days[1]) - (days[0] < days[1])


def _member(name: str, value: object, than: object) -> bool:
    if not isinstance(than, list | tuple):
        raise ConditionUnclear(f"{_capital(_shown(than))} is not a list that {name} could be in.")
    answers = [_same(value, item) for item in than]
    if answers and all(answer is None for answer in answers):
        raise ConditionUnclear(
            f"{_capital(_said(name, value))} is {_kind(value)}, unlike everything in the list."
        )
    return any(answers)


def _contains(name: str, value: object, than: object) -> bool:
    if isinstance(value, str) and isinstance(than, str):
        return than in value
    if isinstance(value, list | tuple):
        return _member(name, than, value)
    raise ConditionUnclear(
        f"{_capital(_said(name, value))} is {_kind(value)}, so it cannot contain {_shown(than)}."
    )


def _text(fits: Callable[[str, str], bool]) -> Callable[[str, object, object], bool]:
    def test(name: str, value: object, than: object) -> bool:
        if not isinstance(value, str) or not isinstance(than, str):
            raise ConditionUnclear(f"{_capital(_said(name, value))} and {_shown(than)} are not both text.")
        return fits(value, than)

    return test


def _negated(test: Callable[[str, object, object], bool]) -> Callable[[str, object, object], bool]:
    return lambda name, value, than: not test(name, value, than)


_TESTS: dict[str, Callable[[str, Any, Any], bool]] = {
    "eq": _equal,
    "neq": _negated(_equal),
    "gt": _ordered(lambda sign: sign > 0),
    "gte": _ordered(lambda sign: sign >= 0),
    "lt": _ordered(lambda sign: sign < 0),
    "lte": _ordered(lambda sign: sign <= 0),
    "in": _member,
    "not_in": _negated(_member),
    "contains": _contains,
    "not_contains": _negated(_contains),
    "starts_with": _text(str.startswith),
    "ends_with": _text(str.endswith),
    "before": _timed(lambda sign: sign < 0),
    "after": _timed(lambda sign: sign > 0),
}


# --- saying --------------------------------------------------------------------------------------------------------


def _words(op: str, holds: bool) -> str:
    positive = op.removeprefix("not_") if op != "neq" else "eq"
    fact = holds is (op == positive)
    if positive in TEXT or positive == "contains":
        verb = TEXT.get(positive, "contain")
        return (verb.replace(" ", "s ") if " " in verb else verb + "s") if fact else f"does not {verb}"
    known = {**ORDER, **TIME, **MEMBER}
    words = ("is", known[positive]) if positive in known else ("is", "")
    return " ".join(filter(None, (words[0], "" if fact else "not", words[1])))


def _label(text: object) -> str:
    """Name a value as staff would: the last word of its path, or its own text."""
    names = names_in(text)
    if len(names) == 1 and isinstance(text, str) and _alone(text):
        return _name(names[0])
    return "the value" if names else _shown(text)


def _name(reference: Reference) -> str:
    words = [str(part) for part in reference.path if isinstance(part, str)] or [reference.root]
    return words[-1].replace("_", " ") if reference.root != "steps" else " ".join(words).replace("_", " ")


def _alone(text: str) -> bool:
    try:
        return parse_value(text).alone is not None
    except ValueInvalid:
        return False


def _said(name: str, value: object) -> str:
    shown = _shown(value)
    return name if name == shown else f"{name} ({shown})"


def _shown(value: object) -> str:
    try:
        return (
            shorten(as_text(value) if not isinstance(value, list | tuple | dict) else as_json(value))
            or "nothing"
        )
    except (ValueProblem, ArithmeticError, RecursionError):
        return "this value"


def _shown_all(than: object) -> str:
    return (
        listed([_shown(item) for item in than], "or", 5) if isinstance(than, list | tuple) else _shown(than)
    )


def _kind(value: object) -> str:
    match value:
        case bool():
            return "yes or no"
        case int() | float() | Decimal():
            return "a number"
        case str():
            return "text"
        case date():
            return "a date"
        case list() | tuple():
            return "a list"
        case dict():
            return "a record"
    return "nothing that can be compared"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
