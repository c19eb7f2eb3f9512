"""What is chosen instead of typed: workflows and their questions, people, documents, pictures, values."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import db
from app.features.files import service as files
from app.features.workflows.models import Workflow
from tests import factories
from tests.features.workflows.builder.conftest import Bench
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def picture_of(bench: Bench, workspace_id: str, prompt: str) -> str:
    """Keep a picture in a workspace and return its id."""
    with bench.cast.app.app_context():
        image = files.store_image(
            db.session(), prepared=factories.picture(1), workspace_id=workspace_id, run_id=None, step_run_id=None,
            position=1, prompt=prompt, model="sample",
        )  # fmt: skip
        db.session.commit()
        return image.id


def test_another_workflow_is_chosen_and_its_questions_are_fields(bench: Bench) -> None:
    with bench.cast.app.app_context():
        factories.workflow(db.session(), bench.cast.alice.workspace_id, name="Newsletter")
        factories.workflow(db.session(), bench.cast.charlie.workspace_id, name="A stranger's")
        db.session.commit()
    bench.post("/steps", {"after": "tell", "type": "run_workflow"})
    html = bench.browser.get(f"{bench.url}/steps/run_another_workflow").text
    assert Page(html).faults == []
    assert '<option value="Newsletter">Newsletter</option>' in html
    assert "stranger" not in html
    form = bench.form("/steps/run_another_workflow") | {"c-workflow": "Newsletter"}
    answer = bench.post("/steps/run_another_workflow", form, htmx=True)
    assert answer.headers["HX-Retarget"] == "#panel"
    assert "What is the offer?" in Page(answer.text).text
    form = bench.form("/steps/run_another_workflow")
    assert form["c-inputs-0.name"] == "offer"
    bench.post("/steps/run_another_workflow", form | {"c-inputs-0.value": "{{ inputs.offer }}"})
    assert bench.steps["run_another_workflow"]["config"] == {
        "workflow": "Newsletter", "inputs": {"offer": "{{ inputs.offer }}"}
    }  # fmt: skip


def test_a_workflow_that_is_gone_or_not_published_is_a_problem_before_a_run_is_started(bench: Bench) -> None:
    with bench.cast.app.app_context():
        part = factories.workflow(db.session(), bench.cast.alice.workspace_id, name="Newsletter")
        db.session.commit()
        part_id = part.id
    bench.post("/steps", {"after": "tell", "type": "run_workflow"})
    chosen = {"c-workflow": "Newsletter", "c-inputs-0.name": "offer", "c-inputs-0.value": "Winter tyres"}
    bench.post("/steps/run_another_workflow", bench.form("/steps/run_another_workflow") | chosen)
    assert bench.desk.problems == []

    def part_becomes(**values: Any) -> None:
        with bench.cast.app.app_context():
            db.session.execute(sa.update(Workflow).where(Workflow.id == part_id).values(**values))
            db.session.commit()

    for values, said in (
        ({"published_number": 0}, "“Newsletter” is not published."),
        ({"published_number": 1, "deleted_at": clock.now()}, "There is no workflow called “Newsletter”."),
    ):
        part_becomes(**values)
        (problem,) = bench.desk.problems
        assert (problem.message, bench.desk.field_of(problem)) == (said, "c-workflow")
        assert said in Page(bench.browser.get(f"{bench.url}/steps/run_another_workflow").text).text
        address = f"/workflows/{bench.workflow_id}/publish"
        assert said in Page(bench.browser.get(address).text).text
        form = {"revision": str(bench.draft.revision), "note": ""}
        refused = bench.browser.post(f"/workflows/{bench.workflow_id}/publication", data=form)
        assert (refused.status_code, said in Page(refused.text).text) == (422, True)
    part_becomes(deleted_at=None)
    assert bench.desk.problems == []


def test_answers_that_another_workflow_would_refuse_are_a_problem_before_a_run_is_started(bench: Bench) -> None:
    asked = [
        {"key": "offer", "label": "What is the offer?", "type": "text", "required": True},
        {"key": "stars", "label": "How many stars?", "type": "integer", "required": True, "default": 5},
        {"key": "by", "label": "By when?", "type": "date"},
        {"key": "house", "label": "Which house?", "type": "text", "fixed": True, "default": "Northfield"},
    ]
    steps = [{"id": "one", "type": "transform", "config": {"set": {"a": "1"}}}]
    with bench.cast.app.app_context():
        definition = {"schema": 1, "inputs": asked, "steps": steps}
        factories.workflow(
            db.session(), bench.cast.alice.workspace_id, name="Newsletter", definition=definition
        )
        db.session.commit()

    def problems(**answers: str) -> list[str]:
        step = {"id": "sub", "type": "run_workflow", "config": {"workflow": "Newsletter", "inputs": answers}}
        sub = {"schema": 1, "inputs": [{"key": "day", "type": "date"}], "steps": [step]}
        bench.post("/text", {"text": json.dumps(sub), "as": "json", "revision": str(bench.draft.revision)})
        return [f"{bench.desk.field_of(each)}: {each.sentence}" for each in bench.desk.problems]

    assert problems() == ["c-inputs: “What is the offer?” needs an answer. Answer it."]
    assert problems(offer="{{ run.label }}", by="{{ inputs.day }}", stars="4") == []
    assert problems(offer="Winter tyres", stars="many", offr="x", house="Kia") == [
        "c-inputs: “Which house?” is fixed here. Leave it out.",
        "c-inputs: “offr” is not asked there. Did you mean “offer”?",
        "c-inputs: “How many stars?”: “many” is not a whole number. Write it like 12.",
    ]
    page = Page(bench.browser.get(f"{bench.url}/steps/sub").text)
    assert page.faults == []
    assert [f"{label} (optional)" in page.text for label in ("What is the offer?", "How many stars?", "By when?")] == [
        False, True, True
    ]  # fmt: skip
    form = {"revision": str(bench.draft.revision), "note": ""}
    refused = bench.browser.post(f"/workflows/{bench.workflow_id}/publication", data=form)
    assert (refused.status_code, "“offr” is not asked there." in Page(refused.text).text) == (422, True)


def test_somebody_is_chosen_and_the_field_comes_with_a_new_row(bench: Bench) -> None:
    form = bench.form("/steps/tell") | {"c-to-900": "alice@northfield.example"}
    answer = bench.post("/steps/tell", form, htmx=True)
    assert bench.steps["tell"]["config"]["to"] == ["{{ run.started_by.email }}", "alice@northfield.example"]
    assert '<fieldset class="field set-rows" id="f-c-to" hx-swap-oob="true"' in answer.text
    assert 'name="c-to-2" value=""' in answer.text
    answer = bench.post("/steps/tell", bench.form("/steps/tell") | {"c-subject": "Hello"}, htmx=True)
    assert 'id="f-c-to"' not in answer.text


def test_documents_are_chosen_by_their_titles(bench: Bench) -> None:
    with bench.cast.app.app_context():
        made = files.create_document(
            db.session(), workspace_id=bench.cast.alice.workspace_id, run_id=None, step_run_id=None, title="Price list",
            body="All prices", position=1, written_by="Alice", status="draft", fields={}, test=False,
        )  # fmt: skip
        db.session.commit()
        document = made.id
    assert f'<option value="{document}">Price list</option>' in bench.browser.get(f"{bench.url}/steps/ads").text
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-context": "", "c-context~doc": ["", document]})
    assert bench.steps["ads"]["config"]["context"] == [document]
    html = bench.browser.get(f"{bench.url}/steps/ads").text
    assert Page(html).faults == []
    assert "Price list" in Page(html).text
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-context~doc": ""})
    assert not bench.steps["ads"]["config"].get("context")


def test_a_choice_takes_a_value(bench: Bench) -> None:
    for step, field in (("ads", "creativity"), ("pictures", "size")):
        value = {f"c-{field}": "{{ inputs.offer }}"}
        if field == "creativity":
            value = {"c-creativity": "~", "c-creativity~value": "{{ inputs.offer }}"}
        bench.post(f"/steps/{step}", bench.form(f"/steps/{step}") | value)
        assert bench.steps[step]["config"][field] == "{{ inputs.offer }}"
        html = bench.browser.get(f"{bench.url}/steps/{step}").text
        assert Page(html).faults == []
        assert '<option value="{{ inputs.offer }}" selected>What is the offer?</option>' in html
        bench.post(f"/steps/{step}", bench.form(f"/steps/{step}"))
        assert bench.steps[step]["config"][field] == "{{ inputs.offer }}"


def test_a_number_takes_a_value_and_is_shown_anew(bench: Bench) -> None:
    form = bench.form("/steps/ads") | {"c-count~value": "{{ inputs.offer }}"}
    answer = bench.post("/steps/ads", form, htmx=True)
    assert bench.steps["ads"]["config"]["count"] == "{{ inputs.offer }}"
    assert 'id="f-c-count" hx-swap-oob="true"' in answer.text
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count": "4"})
    assert bench.steps["ads"]["config"]["count"] == 4


def test_pictures_are_chosen_by_looking_at_them(bench: Bench) -> None:
    picture = picture_of(bench, bench.cast.alice.workspace_id, "A red car")
    html = bench.browser.get(f"{bench.url}/steps/attach").text
    assert Page(html).faults == []
    assert f'<img src="/images/{picture}/small" alt="A red car"' in html
    picture_of(bench, bench.cast.alice.workspace_id, "A red car")
    html = bench.browser.get(f"{bench.url}/steps/attach").text
    assert [attrs["alt"] for attrs in Page(html).attributes("img")] == ["A red car, 1 of 2", "A red car, 2 of 2"]
    bench.post("/steps/attach", bench.form("/steps/attach") | {"c-image_ids": picture})
    assert bench.steps["attach"]["config"]["image_ids"] == [picture]


def test_what_was_chosen_and_is_no_more_here_is_said_so_and_can_be_taken_out(bench: Bench) -> None:
    theirs = picture_of(bench, bench.cast.charlie.workspace_id, "A stranger's car")
    bench.post("/steps/attach", bench.form("/steps/attach") | {"c-image_ids": theirs})
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-context": "", "c-context~doc": [theirs]})
    bench.post("/steps/pictures/removal", {})
    bench.post("/steps", {"after": "tell", "type": "run_workflow"})
    bench.post("/steps/run_another_workflow", bench.form("/steps/run_another_workflow") | {"c-workflow": theirs})
    asked = [{"key": "pic", "label": "Picture", "type": "image", "default": theirs, "fixed": True},
             {"key": "docs", "label": "Papers", "type": "documents", "default": [theirs]}]  # fmt: skip
    data = bench.draft.definition
    text = json.dumps({**data, "inputs": [*data["inputs"], *asked]})
    bench.post("/text", {"text": text, "as": "json", "revision": str(bench.draft.revision)})
    said = {
        "/steps/attach": ("A picture that is no longer here", "Make 5 pictures (no longer there)"),
        "/steps/ads": ("A document that is no longer here",),
        "/steps/run_another_workflow": ("A workflow that is no longer here",),
        "/questions/pic": ("A picture that is no longer here",),
        "/questions/docs": ("A document that is no longer here",),
    }
    for path, words in said.items():
        html = bench.browser.get(bench.url + path).text
        page = Page(html.partition('id="panel"')[2])
        assert [each in page.text for each in words] == [True] * len(words), path
        assert (theirs in page.text, "stranger" in html, f"/images/{theirs}" in html) == (False, False, False)
        assert Page(html).faults == []
    bench.post("/steps/attach", bench.form("/steps/attach") | {"c-image_ids": []})
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-context~doc": ""})
    bench.post("/questions/docs", bench.form("/questions/docs") | {"q-default": []})
    assert not bench.steps["attach"]["config"].get("image_ids")
    assert not bench.steps["ads"]["config"].get("context")
    assert not bench.draft.definition["inputs"][-1].get("default")


def test_a_number_takes_only_values_that_can_be_one(bench: Bench) -> None:
    html = bench.browser.get(f"{bench.url}/steps/ads").text
    values = html.split('name="c-count~value"')[1].split("</select>")[0]
    assert "run number" in values
    assert "e-mail of who started it" not in values
    assert "date of the run" not in values
    assert "e-mail of who started it" in html
    bench.post("/steps/ads", bench.form("/steps/ads") | {"c-count~value": "{{ run.started_by.email }}"})
    html = bench.browser.get(f"{bench.url}/steps/ads").text
    assert "“How many” needs a number; “E-mail of who started it” is none." in Page(html).text
    assert 'data-needs="number"' in html
    assert html.count(" data-no-number") >= 4
