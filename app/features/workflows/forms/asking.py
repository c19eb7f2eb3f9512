"""A question that is asked from the form of a step, where its answer is wanted."""

from collections.abc import Iterator
from typing import Any

from werkzeug.datastructures import MultiDict

from app.definition.unchecked import EditImpossible
from app.features.workflows.forms.question import TYPE_WORDS, with_questions_changed
from app.features.workflows.forms.step import StepForm
from app.features.workflows.offers import WRITTEN
from app.web.condition_field import Condition, Node
from app.web.list_fields import Documents, Rows
from app.web.setting_fields import Setting, Text, one_end

Posted = MultiDict[str, str]
ACT = "ask"  # the button that asks
_NOT_YET = ("choice", "multi_choice", "csv", "json")  # these need more than a name
KINDS = [(kind, words) for kind, words in TYPE_WORDS.items() if kind not in _NOT_YET]


def is_wanted(posted: Posted, *, by_script: bool) -> bool:
    """Tell whether a question was asked; without script every way to save a form asks what is written there."""
    return posted.get("act") == ACT or (not by_script and bool(posted.get("new-label", "").strip()))


def ask(data: dict[str, Any], posted: Posted, form: StepForm) -> tuple[dict[str, Any], Posted]:
    """Return the definition with the question, and what was posted with its answer where it was wanted.

    Raises EditImpossible when there is nothing to ask.
    """
    label = posted.get("new-label", "").strip()
    if not label:
        raise EditImpossible("Write what to ask.")
    kind = posted.get("new-type", "")
    kind = kind if kind in dict(KINDS) else "text"
    new, key = with_questions_changed(data, "", "add", label, kind)
    new["inputs"][-1]["required"] = True  # it is used at once: without an answer the step could not be done
    into, changed = posted.get("new-into", ""), MultiDict(posted)
    field = field_at(form, into)
    if field is not None:
        is_said = kind in WRITTEN and isinstance(field, Text) and field.is_prose
        _put(changed, into, f"{{{{ inputs.{key} | {kind} }}}}" if is_said else f"{{{{ inputs.{key} }}}}")
    return new, changed


def places(form: StepForm) -> list[tuple[str, str]]:
    """Return where an answer can be put, as what is posted there and in words."""
    return list(_places(form))


def field_at(form: StepForm, into: str) -> Setting | None:
    """Return the field that a posted name is of; None for no field of a step's settings."""
    known = (field for name, field in form.fields.items() if name not in ("s-name", "s-id"))
    return next((each for each in known if into == each.name or into.startswith(_parts_of(each))), None)


def _parts_of(field: Setting) -> tuple[str, ...]:
    return tuple(f"{field.name}{mark}" for mark in "-.~")


def _put(posted: Posted, into: str, value: str) -> None:
    """Write a value where it is wanted: chosen in a list, else among what is written there."""
    if into.endswith("~value"):
        posted[into] = value
        if posted.get(into.removesuffix("~value")) is not None:
            posted[into.removesuffix("~value")] = "~"  # in a row of choices the value counts
        return
    text = one_end(posted.get(into, ""))
    at = posted.get("new-at", "")
    place = int(at) if at.isdecimal() and len(at) < 8 else len(text)
    before, after = text[:place], text[place:]
    is_apart = at or not before or before[-1].isspace()
    posted[into] = f"{before}{'' if is_apart else ' '}{value}{after}"


def _places(form: StepForm) -> Iterator[tuple[str, str]]:
    for field in form.fields.values():
        if field.name in ("s-name", "s-id"):
            continue
        for each in field.family:
            label = str(each.label.text)
            label = label if each is field else f"{field.label.text}: {label}"
            if isinstance(each, Condition):
                yield from ((path, f"{label}: what to look at") for path in _compared(each.root))
            elif isinstance(each, Rows):
                yield f"{each.name}-{len(each.rows)}", label
            elif isinstance(each, Text) and each.look in ("text", "documents") and not _is_list(each):
                yield each.name, label


def _is_list(field: Text) -> bool:
    return isinstance(field, Documents) and field.is_list


def _compared(node: Node | None) -> Iterator[str]:
    if node is not None and node.kind == "compare":
        yield f"{node.path}~value"
    for child in node.children if node is not None else ():
        yield from _compared(child)
