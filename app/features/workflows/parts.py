"""What is wrong with the workflows that a definition's steps run, and with the answers that the steps give them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.core.errors import Conflict, NotFound
from app.definition import graph
from app.definition.answer import answer
from app.definition.parts import Input
from app.definition.problems import Problem, Refused, listed, pointer, shorten, suggest
from app.definition.values import has_value
from app.features.workflows import queries

Asked = Sequence[Input]


def problems(session: Session, workspace_id: str, data: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the workflows that a definition's steps run; reads nothing where none does.

    A workflow or an answer that only the run can tell (``{{ … }}``) is right.
    """
    configs = {
        f"{step.at}/config": config
        for step in graph.outline(data)
        if step.type == "run_workflow" and (config := step.config or {})
    }
    named = {at: name for at, config in configs.items() if (name := _named(config))}
    asked = {name: _asked(session, workspace_id, name) for name in set(named.values())}
    found: list[Problem] = []
    for at, name in named.items():
        part = asked[name]
        if isinstance(part, Problem):
            found.append(part.under(*at.split("/")[1:]))
        else:
            found += (each.under(*at.split("/")[1:]) for each in _answered(part, configs[at].get("inputs")))
    return found


def _named(config: Mapping[str, Any]) -> str:
    """Return what a step calls the workflow that it runs; "" where it names none, or only the run can tell."""
    name = config.get("workflow")
    return name if isinstance(name, str) and name.strip() and "{{" not in name else ""


def _asked(session: Session, workspace_id: str, reference: str) -> Asked | Problem:
    """Return what a workflow asks, or why no run can be made of it."""
    at = pointer("workflow")
    try:
        part = queries.named(session, workspace_id, reference)
    except (NotFound, Conflict) as fault:
        return Problem(at, "unknown_workflow", fault.message, fault.fix or "Choose another one.")
    if not part.published_number:
        fix = "Publish it first, or choose another one."
        return Problem(at, "unknown_workflow", f"“{part.name}” is not published.", fix)
    return queries.load_definition(session, queries.current_version(session, part).id).inputs


def _answered(asked: Asked, given: object) -> Iterator[Problem]:
    """Yield what is wrong with the answers that a step gives, as far as it can be told before a run."""
    given = given if isinstance(given, Mapping) else {}
    known = [question.key for question in asked]
    for key in (each for each in given if each not in known):
        fix = suggest(str(key), known, f"Answer {listed(known)}." if known else "Remove it.")
        yield Problem(
            pointer("inputs", str(key)), "unknown_key", f"“{shorten(str(key))}” is not asked there.", fix
        )
    for question in asked:
        if not has_value(given.get(question.key)):
            yield from _wrong(question, given.get(question.key))


def _wrong(question: Input, given: object) -> Iterator[Problem]:
    try:
        answer(question, given)
    except Refused as refused:
        for fault in refused.all:
            asked = "" if question.label in fault.message else f"“{question.label}”: "
            yield Problem(pointer("inputs", question.key), fault.code, asked + fault.message, fault.fix)
