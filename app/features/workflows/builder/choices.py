"""The forms of the builder with what can be chosen in them: people, pictures, documents, workflows."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from werkzeug.datastructures import MultiDict

from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.definition.problems import shorten
from app.definition.values import texts_in
from app.features.accounts import queries as accounts
from app.features.accounts.guards import who
from app.features.files import queries as files
from app.features.files.models import Image
from app.features.workflows import queries
from app.features.workflows.desk import Desk
from app.features.workflows.forms.step import StepForm
from app.web.filters import told_apart

NEWEST = 24  # pictures and documents to choose from
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def form_of(desk: Desk, step: Mapping[str, Any], posted: MultiDict[str, str] | None = None) -> StepForm:
    """Return a step's form, with what was posted if anything was."""
    kind = desk.kinds.get(str(step.get("type")))
    config = step.get("config") or {}
    widgets: dict[str, list[str]] = defaultdict(list)
    for name, info in kind.config.model_fields.items() if kind else ():
        widget = str((info.json_schema_extra or {}).get("widget", ""))  # type: ignore[union-attr]  # ours are mappings
        widgets[widget].append(info.alias or name)
    for widget in _OFFERED.keys() & widgets.keys() - desk.choices.keys():
        desk.choices[widget] = _OFFERED[widget](desk)
    offered = {widget: choices for widget, choices in desk.choices.items() if widget in widgets}
    for widget in offered.keys() & {"images", "documents_or_text"}:
        offered[widget] = _with_older(offered[widget], [config.get(key) for key in widgets[widget]])
    if "answers" in widgets:
        offered["answers"] = _questions_of(desk, str(config.get("workflow") or ""))
    return StepForm(step, kind, desk.drawn, desk.types, posted=posted, offered=offered)


def handed(question: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the documents or pictures that a question's own answer is chosen from; nothing where it has none."""
    kind, stored = str(question.get("type")).removesuffix("s"), question.get("default")
    if stored is None or kind not in ("document", "image"):
        return []
    workspace_id = who().workspace_id
    if kind == "image":
        pictures = files.images(db.session(), workspace_id, limit=NEWEST)
        return _with_older(_named(pictures), stored)
    documents = files.documents(db.session(), workspace_id, limit=NEWEST)
    return _with_older([(each.id, each.title[:60] or "Document") for each in documents], stored)


def _pictures(desk: Desk) -> list[tuple[str, str]]:
    """Return what pictures may be chosen: those of answers, then the newest ones of the workspace."""
    found = files.images(db.session(), who().workspace_id, limit=NEWEST)
    return [*_answers_of(desk, "image", "images"), *_named(found)]


def _named(pictures: Sequence[Image]) -> list[tuple[str, str]]:
    """Return id and name of pictures; those made from one prompt are numbered."""
    names = told_apart(shorten(each.prompt, 60) for each in pictures)
    return [(each.id, name) for each, name in zip(pictures, names, strict=True)]


def _documents(desk: Desk) -> list[tuple[str, str]]:
    """Return what documents may be chosen: those of answers, then the newest ones of the workspace."""
    found = files.documents(db.session(), who().workspace_id, limit=NEWEST)
    return [
        *_answers_of(desk, "document", "documents"),
        *((each.id, each.title[:60] or "Document") for each in found),
    ]


def _with_older(choices: list[tuple[str, str]], stored: object) -> list[tuple[str, str]]:
    """Return the choices with what of *stored* is there still, but not among the newest."""
    ids = {text for _, text in texts_in(stored) if _ID.fullmatch(text)} - {value for value, _ in choices}
    return [*choices, *files.titles(db.session(), who().workspace_id, ids).items()] if ids else choices


def _people(desk: Desk) -> list[tuple[str, str]]:
    """Return who may be chosen: who starts the run, people in answers, members."""
    starter = ("{{ run.started_by.email }}", "Whoever starts the run")
    members = accounts.members(db.session(), who().workspace_id)
    return [starter, *_answers_of(desk, "email", "people"), *((each.email, each.name) for each in members)]


def _workflows(desk: Desk) -> list[tuple[str, str]]:
    """Return the workflows that can be run: by name where no other is called so, else by id.

    What a step calls otherwise, by a name that it had or in other letters, stands there as the step has it.
    """
    found = [
        each
        for each in queries.workflows(db.session(), who().workspace_id)
        if each.published_number and each.id != desk.workflow.id
    ]
    count = Counter(each.name for each in found)
    offered = {each.name if count[each.name] == 1 else each.id: each.name for each in found}
    named = (step.config.get("workflow") for step in desk.drawn.steps if step.type == "run_workflow")
    for reference in {each for each in named if isinstance(each, str) and each and each not in offered}:
        with suppress(NotFound, Conflict):
            offered[reference] = queries.named(db.session(), who().workspace_id, reference).name
    return list(offered.items())


def _questions_of(desk: Desk, reference: str) -> list[tuple[str, str]]:
    """Return key and label of what another workflow asks, ``(optional)`` after it where no answer is needed.

    Nothing while none is chosen.
    """
    session = db.session()
    if not reference or "{{" in reference:
        return []
    try:
        version = queries.current_version(session, queries.named(session, who().workspace_id, reference))
        asked = queries.load_definition(session, version.id).inputs
    except (NotFound, Conflict):
        return []
    return [
        (each.key, each.label if each.required and each.default is None else f"{each.label} (optional)")
        for each in asked
        if not each.fixed
    ]


def _answers_of(desk: Desk, *kinds: str) -> list[tuple[str, str]]:
    return [
        (f"{{{{ inputs.{each['key']} }}}}", f"Answer: {each['label'] or each['key']}")
        for each in desk.questions
        if each["type"] in kinds
    ]


_OFFERED = {"images": _pictures, "documents_or_text": _documents, "people": _people, "workflow": _workflows}
