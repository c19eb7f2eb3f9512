"""A workspace's own templates: a workflow's values become questions, its version becomes a template's."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import sqlalchemy as sa
from pydantic.fields import FieldInfo
from sqlalchemy.orm import Session

from app.core.errors import Conflict, FieldError, Invalid
from app.definition import launch_form, schema, vehicle
from app.definition.parts import MAX_INPUTS, Definition, InputType, Step, TypeFacts
from app.definition.problems import shorten
from app.definition.sentences import OPERATORS, Names, values_in_words
from app.definition.shape import text_fault
from app.definition.values import has_value
from app.engine import catalog
from app.features.accounts import service as accounts
from app.features.accounts.service import Actor
from app.features.gallery import quote, versions
from app.features.gallery.exchange import RESERVED
from app.features.gallery.models import Template
from app.features.workflows import service as workflows
from app.features.workflows.enums import Category
from app.features.workflows.models import Workflow

_SHOWN = 200
_FLOW = ("condition", "delay", "merge", "parallel", "transform")  # of these nobody gets anything
_ORDERED = ("gt", "gte", "lt", "lte", "eq", "neq", "before", "after")
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value of a step that may become a question: where it stands, what it is called, what it is now."""

    key: str
    step: str
    title: str
    value: Any
    type: InputType
    path: Path  # inside the step's config
    words: str  # what the question would say
    unit: str
    extra: Mapping[str, Any]  # what else the question needs: choices, min, max

    @property
    def shown(self) -> str:
        """The value as people read it."""
        if self.type in launch_form.HANDED or self.type in (InputType.CSV, InputType.JSON):
            return "what was chosen"
        if isinstance(self.value, dict):
            return vehicle.in_words(self.value)
        value = ", ".join(map(str, self.value)) if isinstance(self.value, list) else self.value
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int | float):
            value = f"{value:,}"
        return shorten(str(value), _SHOWN) + (f" {self.unit}" if self.unit else "")


def candidates(definition: Definition, types: Mapping[str, TypeFacts]) -> list[Candidate]:
    """Return the values that can become questions: answers that are always the same, then those of the steps in order.

    What is worked out already is none.
    """
    found = [
        Candidate(each.key, "", f"“{each.label}”, always the same", each.default, each.type, (), each.label, "", {})
        for each in launch_form.fixed(definition)
    ]
    taken, names = {question.key for question in definition.inputs}, Names.of(definition)
    for step in definition.steps:
        facts = types.get(step.type)
        for words, value, kind, path, unit, extra in _of_step(step, facts, names) if facts else ():
            key = _free(f"{step.id}_{'_'.join(str(part) for part in path if isinstance(part, str))}", taken)
            taken.add(key)
            title = f"{words}, in “{shorten(step.name, 60)}”"
            asking = f"{words} ({unit})" if unit else words
            found.append(Candidate(key, step.id, title, value, kind, path, asking, unit, extra))
    return found


def with_questions(definition: Definition, chosen: Mapping[str, str], types: Mapping[str, TypeFacts]) -> dict[str, Any]:
    """Return the definition with the chosen candidates (by key, with the words of the question) asked at the start.

    What each was is the question's answer at first. Raises Invalid when there would be more than 100 questions.
    """
    data = schema.dump(definition)
    steps = {step["id"]: step for step in data["steps"]}
    for one in candidates(definition, types):
        if one.key not in chosen:
            continue
        words = chosen[one.key].strip()[:300] or one.words
        if not one.step:
            _ask(data["inputs"], one.key, words)
            continue
        _put(steps[one.step]["config"], one.path, f"{{{{ inputs.{one.key} }}}}", one.type)
        question = {"key": one.key, "label": words, "type": one.type.value, "default": one.value, "required": True}
        data["inputs"].append({**question, **one.extra})
    if len(data["inputs"]) > MAX_INPUTS:
        raise Invalid(f"A template asks {MAX_INPUTS} questions at most.", fix="Choose fewer.")
    return data


def save(
    session: Session,
    workflow: Workflow,
    definition: dict[str, Any],
    *,
    name: str,
    summary: str,
    category: Category,
    actor: Actor,
    replaces: str = "",
) -> Template:
    """Keep *definition* as the workspace's own template; the caller commits.

    The same name again is the template's next version, unless nothing is new; workflows made of an older one stay as
    they are until their next start. Raises Invalid for a missing name or a definition with problems, Conflict for the
    name of one of ours, Taken for that of another workflow's template, unless *replaces* is its mark.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 200 or text_fault(name + summary):
        fault = FieldError("/name", "required", "The name is missing or cannot be kept.", "Write 1 to 200 characters.")
        raise Invalid("The template needs a name.", [fault])
    checked = workflows.validated(definition)
    slug = _slug(name)
    ours = sa.select(Template.id).where(Template.workspace_id.is_(None), Template.slug == slug)
    if session.scalar(ours):
        raise Conflict(f"Greenlight has a template “{name}” already.", fix="Choose another name.")
    template = versions.standing(session, workflow.workspace_id, slug)
    if template is None:
        template = Template(workspace_id=workflow.workspace_id, slug=slug, version=0)
        session.add(template)
    else:
        versions.check_free(session, template, workflow_id=workflow.id, replaces=replaces)
    contents = _contents(workflow, checked, name=name, summary=summary, category=category)
    if not replaces and versions.is_current(template, contents):
        return template
    versions.change(template, contents)
    template.version += 1
    versions.keep(session, template, actor=actor, workflow_id=workflow.id)
    detail = {"name": name, "version": template.version, "workflow": workflow.id}
    accounts.audit_of(session, template, actor, "template.saved", **detail)
    return template


def _contents(
    workflow: Workflow, checked: dict[str, Any], *, name: str, summary: str, category: Category
) -> dict[str, Any]:
    making = [step["name"] for step in checked["steps"] if step["type"] not in _FLOW]
    samples = {one["key"]: one["default"] for one in checked["inputs"] if one["default"] is not None}
    minutes, cost = quote.estimate(Definition.model_validate(checked), samples)
    return {
        "name": name,
        "summary": " ".join(summary.split())[:300] or name,
        "category": category.value,
        "tags": list(workflow.tags),
        "gets": (making or [step["name"] for step in checked["steps"]])[:5],
        "label": name.replace("{", "(").replace("}", ")"),
        "sample_inputs": samples,
        "estimate": {"minutes": max(minutes, 0.1), "cost_microusd": cost},
        "definition": checked,
    }


def mark_of(session: Session, workspace_id: str, name: str) -> str:
    """Return the mark of the workspace's template of this name; "" where there is none."""
    return versions.mark_of(session, workspace_id, _slug(" ".join(name.split())))


# --- which values ---

_Found = tuple[str, Any, InputType, Path, str, dict[str, Any]]
_NEVER = ("step", "documents", "images", "documents_or_text", "values", "connection", "workflow")


def _of_step(step: Step, facts: TypeFacts, names: Names) -> Iterator[_Found]:
    for name, field in facts.config.model_fields.items():
        key = field.alias or name
        value = step.config.get(key)
        widget = _extra(field).get("widget")
        unit = str(_extra(field).get("unit") or "")
        if key in facts.step_refs or widget in _NEVER or value in (None, "", []):
            continue
        if widget == "condition":
            yield from _of_condition(value, (key,), names)
        elif not has_value(value):
            kind = _kind(field, widget, value)
            if kind is not None:
                yield field.title or key, value, kind, (key,), unit, _bounds(field, kind)


def _of_condition(tree: Any, path: Path, names: Names) -> Iterator[_Found]:
    """Yield the numbers and words that a condition compares with."""
    if not isinstance(tree, Mapping):
        return
    for word in ("all", "any"):
        parts = tree.get(word)
        for place, part in enumerate(parts if isinstance(parts, list) else ()):
            yield from _of_condition(part, (*path, word, place), names)
    if "not" in tree:
        yield from _of_condition(tree["not"], (*path, "not"), names)
    than = tree.get("than")
    is_plain = isinstance(than, str | int | float) and not isinstance(than, bool) and than != ""
    if is_plain and tree.get("op") in _ORDERED and not has_value(than):
        kind = InputType.TEXT if isinstance(than, str) else InputType.NUMBER
        compared = str(tree.get("value"))
        called = values_in_words({}, compared, names).get(compared, compared)
        yield f"{called} {OPERATORS[tree['op']]} what?", than, kind, (*path, "than"), "", {}


def _kind(field: FieldInfo, widget: Any, value: Any) -> InputType | None:
    kind = _plain(field.annotation)
    if get_origin(kind) is Literal:
        return InputType.CHOICE
    if isinstance(value, bool):
        return InputType.BOOLEAN
    if isinstance(value, int | float):
        return InputType.INTEGER if kind is int else InputType.NUMBER
    if widget == "people" and isinstance(value, list):
        return InputType.PEOPLE
    if isinstance(value, str) and widget not in ("people",):
        return InputType.LONG_TEXT if len(value) > 100 or widget in ("prompt", "long_text") else InputType.TEXT
    return None


def _bounds(field: FieldInfo, kind: InputType) -> dict[str, Any]:
    if kind is InputType.CHOICE:
        return {"choices": [str(value) for value in get_args(_plain(field.annotation))]}
    if kind not in (InputType.INTEGER, InputType.NUMBER):
        return {}
    rules = {type(rule).__name__: rule for rule in field.metadata}
    least, most = getattr(rules.get("Ge"), "ge", None), getattr(rules.get("Le"), "le", None)
    return {key: value for key, value in (("min", least), ("max", most)) if isinstance(value, int | float)}


def _plain(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return kinds[0] if len(kinds) == 1 else None
    return annotation


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _ask(questions: list[dict[str, Any]], key: str, words: str) -> None:
    """Ask what was always answered the same, with that answer to begin with."""
    for question in questions:
        if question["key"] == key:
            question |= {"label": words, "fixed": False}


def _put(config: Any, path: Path, text: str, kind: InputType) -> None:
    *way, last = path
    for part in way:
        config = config[part]
    config[last] = [text] if kind is InputType.PEOPLE else text


def _free(name: str, taken: set[str]) -> str:
    base = re.sub(r"\W+", "_", name, flags=re.ASCII)[:56].strip("_") or "question"
    number, found = 1, base
    while found in taken:
        number += 1
        found = f"{base}_{number}"
    return found


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:70].strip("-") or "template"
    return f"{slug}-template" if slug in RESERVED else slug


def offered(definition: Definition) -> list[Candidate]:
    """Return :func:`candidates` over the step types of this installation."""
    return candidates(definition, catalog.facts())
