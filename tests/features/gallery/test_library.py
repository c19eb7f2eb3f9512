"""The product's own templates, and what a faulty file says."""

import re
from pathlib import Path

import pytest

from app.core.errors import Invalid
from app.definition import launch_form
from app.definition.inputs import clean_inputs
from app.definition.schema import Definition
from app.features.gallery import library

SLUGS = [
    "aged-inventory-price-move",
    "blog-with-social",
    "email-campaign",
    "facebook-ads-campaign",
    "instagram-carousel",
    "landing-page-hero",
    "new-lead-follow-up",
    "oem-co-op-approval",
    "review-response",
    "service-recall-outreach",
    "trade-in-offer-follow-up",
    "used-vehicle-listing-copy",
]


# A no to these questions ends the follow-up; whoever says it knows.
ENDS_QUIETLY = {"check_second", "still_open", "still_open_last", "answer"}


def test_every_file_passes_all_checks() -> None:
    assert [template.slug for template in library.read_all()] == SLUGS


@pytest.mark.parametrize("slug", SLUGS)
def test_each_template_has_two_ai_steps_lanes_or_a_branch_a_review_and_a_notice(slug: str) -> None:
    definition = Definition.model_validate(_file(slug).definition)
    types = [step.type for step in definition.steps]
    roots = [step for step in definition.steps if not step.after]

    assert sum(kind in ("generate_copy", "generate_image") for kind in types) >= 2
    assert len(roots) > 1 or "parallel" in types or "condition" in types
    assert "review" in types
    assert "notify" in types


@pytest.mark.parametrize("slug", SLUGS)
def test_each_template_tells_somebody_when_it_is_refused(slug: str) -> None:
    definition = Definition.model_validate(_file(slug).definition)
    refused = {
        entry
        for step in definition.steps
        for entry in step.after
        if entry.endswith((":rejected", ":expired"))
    }

    reviews = {step.id for step in definition.steps if step.type == "review"}
    for review in reviews - ENDS_QUIETLY:
        assert {f"{review}:rejected", f"{review}:expired"} <= refused


@pytest.mark.parametrize("slug", SLUGS)
def test_each_template_asks_in_groups_with_a_sample_answer_to_every_required_question(slug: str) -> None:
    file = _file(slug)
    definition = Definition.model_validate(file.definition)

    assert all(question.group for question in definition.inputs)
    assert len(launch_form.pages(definition)) > 1
    required = {question.key for question in definition.inputs if question.required}
    assert required <= file.sample_inputs.keys()
    assert file.estimate.minutes > 0


@pytest.mark.parametrize("slug", SLUGS)
def test_no_help_tells_of_a_file_chooser_which_is_not_on_every_page(slug: str) -> None:
    definition = Definition.model_validate(_file(slug).definition)
    assert [each.help for each in definition.inputs if "choose a" in each.help] == []


def test_facebook_asks_for_nothing_but_the_offer_and_keeps_to_facebooks_limits() -> None:
    definition = Definition.model_validate(_file("facebook-ads-campaign").definition)

    assert [question.key for question in definition.inputs if question.required] == ["offer"]
    answers = clean_inputs(definition, {"offer": "A red car"})
    assert (answers["copies"], answers["pictures"], answers["approver"]) == (10, 5, None)
    ads = definition.step("ads").config
    assert (ads["max_chars"], ads["title_max_chars"]) == (125, 40)
    assert not definition.step("ads").after
    assert not definition.step("pictures").after
    assert set(definition.step("attach").after) == {"ads", "pictures"}


def test_a_faulty_file_names_every_fault_and_its_place(tmp_path: Path) -> None:
    text = (library.FOLDER / "facebook-ads-campaign.yaml").read_text("utf-8")
    text = text.replace("type: attach_images", "type: glue").replace(
        'label: "Facebook ads: {{ inputs.offer', 'label: "{{ inputs.car'
    )
    text = text.replace("copies: 10\n", "copies: 99\n")
    (tmp_path / "facebook-ads-campaign.yaml").write_text(text, "utf-8")

    with pytest.raises(Invalid) as caught:
        library.read_all(tmp_path)

    [problem] = caught.value.problems
    assert problem.path == "/facebook-ads-campaign/definition/steps/2/type"
    assert problem.code == "unknown_type"

    (tmp_path / "facebook-ads-campaign.yaml").write_text(
        text.replace("type: glue", "type: attach_images"), "utf-8"
    )
    with pytest.raises(Invalid) as caught:
        library.read_all(tmp_path)
    assert [problem.path for problem in caught.value.problems] == [
        "/facebook-ads-campaign/label",
        "/facebook-ads-campaign/sample_inputs/inputs/copies",
    ]


def test_a_file_that_is_no_yaml_or_has_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("slug: [", "utf-8")
    with pytest.raises(Invalid, match="1 things are wrong"):
        library.read_all(tmp_path)

    copied = (library.FOLDER / "instagram-carousel.yaml").read_text("utf-8")
    (tmp_path / "broken.yaml").write_text(copied, "utf-8")
    with pytest.raises(Invalid) as caught:
        library.read_all(tmp_path)
    assert [problem.path for problem in caught.value.problems] == ["/broken/slug"]


def test_the_guide_tells_of_every_template_and_step() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "templates.md").read_text("utf-8")
    for file in library.read_all():
        assert f"`{file.slug}`" in guide
        section = guide.split(f"`{file.slug}`", 1)[1].split("\n## ", 1)[0]
        assert re.search(r"waits for", section, re.IGNORECASE)


def _file(slug: str) -> library.TemplateFile:
    return library.read(library.FOLDER / f"{slug}.yaml")
