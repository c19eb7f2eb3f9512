"""What changed in a workflow's questions and limits, in sentences: a part of :mod:`app.definition.diff`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.definition import vehicle
from app.definition.amounts import dollars, duration
from app.definition.answer import TODAY
from app.definition.parts import Input, InputType, Limits, in_words
from app.definition.problems import listed, shorten
from app.definition.shape import is_same

_TYPES = {
    InputType.TEXT: "a line of text", InputType.LONG_TEXT: "a longer text", InputType.NUMBER: "a number",
    InputType.INTEGER: "a whole number", InputType.MONEY: "an amount of money", InputType.PERCENT: "a percentage",
    InputType.BOOLEAN: "yes or no", InputType.DATE: "a date", InputType.DATETIME: "a date and time",
    InputType.CHOICE: "one of several choices", InputType.MULTI_CHOICE: "several choices",
    InputType.EMAIL: "an e-mail address", InputType.PHONE: "a phone number", InputType.URL: "a web address",
    InputType.VIN: "a VIN", InputType.DOCUMENT: "a document", InputType.DOCUMENTS: "documents",
    InputType.IMAGE: "a picture", InputType.IMAGES: "pictures", InputType.PEOPLE: "people", InputType.CSV: "a table",
    InputType.JSON: "data", InputType.VEHICLE: "a vehicle",
}  # fmt: skip


def question_label(question: Input) -> str:
    """Return a question as it is quoted."""
    return shorten(question.label or in_words(question.key), 80)


def question_changes(old: Input, new: Input, called: Mapping[str, str]) -> Iterator[str]:
    """Tell what is different about one question; *called* has the questions' labels by their keys."""
    label = f"“{question_label(new)}”"
    for key in type(new).model_fields:
        was, now = getattr(old, key), getattr(new, key)
        if key == "key" or (is_same(was, now) if key == "default" else was == now):
            continue
        say = _SAY.get(key)
        if say is not None:
            yield from say(label, was, now)
        elif key == "not_before":
            yield from _not_before(label, *(each and f"“{called.get(each, in_words(each))}”" for each in (was, now)))
        elif key == "label":
            yield f"The question “{question_label(old)}” now reads {label}."
        else:
            yield f"In the question {label}, “{in_words(key)}” was changed."


def renamed_question(question: Input) -> str:
    """Tell that a question has another short name, and for whom that matters."""
    return (
        f"“{question_label(question)}” has another short name: what answers it by the old one, such as a schedule, "
        "must be changed."
    )


def limit_changes(was: Limits, now: Limits) -> Iterator[str]:
    """Tell what is different about a run's limits."""
    if was.cost_usd != now.cost_usd:
        yield _limit("cost", *(None if usd is None else dollars(usd) for usd in (was.cost_usd, now.cost_usd)))
    if was.minutes != now.minutes:
        yield _limit("work", *(None if m is None else duration(m * 60) for m in (was.minutes, now.minutes)))
    if was.at_once != now.at_once and now.at_once is None:
        yield f"All its steps that spend or send may now be under way at once; it was {was.at_once} at most."
    elif was.at_once != now.at_once:
        before = "" if was.at_once is None else f" instead of {was.at_once}"
        yield f"{now.at_once} of its steps that spend or send may now be under way at once{before}."
    for key in type(now).model_fields:
        if key not in ("cost_usd", "minutes", "at_once") and getattr(was, key) != getattr(now, key):
            yield f"The limit “{in_words(key)}” was changed."


def _limit(verb: str, was: str | None, now: str | None) -> str:
    if now is None:
        return f"There is no limit any more on what a run may {verb}; it was {was}."
    if was is None:
        return f"A run may now {verb} {now} at most; before there was no limit."
    return f"A run may now {verb} {now} at most instead of {was}."


def _type(label: str, was: InputType, now: InputType) -> Iterator[str]:
    yield f"{label} now takes {_TYPES[now]} instead of {_TYPES[was]}."


def _required(label: str, was: bool, now: bool) -> Iterator[str]:
    yield f"{label} must now be answered." if now else f"{label} may now be left empty."


def _default(label: str, was: Any, now: Any) -> Iterator[str]:
    before, after = _answer(was), _answer(now)
    if not after:
        yield f"{label} is no longer filled in with {before}."
    elif not before:
        yield f"{label} is now filled in with {after} at first."
    elif before == after:
        yield f"What {label} is filled in with at first was changed."
    else:
        yield f"{label} is now filled in with {after} at first, instead of {before}."


def _max_length(label: str, was: int | None, now: int | None) -> Iterator[str]:
    if now is None:
        yield f"{label} may now be as long as its kind allows, instead of {was:,} characters."
    else:
        before = f" instead of {was:,}" if was is not None else ""
        yield f"{label} may now have {now:,} characters at most{before}."


def _bound(word: str) -> Callable[[str, Any, Any], Iterator[str]]:
    def say(label: str, was: Any, now: Any) -> Iterator[str]:
        if now == TODAY:
            yield f"{label} must now be today or {'later' if word == 'least' else 'earlier'}."
        elif was == TODAY:
            yield f"{label} may now be {'in the past' if word == 'least' else 'still to come'}."
            if now is not None:
                yield f"{label} is now {now} at {word}."
        elif now is None:
            yield f"{label} has no {word} any more; it was {was}."
        else:
            yield f"{label} is now {now} at {word}" + (f" instead of {was}." if was is not None else ".")

    return say


def _group(label: str, was: str, now: str) -> Iterator[str]:
    if now:
        yield f"{label} is now asked in the group “{shorten(now)}”."
    else:
        yield f"{label} is no longer asked in the group “{shorten(was)}”."


def _choices(label: str, was: list[str], now: list[str]) -> Iterator[str]:
    more = [f"“{shorten(choice)}”" for choice in now if choice not in was]
    gone = [f"“{shorten(choice)}”" for choice in was if choice not in now]
    if more:
        yield f"{label} now offers {listed(more)}{' too' if was else ''}."
    if gone:
        yield f"{label} no longer offers {listed(gone)}."
    if not more and not gone:
        yield f"{label} offers its choices in another order."


def _words(what: str) -> Callable[[str, str, str], Iterator[str]]:
    def say(label: str, was: str, now: str) -> Iterator[str]:
        yield f"{what} {label} was {'added' if not was else 'removed' if not now else 'reworded'}."

    return say


def _columns(label: str, was: list[str], now: list[str]) -> Iterator[str]:
    yield f"The table for {label} must now have the columns {listed(now)}." if now else f"{label} takes any table."


def _parts(label: str, was: list[str], now: list[str]) -> Iterator[str]:
    words = [part.label for key, part in vehicle.PARTS.items() if key in now]
    yield f"{label} now asks of the vehicle: {listed(words)}." if now else f"{label} now asks for all of the vehicle."


def _must_have(label: str, was: list[str], now: list[str]) -> Iterator[str]:
    words = [vehicle.called(part) for key, part in vehicle.PARTS.items() if key in now]
    yield f"{label} now always needs the {listed(words)} of the vehicle." if now else f"{label} needs no part of it."


def _not_before(label: str, was: str | None, now: str | None) -> Iterator[str]:
    if now:
        yield f"{label} may no longer be before {now}" + (f", instead of {was}." if was else ".")
    else:
        yield f"{label} may now be before {was}, too."


def _fixed(label: str, was: bool, now: bool) -> Iterator[str]:
    yield f"{label} is no longer asked: its answer is always the same." if now else f"{label} is asked every time."


_SAY: dict[str, Callable[[str, Any, Any], Iterator[str]]] = {
    "type": _type,
    "required": _required,
    "help": _words("The help below"),
    "placeholder": _words("The example in"),
    "group": _group,
    "default": _default,
    "max_length": _max_length,
    "min": _bound("least"),
    "max": _bound("most"),
    "choices": _choices,
    "columns": _columns,
    "parts": _parts,
    "must_have": _must_have,
    "fixed": _fixed,
}


def _answer(value: Any) -> str:
    match value:
        case None | "" | []:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return listed([_answer(one) for one in value])
        case dict() if value and value.keys() <= vehicle.PARTS.keys():
            return f"“{shorten(vehicle.in_words(value), 80)}”"
        case dict():
            return "data"
    return f"“{shorten(str(value), 80)}”"
