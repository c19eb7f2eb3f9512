"""The sample writer: labelled, within the limits, all different, the same every time, and real pictures."""

import time
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image, ImageChops
from pydantic import BaseModel, Field

from app.core.settings import Settings
from app.engine.contract import ImageRequest, TextRequest
from app.features.ai import sample_forms, sample_pictures, service
from app.steps.generate_copy import Texts

FACTS = {
    "offer": "Lease a new Honda CR-V for $289 a month",
    "audience": "families in Dayton",
    "dates": "Until 30 November",
    "approver": "maria@example.com",
    "copies": 10,
}


@pytest.fixture(autouse=True)
def _no_provider() -> None:
    service.configure(Settings(environment="test", secret_key="x"))


def write(prompt: str = "Write a Facebook ad", **sample: object) -> list[dict[str, str]]:
    request = TextRequest("s", prompt, Texts, sample={"facts": FACTS, **sample})
    answer = service.write_text(request, key="k", timeout_s=1)
    assert (answer.cost_microusd, answer.tokens_in, answer.tokens_out, answer.model) == (
        0,
        0,
        0,
        "Sample writer",
    )
    return answer.value["texts"]


@pytest.mark.parametrize(
    "prompt",
    [
        "Write a Facebook ad",
        "Write an Instagram caption",
        "Write a follow-up e-mail",
        "Write a listing for this vehicle",
    ],
)
@pytest.mark.parametrize(
    ("count", "most", "title_most"), [(10, 125, 40), (50, 60, 27), (1, 0, 0), (3, 2000, 300), (5, 20, 12)]
)
def test_samples_keep_number_and_limits(prompt: str, count: int, most: int, title_most: int) -> None:
    texts = write(prompt, count=count, max_chars=most, title_max_chars=title_most)
    assert len(texts) == count
    assert len({text["text"] for text in texts}) == count
    for text in texts:
        assert text["text"].startswith("Sample")
        assert len(text["text"]) <= (most or 1200)
        assert len(text["title"]) <= title_most
        assert bool(text["title"]) is bool(title_most)
        assert not title_most or text["title"].startswith("Sample")


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Write the website description of a pre-owned vehicle", "Website text"),
        ("Write a marketplace listing of a pre-owned vehicle", "Marketplace text"),
        ("Write a social post about a pre-owned vehicle", "Social post"),
        ("Write a card for the salesperson who calls Dana", "Talking points"),
    ],
)
def test_a_title_tells_what_kind_of_text_it_is(prompt: str, name: str) -> None:
    (text,) = write(prompt, count=1, max_chars=500, title_max_chars=80)
    assert text["title"].startswith(f"Sample 1: {name}: ")


def test_samples_speak_of_the_offer_and_of_nobodys_address() -> None:
    texts = write(count=10, max_chars=125, title_max_chars=40)
    assert all("Honda CR-V" in text["text"] for text in texts)
    assert not any("maria" in text["text"].lower() for text in texts)
    assert sum("30 November" in text["text"] for text in texts) >= 5


def test_a_vehicle_among_the_answers_is_spoken_of() -> None:
    car = dict.fromkeys(("vin", "stock", "trim")) | {"year": 2021, "make": "Toyota", "model": "Highlander"}
    facts = {"notes": "One owner", "car": {**car, "mileage": 34150, "price": "31990.00"}}
    (listing,) = write("Write the website description of a pre-owned vehicle", facts=facts, max_chars=400)
    assert "2021 Toyota Highlander" in listing["text"]
    assert "$31,990, 34,150 miles" in listing["text"]
    (message,) = write("Write a series of follow-up e-mails", facts={**facts, "amount": "9000"}, max_chars=400)
    assert "2021 Toyota Highlander" in message["text"]
    assert "34,150" not in message["text"]


def test_an_answer_without_a_vehicle_speaks_of_the_question_and_not_of_the_name() -> None:
    facts = {"name": "Ann Lee", "question": "Is the blue one still there?"}
    (letter,) = write("Write an e-mail to Ann Lee", facts=facts, count=1, max_chars=700, title_max_chars=80)
    assert letter["title"] == "Sample 1: Answer: Is the blue one still there"
    assert "thank you for asking: Is the blue one still there?" in letter["text"]
    (card,) = write("Write a card for the salesperson", facts=facts, count=1, max_chars=700)
    assert "call Ann Lee back." in card["text"]


def test_one_asked_for_again_keeps_its_number() -> None:
    assert write(count=1, number=7, max_chars=125)[0]["text"].startswith("Sample 7: ")


def test_the_same_request_gives_the_same_answer() -> None:
    assert write(count=5, max_chars=125) == write(count=5, max_chars=125)
    request = ImageRequest("A car at dusk", number=3, count=5)
    assert sample_pictures.draw(request) == sample_pictures.draw(request)


def test_without_facts_the_prompt_stands_in() -> None:
    request = TextRequest("s", "Write about winter tyres", Texts, sample={"count": 2})
    assert "winter tyres" in service.write_text(request, key="k", timeout_s=1).value["texts"][0]["text"]


def test_any_other_form_is_filled_by_its_types() -> None:
    class Part(BaseModel):
        name: str
        price: float

    class Verdict(BaseModel):
        fits: bool
        score: int = Field(ge=1)
        words: list[str]
        parts: list[Part]

    value = service.write_text(
        TextRequest("s", "Judge it", Verdict, sample={"facts": FACTS}), key="k", timeout_s=1
    ).value
    assert Verdict.model_validate(value).words[0].startswith("Sample")


def test_a_test_stands_across_its_pictures() -> None:
    request = ImageRequest("A car on a coast road at sunset", "square", "photo", 1, 1)
    plain, stamped = (
        service.make_image(replace(request, watermark=word), key="k", timeout_s=1).value.png for word in ("", "TEST")
    )
    with Image.open(BytesIO(plain)) as before, Image.open(BytesIO(stamped)) as after:
        changed = ImageChops.difference(before.convert("L"), after.convert("L")).point(lambda step: 255 * (step > 24))
        left, _, right, _ = changed.getbbox()
        assert right - left > before.width / 2
        assert 0.02 < changed.histogram()[255] / (before.width * before.height) < 0.5


@pytest.mark.parametrize("size", ["square", "portrait", "landscape", "story"])
def test_pictures_are_real_small_and_all_different(size: str) -> None:
    begun, pictures = time.process_time(), []
    for number in range(1, 6):
        answer = service.make_image(
            ImageRequest("A car on a coast road at sunset", size, "photo", number, 5), key="k", timeout_s=1
        )
        assert (answer.cost_microusd, answer.model) == (0, "Sample writer")
        picture = answer.value
        with Image.open(BytesIO(picture.png)) as image:
            image.load()
            assert image.format == "PNG"
            assert image.size == (picture.width, picture.height) == sample_pictures.SIZES[size]
            assert len(image.getcolors() or []) <= sample_pictures.COLOURS
        assert len(picture.png) < 60_000
        pictures.append(picture.png)
    assert len(set(pictures)) == 5
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("prompt", ["", "x" * 4000, "Ünïcödé 車 🚗 " * 20, "word " * 500])
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert sample_pictures.draw(ImageRequest(prompt)).startswith(b"\x89PNG")


def test_the_words_are_wrapped_in_two_lines_that_end_where_there_is_no_more_room() -> None:
    assert sample_pictures.wrapped("one two three four", len, 10) == ["one two", "three four"]
    assert sample_pictures.wrapped("one two three four five six", len, 10) == ["one two", "three…"]
    assert sample_pictures.wrapped("unpronounceable", len, 10) == ["unpronoun…"]
    for text in ("a " * 60, "x" * 400, "one " + "x" * 400):
        lines = sample_pictures.wrapped(text, len, 10)
        assert lines[-1].endswith("…")
        assert all(len(line) <= 10 for line in lines)


def test_the_words_are_the_subject_without_the_task_and_without_what_no_letter_exists_for() -> None:
    about = sample_pictures.subject
    assert about("A slide of an Instagram carousel about: Winter tires\nNo lettering.") == "Winter tires"
    assert about("A quiet road: morning") == "A quiet road: morning"
    assert about("Nguyễn 🚗 مرسيدس café") == "Nguy n café"
    assert about("") == ""


def test_it_says_that_it_is_the_sample_writer() -> None:
    assert service.is_sample()
    assert service.model_name("text") == service.model_name("image") == "Sample writer"
    assert (
        service.estimate_text(TextRequest("s", "p", Texts)) == service.estimate_image(ImageRequest("p")) == 0
    )
    service.configure(
        Settings(environment="test", secret_key="x", openai_api_key="sk-test", ai_text_model="m")
    )
    assert not service.is_sample()
    asked = TextRequest("s", "p", Texts, sample={"count": 1})
    assert service.write_text(asked, key="k", timeout_s=1, as_sample=True).model == "Sample writer"
    assert (
        service.make_image(ImageRequest("p"), key="k", timeout_s=1, as_sample=True).model == "Sample writer"
    )
    assert service.model_name("text") == "m"


@pytest.mark.parametrize(
    ("prompt", "facts", "title", "words"),
    [
        ("Write a blog article: tires", {"topic": "Tires", "sources": "171 of 212"}, "Tires", "171 of 212"),
        ("Write a reply to a public review", {"stars": 2, "contact": "Ask for Tom"}, "Reply", "Ask for Tom"),
        (
            "Write a letter to a manufacturer’s co-op office",
            {"starts": "2026-12-05", "cost": "1500.00"},
            "Letter to the manufacturer",
            "It runs from 5 December 2026 and costs $1,500.",
        ),
        ("Write a list of findings for an ad", {"rules": "3.1 Full name"}, "Findings", "“3.1 Full name”"),
        (
            "Write a list of price moves for used cars",
            {"inventory": "stock,vehicle,days,price,cost,market\nP1,Ford Explorer,91,19450,17800,18100"},
            "Price moves",
            "P1 Ford Explorer, 91 days, $19,450 → $18,450: toward the market price of $18,100",
        ),
        (
            "Write a listing description of a vehicle that has stood for a while",
            {"inventory": "stock,vehicle,days\nP1,Ford Explorer,91\nP2,Kia Soul,99"},
            "P2 Kia Soul",
            "Kia Soul: worth a second look.",
        ),
    ],
)  # fmt: skip
def test_longer_texts_read_like_what_was_asked_for(
    prompt: str, facts: dict[str, object], title: str, words: str
) -> None:
    (text,) = write(prompt, facts=facts, count=1, max_chars=900, title_max_chars=60)
    assert text["title"] == f"Sample 1: {title}"
    assert words in text["text"]


def test_every_kind_of_longer_text_can_be_written_without_answers() -> None:
    for kind in sample_forms._KINDS:
        prompt = "Write " + kind.words.partition("|")[0]
        texts = write(prompt, facts={}, count=5, max_chars=300, title_max_chars=60)
        assert len({text["text"] for text in texts}) == 5
        assert all(text["title"].startswith("Sample") and len(text["text"]) <= 300 for text in texts)
