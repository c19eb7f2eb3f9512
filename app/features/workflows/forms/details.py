"""What a workflow is called and about, and its limits, as forms."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

import wtforms
from pydantic import ValidationError
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import InputRequired, Length

from app.core.errors import FieldError, Invalid
from app.definition.parts import Limits
from app.features.workflows.enums import Category
from app.features.workflows.forms.clash import Clash, shown
from app.features.workflows.models import Workflow
from app.web.forms import Form

ICONS = {
    "route": "Way", "writing": "Text", "photo": "Picture", "mail": "Mail", "car": "Car", "calendar-time": "Calendar",
    "speakerphone": "Campaign", "star": "Star", "users": "People", "tool": "Tool", "message-2": "Message",
    "chart-bar": "Chart", "brand-facebook": "Facebook", "brand-instagram": "Instagram",
}  # fmt: skip


class NewForm(Form):
    """What a new workflow is called."""

    name = wtforms.StringField("Name", validators=[InputRequired("Give it a name."), Length(max=200)])


class DetailsForm(Form):
    """What a workflow is called and about, and its limits.

    *was* has what each field showed when the form was opened, by name: what differs from it somebody changed.
    """

    was: Mapping[str, str] = MappingProxyType({})
    name = wtforms.StringField("Name", validators=[InputRequired("Give it a name."), Length(max=200)])
    description = wtforms.TextAreaField("What it is for", validators=[Length(max=2000)])
    category = wtforms.SelectField("Category", choices=[], validators=[Length(max=40)])
    tags = wtforms.StringField(
        "Tags", validators=[Length(max=1000)], description="Words to find it by, with commas."
    )
    icon = wtforms.StringField("Icon", validators=[Length(max=40)])
    cost_usd = wtforms.StringField("Most it may cost", validators=[Length(max=20)])
    minutes = wtforms.StringField("Longest working time", validators=[Length(max=10)],
                                  description="Waiting for people does not count.")  # fmt: skip
    at_once = wtforms.StringField(
        "Most at once", validators=[Length(max=10)],
        description="Steps that spend or send, in all runs of this workflow together. More stand in line.",
    )  # fmt: skip

    def __init__(self, *arguments: Any, **data: Any) -> None:
        """Offer the category that it has with the known ones."""
        super().__init__(*arguments, **data)
        self.category.choices = _categories(data.get("category") or "")

    def opened(self, posted: Mapping[str, str]) -> None:
        """Take what the fields showed from what was posted with them; nothing from a page that did not say it."""
        self.was = {name: posted[f"was-{name}"] for name in self.words if f"was-{name}" in posted}
        self.category.choices = _categories(self.was.get("category", ""))

    @property
    def icons(self) -> dict[str, str]:
        """The icons to choose from with their words; the one that it has is among them."""
        own = self.text("icon")
        return {own: own.replace("-", " ").capitalize(), **ICONS} if own and own not in ICONS else ICONS

    @property
    def words(self) -> dict[str, str]:
        """What each field holds, by name."""
        return {
            each.short_name: "" if each.data is None else str(each.data)
            for each in self
            if each.type != "CSRFTokenField"
        }

    def onto(self, now: "DetailsForm", clash: list[Clash], *, is_sure: bool) -> "DetailsForm":
        """Return the form with what was changed here and else what is *now*.

        Fills *clash* with what somebody else has changed meanwhile to something else, unless one *is_sure*.
        """
        merged = {}
        for name, mine in self.words.items():
            theirs = now.words[name]
            was = self.was.get(name, theirs)
            to_save, at_first, at_last = (_meant(name, text) for text in (mine, was, theirs))
            merged[name] = theirs if to_save == at_first else mine
            if not is_sure and to_save != at_first != at_last != to_save:
                clash.append(Clash(name, str(self[name].label.text), *(_said(name, each) for each in (theirs, mine))))
        return DetailsForm(None, **merged)

    def limited(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return *data* with the limits of the form. Raises Invalid when they are none."""
        cost = _amount(self.text("cost_usd"))
        wholes = {name: self.text(name).strip() for name in ("minutes", "at_once")}
        given = {**limits_of(data), "cost_usd": cost or None}
        given |= {name: _whole(text) if text else None for name, text in wholes.items()}
        try:
            Limits.model_validate(given)
        except ValidationError as invalid:
            words = {
                "cost_usd": "Write an amount like 5.00.", "minutes": "Write 1 to 43200 minutes.",
                "at_once": "Write 1 to 1000 steps.",
            }  # fmt: skip
            faults = [
                FieldError(f"/{each['loc'][0]}", "bad_value", words.get(str(each["loc"][0]), each["msg"]))
                for each in invalid.errors()
            ]
            raise Invalid("The limits are not right.", faults) from None
        return {**data, "limits": given}


def details_form(workflow: Workflow, data: Mapping[str, Any]) -> DetailsForm:
    """Return the form with what the workflow has."""
    limits = limits_of(data)
    form = DetailsForm(
        None, name=workflow.name, description=workflow.description, category=_known(workflow.category),
        tags=", ".join(map(str, workflow.tags or [])), icon=workflow.icon or next(iter(ICONS)),
        cost_usd=limits.get("cost_usd") or "", minutes=limits.get("minutes") or "",
        at_once=limits.get("at_once") or "",
    )  # fmt: skip
    form.was = form.words
    return form


def limits_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits as they are written down."""
    limits = data.get("limits")
    return limits if isinstance(limits, dict) else {}


def _categories(own: str) -> list[SelectChoice]:
    """Return the categories to choose from; one's *own* of before there were any is among them."""
    others = [SelectChoice(own, own)] if own and own not in set(Category) else []
    return [SelectChoice("", "None"), *(SelectChoice(each.value, each.label) for each in Category), *others]


def _known(category: str) -> str:
    """Return the category that was written in words; any other as it stands."""
    return next((each.value for each in Category if each.label.casefold() == category.casefold()), category)


def _said(name: str, text: str) -> str:
    """Write what a field holds for people to compare."""
    return Category(text).label if name == "category" and text in set(Category) else shown(text)


def _meant(name: str, text: str) -> Any:
    """Return what a text of the field *name* means: the same whichever way it is written."""
    if name == "tags":
        return list(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))
    if name == "cost_usd":
        try:
            amount = Decimal(_amount(text))
        except InvalidOperation:
            return text
        return amount if amount.is_finite() else text
    return text.strip().splitlines()


def _amount(text: str) -> str:
    return text.replace("$", "").replace(",", "").strip()


def _whole(text: str) -> int | str:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else text
