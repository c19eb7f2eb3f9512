"""What the AI is told, with the answers in it."""

from app.definition.schema import Definition
from app.features.gallery import prompt
from tests.features.gallery.shipped import definition_of

RUN = {"started_by": {"name": "Alice", "email": "alice@example.com"}}


def test_a_vehicle_with_parts_missing_reads_as_one_before_the_start() -> None:
    car = {"key": "car", "label": "Which car?", "type": "vehicle", "default": {"make": "Kia", "price": "900"}}
    writing = {"id": "ads", "type": "generate_copy", "config": {"prompt": "Sell {{ inputs.car }}.", "count": 2}}
    definition = Definition.model_validate({"inputs": [car], "steps": [writing]})
    for answers, words in (({}, "Kia, $900"), ({"car": {"make": "Honda", "year": "", "vin": ""}}, "Honda")):
        told = "".join(piece.text for piece in prompt.told(definition, answers, RUN))
        assert told == f"Sell {words}."


def test_the_told_sentence_marks_answers_and_leaves_a_gap_for_missing_ones() -> None:
    definition = definition_of("facebook-ads-campaign")
    pieces = prompt.told(definition, {"offer": "A red car", "tone": "Playful"}, RUN)
    answers = [piece.text for piece in pieces if piece.is_answer]
    assert answers[0] == "A red car"
    assert "Playful" in answers
    assert prompt.told(definition, {}, RUN)[1] == prompt.Piece("…", is_answer=True)


def test_what_a_transform_will_give_is_told_too() -> None:
    definition = definition_of("used-vehicle-listing-copy")
    car = {"vin": "", "stock": "", "year": "2021", "make": "", "model": "Highlander", "trim": "", "mileage": "34150"}
    answers = {"car": car | {"price": "31990"}, "notes": "One owner"}
    text = "".join(piece.text for piece in prompt.told(definition, answers, RUN))
    assert "Vehicle: 2021 Highlander, 34,150 miles, $31,990" in text
    assert "Stock number: not given" in text
    assert "Vehicle: …" in "".join(piece.text for piece in prompt.told(definition, {}, RUN))
