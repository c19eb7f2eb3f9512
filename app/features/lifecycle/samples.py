"""The sample answers that a test is made from. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from app.core import clock
from app.definition import vehicle
from app.definition.answer import is_today
from app.definition.inputs import clean_inputs
from app.definition.parts import Input, InputType
from app.definition.problems import InputsInvalid
from app.definition.schema import Definition


def answers(
    definition: Definition,
    last: Mapping[str, Any],
    *,
    tester: str,
    documents: Sequence[str] = (),
    images: Sequence[str] = (),
) -> dict[str, Any]:
    """Return an answer for every question that is asked: the last run's, the question's own, else a sample.

    *documents* and *images* are ids of some that are there; the first stands in where one is asked for.
    """
    there = {
        InputType.DOCUMENT: documents,
        InputType.DOCUMENTS: documents,
        InputType.IMAGE: images,
        InputType.IMAGES: images,
    }
    found: dict[str, Any] = {}
    for question in definition.inputs:
        if question.fixed:
            continue
        sample = next(iter(there[question.type]), None) if question.type in there else _made_up(question, tester)
        tried = (last.get(question.key), question.default, sample if question.required else None)
        found[question.key] = next((value for value in tried if _fits(definition, question, value)), None)
    return {key: value for key, value in found.items() if value is not None}


def _fits(definition: Definition, question: Input, value: Any) -> bool:
    if value is None or value in ("", []):
        return False
    alone = definition.model_copy(update={"inputs": [question]})
    try:
        return clean_inputs(alone, {question.key: value})[question.key] is not None
    except InputsInvalid:
        return False


def _made_up(question: Input, tester: str) -> Any:
    make = _SAMPLES.get(question.type)
    value = make(question, tester) if make else f"Sample: {question.label}"
    if isinstance(value, str) and question.max_length:
        return value[: question.max_length]
    return value


def _number(question: Input, _: str) -> Any:
    for bound in (question.min, question.max):
        if bound is not None:
            return bound
    return 10


def _bound(question: Input) -> Any:
    return None if is_today(question, question.min) else question.min


_SAMPLES: dict[InputType, Callable[[Input, str], Any]] = {
    InputType.NUMBER: _number,
    InputType.INTEGER: _number,
    InputType.MONEY: lambda question, _: question.min or "28990.00",
    InputType.PERCENT: _number,
    InputType.BOOLEAN: lambda question, _: True,
    InputType.DATE: lambda question, _: _bound(question) or (clock.now() + timedelta(days=7)).date().isoformat(),
    InputType.DATETIME: lambda question, _: _bound(question) or clock.iso(clock.now() + timedelta(days=7)),
    InputType.CHOICE: lambda question, _: next(iter(question.choices), None),
    InputType.MULTI_CHOICE: lambda question, _: list(question.choices[:1]),
    InputType.EMAIL: lambda question, tester: tester or "sample@example.com",
    InputType.PEOPLE: lambda question, tester: [tester or "sample@example.com"],
    InputType.PHONE: lambda question, _: "+1 555 010 2030",
    InputType.URL: lambda question, _: "https://example.com/offer",
    InputType.VIN: lambda question, _: "1HGCM82633A004352",
    InputType.VEHICLE: lambda question, _: {
        part.key: vehicle.SAMPLE[part.key] for part in vehicle.asked(question)
    },
    InputType.CSV: lambda question, _: "name,email\nSam Sample,sam@example.com\n",
    InputType.JSON: lambda question, _: {"sample": True},
}
