"""Forms: WTForms with our token; a pydantic model becomes a form; a service's problems come back to their fields."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from flask_wtf import FlaskForm
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from wtforms import (
    BooleanField,
    DateField,
    Field,
    FloatField,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.csrf.core import CSRF, CSRFTokenField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app.core.errors import FieldError, Invalid
from app.web import list_fields
from app.web import setting_fields as settings
from app.web.condition_field import Condition
from app.web.csrf import FIELD, token
from app.web.parts_field import PartsField
from app.web.record_fields import Records
from app.web.span_field import Span

LONG = 200  # characters from which a text gets several lines


class _OurToken(CSRF):
    """Put our token into the form; it was checked before the view was called."""

    def setup_form(self, form: Any) -> list[tuple[str, Any]]:
        """Leave the field's id out: a page may have several forms."""
        return [(form.meta.csrf_field_name, CSRFTokenField(csrf_impl=self, render_kw={"id": False}))]

    def generate_csrf_token(self, csrf_token_field: Field) -> str:
        return token()

    def validate_csrf_token(self, form: Any, field: Field) -> None:
        return None


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """The base of our forms: ``validate_on_submit()``, ``problems`` for the summary, ``add_problems`` from services."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]  # Flask-WTF ships no types
        """Use our token in place of Flask-WTF's, which would need the cookie session."""

        csrf = True
        csrf_class = _OurToken
        csrf_field_name = FIELD

    @property
    def problems(self) -> list[FieldError]:
        """Every fault with the id of its field as path and the field's name before it, in the order of the fields."""
        found = [FieldError(path="", code="form", message=str(message)) for message in self.form_errors]
        for field in self:
            for each in (field, *(part for _, part in field.parts)) if isinstance(field, PartsField) else (field,):
                found += [
                    FieldError(path=each.id, code="field", message=_named(each.label.text, str(message)))
                    for message in each.errors
                ]
        return found

    def text(self, name: str) -> str:
        """Return what was entered in a field of text, empty for nothing."""
        value = self[name].data
        return value if isinstance(value, str) else ""

    def add_problems(self, error: Invalid) -> None:
        """Put what a service found wrong beside the fields it names, the rest on top of the form."""
        if not error.problems:
            self.form_errors.append(error.message)
        for problem in error.problems:
            text = " ".join(part for part in (problem.message, problem.fix) if part)
            if (field := self.field_at(problem.path)) is not None:
                field.errors = [*field.errors, text]
            else:
                self.form_errors.append(text)


    def field_at(self, path: str) -> Field | None:
        """Return the field that the end of a problem's path names, or its part; None where none does."""
        *_, before, name = ["", *path.split("/")]
        if before in self and isinstance(whole := self[before], PartsField):
            return whole.part(name) or whole
        return self[name] if name in self else None  # noqa: SIM401 (a form has no get)


def _named(label: str, message: str) -> str:
    if not label or label in message:
        return message
    return f"{label}{'' if label.endswith('?') else ':'} {message}"


def form_for(model: type[BaseModel], *, only: Iterable[str] | None = None) -> type[Form]:
    """Return a form class with one field for each of the model's simple fields (of *only* these, when given).

    Title, description, bounds and default come from the model; ``json_schema_extra={"widget": "long_text"}`` asks for
    several lines. Fields that are models or mappings themselves are left out.
    """
    wanted = set(model.model_fields if only is None else only)
    fields = {name: _field(name, info) for name, info in model.model_fields.items() if name in wanted}
    return type(
        f"{model.__name__}Form", (Form,), {name: field for name, field in fields.items() if field is not None}
    )


Offered = Callable[[str, Mapping[str, Any]], Sequence[tuple[str, str]] | None]


def settings_of(model: type[BaseModel], *, prefix: str, offered: Offered) -> dict[str, Any]:
    """Return a field for every setting of a pydantic model, by the names that a form gives them (*prefix* and key).

    Titles, descriptions, units, defaults and the widget come from the model; *offered* lists what may be chosen for a
    widget of a setting (steps, people, pictures), None where it has no choices. What no other field can show is JSON.
    """
    return {
        f"{prefix}{info.alias or name}": _setting(info.alias or name, info, offered)
        for name, info in model.model_fields.items()
    }


def _setting(key: str, info: FieldInfo, offered: Offered) -> Any:
    kind, is_nullable = _kind(info.annotation)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}
    widget = str(extra.get("widget", ""))
    choices = offered(key, extra)
    longest = next((rule.max_length for rule in info.metadata if hasattr(rule, "max_length")), None) or 0
    is_list = get_origin(kind) is list
    texts = _allows(info.annotation, str)
    common: dict[str, Any] = {
        "label": info.title or key.replace("_", " ").capitalize(),
        "description": info.description or "",
        "usual": settings.ABSENT if info.is_required() else _plain(info.get_default(call_default_factory=True)),
        "unit": str(extra.get("unit", "")),
        "required": info.is_required(),
        "render_kw": {"widget": widget},
    }
    if widget == "condition":
        return Condition(**common)
    if widget == "answers":
        return list_fields.Answers(choices=choices or (), **common)
    if choices is not None and widget == "documents_or_text":
        return list_fields.Documents(choices=choices, rows=5, is_list_too=True, **common)
    if choices is not None and widget in ("step", "images"):
        return list_fields.Many(choices=choices, is_one_text=texts and not is_list, **common)
    if (literal := _choices(kind)) is not None:
        named = [(str(each.value), str(each.label)) for each in literal]
        return settings.Choice(choices=named, is_row=widget == "segments", **common)
    if choices is not None and kind is str:
        return settings.Choice(choices=choices, **common)
    if kind is bool:
        return settings.YesNo(**common)
    if kind in (int, float) or (isinstance(kind, type) and issubclass(kind, Decimal)):
        number = Span if common["unit"] == "seconds" else settings.Number
        return number(is_nullable=is_nullable, **common)
    if is_list and (rows := _rows(get_args(kind)[0], choices, offered, common)) is not None:
        return rows
    if get_origin(kind) is dict:
        return list_fields.PairRows(is_text=_inner(get_args(kind)[1]) is str, **common)
    if texts:
        rows = 5 if widget in ("long_text", "prompt", "documents_or_text") else 2 if longest > 300 else 1
        return settings.Text(rows=rows, longest=longest, is_list_too=kind is None, **common)
    return settings.Json(**common)


def _rows(
    item: Any, choices: Sequence[tuple[str, str]] | None, offered: Offered, common: dict[str, Any]
) -> Any:
    """Return the field of a list of texts, numbers or records; None for any other."""
    inner = _inner(item)
    if inner in (str, int, float):
        return list_fields.Rows(is_number=inner is not str, choices=choices or (), **common)
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return Records(fields_of=lambda prefix: settings_of(inner, prefix=prefix, offered=offered), **common)
    return None


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _inner(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _allows(annotation: Any, kind: type) -> bool:
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return any(_inner(part) is kind for part in parts)


def _field(name: str, info: FieldInfo) -> Any:
    kind, is_optional = _kind(info.annotation)
    bounds = {type(rule).__name__: rule for rule in info.metadata}
    least = getattr(bounds.get("Ge"), "ge", getattr(bounds.get("Gt"), "gt", None))
    most = getattr(bounds.get("Le"), "le", getattr(bounds.get("Lt"), "lt", None))
    longest = getattr(bounds.get("MaxLen"), "max_length", None)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}
    is_required = info.is_required() and not is_optional
    rules: list[Any] = [InputRequired("This needs an answer.") if is_required else Optional()]
    common: dict[str, Any] = {
        "label": info.title or name.replace("_", " ").capitalize(),
        "description": info.description or "",
        "default": None if info.is_required() else info.get_default(call_default_factory=True),
    }
    if (choices := _choices(kind)) is not None:
        return SelectField(choices=choices, validators=rules, **common)
    if get_origin(kind) is list and (choices := _choices(get_args(kind)[0])) is not None:
        return SelectMultipleField(choices=choices, validators=rules, **common)
    if kind is bool:
        return BooleanField(**common)
    if kind in (int, float):
        if least is not None or most is not None:
            rules.append(NumberRange(min=least, max=most))
        return (IntegerField if kind is int else FloatField)(validators=rules, **common)
    if kind is date:
        return DateField(validators=rules, **common)
    if kind is str:
        if longest:
            rules.append(Length(max=longest))
        is_long = extra.get("widget") == "long_text" or (longest or 0) > LONG
        return (TextAreaField if is_long else StringField)(validators=rules, **common)
    return None


def _kind(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return (_inner(parts[0]) if len(parts) == 1 else None), len(parts) < len(get_args(annotation))
    return annotation, False


def _choices(kind: Any) -> list[SelectChoice] | None:
    if get_origin(kind) is Literal:
        values = [str(value) for value in get_args(kind)]
    elif isinstance(kind, type) and issubclass(kind, Enum):
        values = [str(member.value) for member in kind]
    else:
        return None
    return [SelectChoice(value, value.replace("_", " ").capitalize()) for value in values]
