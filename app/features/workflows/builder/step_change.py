"""What the posted form of a step makes of a draft."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict

from app.definition import edit, short_names
from app.definition.problems import listed
from app.features.workflows.builder.answers import STAYS, Data, posted_onto, said
from app.features.workflows.builder.choices import form_of
from app.features.workflows.desk import Desk
from app.features.workflows.forms import asking
from app.features.workflows.forms.clash import Clash, changed_by_others
from app.web import htmx


@dataclass(frozen=True, slots=True)
class StepChange:
    """The draft after a save of a step's form: *data*, in *words* for its history, and what the answer to it shows.

    *unseen* are fields that only somebody else changed. What is *told* asks for the whole form anew, with the *focus*
    in a field.
    """

    data: Data
    words: str
    new_id: str
    has_other_fields: bool
    is_moved: bool
    unseen: Sequence[str]
    told: str
    focus: str


def changed_step(desk: Desk, base: Mapping[str, Any], clash: list[Clash]) -> StepChange:
    """Return what the posted form makes of the draft on the *desk*; *base* is the chosen step as the form showed it.

    Raises EditImpossible with what cannot be done, and Clashed, and fills *clash*, when somebody else changed the same
    settings meanwhile.
    """
    now = desk.step(desk.chosen) or {}
    is_asking = asking.is_wanted(request.form, by_script=htmx.is_htmx())
    data, sent = desk.data, MultiDict(request.form)
    if is_asking:
        data, sent = asking.ask(data, sent, form_of(desk, now))
    opened, current = form_of(desk, base, sent), form_of(desk, now)
    form = form_of(desk, now, posted_onto(opened.fields, current.fields, clash))
    is_moved = form.fields["s-after"].is_changed
    data, behind = (
        edit.come_after(data, desk.chosen, form.step(), desk.types)
        if is_moved
        else (edit.replace_step(data, desk.chosen, form.step()), [])
    )
    if is_moved and not form.fields["s-join"].is_changed:
        data = edit.with_fitting_join(data, desk.chosen)
    if form.new_id != desk.chosen:
        data = short_names.rename_step(data, desk.chosen, form.new_id, desk.types)
    words = f"Changed {said(now)}: {', '.join(form.changed[:3]).lower()}"
    return StepChange(
        data=data,
        words=_asked_words() if is_asking else words,
        new_id=form.new_id,
        has_other_fields=form.has_other_fields or form.fields.keys() != opened.fields.keys(),
        is_moved=is_moved,
        unseen=changed_by_others(opened.fields, current.fields),
        told=_told(now, behind, is_asking=is_asking),
        focus=_asked_for() if is_asking else STAYS,
    )


def _asked_words() -> str:
    return f"Added the question “{' '.join(request.form['new-label'].split())[:60]}”"


def _told(step: Mapping[str, Any], behind: Sequence[str], *, is_asking: bool) -> str:
    told = ["It is asked at the start now."] if is_asking else []
    if behind:
        told.append(f"{said(step)} now stands behind {listed([f'“{each}”' for each in behind])}.")
    return " ".join([*told, "Undo takes it back."]) if told else ""


def _asked_for() -> str:
    """Return the name of the field that the answer to a new question was wanted in."""
    return re.split(r"[~.]|-\d", request.form.get("new-into", ""))[0] or STAYS
