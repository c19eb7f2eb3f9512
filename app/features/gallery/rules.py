"""Rules of the gallery: when figures are real, what names a run, how questions stand on a page."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.definition import launch_form
from app.definition.schema import Definition, Input, InputType

REAL_RUNS = 5
"""So many ended runs make a card's figures real; below that they are marked as a sample."""

FIXED_GONE = "fixed_gone"
"""The code of the problem that what a fixed question always uses no longer exists."""

CAUTIONS = {
    InputType.DATE: "A date that is right today is past some day: usually it is better asked.",
    InputType.DATETIME: "A date that is right today is past some day: usually it is better asked.",
    InputType.VIN: "A VIN is one car: usually it is better asked.",
    InputType.VEHICLE: "This is one car: usually it is better asked.",
    InputType.CSV: "Every run uses this table as it is today.",
}
"""What to know before an answer of such a kind is always used."""

_NAMING = (InputType.TEXT, InputType.LONG_TEXT, InputType.VIN, InputType.VEHICLE, InputType.CHOICE)
_SHORT = (InputType.DATE, InputType.DATETIME, InputType.INTEGER, InputType.NUMBER, InputType.MONEY)


def mark(made_of: str, answers: Mapping[str, Any]) -> str:
    """Name what a person checked before Start: these answers for this version, which *made_of* names."""
    return hashlib.sha256(json.dumps([made_of, answers], sort_keys=True).encode()).hexdigest()[:32]


def seconds_covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how many seconds the spans, of seconds, cover together, each once: two waits at one time are one."""
    total, covered = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(end - max(start, covered), 0.0)
        covered = max(end, covered)
    return total


def approvals_usual(steps: Sequence[Mapping[str, Any]]) -> int:
    """Count the approvals that a usual run meets; those behind a condition are alternatives: one at most."""
    by_id = {str(step.get("id")): step for step in steps}
    reviews = [step for step in steps if step.get("type") == "review"]
    certain = [step for step in reviews if not _behind_condition(step, by_id)]
    return len(certain) or min(len(reviews), 1)


def _behind_condition(step: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]) -> bool:
    waiting, seen = [str(entry) for entry in step.get("after") or []], set()
    while waiting:
        source = waiting.pop().partition(":")[0]
        if source in seen or source not in by_id:
            continue
        seen.add(source)
        if by_id[source].get("type") == "condition":
            return True
        waiting.extend(str(entry) for entry in by_id[source].get("after") or [])
    return False


def label(name: str, definition: Definition) -> str:
    """Return a value text that names a run of a workflow: its name, and the answer that tells runs apart."""
    naming = [question for question in launch_form.asked(definition) if question.type in _NAMING]
    first = next((question for question in naming if question.required), None)
    safe = name.replace("{", "(").replace("}", ")")
    return safe if first is None else f"{safe}: {{{{ inputs.{first.key} | truncate(60) }}}}"


def rows(questions: Sequence[Input]) -> list[tuple[Input, ...]]:
    """Return the questions of a page as they stand: two short ones of a kind that follow each other share a row."""
    found: list[tuple[Input, ...]] = []
    for question in questions:
        before = found[-1] if found else ()
        if len(before) == 1 and before[0].type is question.type and question.type in _SHORT:
            found[-1] = (*before, question)
        else:
            found.append((question,))
    return found
