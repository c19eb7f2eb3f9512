"""Forms of a workflow's life."""

import json
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from wtforms import (
    BooleanField,
    FileField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import DateInput, DateTimeLocalInput, HiddenInput

from app.definition import vehicle
from app.definition.parts import Input, InputType
from app.definition.schema import Definition
from app.features.lifecycle.enums import OpenRuns
from app.features.lifecycle.exchange import MOST_CHARACTERS
from app.features.lifecycle.service import NOTE_CHARS
from app.web import moments
from app.web.forms import Form
from app.web.parts_field import PartsField

_LISTS = (InputType.MULTI_CHOICE, InputType.DOCUMENTS, InputType.IMAGES, InputType.PEOPLE)
_LONG = (InputType.LONG_TEXT, InputType.CSV, InputType.JSON)


class PublishForm(Form):
    """What is said about a new version; *revision* is the draft as its publisher saw it."""

    revision = IntegerField(widget=HiddenInput(), validators=[InputRequired(), NumberRange(min=0)])
    note = TextAreaField(
        "What is new, in your words", [Optional(), Length(max=NOTE_CHARS)], description="It stands in the history."
    )


class VersionForm(Form):
    """A version to go back to."""

    version = IntegerField(validators=[InputRequired(), NumberRange(min=1)])


class EndForm(Form):
    """What becomes of the runs that are going."""

    open_runs = RadioField(
        "Runs under way",
        choices=[
            SelectChoice(OpenRuns.FINISH.value, "Let them finish"),
            SelectChoice(OpenRuns.PAUSE.value, "Pause them"),
            SelectChoice(OpenRuns.STOP.value, "Stop them for good"),
        ],
        default=OpenRuns.FINISH.value,
        validators=[InputRequired("Say what happens to them.")],
    )

    @property
    def chosen(self) -> OpenRuns:
        """Return the answer."""
        return OpenRuns(self.text("open_runs") or OpenRuns.FINISH.value)


class ImportForm(Form):
    """A workflow from a file or from what was pasted."""

    name = StringField("Name", [Optional(), Length(max=200)], description="Empty: the one in the file.")
    file = FileField("File", description="YAML or JSON, as Export writes it.")
    content = TextAreaField("Or paste it here", [Optional(), Length(max=MOST_CHARACTERS)])


class ChecklistForm(Form):
    """What somebody has looked at."""

    needs = SelectMultipleField("Looked at", choices=[])


def answers_form(
    definition: Definition,
    answers: dict[str, Any],
    zone: ZoneInfo,
    *,
    documents: Sequence[tuple[str, str]] = (),
    images: Sequence[tuple[str, str]] = (),
) -> type[Form]:
    """Return a form with a plain field for every question that is asked, filled with *answers*.

    *documents* and *images* are what can be chosen, each with its id and its words; moments are shown in *zone*. The
    definition checks the answers.
    """
    there = {
        InputType.DOCUMENT: documents,
        InputType.DOCUMENTS: documents,
        InputType.IMAGE: images,
        InputType.IMAGES: images,
    }
    fields = {
        f"q_{question.key}": _field(question, answers.get(question.key), zone, there.get(question.type))
        for question in definition.inputs
        if not question.fixed
    }
    return type("TestForm", (Form,), fields)


def given(form: Form, definition: Definition, zone: ZoneInfo) -> dict[str, Any]:
    """Return the answers of a :func:`answers_form` by key, as they were typed; a date and time gets its zone."""
    found = {question.key: form[f"q_{question.key}"].data for question in definition.inputs if not question.fixed}
    for question in definition.inputs:
        if question.type is InputType.DATETIME and isinstance(typed := found.get(question.key), str):
            found[question.key] = moments.with_zone(typed.strip(), zone)
    return found


def _field(question: Input, value: Any, zone: ZoneInfo, there: Sequence[tuple[str, str]] | None) -> Any:
    common: dict[str, Any] = {"label": question.label, "description": question.help}
    rules = [InputRequired("This needs an answer.")] if question.required else [Optional()]
    if question.type is InputType.BOOLEAN:
        return BooleanField(default=bool(value), **common)
    if there is not None and question.type in _LISTS:
        some = [SelectChoice(key, words) for key, words in there]
        return SelectMultipleField(choices=some, default=value or [], validators=rules, **common)
    if there is not None:
        some = [SelectChoice("", "–"), *(SelectChoice(key, words) for key, words in there)]
        return SelectField(choices=some, default=value, validators=rules, **common)
    if question.type is InputType.VEHICLE:
        parts = {part.key: _field(part, None, zone, None) for part in vehicle.asked(question)}
        return PartsField(fields=parts, units={"price": ("$", "")}, default=value, validators=rules, **common)
    if question.type is InputType.CHOICE:
        choices = [SelectChoice("", "–"), *(SelectChoice(one, one) for one in question.choices)]
        return SelectField(choices=choices, default=value, validators=rules, **common)
    if question.type is InputType.MULTI_CHOICE:
        choices = [SelectChoice(one, one) for one in question.choices]
        return SelectMultipleField(choices=choices, default=value or [], validators=rules, **common)
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else value
    if question.type is InputType.JSON and not isinstance(text, str):
        text = json.dumps(text, ensure_ascii=False)
    kind = TextAreaField if question.type in _LONG else StringField
    if question.type is InputType.DATE:
        common["widget"] = DateInput()
    if question.type is InputType.DATETIME:
        common["widget"], text = DateTimeLocalInput(), moments.local(str(text), zone)
    return kind(default=str(text), validators=rules, **common)
