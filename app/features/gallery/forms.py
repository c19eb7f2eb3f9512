"""The launch form: one field for every type of question, made from a definition; answers in and out of it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from wtforms import (
    BooleanField,
    EmailField,
    Field,
    FileField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TelField,
    TextAreaField,
    URLField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # the stubs are older than WTForms 3.3
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, DateInput, DateTimeLocalInput, ListWidget

from app.core import clock
from app.core.errors import FieldError
from app.definition import launch_form, vehicle
from app.definition.answer import TODAY, YEARS, longest
from app.definition.schema import Input, InputType
from app.features.gallery import rules
from app.features.gallery.uploads import TAKES
from app.web import moments
from app.web.forms import Form
from app.web.parts_field import PartsField

Choices = Mapping[str, Sequence[tuple[str, str]]]

class SliderField(StringField):
    """A whole number with a slider beside it; what is typed counts."""


class CustomiseForm(Form):
    """What the workflow is called that is made of a template."""

    name = StringField("Name", [InputRequired("Give it a name."), Length(max=200)])


class ImportForm(Form):
    """A template's file, as text."""

    source = TextAreaField(
        "The template as text",
        description="YAML or JSON, as Export gives it.",
        render_kw={"spellcheck": "false", "data-longest": "1000000"},
    )


def build(
    questions: Iterable[Input], choices: Choices | None = None, *, with_files: bool = True
) -> type[Form]:
    """Return a form class that asks *questions*; *choices* lists documents, images and people to choose from.

    Every field's name is ``q_`` and the question's key, so that no key can stand in the form's own way; a question that
    takes a file has a second field, ``f_`` and the key. Bounds are not the form's: the definition checks answers.
    """
    fields: dict[str, Field] = {}
    for question in questions:
        fields[name_of(question.key)] = _field(question, choices or {})
        if with_files and launch_form.takes_file(question):
            fields[file_name_of(question.key)] = _file_field(question)
    return type("LaunchForm", (Form,), fields)


def name_of(key: str) -> str:
    """Return the name of a question's field."""
    return f"q_{key}"


def file_name_of(key: str) -> str:
    """Return the name of the field that takes a file for a question."""
    return f"f_{key}"


def answers(form: Form, questions: Iterable[Input], zone: ZoneInfo) -> dict[str, Any]:
    """Return what was typed, as the definition reads it; a date and time gets the workspace's zone."""
    found: dict[str, Any] = {}
    for question in questions:
        value = form[name_of(question.key)].data
        if question.type is InputType.DATETIME and isinstance(value, str):
            value = moments.with_zone(value.strip(), zone)
        if question.type is InputType.PEOPLE:
            value = [part for each in value or () for part in re.split(r"[,;\s]+", each) if part]
        if question.type in _SEVERAL:
            value = [each for each in value or () if each]
        found[question.key] = value
    return found


def filled(questions: Iterable[Input], kept: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return what the fields show: kept answers where there are any, else the questions' defaults."""
    return {
        name_of(question.key): _shown(question, kept.get(question.key, question.default), zone)
        for question in questions
    }


def show_problems(form: Form, problems: Iterable[FieldError]) -> None:
    """Put problems (at ``/inputs/<key>``, or below it) beside their fields; those of other pages are left out.

    What is wrong with a fixed answer has no field: it stands on top.
    """
    for problem in problems:
        field = form.field_at(problem.path.replace("/inputs/", "/q_", 1))
        if field is not None:
            fix = "" if problem.code == "required" else problem.fix
            text = " ".join(part for part in (problem.message, fix) if part)
            field.errors = [*field.errors, text]
        elif problem.code == rules.FIXED_GONE:
            form.form_errors.append(f"{problem.message} {problem.fix}")


def _field(question: Input, choices: Choices) -> Field:
    common: dict[str, Any] = {
        "label": question.label,
        "description": question.help,
        "default": question.default,
    }
    if question.required:
        common["validators"] = [_Marked()]
    match question.type:
        case InputType.BOOLEAN:
            return BooleanField(**common)
        case InputType.CHOICE | InputType.MULTI_CHOICE:
            listed = [(choice, launch_form.choice_label(choice)) for choice in question.choices]
            return _choosing(question, listed, common)
        case InputType.DOCUMENT | InputType.DOCUMENTS | InputType.IMAGE | InputType.IMAGES | InputType.PEOPLE:
            return _choosing(question, list(choices.get(question.type.value.removesuffix("s"), ())), common)
        case InputType.VEHICLE:
            return _vehicle(question, common)
        case _:
            return _typed(question, common)


def _vehicle(question: Input, common: dict[str, Any]) -> PartsField:
    """Return a field for each part of a vehicle that a question asks for."""
    needed = vehicle.needed(question) if question.required else []
    fields = {
        part.key: _typed(part, {"label": part.label} | ({"validators": [_Marked()]} if part in needed else {}))
        for part in vehicle.asked(question)
    }
    common["description"] = " ".join(filter(None, (question.help, vehicle.demand(question))))
    return PartsField(fields=fields, units={"price": ("$", "")}, **common)


def _choosing(question: Input, listed: list[tuple[str, str]], common: dict[str, Any]) -> Field:
    """Return a field to choose one or several with: buttons where they are few and one is chosen already."""
    offered = [SelectChoice(value, label) for value, label in listed]
    if question.type in _SEVERAL:
        return SelectMultipleField(
            choices=offered,
            validate_choice=False,
            widget=ListWidget(prefix_label=False),
            option_widget=CheckboxInput(),
            **common,
        )
    if question.type is InputType.IMAGE:
        return RadioField(choices=[SelectChoice("", "None"), *offered], validate_choice=False, **common)
    if launch_form.has_buttons(question, len(offered)):
        return RadioField(choices=offered, validate_choice=False, **common)
    return SelectField(choices=[SelectChoice("", "Choose"), *offered], validate_choice=False, **common)


def _typed(question: Input, common: dict[str, Any]) -> Field:
    """Return a field to type into, with the keyboard that fits on a phone."""
    kind, attributes = _TYPED[question.type]
    attributes = {**attributes, "data-longest": str(longest(question))}
    if question.placeholder:
        attributes["placeholder"] = question.placeholder
    if kind is TextAreaField:
        is_large = launch_form.takes_file(question) or question.type is not InputType.LONG_TEXT
        attributes["rows"] = "6" if is_large else "3"
    if question.type is InputType.DATE:
        bounds = (("min", question.min), ("max", question.max))
        today = clock.now().astimezone(moments.zone_named()).date()
        attributes["max"] = f"{YEARS[-1]}-12-31"  # so that a browser lets nobody type a year of six digits
        attributes |= {key: str(today if bound == TODAY else bound) for key, bound in bounds if bound is not None}
        common["widget"] = DateInput()
    if question.type is InputType.DATETIME:
        attributes["max"] = f"{YEARS[-1]}-12-31T23:59"
        common["widget"] = DateTimeLocalInput()
    if launch_form.has_slider(question):
        kind = SliderField
    return kind(render_kw=attributes, **common)


def _file_field(question: Input) -> Field:
    """Return the second field of a question: a file of the kinds that it takes."""
    takes = TAKES[question.type]
    *before, last = takes.split(",")
    several = question.type in (InputType.DOCUMENTS, InputType.IMAGES)
    label = "Or hand in new ones" if several else "Or choose a file"
    most = "10 MB" if question.type in (InputType.IMAGE, InputType.IMAGES) else "1 MB"
    attributes = {"accept": takes, "aria-label": f"{label}: {question.label}"}
    return FileField(
        label,
        description=f"{', '.join(before)} or {last}, at most {most}{' together' if several else ''}",
        render_kw=attributes | ({"multiple": True} if several else {}),
    )


_SEVERAL = (InputType.MULTI_CHOICE, InputType.DOCUMENTS, InputType.IMAGES, InputType.PEOPLE)
_QUIET = {"autocomplete": "off", "autocapitalize": "off"}
_TYPED: dict[InputType, tuple[type[Field], dict[str, str]]] = {
    InputType.TEXT: (StringField, {}),
    InputType.LONG_TEXT: (TextAreaField, {}),
    InputType.CSV: (TextAreaField, {"spellcheck": "false"}),
    InputType.JSON: (TextAreaField, {"spellcheck": "false"}),
    InputType.NUMBER: (StringField, {"inputmode": "decimal", "autocomplete": "off"}),
    InputType.MONEY: (StringField, {"inputmode": "decimal", "autocomplete": "off"}),
    InputType.PERCENT: (StringField, {"inputmode": "decimal", "autocomplete": "off"}),
    InputType.INTEGER: (StringField, {"inputmode": "numeric", "autocomplete": "off"}),
    InputType.DATE: (StringField, {}),
    InputType.DATETIME: (StringField, {}),
    InputType.EMAIL: (EmailField, {"list": "people", **_QUIET}),
    InputType.PHONE: (TelField, {"autocomplete": "off"}),
    InputType.URL: (URLField, {"autocomplete": "off"}),
    InputType.VIN: (
        StringField,
        {"autocapitalize": "characters", "autocomplete": "off", "spellcheck": "false", "maxlength": "20"},
    ),
}


class _Marked:
    """Mark a field as required for whoever reads the page; the definition checks the answer."""

    field_flags = {"required": True}

    def __call__(self, form: Any, field: Any) -> None:
        """Let everything pass."""


def _shown(question: Input, value: Any, zone: ZoneInfo) -> Any:
    if question.type is InputType.DATETIME and isinstance(value, str):
        return moments.local(value, zone)
    if question.type is InputType.BOOLEAN:
        return value in (True, "true", "yes", "on", "1")
    if question.type in _SEVERAL:
        return list(value) if isinstance(value, list | tuple) else [value] if value else []
    if question.type is InputType.VEHICLE:
        kept = value.items() if isinstance(value, dict) else ()
        return {key: "" if each is None else str(each) for key, each in kept}
    if question.type is InputType.JSON and value is not None and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, indent=2)
    return "" if value is None else str(value)
