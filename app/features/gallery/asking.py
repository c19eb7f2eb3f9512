"""One person filling the launch form of one template: its pages, the answers so far, and what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from app.core.errors import FieldError
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid
from app.definition.schema import Definition, Input
from app.features.gallery import forms, rules
from app.features.gallery.models import LaunchDraft, Template
from app.web.forms import Form


@dataclass(frozen=True)
class Asking:
    """The state of a launch form between two requests. Pages count from 1; the last one is *check your answers*."""

    template: Template
    zone: ZoneInfo
    draft: LaunchDraft | None
    choices: forms.Choices = field(default_factory=dict)

    @property
    def definition(self) -> Definition:
        """The template's definition."""
        return Definition.model_validate(self.template.definition)

    @property
    def pages(self) -> list[tuple[str, tuple[Input, ...]]]:
        """The pages with questions: title and questions."""
        return rules.pages(self.definition)

    @property
    def kept(self) -> Mapping[str, Any]:
        """The answers so far, as they were typed, without those that this version no longer asks."""
        known = {question.key for question in self.definition.inputs}
        answers = self.draft.answers if self.draft else {}
        return {key: value for key, value in answers.items() if key in known}

    def number(self, written: str | None) -> int:
        """Return the page that an address names; the first for anything else."""
        return (
            int(written)
            if written and written.isdecimal() and 1 <= int(written[:4]) <= len(self.pages)
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

    def inputs(self) -> dict[str, Any]:
        """Return all answers, cleaned; empty when one of them is wrong."""
        try:
            return clean_inputs(self.definition, self.kept)
        except InputsInvalid:
            return {}

    def problems(self, number: int | None = None) -> list[FieldError]:
        """Return what is wrong with the answers so far, on one page or on all."""
        try:
            clean_inputs(self.definition, self.kept)
        except InputsInvalid as invalid:
            faults = [FieldError(p.path, p.code, p.message, p.fix) for p in invalid.problems]
            return [fault for fault in faults if number is None or self.page_of(fault) == number]
        return []

    def page_of(self, problem: FieldError) -> int:
        """Return the page whose question a problem is about."""
        key = problem.path.rsplit("/", 1)[-1]
        for number, (_, questions) in enumerate(self.pages, 1):
            if any(question.key == key for question in questions):
                return number
        return 1
