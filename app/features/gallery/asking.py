"""One person filling a launch form, of a template or of a workflow: its pages, the answers so far, what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from flask import url_for

from app.core import clock
from app.core.cached import cached_property
from app.core.errors import FieldError
from app.definition import launch_form
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid
from app.definition.schema import Definition, Input, InputType
from app.features.gallery import columns, forms, handing, rules, vins
from app.features.gallery.models import LaunchDraft
from app.features.gallery.queries import Place
from app.web.forms import Form


@dataclass(frozen=True)
class Subject:
    """What is launched: its name, what it does, and where its pages are."""

    place: Place
    name: str
    definition: Definition
    made_of: str  # names the version that a start would use

    @property
    def is_template(self) -> bool:
        """Whether it is a template; else it is a workflow."""
        return bool(self.place.slug)

    @property
    def url(self) -> str:
        """The address of its own page."""
        if self.place.slug:
            return url_for("gallery.show", slug=self.place.slug)
        return url_for("workflows.show", workflow_id=self.place.workflow_id)

    def launch_url(self, action: str = "launch", **values: Any) -> str:
        """Return the address of a page or an action of its launch form."""
        if self.place.slug:
            return url_for(f"gallery.{action}", slug=self.place.slug, **values)
        return url_for(f"gallery.{action}_workflow", workflow_id=self.place.workflow_id, **values)


@dataclass(frozen=True)
class Asking:
    """The state of a launch form between two requests. Pages count from 1; the last one is *check your answers*."""

    subject: Subject
    zone: ZoneInfo
    draft: LaunchDraft | None
    choices: forms.Choices = field(default_factory=dict)

    @property
    def definition(self) -> Definition:
        """What will be run."""
        return self.subject.definition

    @cached_property
    def pages(self) -> list[tuple[str, tuple[Input, ...]]]:
        """The pages with questions: title and questions."""
        return launch_form.pages(self.definition)

    @property
    def kept(self) -> Mapping[str, Any]:
        """The answers so far, as they were typed, without those that this version no longer asks."""
        asked = {question.key for question in launch_form.asked(self.definition)}
        answers = self.draft.answers if self.draft else {}
        return {key: value for key, value in answers.items() if key in asked}

    @property
    def mark(self) -> str:
        """Name the answers and what they start, so that nothing else is started than what was checked."""
        return rules.mark(self.subject.made_of, self.kept)

    def number(self, written: str | None) -> int:
        """Return the page that an address names; the first for anything else."""
        return (
            int(written)
            if written and written.isdecimal() and len(written) < 4 and 1 <= int(written) <= len(self.pages)
            else 1
        )

    def questions(self, number: int) -> tuple[Input, ...]:
        """Return what a page asks."""
        return self.pages[number - 1][1] if self.pages else ()

    def form(self, number: int) -> Form:
        """Return a page's form with the answers so far."""
        questions = self.questions(number)
        return forms.build(questions, self.choices)(None, data=forms.filled(questions, self.kept, self.zone))

    def sent_form(self, number: int) -> Form:
        """Return a page's form as the browser sent it."""
        return forms.build(self.questions(number), self.choices)()

    def sent_answers(self, form: Form, number: int) -> dict[str, Any]:
        """Return the answers in a form that was sent."""
        return forms.answers(form, self.questions(number), self.zone)

    def looks(self, number: int) -> dict[str, columns.Look]:
        """Return what the page's questions see of the tables that were handed in, by key."""
        return handing.looks(self.questions(number), self.kept)

    def vins(self, number: int) -> dict[str, vins.Said | None]:
        """Return what the VINs on a page say, by key."""
        said = {InputType.VIN: lambda typed: vins.look(str(typed or "")), InputType.VEHICLE: vins.look_at}
        return {
            question.key: said[question.type](self.kept.get(question.key))
            for question in self.questions(number)
            if question.type in said
        }

    def of_vins(self, number: int) -> dict[str, dict[str, str]]:
        """Return the parts of the vehicles on a page that their VINs say, by the names of their fields, by key."""
        asked = (question for question in self.questions(number) if question.type is InputType.VEHICLE)
        return {
            question.key: {f"{forms.name_of(question.key)}-{part}": fact for part, fact in found.items()}
            for question in asked
            if (found := vins.added(self.kept.get(question.key)))
        }

    def inputs(self) -> dict[str, Any]:
        """Return all answers, cleaned; empty when one of them is wrong."""
        try:
            return clean_inputs(self.definition, self.kept, clock.now().astimezone(self.zone))
        except InputsInvalid:
            return {}

    def problems(self, number: int | None = None) -> list[FieldError]:
        """Return what is wrong with the answers so far, on one page or on all."""
        try:
            clean_inputs(self.definition, self.kept, clock.now().astimezone(self.zone))
        except InputsInvalid as invalid:
            faults = [FieldError(p.path, p.code, p.message, p.fix) for p in invalid.problems]
            return [fault for fault in faults if number is None or self.page_of(fault) == number]
        return []

    def page_of(self, problem: FieldError) -> int:
        """Return the page whose question a problem is about."""
        key = problem.path.split("/")[2] if problem.path.startswith("/inputs/") else ""
        for number, (_, questions) in enumerate(self.pages, 1):
            if any(question.key == key for question in questions):
                return number
        return 1

    def first_page(self, problems: Sequence[FieldError]) -> int:
        """Return the page of the first problem."""
        return self.page_of(problems[0]) if problems else 1
