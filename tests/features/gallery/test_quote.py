"""What is said before Start."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.definition.inputs import clean_inputs
from app.definition.schema import Definition, Input
from app.engine import catalog
from app.features.gallery import library, quote

NEW_YORK = ZoneInfo("America/New_York")
RUN = {"started_by": {"name": "Alice", "email": "alice@example.com"}}


def _definition(slug: str) -> Definition:
    return Definition.model_validate(library.read(library.FOLDER / f"{slug}.yaml").definition)


def test_answers_are_said_as_people_say_them() -> None:
    said = {
        ("money", "28990.00"): "$28,990.00",
        ("percent", 4.9): "4.9\u00a0%",
        ("boolean", True): "Yes",
        ("boolean", False): "No",
        ("date", "2026-11-30"): "30\u00a0Nov 2026",
        ("datetime", "2026-11-30T14:00:00Z"): "30\u00a0Nov 2026, 09:00",
        ("integer", 34150): "34,150",
        ("people", ("a@b.co", "c@d.co")): "a@b.co, c@d.co",
        ("long_text", None): "",
    }
    for (kind, value), text in said.items():
        answer = list(value) if isinstance(value, tuple) else value
        assert quote.in_words(Input(key="x", type=kind), answer, NEW_YORK) == text


def test_a_vehicle_with_parts_missing_reads_as_one_before_the_start() -> None:
    car = {"key": "car", "label": "Which car?", "type": "vehicle", "default": {"make": "Kia", "price": "900"}}
    writing = {"id": "ads", "type": "generate_copy", "config": {"prompt": "Sell {{ inputs.car }}.", "count": 2}}
    definition = Definition.model_validate({"inputs": [car], "steps": [writing]})
    for answers, words in (({}, "Kia, $900"), ({"car": {"make": "Honda", "year": "", "vin": ""}}, "Honda")):
        told = "".join(piece.text for piece in quote.told(definition, answers, RUN))
        assert told == f"Sell {words}."
    cars = [{"make": "Kia", "year": 2021}]
    each = {**writing, "for_each": {"items": "{{ inputs.car }}"}}
    for step in (writing, each):
        shown = quote.made(Definition.model_validate({"inputs": [car], "steps": [step]}), {"car": cars[0]})
        assert "{" not in str(shown)


def test_the_starter_is_asked_when_nobody_is_named() -> None:
    definition = _definition("facebook-ads-campaign")
    for approver, person in ((None, "alice@example.com"), ("bob@example.com", "bob@example.com")):
        scope = {"inputs": clean_inputs(definition, {"offer": "A car", "approver": approver}), "run": RUN}
        assert quote.asked(definition, scope) == [
            quote.Asked(
                "The approver decides", (person,), "Without an answer in 72\u00a0h it counts as a no.", may=False
            )
        ]
        assert quote.mails(definition, scope) == [
            quote.Mail("Mail the finished ads", ("alice@example.com",), may=False),
            quote.Mail("Say why not", ("alice@example.com",), may=True),
        ]
    assert quote.sends_nothing_else(definition)


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
    (asked,) = quote.asked(Definition.model_validate({"schema": 1, "steps": [review]}), {})
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
    anyway = quote.Below("Any", "", may=False)
    assert quote.parts(definition, {}) == [quote.Below("Sub", "Newsletter", may=True), anyway]
    cheap, costly = ({"inputs": {"price": price, "which": "x"}} for price in ("20000.00", "45000.00"))
    assert quote.parts(definition, cheap) == [quote.Below("Sub", "Newsletter", may=False), anyway]
    assert quote.parts(definition, costly) == [anyway]


def test_reviews_on_the_two_ways_of_a_condition_may_be_passed_by() -> None:
    definition = _definition("new-lead-follow-up")
    assert [(asked.name, asked.may) for asked in quote.asked(definition, {})] == [
        ("The manager reads it", True),
        ("The salesperson reads it", True),
        ("The salesperson reads the second", True),
    ]
    mails = {mail.name: mail.may for mail in quote.mails(definition, {})}
    assert mails["Hand over the answer and the card"] is False
    assert mails["Say why not"] is True


def test_the_told_sentence_marks_answers_and_leaves_a_gap_for_missing_ones() -> None:
    definition = _definition("facebook-ads-campaign")
    pieces = quote.told(definition, {"offer": "A red car", "tone": "Playful"}, RUN)
    answers = [piece.text for piece in pieces if piece.is_answer]
    assert answers[0] == "A red car"
    assert "Playful" in answers
    assert quote.told(definition, {}, RUN)[1] == quote.Piece("…", is_answer=True)


def test_how_it_is_made_fills_in_the_answers_and_leaves_out_forks() -> None:
    definition = _definition("facebook-ads-campaign")
    made = quote.made(
        definition, {"offer": "A car", "copies": 10, "pictures": 5, "picture_style": "showroom"}
    )
    assert [step.name for step in made] == [step.name for step in definition.steps]
    assert made[1].text == "Make 5 pictures in showroom style, square, at the same time"
    assert not any("{{" in step.text or "**" in step.text for step in made)


def test_at_hand_lists_required_questions_first() -> None:
    hand = quote.at_hand(_definition("used-vehicle-listing-copy"))
    assert [question.key for question in hand][:2] == ["car", "notes"]
    assert len(hand) == 4


def test_what_a_transform_will_give_is_told_too() -> None:
    definition = _definition("used-vehicle-listing-copy")
    car = {"vin": "", "stock": "", "year": "2021", "make": "", "model": "Highlander", "trim": "", "mileage": "34150"}
    answers = {"car": car | {"price": "31990"}, "notes": "One owner"}
    text = "".join(piece.text for piece in quote.told(definition, answers, RUN))
    assert "Vehicle: 2021 Highlander, 34,150 miles, $31,990" in text
    assert "Stock number: not given" in text
    assert "Vehicle: …" in "".join(piece.text for piece in quote.told(definition, {}, RUN))


def test_what_is_done_for_each_of_several_is_estimated_as_often() -> None:
    def asking(**more: object) -> Definition:
        write = {"id": "write", "type": "generate_copy", "after": ["list"], "config": {"prompt": "{{ item }}"}, **more}
        first = {"id": "list", "type": "generate_image", "config": {"prompt": "A car", "count": 1}}
        return Definition.model_validate({"inputs": [{"key": "cars", "type": "csv"}], "steps": [write, first]})

    answers = {"cars": "vin,stock\n" + "\n".join(f"v{n},{n}" for n in range(10))}
    once_minutes, once = quote.estimate(asking(), answers)
    minutes, cost = quote.estimate(asking(for_each={"items": "{{ inputs.cars | rows }}", "parallel": 5}), answers)

    picture = 40_000
    assert cost - picture == 10 * (once - picture)
    typical = {name: kind.typical_s / 60 for name, kind in catalog.step_types().items()}
    assert once_minutes == typical["generate_image"] + typical["generate_copy"]
    assert minutes == pytest.approx(typical["generate_image"] + 2 * typical["generate_copy"])
