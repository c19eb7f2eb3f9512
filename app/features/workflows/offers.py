"""What can be put into a step's settings: answers, results of steps before it, facts of the run."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.definition import graph, vehicle
from app.definition.kinds import FITS_NOT, RUN_WORDS, Kinds, part_words, question_words, result_words
from app.definition.parts import Definition, TypeFacts

_RUN_DATE, _RUN_TIME = "{{ run.started_at | date }}", "{{ run.started_at | datetime }}"
_FACTS = (
    ("{{ run.started_by.email }}", RUN_WORDS["started_by", "email"]),
    ("{{ run.started_by.name }}", RUN_WORDS["started_by", "name"]),
    ("{{ run.number }}", "run number"),
    ("{{ run.label }}", RUN_WORDS["label",]),
    (_RUN_DATE, "date of the run"),
    (_RUN_TIME, "date and time of the run"),
    ("{{ run.url }}", RUN_WORDS["url",]),
)
_LISTS = ("documents", "images", "texts", "titles", "to")
WRITTEN = ("money", "date", "datetime")  # kinds of answer, each with the filter of its name
_LIST_ANSWERS = ("multi_choice", "documents", "images", "people")
_ROWS = re.compile(r"\{\{ inputs\.(\w+) \| rows \}\}")


@dataclass(frozen=True, slots=True)
class Offer:
    """A value by its words: *text* is what is stored, *kind* is ``answer``, ``result`` or ``fact``.

    *in_text* is what is stored among other words, where that reads better: money, dates and times as people write them.
    """

    text: str
    label: str
    kind: str
    is_list: bool = False
    in_text: str = ""


def offers(
    data: Mapping[str, Any],
    drawn: Definition,
    step_id: str,
    types: Mapping[str, TypeFacts],
    *,
    items: object = None,
) -> list[Offer]:
    """Return what a step may use: every answer, then what the steps before it make, nearest first, then the run.

    Of a step that repeats for *items* the item comes first, and of a table's row each column.
    """
    found = [*_of_item(data, items), *_answers(data)]
    before = graph.predecessors(drawn).get(step_id, frozenset())
    for step in reversed(drawn.steps):
        if step.id in before:
            found += [
                Offer(f"{{{{ steps.{step.id}.{field} }}}}", result_words(step.name, field), "result", field in _LISTS)
                for field in outputs(step.type, step.config, types)
            ]  # fmt: skip
    return [*found, *(Offer(text, label, "fact") for text, label in _FACTS)]


def outputs(type_name: str, config: Mapping[str, Any], types: Mapping[str, TypeFacts]) -> list[str]:
    """Return the names of what a step makes, by alphabet; nothing where they are not known."""
    facts = types.get(type_name)
    if facts is None:
        return []
    try:
        known = facts.outputs_of(config) if facts.outputs_of else facts.output_fields
    except (TypeError, ValueError, KeyError, AttributeError):  # settings that are not right yet
        known = None
    return sorted(known or ())


def unfit(texts: Iterable[str], kinds: Kinds) -> dict[str, frozenset[str]]:
    """Return those of *texts* that never fit, by what a setting needs (``number``, ``yes_no``, ``list``)."""
    known = list(texts)
    return {
        need: frozenset(
            text
            for text in known
            if text in (_RUN_DATE, _RUN_TIME)
            or (need != "list" and _ROWS.fullmatch(text))
            or kinds.misfit(text, need)
        )
        for need in FITS_NOT
    }


def makers(
    drawn: Definition, step_id: str, field: str, types: Mapping[str, TypeFacts]
) -> list[tuple[str, str]]:
    """Return id and name of the steps before *step_id* that make *field* (``documents``, ``images``), nearest first."""
    before = graph.predecessors(drawn).get(step_id, frozenset())
    return [
        (step.id, step.name)
        for step in reversed(drawn.steps)
        if step.id in before and field in outputs(step.type, step.config, types)
    ]


def _of_item(data: Mapping[str, Any], items: object) -> Iterator[Offer]:
    if not items:
        return
    yield Offer("{{ item }}", "the item", "answer")
    table = _ROWS.fullmatch(items) if isinstance(items, str) else None
    asked = [each.get("columns") for each in _questions(data) if table and each["key"] == table[1]]
    for column in asked[0] if asked and isinstance(asked[0], list) else []:
        if isinstance(column, str) and column.isidentifier():
            yield Offer(f"{{{{ item.{column} }}}}", f"the item: {column}", "answer")


def _questions(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    inputs = data.get("inputs")
    for question in inputs if isinstance(inputs, list) else []:
        if isinstance(question, dict) and isinstance(question.get("key"), str):
            yield question


def _answers(data: Mapping[str, Any]) -> Iterator[Offer]:
    for question in _questions(data):
        key, kind = question["key"], question.get("type")
        in_text = f"{{{{ inputs.{key} | {kind} }}}}" if kind in WRITTEN else ""
        words, is_list = question_words(question), kind in _LIST_ANSWERS
        yield Offer(f"{{{{ inputs.{key} }}}}", words, "answer", is_list, in_text=in_text)
        if kind == "vehicle":
            for name, part in vehicle.PARTS.items():
                text = f"{{{{ inputs.{key}.{name} }}}}"
                said = f"{{{{ inputs.{key}.{name} | money }}}}" if part.type in WRITTEN else ""
                yield Offer(text, part_words(question, part), "answer", in_text=said)
        if kind == "csv":
            yield Offer(f"{{{{ inputs.{key} | rows }}}}", f"rows of: {words}", "answer", is_list=True)
