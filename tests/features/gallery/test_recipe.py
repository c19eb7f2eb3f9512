"""What one should have at hand, and how a result is made."""

from app.definition.schema import Definition
from app.features.gallery import recipe
from tests.features.gallery.shipped import definition_of


def test_how_it_is_made_fills_in_the_answers_and_leaves_out_forks() -> None:
    definition = definition_of("facebook-ads-campaign")
    made = recipe.made(
        definition, {"offer": "A car", "copies": 10, "pictures": 5, "picture_style": "showroom"}
    )
    assert [step.name for step in made] == [step.name for step in definition.steps]
    assert made[1].text == "Make 5 pictures in showroom style, square, at the same time"
    assert not any("{{" in step.text or "**" in step.text for step in made)


def test_at_hand_lists_required_questions_first() -> None:
    hand = recipe.at_hand(definition_of("used-vehicle-listing-copy"))
    assert [question.key for question in hand][:2] == ["car", "notes"]
    assert len(hand) == 4


def test_a_vehicle_with_parts_missing_reads_as_one_in_how_it_is_made() -> None:
    car = {"key": "car", "label": "Which car?", "type": "vehicle"}
    writing = {"id": "ads", "type": "generate_copy", "config": {"prompt": "Sell {{ inputs.car }}.", "count": 2}}
    for step in (writing, {**writing, "for_each": {"items": "{{ inputs.car }}"}}):
        definition = Definition.model_validate({"inputs": [car], "steps": [step]})
        assert "{" not in str(recipe.made(definition, {"car": {"make": "Kia", "year": 2021}}))
