"""A question as a form, and changes to the list of questions."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import date, datetime
from typing import Any

import wtforms
from werkzeug.datastructures import MultiDict

from app.definition import vehicle
from app.definition.answer import TODAY
from app.definition.parts import Input, in_words
from app.definition.problems import Problem
from app.definition.short_names import free_key
from app.definition.unchecked import EditImpossible
from app.features.workflows.forms.step import with_other_rows
from app.web.forms import settings_of
from app.web.list_fields import Many, Rows
from app.web.record_fields import Record
from app.web.setting_fields import Choice, Day, Json, Moment, Number, Setting, Text, YesNo, put

Posted = MultiDict[str, str]

_QUESTION_PARTS = {
    "label": "Question", "type": "Kind of answer", "required": "Must be answered", "choices": "Choices",
    "columns": "Columns it must have", "parts": "What to ask of the vehicle", "must_have": "What must be given of it",
    "help": "Help under the question",
    "placeholder": "Example in the empty field",
    "default": "Answer to begin with", "fixed": "When is it asked?", "group": "Page", "days": "Which days?",
    "min": "At least", "max": "At most",
    "not_before": "Not before the answer to", "max_length": "Longest answer", "key": "Short name",
}  # fmt: skip
TYPE_WORDS = {
    "text": "Short text", "long_text": "Long text", "number": "Number", "integer": "Whole number", "money": "Money",
    "percent": "Percent", "boolean": "Yes or no", "date": "Date", "datetime": "Date and time",
    "choice": "One of a list",
    "multi_choice": "Several of a list", "email": "E-mail address", "phone": "Phone number", "url": "Web address",
    "vin": "VIN", "vehicle": "Vehicle", "document": "A document", "documents": "Documents", "image": "A picture",
    "images": "Pictures",
    "people": "People", "csv": "Table (CSV)", "json": "Data (JSON)",
}  # fmt: skip
_PARTS = [(key, part.label) for key, part in vehicle.PARTS.items()]
_WITH_CHOICES = ("choice", "multi_choice")
_DATES = ("date", "datetime")
_ALONE = {
    "choices": _WITH_CHOICES, "columns": ("csv",), "parts": ("vehicle",), "must_have": ("vehicle",),
    "not_before": _DATES,
}  # fmt: skip
_NUMBERS = ("number", "integer", "money", "percent")
_TEXTS = ("text", "email", "phone", "url", "vin")
_BOUNDED = (*_NUMBERS, *_DATES, "text", "long_text", "documents", "images", "people")
_HANDED = ("document", "documents", "image", "images", "csv")
_DAYS = [("", "Any"), ("min", "Today or later"), ("max", "Today or earlier")]
_UNITS = {"money": "$", "percent": "%"}
_HINTS = {
    "group": "Questions of the same page are asked together, under its name.",
    "key": "Steps use the answer by this name.",
}
_FROM_START = "The answer is chosen when it starts; under “Customise first” in the gallery, one for good."


class QuestionForm:
    """A question as a form, made from the schema of inputs; it shows what its kind of answer can have.

    *listed* are all questions: those with the same kind of date are offered where one must not come before another.
    *handed* are the documents or pictures to choose its own answer from, by id and words.
    """

    def __init__(
        self,
        question: Mapping[str, Any],
        posted: Posted | None = None,
        *,
        listed: Sequence[Any] = (),
        handed: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._question = dict(question)
        made = type("QuestionSettings", (wtforms.Form,), _question_fields(self._question, listed, handed))
        self.fields: dict[str, Setting] = dict(made(posted, data=stored_parts(question))._fields)

    @property
    def kind(self) -> str:
        """The kind of answer."""
        return str(self._question.get("type", "text"))

    @property
    def shown(self) -> list[Setting]:
        """The settings that the kind of answer has, and those that hold something all the same."""
        kind, hidden = self.kind, set()
        for key, kinds in _ALONE.items():
            if kind not in kinds and not self._question.get(key):
                hidden.add(f"q-{key}")
        if kind in _HANDED and self._question.get("default") is None:
            hidden.add("q-default")
        for key in ("min", "max"):
            if _is_today(self._question, key) or (kind not in _BOUNDED and self._question.get(key) is None):
                hidden.add(f"q-{key}")
        if kind not in _DATES:
            hidden.add("q-days")
        if kind == "vehicle" and not self._question.get("placeholder"):
            hidden.add("q-placeholder")
        if "text" not in kind and self._question.get("max_length") is None:
            hidden.add("q-max_length")
        return [self.fields[f"q-{key}"] for key in _QUESTION_PARTS if f"q-{key}" not in hidden]

    def redrawn(self, before: "QuestionForm") -> list[Setting] | None:
        """Return the fields to show anew where *before* is on the page: other rows or choices. None: all of them."""
        parts = [(each.name, type(each)) for each in self.shown]
        if self.kind != before.kind or parts != [(each.name, type(each)) for each in before.shown]:
            return None
        offering = [
            field
            for name, field in self.fields.items()
            if isinstance(field, Choice | Many) and field.choices != before.fields[name].choices
        ]
        return [*with_other_rows(self.fields, before.fields), *offering]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The pairs of what is not shown, so that it is posted as it is."""
        shown = {field.name for field in self.shown}
        return [pair for name, field in self.fields.items() if name not in shown for pair in field.pairs()]

    def question(self) -> dict[str, Any]:
        """Return the question as the form has it."""
        question = dict(self._question)
        for name, field in self.fields.items():
            if field.is_changed and name != "q-days":
                put(question, name.removeprefix("q-"), field.data)
        if (days := self.fields["q-days"]).is_changed:
            others = {key: None for key in ("min", "max") if question.get(key) == TODAY}
            question |= others | ({days.data: TODAY} if days.data in ("min", "max") else {})
        return question

    @property
    def changed(self) -> list[str]:
        """The words of what somebody changed."""
        return [str(field.label.text) for field in self.fields.values() if field.is_changed]

    @property
    def new_key(self) -> str:
        """The key that the form gives it."""
        return str(self.fields["q-key"].data).strip()

    def show(self, problems: Iterable[Problem], place: int) -> list[Problem]:
        """Put the question's problems beside their fields; return those that fit none of them."""
        left = []
        for problem in problems:
            parts = problem.path.split("/")[1:]
            if parts[:2] == ["inputs", str(place)]:
                field = self.fields.get(f"q-{parts[2]}") if len(parts) > 2 else None
                if field is None:
                    left.append(problem)
                else:
                    field.notes.append(problem.sentence)
        return left


def stored_parts(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored by field."""
    days = next((key for key in ("min", "max") if _is_today(question, key)), "")
    return {f"q-{key}": value for key, value in question.items()} | {"q-days": days}


def find_question(data: Mapping[str, Any], key: str) -> tuple[int, dict[str, Any] | None]:
    """Return place and question of a key; (-1, None) when there is none."""
    for place, each in enumerate(data.get("inputs") or ()):
        if isinstance(each, dict) and each.get("key") == key:
            return place, each
    return -1, None


def with_questions_changed(
    data: dict[str, Any], key: str, action: str, label: str, kind: str = "text"
) -> tuple[dict[str, Any], str]:
    """Add a question (and return its key), or move or delete the one with *key*, which is there.

    Raises EditImpossible.
    """
    new = deepcopy(data)
    if not isinstance(new.get("inputs"), list):
        new["inputs"] = []
    listed: list[Any] = new["inputs"]
    if action == "add":
        words = " ".join(label.split())[:300] or "New question"
        made = free_key(new, words)
        listed.append({"key": made, "label": words, "type": kind})
        return new, made
    place, _ = find_question(new, key)
    to = {"up": place - 1, "down": place + 1}.get(action)
    if action == "remove":
        del listed[place]
    elif to is None or not 0 <= to < len(listed):
        raise EditImpossible("It cannot go further.")
    else:
        listed.insert(to, listed.pop(place))
    return new, ""


def _question_fields(
    question: Mapping[str, Any], listed: Sequence[Any], handed: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    kind = str(question.get("type", "text"))
    fields = settings_of(Input, prefix="q-", offered=lambda _key, _extra: None)
    fields["q-label"] = Text("", usual="", required=True)
    fields["q-type"] = Choice("", usual="text", choices=list(TYPE_WORDS.items()))
    fields["q-parts"] = Many("", usual=[], choices=_PARTS, description="All of it where nothing is ticked.")
    asking_again = "Who leaves one of these empty is asked for it."
    fields["q-must_have"] = Many("", usual=[], choices=_PARTS, description=asking_again)
    fields["q-default"] = _default_field(kind, question, handed)
    fields["q-min"], fields["q-max"] = _bound_field(kind, question, "min"), _bound_field(kind, question, "max")
    fields["q-days"] = Choice("", usual="", choices=_DAYS, is_row=True)
    fields["q-help"] = Text("", usual="", rows=3)
    asking = [("false", "Ask every time"), ("true", "Always use this answer")]
    fields["q-fixed"] = YesNo("", usual=False, choices=asking)
    fields["q-not_before"] = Choice("", choices=[("", "None"), *_earlier(kind, question, listed)])
    for key, words in _QUESTION_PARTS.items():
        fields[f"q-{key}"].args, fields[f"q-{key}"].kwargs["label"] = (), words
    for key, hint in _HINTS.items():
        fields[f"q-{key}"].kwargs["description"] = hint
    if kind in _HANDED:
        fields["q-type"].kwargs["description"] = _FROM_START
    return fields


def _default_field(kind: str, question: Mapping[str, Any], handed: Sequence[tuple[str, str]]) -> Any:
    """Return the field that fits the kind of answer; one for anything where what is stored would not fit in."""
    stored, choices = question.get("default"), _texts(question.get("choices"))
    offered = [(each, each) for each in choices]
    is_text = stored is None or isinstance(stored, str)
    if kind == "boolean" and (stored is None or isinstance(stored, bool)):
        return YesNo("", choices=[("", "None"), ("true", "Yes"), ("false", "No")])
    if kind == "choice" and choices and is_text:
        return Choice("", choices=[("", "None"), *offered])
    if kind == "multi_choice" and choices and (stored is None or _texts(stored) == stored):
        return Many("", choices=offered)
    if kind in ("document", "image") and is_text:
        return Choice("", choices=[("", "None"), *handed], render_kw={"widget": kind})
    if kind in ("documents", "images") and (stored is None or _texts(stored) == stored):
        return Many("", choices=handed, render_kw={"widget": kind})
    if kind == "people" and (stored is None or _texts(stored) == stored):
        return Rows("")
    if kind in (*_TEXTS, "choice") and is_text:
        return Text("")
    if kind == "long_text" and is_text:
        return Text("", rows=5)
    if kind == "vehicle" and (stored is None or _is_vehicle(stored)):
        return Record("", fields_of=_part_fields)
    return _amount_field(kind, stored) or Json("", usual=None, is_long=kind == "json")


def _is_vehicle(stored: Any) -> bool:
    return isinstance(stored, dict) and bool(stored) and stored.keys() <= vehicle.PARTS.keys()


def _part_fields(prefix: str) -> dict[str, Any]:
    """Return a field for each part of a vehicle, by its name."""
    return {
        f"{prefix}{key}": Number(part.label, unit=_UNITS.get(part.type.value, ""))
        if part.type in _NUMBERS
        else Text(part.label)
        for key, part in vehicle.PARTS.items()
    }


def _bound_field(kind: str, question: Mapping[str, Any], key: str) -> Any:
    stored = question.get(key)
    counted = "integer" if kind in ("text", "long_text", "documents", "images", "people") else kind
    return _amount_field(counted, stored) or Json("", usual=None)


def _amount_field(kind: str, stored: Any) -> Any:
    """Return the field of a number or a date; None for anything else."""
    if kind in _NUMBERS and (stored is None or (isinstance(stored, int | float) and not isinstance(stored, bool))):
        return Number("", unit=_UNITS.get(kind, ""))
    if kind == "date" and (stored is None or (isinstance(stored, str) and _is_day(stored))):
        return Day("")
    if kind == "datetime" and (stored is None or (isinstance(stored, str) and _is_moment(stored))):
        return Moment("")
    return None


def _is_today(question: Mapping[str, Any], key: str) -> bool:
    return question.get("type") in _DATES and question.get(key) == TODAY


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str) and each] if isinstance(value, list) else []


def _earlier(kind: str, question: Mapping[str, Any], listed: Sequence[Any]) -> list[tuple[str, str]]:
    """Return the other questions of the same kind of date, by key and label."""
    if kind not in _DATES:
        return []
    return [
        (str(each["key"]), str(each.get("label") or in_words(str(each["key"]))))
        for each in listed
        if isinstance(each, dict) and each.get("type") == kind and each.get("key") not in (None, question.get("key"))
    ]
