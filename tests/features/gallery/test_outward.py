"""Whom a run asks, mails and runs, as far as the answers tell."""

from typing import Any

import pytest

from app.definition.inputs import clean_inputs
from app.definition.schema import Definition
from app.features.gallery import outward
from tests.features.gallery.shipped import definition_of

RUN = {"started_by": {"name": "Alice", "email": "alice@example.com"}}


def test_the_starter_is_asked_when_nobody_is_named() -> None:
    definition = definition_of("facebook-ads-campaign")
    for approver, person in ((None, "alice@example.com"), ("bob@example.com", "bob@example.com")):
        scope = {"inputs": clean_inputs(definition, {"offer": "A car", "approver": approver}), "run": RUN}
        assert outward.asked(definition, scope) == [
            outward.Asked(
                "The approver decides", (person,), "Without an answer in 72\u00a0h it counts as a no.", may=False
            )
        ]
        assert outward.mails(definition, scope) == [
            outward.Mail("Mail the finished ads", ("alice@example.com",), may=False),
            outward.Mail("Say why not", ("alice@example.com",), may=True),
        ]
    assert outward.sends_nothing_else(definition)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "72\u00a0h it counts as a no."),
        ({"expires_after_hours": 0.5, "on_expiry": "approve"}, "0.5\u00a0h it goes on as if approved."),
        ({"expires_after_hours": 1000, "on_expiry": "expire"}, "1000\u00a0h it ends without a decision."),
        ({"on_expiry": "keep"}, ""),
        ({"expires_after_hours": None}, ""),
        ({"expires_after_hours": "{{ inputs.hours }}"}, ""),
    ],
)
def test_what_becomes_of_a_review_that_nobody_answers_is_said_as_it_is_set(
    settings: dict[str, Any], said: str
) -> None:
    review = {"id": "ask", "type": "review", "config": {"approvers": ["a@b.example"], **settings}}
    (asked,) = outward.asked(Definition.model_validate({"schema": 1, "steps": [review]}), {})
    assert asked.unanswered.removeprefix("Without an answer in ") == said


def test_steps_that_run_another_workflow_are_named_where_a_run_may_come_to_them() -> None:
    dear = {"value": "{{ inputs.price }}", "op": "gt", "than": 30000}
    steps = [
        {"id": "check", "type": "condition", "config": {"if": dear}},
        {"id": "sub", "type": "run_workflow", "after": ["check:no"], "config": {"workflow": "Newsletter"}},
        {"id": "any", "type": "run_workflow", "config": {"workflow": "{{ inputs.which }}"}},
    ]
    inputs = [{"key": "price", "type": "money"}, {"key": "which", "type": "text"}]
    definition = Definition.model_validate({"schema": 1, "inputs": inputs, "steps": steps})
    anyway = outward.Below("Any", "", may=False)
    assert outward.parts(definition, {}) == [outward.Below("Sub", "Newsletter", may=True), anyway]
    cheap, costly = ({"inputs": {"price": price, "which": "x"}} for price in ("20000.00", "45000.00"))
    assert outward.parts(definition, cheap) == [outward.Below("Sub", "Newsletter", may=False), anyway]
    assert outward.parts(definition, costly) == [anyway]


def test_reviews_on_the_two_ways_of_a_condition_may_be_passed_by() -> None:
    definition = definition_of("new-lead-follow-up")
    assert [(asked.name, asked.may) for asked in outward.asked(definition, {})] == [
        ("The manager reads it", True),
        ("The salesperson reads it", True),
        ("The salesperson reads the second", True),
    ]
    mails = {mail.name: mail.may for mail in outward.mails(definition, {})}
    assert mails["Hand over the answer and the card"] is False
    assert mails["Say why not"] is True
