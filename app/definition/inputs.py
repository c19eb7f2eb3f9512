"""The questions of a definition and the answers of a run, all of them together; ``answer`` has one by itself."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from app.definition import vehicle
from app.definition.answer import DATES, answer, bound_of, clean, day_in_words, is_today, one_vehicle
from app.definition.parts import Definition, Input, InputType
from app.definition.problems import InputsInvalid, Problem, Refused, listed, pointer, shorten, suggest


def clean_inputs(
    definition: Definition, raw: Mapping[str, object], now: datetime | None = None
) -> dict[str, Any]:
    """Return an answer for every question, typed as ``answer`` says. Raises :class:`InputsInvalid`, all at once.

    *now* is the moment in the workspace's zone; without it no answer is too early or too late for today.
    """
    cleaned: dict[str, Any] = {}
    problems: list[Problem] = []
    known = [question.key for question in definition.inputs]
    for key in raw:
        if key not in known:
            fix = suggest(str(key), known, f"Answer {listed(known)}." if known else "Remove it.")
            problems.append(
                Problem(
                    pointer("inputs", shorten(str(key))),
                    "unknown_key",
                    f"“{shorten(str(key))}” is not asked.",
                    fix,
                )
            )
    for question in definition.inputs:
        try:
            cleaned[question.key] = answer(question, raw.get(question.key), now)
        except Refused as refused:
            problems += (
                Problem(_place(question, fault), fault.code, fault.message, fault.fix) for fault in refused.all
            )
    problems += _out_of_order(definition, cleaned, now)
    if problems:
        raise InputsInvalid(problems)
    return cleaned


def _place(question: Input, fault: Refused) -> str:
    return pointer("inputs", question.key, fault.part) if fault.part else pointer("inputs", question.key)


def names_today(definition: Definition) -> bool:
    """Tell whether a question is bound by the day on which it is answered."""
    return any(is_today(question, bound) for question in definition.inputs for bound in (question.min, question.max))


def _out_of_order(
    definition: Definition, cleaned: Mapping[str, Any], now: datetime | None
) -> Iterable[Problem]:
    """Yield the dates that are earlier than the answer which they may not precede."""
    labels = {question.key: question.label for question in definition.inputs}
    for question in definition.inputs:
        first = cleaned.get(question.not_before or "")
        last = cleaned.get(question.key)
        if question.not_before is not None and first is not None and last is not None and last < first:
            least, given = (day_in_words(each, now) for each in (first, last))
            message = f"“{question.label}” is {given}, before “{labels[question.not_before]}”, {least}."
            yield Problem(pointer("inputs", question.key), "out_of_range", message, f"Give {least} or later.")


def check_questions(data: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong inside the questions of an unchecked definition: keys, choices, bounds, defaults."""
    problems: list[Problem] = []
    types = {str(raw.get("key")): raw.get("type") for _, raw in _questions(data)}
    seen: set[str] = set()
    for place, raw in _questions(data):
        key = raw.get("key")
        if isinstance(key, str) and key in seen:
            message = f"Two questions have the key “{shorten(key)}”."
            problems.append(
                Problem(pointer("inputs", place, "key"), "duplicate", message, "Give each a key of its own.")
            )
        elif isinstance(key, str):
            seen.add(key)
        try:
            question = Input.model_validate(raw)
        except ValidationError:
            continue  # the schema says what is wrong with it
        problems += (problem.under("inputs", place) for problem in _check_question(question))
        other = question.not_before
        if other is not None and (question.type not in DATES or types.get(other) != question.type.value):
            message = f"“{question.label}” cannot be compared with “{shorten(other)}”."
            fix = "Name another question of the same kind of date."
            problems.append(Problem(pointer("inputs", place, "not_before"), "bad_value", message, fix))
    return problems


def types(data: Mapping[str, Any]) -> dict[str, object]:
    """Return the type of each question of an unchecked definition, right or wrong, by its key."""
    return {raw["key"]: raw.get("type") for _, raw in _questions(data) if isinstance(raw.get("key"), str)}


def _questions(data: Mapping[str, Any]) -> Iterable[tuple[int, dict[Any, Any]]]:
    found = data.get("inputs")
    return [
        (place, raw)
        for place, raw in enumerate(found if isinstance(found, list) else [])
        if isinstance(raw, dict)
    ]


def _check_parts(question: Input) -> Iterable[Problem]:
    if question.parts and question.type is not InputType.VEHICLE:
        message = f"“{question.label}” has no parts to ask for."
        yield Problem("/parts", "bad_value", message, "Use the type vehicle, or remove them.")
    elif question.required and question.type is InputType.VEHICLE and not vehicle.naming(question):
        message = f"“{question.label}” must be answered, and asks for nothing that names a vehicle."
        yield Problem("/parts", "bad_value", message, "Ask for its VIN, its stock number, or year, make and model.")
    unasked = [vehicle.called(part) for part in vehicle.needed(question) if part not in vehicle.asked(question)]
    if question.must_have and question.type is not InputType.VEHICLE:
        message = f"“{question.label}” has no parts to have."
        yield Problem("/must_have", "bad_value", message, "Use the type vehicle, or remove them.")
    elif unasked:
        message = f"“{question.label}” must have {listed(unasked)}, for which it does not ask."
        yield Problem("/must_have", "bad_value", message, "Ask for it, or let it be left empty.")


def _check_question(question: Input) -> list[Problem]:
    problems: list[Problem] = []
    choosing = question.type in (InputType.CHOICE, InputType.MULTI_CHOICE)
    if choosing and not question.choices:
        problems.append(
            Problem("/choices", "required", f"“{question.label}” has nothing to choose from.", "Add choices.")
        )
    if question.choices and not choosing:
        problems.append(
            Problem(
                "/choices",
                "bad_value",
                f"“{question.label}” takes no choices.",
                "Use the type choice, or remove them.",
            )
        )
    if len(set(question.choices)) < len(question.choices):
        problems.append(
            Problem(
                "/choices", "duplicate", f"“{question.label}” has a choice twice.", "Remove one of the two."
            )
        )
    if question.columns and question.type is not InputType.CSV:
        message = f"“{question.label}” takes no columns."
        problems.append(Problem("/columns", "bad_value", message, "Use the type csv, or remove them."))
    if len({name.casefold() for name in question.columns}) < len(question.columns):
        message = f"“{question.label}” has a column twice."
        problems.append(Problem("/columns", "duplicate", message, "Remove one of the two."))
    problems += _check_parts(question)
    if question.fixed and question.default is None:
        message = f"“{question.label}” is fixed but has no answer."
        problems.append(Problem("/default", "required", message, "Give the answer that is always used."))
    for name, bound in (("min", question.min), ("max", question.max)):
        if bound is not None and bound_of(question, bound) is None and not is_today(question, bound):
            fix = "Write it like 2026-11-30, or today." if question.type in DATES else "Write a number."
            problems.append(
                Problem(
                    f"/{name}", "wrong_type", f"“{shorten(str(bound))}” is no limit for “{question.label}”.", fix
                )
            )
    least, most = bound_of(question, question.min), bound_of(question, question.max)
    if least is not None and most is not None and type(least) is type(most) and least > most:
        problems.append(
            Problem(
                "/min",
                "out_of_range",
                f"The least of “{question.label}” is more than its most.",
                "Swap the two.",
            )
        )
    if not problems and question.default is not None:
        try:
            _check_default(question)
        except Refused as refused:
            problems += (Problem("/default", fault.code, fault.message, fault.fix) for fault in refused.all)
    return problems


def _check_default(question: Input) -> None:
    """Refuse an answer to begin with that fits no field, or that is fixed and would not be taken."""
    default = clean(question, question.default)
    if question.fixed and question.type is InputType.VEHICLE and default is not None:
        one_vehicle(question, default)
