"""The form that starts a run, as it will look: its pages with their questions, and what is never asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.cached import cached_property
from app.definition import launch_form, vehicle
from app.definition.parts import Input, InputType
from app.web import written

_LOOKS = {
    InputType.LONG_TEXT: "area", InputType.CSV: "area", InputType.JSON: "area", InputType.BOOLEAN: "tick",
    InputType.MULTI_CHOICE: "ticks", InputType.DATE: "date", InputType.DATETIME: "datetime-local",
    InputType.DOCUMENT: "select", InputType.DOCUMENTS: "offer", InputType.IMAGE: "offer", InputType.IMAGES: "offer",
    InputType.PEOPLE: "offer", InputType.VEHICLE: "parts",
}  # fmt: skip
_UNITS = {InputType.MONEY: ("$", ""), InputType.PERCENT: ("", "%")}
_OFFERS = {
    InputType.DOCUMENTS: "The workspace’s documents, to choose from.",
    InputType.IMAGE: "The workspace’s pictures, to choose one.",
    InputType.IMAGES: "The workspace’s pictures, to choose from.",
    InputType.PEOPLE: "The people of the workspace to choose from, and others by e-mail.",
}


@dataclass(frozen=True, slots=True)
class AskedPreview:
    """One question as the launch form shows it."""

    question: Input

    @property
    def look(self) -> str:
        """What answers it: area, tick, ticks, buttons, select, offer (things to choose), or the kind of an input."""
        kind = self.question.type
        if kind is InputType.CHOICE:
            return "buttons" if launch_form.has_buttons(self.question, len(self.question.choices)) else "select"
        return _LOOKS.get(kind, "text")

    @property
    def options(self) -> list[tuple[str, str, bool]]:
        """The choices: each as it is written, as it is shown, and whether it is chosen already."""
        default = self.question.default
        chosen = default if isinstance(default, list) else [default]
        return [(each, launch_form.choice_label(each), each in chosen) for each in self.question.choices]

    @property
    def text(self) -> str:
        """The answer to begin with, as it stands in the field."""
        default = self.question.default
        if self.question.type is InputType.VEHICLE and isinstance(default, dict):
            return vehicle.in_words(default)
        return "" if default is None else default if isinstance(default, str) else written.write(default)

    @property
    def parts(self) -> list[tuple[Input, str]]:
        """The parts of a vehicle that are asked for, each with what stands in its field."""
        given = self.question.default if isinstance(self.question.default, dict) else {}
        return [(part, str(given.get(part.key) or "")) for part in vehicle.asked(self.question)]

    @property
    def help(self) -> str:
        """What is said below the question."""
        return " ".join(filter(None, (self.question.help, vehicle.demand(self.question))))

    @property
    def is_ticked(self) -> bool:
        """Tell whether yes is the answer to begin with."""
        return self.question.default is True

    @property
    def is_optional(self) -> bool:
        """Tell whether it is marked as one that may be left empty."""
        kind = self.question.type
        is_list = kind is InputType.CSV or kind in _OFFERS
        return not self.question.required and (is_list or (kind is not InputType.BOOLEAN and self.text == ""))

    @property
    def offers(self) -> str:
        """What of the workspace there is to choose from, in words."""
        return _OFFERS.get(self.question.type, "")

    @property
    def units(self) -> tuple[str, str]:
        """What stands in a box before and after the field."""
        return _UNITS.get(self.question.type, ("", ""))

    @property
    def has_slider(self) -> bool:
        """Tell whether a slider stands beside the field."""
        return launch_form.has_slider(self.question)

    @property
    def file(self) -> str:
        """The words of the file chooser; empty when it has none."""
        if not launch_form.takes_file(self.question):
            return ""
        several = self.question.type in (InputType.DOCUMENTS, InputType.IMAGES)
        return "Or hand in new ones" if several else "Or choose a file"

    @property
    def answer(self) -> str:
        """The answer to begin with in words."""
        default = self.question.default
        if default in (None, "", []):
            return "nothing"
        if self.question.type in launch_form.HANDED:
            count = len(default) if isinstance(default, list) else 1
            return "what was chosen" if count == 1 else f"the {count} that were chosen"
        if isinstance(default, bool):
            return "Yes" if default else "No"
        if isinstance(default, list) and all(isinstance(each, str) for each in default):
            return ", ".join(default)
        return "".join((self.units[0], self.text, self.units[1]))


class LaunchPreview:
    """The pages and the fixed questions of a definition, which may be wrong."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._definition = launch_form.sketched(data)

    @cached_property
    def pages(self) -> list[tuple[str, list[AskedPreview]]]:
        """The pages in their order, each with its title and its questions."""
        return [(title, [AskedPreview(each) for each in asked]) for title, asked in launch_form.pages(self._definition)]

    @cached_property
    def fixed(self) -> list[AskedPreview]:
        """The questions that are never asked."""
        return [AskedPreview(each) for each in launch_form.fixed(self._definition)]
