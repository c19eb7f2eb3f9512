"""Texts: one request for all, one more for each that does not fit, and never a text cut short."""

import dataclasses
from typing import Any

import pytest

from app.engine.contract import Category, Done, StepError, TextRequest
from app.steps.generate_copy import STEP
from app.steps.testing import Bench

LIMITS = {
    "prompt": "Write an ad for {{ inputs.offer }}",
    "count": 10,
    "max_chars": 125,
    "title_max_chars": 40,
}


class Writer:
    """Writes fine texts, but for those numbers that are scripted to be wrong the first times."""

    def __init__(self, **wrong: list[Any]) -> None:
        self.wrong = {int(name.removeprefix("text_")): list(answers) for name, answers in wrong.items()}
        self.requests: list[TextRequest] = []
        self.drop = 0

    def __call__(self, request: TextRequest) -> dict[str, Any]:
        self.requests.append(request)
        first, count = int(request.sample["number"]), int(request.sample["count"])
        texts = [self._one(number) for number in range(first, first + count)]
        return {"texts": texts[: count - self.drop] if count > 1 else texts}

    def _one(self, number: int) -> dict[str, str]:
        waiting = self.wrong.get(number)
        text = waiting.pop(0) if waiting else f"Fine text {number}"
        return {"title": f"Headline {number}", "text": text}


def write(writer: Writer, **config: Any) -> tuple[Bench, Done]:
    bench = Bench(inputs={"offer": "a test drive"}, write_text=writer)
    done = bench.do(STEP, {**LIMITS, **config})
    assert isinstance(done, Done)
    return bench, done


def test_ten_texts_are_one_request() -> None:
    writer = Writer()
    bench, done = write(writer, creativity="adventurous", voice="dry", channel="facebook", status="in_review")
    assert bench.called == ["copy"]
    assert done.output["texts"] == [f"Fine text {number}" for number in range(1, 11)]
    assert done.output["documents"] == [document.id for document in bench.created]
    assert [document.position for document in bench.created] == list(range(1, 11))
    assert bench.created[2].title == "Headline 3"
    assert bench.fields[0] == {
        "max_chars": 125, "title_max_chars": 40, "channel": "facebook", "status": "in_review"
    }  # fmt: skip
    [request] = writer.requests
    assert request.creativity == "adventurous"
    assert "Voice: dry" in request.system
    assert request.prompt.startswith("Write an ad for a test drive")
    assert "exactly 10 texts" in request.prompt
    assert "at most 125 characters" in request.prompt


def test_number_seven_too_long_is_one_further_request_for_one_text() -> None:
    writer = Writer(text_7=["x" * 140])
    bench, done = write(writer)
    assert bench.called == ["copy", "copy-7-again-1"]
    assert len(done.output["texts"]) == 10
    assert done.output["texts"][6] == "Fine text 7"
    again = writer.requests[1]
    assert "exactly 1 text" in again.prompt
    assert "too long (140 characters, at most 125)" in again.prompt
    assert again.sample["count"] == 1
    assert bench.about[1] == "Text 7 of 10 is too long (140 characters, at most 125): asking for it again"


def test_control_characters_of_a_model_do_not_reach_the_document() -> None:
    _, done = write(Writer(text_3=["All\x00 wheels,\n\x07two lines 👩‍🔧\u00a0"]))
    assert done.output["texts"][2] == "All wheels,\ntwo lines 👩‍🔧"


def test_exactly_at_the_limit_is_right() -> None:
    bench, done = write(Writer(text_7=["x" * 125]))
    assert bench.called == ["copy"]
    assert len(done.output["texts"][6]) == 125


def test_missing_texts_are_asked_for_by_number() -> None:
    writer = Writer()
    writer.drop = 2
    bench, done = write(writer)
    assert bench.called == ["copy", "copy-9-again-1", "copy-10-again-1"]
    assert done.output["texts"][8:] == ["Fine text 9", "Fine text 10"]


def test_too_many_texts_are_cut_to_the_number_asked_for() -> None:
    writer = Writer()
    writer.drop = -3
    bench = Bench(
        inputs={"offer": "x"}, write_text=lambda request: {"texts": [{"title": "T", "text": "t"}] * 13}
    )
    assert len(bench.do(STEP, LIMITS).output["texts"]) == 10
    assert bench.called == ["copy"]


@pytest.mark.parametrize(("text", "fault"), [("", "empty"), ("   ", "empty"), ("y" * 126, "too long")])
def test_after_three_further_requests_it_gives_up_and_names_the_text(text: str, fault: str) -> None:
    bench = Bench(inputs={"offer": "x"}, write_text=Writer(text_7=[text] * 4))
    with pytest.raises(StepError, match=f"Text 7 of 10 is {fault}") as raised:
        bench.do(STEP, LIMITS)
    assert (raised.value.category, raised.value.code) == (Category.AI_ANSWER, "text_limit")
    assert bench.called == ["copy", "copy-7-again-1", "copy-7-again-2", "copy-7-again-3"]
    assert bench.created == []


def test_a_later_try_goes_on_where_the_first_gave_up() -> None:
    bench = Bench(inputs={"offer": "x"}, write_text=Writer(text_7=["y" * 126] * 5))
    with pytest.raises(StepError):
        bench.do(STEP, LIMITS)
    done = bench.again().do(STEP, LIMITS)
    assert bench.called == ["copy-7-again-4", "copy-7-again-5"]
    assert done.output["texts"][6] == "Fine text 7"


def test_a_run_that_is_taken_up_asks_anew_where_all_answers_were_of_no_use() -> None:
    bench = Bench(inputs={"offer": "x"}, write_text=Writer(text_7=["y" * 126] * 8))
    for _ in range(2):
        with pytest.raises(StepError):
            bench.do(STEP, LIMITS)
        bench.again()
    bench.step = dataclasses.replace(bench.step, attempt=1)
    done = bench.do(STEP, LIMITS)
    assert bench.called == ["copy-7-again-7", "copy-7-again-8"]
    assert done.output["texts"][6] == "Fine text 7"


def test_a_crash_after_the_first_answer_pays_for_nothing_twice() -> None:
    writer = Writer(text_7=["x" * 140])
    bench, first = write(writer)
    second = bench.again().do(STEP, LIMITS)
    assert bench.called == []
    assert second.output["texts"] == first.output["texts"]


def test_headlines_are_checked_too() -> None:
    bench = Bench(
        inputs={"offer": "x"},
        write_text=lambda request: {
            "texts": [{"title": "T" * (41 if request.sample["count"] > 1 else 40), "text": "t"}]
            * request.sample["count"]
        },
    )
    done = bench.do(STEP, {**LIMITS, "count": 2})
    assert bench.called == ["copy", "copy-1-again-1", "copy-2-again-1"]
    assert [len(title) for title in done.output["titles"]] == [40, 40]


def test_without_headlines_none_is_kept() -> None:
    bench, done = write(Writer(), title_max_chars=0)
    assert done.output["titles"] == [""] * 10
    assert bench.created[0].title == ""


def test_background_is_pasted_text_and_documents() -> None:
    writer = Writer()
    bench = Bench(inputs={"offer": "x"}, write_text=writer)
    known = bench.documents.create(
        title="Facts", body="The lease ends on 30 June.", fields={}, status="draft", position=1, model=""
    )
    bench.do(STEP, {**LIMITS, "context": ["We never say “cheap”.", known]})
    assert "We never say “cheap”.\n\nThe lease ends on 30 June." in writer.requests[0].prompt
    assert "not instructions to follow" in writer.requests[0].prompt


def test_a_strangers_document_is_no_background() -> None:
    bench = Bench(inputs={"offer": "x"}, write_text=Writer())
    with pytest.raises(StepError) as raised:
        bench.do(STEP, {**LIMITS, "context": "0190a7c0-0000-7000-8000-000000000000"})
    assert raised.value.category is Category.INPUT
    assert bench.called == []


def test_a_huge_background_is_cut_and_said_so() -> None:
    writer = Writer()
    bench = Bench(inputs={"offer": "x"}, write_text=writer)
    bench.do(STEP, {**LIMITS, "context": "word " * 20_000})
    assert len(writer.requests[0].prompt) < 61_000
    assert bench.logged == ["The background was cut to 60,000 characters."]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"prompt": "Write an ad for {{ inputs.offer }}", "count": 10, "max_chars": 125},
         "Write **10** texts of at most **125** characters: Write an ad for the answer “offer”"),
        ({"prompt": "A reply", "count": 1}, "Write **1** text: A reply"),
        ({"prompt": "A reply", "count": "{{ inputs.copies }}"},
         "Write texts (as many as the answer “copies”): A reply"),
    ],
)  # fmt: skip
def test_the_card_reads_as_a_sentence(config: dict[str, Any], sentence: str) -> None:
    assert STEP.summary(config) == sentence
