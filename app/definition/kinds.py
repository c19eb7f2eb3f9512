"""What a value is, as far as that is known before a run: what can never be a number, or yes or no, is found early."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.definition.expressions import Named, check_value, parse_value
from app.definition.graph import Outline
from app.definition.parts import Input, InputType, TypeFacts, in_words
from app.definition.problems import shorten
from app.definition.vehicle import PARTS

_ANSWERS = (
    dict.fromkeys(("long_text", "date", "datetime", "email", "phone", "url", "vin", "document", "image", "csv"), "text")
    | dict.fromkeys(("multi_choice", "documents", "images", "people"), "list")
    | dict.fromkeys(("text", "choice"), "words")  # any of these may be a number
    | dict.fromkeys(("number", "integer", "money", "percent"), "number")
    | {"boolean": "yes_no", "vehicle": "record"}
)
# The facts of a run that are texts, and what they are called.
RUN_WORDS: Mapping[tuple[str, ...], str] = {
    ("started_by", "email"): "e-mail of who started it",
    ("started_by", "name"): "name of who started it",
    ("label",): "run name",
    ("url",): "address of the run",
    ("started_at",): "time when the run began",
    ("created_at",): "time of the start",
}
# What kinds of value never fit where a setting needs one of these.
FITS_NOT: Mapping[str, frozenset[str]] = {
    "number": frozenset(("text", "list", "record", "yes_no")),
    "yes_no": frozenset(("text", "list", "record")),
    "list": frozenset(("text", "words", "number", "record", "yes_no")),
}


class Kinds:
    """Tell of the values of one definition, right or wrong, what can never fit."""

    def __init__(self, data: Mapping[str, Any], steps: Iterable[Outline], types: Mapping[str, TypeFacts]) -> None:
        asked = data.get("inputs")
        self._questions = {
            question["key"]: question
            for question in (asked if isinstance(asked, list) else [])
            if isinstance(question, dict) and isinstance(question.get("key"), str)
        }
        self._steps = {step.id: step for step in steps if step.id}
        self._types = types

    def misfit(self, text: str, need: str) -> str:
        """Return what the only value of *text* is called when it can never be what is needed; else ""."""
        if "{{" not in text or check_value(text):
            return ""
        alone = parse_value(text).alone
        if not isinstance(alone, Named):
            return ""
        kind, words = self._of(alone.path)
        return words if kind in FITS_NOT[need] else ""

    def _of(self, path: tuple[str | int, ...]) -> tuple[str, str]:
        match path:
            case ("inputs", str(key), str(name)) if name in PARTS and self._is_vehicle(key):
                part = PARTS[name]
                return _ANSWERS[part.type.value], part_words(self._questions[key], part)
            case ("inputs", str(key)) if key in self._questions:
                question = self._questions[key]
                return _ANSWERS.get(str(question.get("type")), ""), question_words(question)
            case ("steps", str(step_id), str(field)) if step_id in self._steps:
                step = self._steps[step_id]
                facts = self._types.get(step.type or "")
                kind = facts.output_kinds.get(field, "") if facts and step.items is None else ""
                return kind, result_words(step.name, field)
            case ("run", "number"):
                return "number", "run number"
            case ("run", *fact) if words := RUN_WORDS.get(tuple(map(str, fact))):
                return "text", words
        return "", ""


    def _is_vehicle(self, key: str) -> bool:
        return self._questions.get(key, {}).get("type") == InputType.VEHICLE


def question_words(question: Mapping[str, Any]) -> str:
    """Return what an answer is called where values are chosen: by its question."""
    label = question.get("label")
    return shorten(label if isinstance(label, str) and label else in_words(str(question.get("key"))), 50)


def part_words(question: Mapping[str, Any], part: Input) -> str:
    """Return what a part of an answer is called: "Which car: year"."""
    label = part.label if part.label.isupper() else part.label.lower()
    return f"{question_words(question).rstrip('?: ')}: {label}"


def result_words(step_name: str, field: str) -> str:
    """Return what a result is called where values are chosen: "Write ads: texts"."""
    return f"{shorten(step_name, 40)}: {in_words(field).lower()}"
