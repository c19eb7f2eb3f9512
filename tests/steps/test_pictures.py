"""Pictures: made one by one, and put at documents in three ways."""

from typing import Any

import pytest

from app.engine.contract import Category, ImageRequest, StepError
from app.steps import attach_images, generate_image
from app.steps.testing import Bench

FIVE = {"prompt": "A car on a coast road at sunset", "count": 5, "size": "story", "style": "showroom"}


def test_each_picture_is_a_request_of_its_own() -> None:
    asked: list[ImageRequest] = []
    bench = Bench(make_image=lambda request: asked.append(request) or f"image-{request.number}")
    done = bench.do(generate_image.STEP, FIVE)
    assert done.output == {"images": ["image-1", "image-2", "image-3", "image-4", "image-5"]}
    assert bench.called == ["picture-1", "picture-2", "picture-3", "picture-4", "picture-5"]
    assert asked[3] == ImageRequest("A car on a coast road at sunset", "story", "showroom", 4, 5)
    assert bench.about[3] == "Making picture 4 of 5: A car on a coast road at sunset"
    assert bench.sentences[3] == bench.about[3]


def test_a_failure_at_picture_five_keeps_the_four_before_it() -> None:
    def make(request: ImageRequest) -> str:
        if request.number == 5 and bench.step.attempt == 1:
            raise StepError(Category.OUTSIDE, "The AI service has a problem of its own.")
        return f"image-{request.number}"

    bench = Bench(make_image=make)
    with pytest.raises(StepError):
        bench.do(generate_image.STEP, FIVE)
    done = bench.again().do(generate_image.STEP, FIVE)
    assert bench.called == ["picture-5"]
    assert len(done.output["images"]) == 5


def test_a_refused_picture_is_named() -> None:
    def refuse(request: ImageRequest) -> str:
        raise StepError(Category.AI_ANSWER, "The AI service would not do this.", code="refused")

    with pytest.raises(StepError) as raised:
        Bench(make_image=refuse).do(generate_image.STEP, FIVE)
    assert raised.value.message == "Picture 1 of 5: The AI service would not do this."
    assert raised.value.code == "refused"


# --- attaching ---


def attach(documents: int, images: int, *, already: int = 0, **config: Any) -> tuple[Bench, list[str], Any]:
    bench = Bench()
    made = [
        bench.documents.create(
            title=f"Ad {number}", body="b", fields={}, status="draft", position=number, model=""
        )
        for number in range(1, documents + 1)
    ]
    if already:
        from dataclasses import replace

        bench.known[made[0]] = replace(
            bench.known[made[0]], image_ids=tuple(f"old-{n}" for n in range(already))
        )
    bench.outputs.update(
        ads={"documents": made}, pictures={"images": [f"p{number}" for number in range(1, images + 1)]}
    )
    done = bench.do(attach_images.STEP, {"documents": "ads", "images": "pictures", **config})
    return bench, made, done.output


def test_one_each_repeats_when_there_are_fewer_pictures() -> None:
    bench, made, output = attach(10, 5)
    assert [bench.attached[document] for document in made] == [
        [f"p{n}"] for n in (1, 2, 3, 4, 5, 1, 2, 3, 4, 5)
    ]
    assert output["documents"] == made
    assert output["attached"] == bench.attached


def test_one_each_may_stop_instead() -> None:
    bench, made, output = attach(4, 2, leftover="stop")
    assert bench.attached == {made[0]: ["p1"], made[1]: ["p2"]}
    assert output["documents"] == made


def test_spare_pictures_stay_free() -> None:
    bench, made, output = attach(2, 5)
    assert bench.attached == {made[0]: ["p1"], made[1]: ["p2"]}
    assert output["images"] == ["p1", "p2", "p3", "p4", "p5"]


def test_all_to_one_keeps_the_order() -> None:
    bench, made, _ = attach(2, 10, strategy="all_to_one")
    assert bench.attached == {made[0]: [f"p{n}" for n in range(1, 11)]}


def test_one_to_all() -> None:
    bench, made, _ = attach(3, 2, strategy="one_to_all")
    assert bench.attached == {document: ["p1"] for document in made}


def test_several_steps_and_pictures_handed_in() -> None:
    bench = Bench()
    made = [
        bench.documents.create(title="", body="b", fields={}, status="draft", position=1, model="")
        for _ in range(3)
    ]
    bench.outputs.update(
        web={"documents": made[:2]}, social={"documents": made[2:]}, photos={"images": ["p2"]}
    )
    done = bench.do(
        attach_images.STEP,
        {
            "documents": ["web", "social"],
            "images": "photos",
            "image_ids": ["p1", "p2"],
            "strategy": "all_to_one",
        },
    )
    assert done.output["documents"] == made
    assert bench.attached == {made[0]: ["p1", "p2"]}


def test_twenty_fit_and_the_twenty_first_is_refused() -> None:
    bench, made, _ = attach(1, 20, strategy="all_to_one")
    assert len(bench.attached[made[0]]) == 20
    with pytest.raises(StepError, match="“Ad 1” would have 21 pictures; at most 20 fit") as raised:
        attach(1, 6, already=15, strategy="all_to_one")
    assert raised.value.category is Category.INPUT


@pytest.mark.parametrize(("documents", "images", "code"), [(0, 3, "no_texts"), (3, 0, "no_pictures")])
def test_nothing_to_attach_is_said(documents: int, images: int, code: str) -> None:
    with pytest.raises(StepError) as raised:
        attach(documents, images)
    assert (raised.value.category, raised.value.code) == (Category.INPUT, code)


def test_the_cards_read_as_sentences() -> None:
    assert generate_image.STEP.summary(FIVE) == "Make **5** pictures in **showroom** style, **story**"
    assert (
        attach_images.STEP.summary({"documents": "ads", "images": "pictures"})
        == "Give each text of **ads** one picture of **pictures**"
    )
