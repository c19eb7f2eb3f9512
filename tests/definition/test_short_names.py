"""Short names: used wherever the old one was, made of words, and free."""

import pytest

from app.definition.short_names import free_id, free_key, rename_input, rename_step
from app.definition.unchecked import EditImpossible
from tests.definition.facts import TYPES, step, workflow


def test_a_new_id_is_used_wherever_the_old_one_was() -> None:
    text = '{{ steps.a.texts | join("steps.a.x") }} and steps.a, {{ steps.ab.texts }}'
    data = workflow(
        step("a", type="generate_copy", config={"prompt": "x"}),
        step("ab", "a:done", type="attach_images", config={"documents": "a", "images": "a", "note": text}),
    )
    new = rename_step(data, "a", "ads", TYPES)
    assert {each["id"]: each["after"] for each in new["steps"]} == {"ads": [], "ab": ["ads:done"]}
    assert new["steps"][1]["config"] == {
        "documents": "ads", "images": "ads",
        "note": '{{ steps.ads.texts | join("steps.a.x") }} and steps.a, {{ steps.ab.texts }}',
    }  # fmt: skip
    for wrong in ("ab", "1st", "", "with space"):
        with pytest.raises(EditImpossible):
            rename_step(data, "a", wrong, TYPES)


def test_a_new_key_is_used_wherever_the_answer_was() -> None:
    data = workflow(step("a", config={"x": "{{ inputs.offer | upper }} {{ inputs.offers }}"}))
    new = rename_input(data, "offer", "deal")
    assert new["inputs"] == [{"key": "deal"}]
    days = {"inputs": [{"key": "start"}, {"key": "end", "not_before": "start"}]}
    assert rename_input(days, "start", "first")["inputs"][1]["not_before"] == "first"
    assert new["steps"][0]["config"] == {"x": "{{ inputs.deal | upper }} {{ inputs.offers }}"}


def test_ids_are_made_of_words_and_free() -> None:
    data = workflow(step("b"))
    assert free_id(data, "Write 10 ads!") == "write_10_ads"
    assert free_id(data, "B") == "b_2"
    assert free_id(data, "10 ads") == "step_10_ads"
    assert free_id(data, "…") == "step"
    assert free_key({"inputs": [{"key": "question"}]}, "何?") == "question_2"
