"""A workflow becomes a template of its workspace: chosen values become questions."""

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.definition import schema
from app.definition.schema import Definition
from app.engine import catalog
from app.features.accounts.service import Actor
from app.features.gallery import own, queries, service
from app.features.gallery.enums import Category
from app.features.gallery.models import Template
from app.features.workflows import queries as workflows
from app.features.workflows import service as drafts
from tests import factories
from tests.cast import Cast, enter
from tests.page import Page

FLOW: dict[str, Any] = {
    "schema": 1,
    "inputs": [{"key": "offer", "label": "Offer", "type": "text"}],
    "steps": [
        {"id": "ads", "type": "generate_copy", "name": "Write ads",
         "config": {"prompt": "Write an ad", "count": 10, "creativity": "safe", "voice": "{{ inputs.offer }}"}},
        {"id": "dear", "type": "condition", "name": "Dear?", "after": ["ads"],
         "config": {"if": {"all": [{"value": "{{ inputs.offer }}", "op": "eq", "than": "car"},
                                   {"not": {"value": "{{ run.number }}", "op": "gt", "than": 5}}]}}},
        {"id": "tell", "type": "notify", "name": "Tell", "after": ["dear:yes"],
         "config": {"to": ["ann@north.example"], "subject": "Ready"}},
    ],
}  # fmt: skip
ALICE = Actor(None, "Alice Ames")


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Alice, Bob and Charlie."""
    return enter(app)


def test_the_values_that_can_become_questions(app: Flask) -> None:
    found = own.candidates(Definition.model_validate(FLOW), catalog.facts())
    assert [(one.key, one.type.value, one.shown) for one in found] == [
        ("ads_prompt", "long_text", "Write an ad"),
        ("ads_count", "integer", "10 texts"),
        ("ads_creativity", "choice", "safe"),
        ("dear_if_all_than", "text", "car"),
        ("dear_if_all_not_than", "number", "5"),
        ("tell_to", "people", "ann@north.example"),
        ("tell_subject", "text", "Ready"),
    ]


def test_chosen_values_are_asked_and_everything_else_stays(app: Flask) -> None:
    chosen = {"ads_count": "How many ads?", "ads_creativity": "", "dear_if_all_not_than": "Limit?", "tell_to": "Whom?"}
    made = own.with_questions(Definition.model_validate(FLOW), chosen, catalog.facts())
    assert schema.check(made, catalog.facts()) == []
    questions = {question["key"]: question for question in made["inputs"]}
    assert list(questions) == ["offer", *chosen]
    count = questions["ads_count"]
    assert (count["label"], count["type"], count["default"], count["min"], count["max"]) == (
        "How many ads?", "integer", 10, 1, 50,
    )  # fmt: skip
    assert questions["ads_creativity"]["choices"] == ["safe", "balanced", "adventurous"]
    ads, dear, tell = (step["config"] for step in made["steps"])
    assert (ads["count"], ads["prompt"]) == ("{{ inputs.ads_count }}", "Write an ad")
    assert dear["if"]["all"][1]["not"]["than"] == "{{ inputs.dear_if_all_not_than }}"
    assert dear["if"]["all"][0]["than"] == "car"
    assert tell["to"] == ["{{ inputs.tell_to }}"]


def test_it_stands_in_the_gallery_of_its_workspace_and_can_be_launched(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id, name="Our ads", definition=FLOW)
    made = own.with_questions(Definition.model_validate(FLOW), {"ads_count": "How many?"}, catalog.facts())
    options: dict[str, Any] = {"name": " Our  ads ", "summary": "Ads", "category": Category.ADS, "actor": ALICE}
    template = own.save(session, workflow, made, **options)
    assert (template.slug, template.version, template.sample_inputs) == ("our-ads", 1, {"ads_count": 10})
    assert queries.template(session, cast.alice.workspace_id, "our-ads").id == template.id
    assert "our-ads" not in [one.slug for one in queries.listed(session, cast.charlie.workspace_id)]

    run = service.launch(
        session, workspace_id=cast.alice.workspace_id, slug="our-ads", raw_inputs={"ads_count": "3"}, actor=ALICE
    )
    assert run.inputs["ads_count"] == 3
    # saved again: the next version; the workflow it came from is not touched
    assert own.save(session, workflow, made, **options).version == 2
    assert session.scalar(sa.select(sa.func.count()).select_from(Template).where(Template.slug == "our-ads")) == 1
    assert [version.number for version in workflows.versions(session, workflow)] == [1]


def test_what_cannot_be_saved_says_why(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id, definition=FLOW)
    service.seed_templates(session)
    options: dict[str, Any] = {"summary": "", "category": Category.ADS, "actor": ALICE}
    with pytest.raises(Conflict, match="has a template"):
        own.save(session, workflow, FLOW, name="Facebook Ads Campaign", **options)
    with pytest.raises(Invalid, match="needs a name"):
        own.save(session, workflow, FLOW, name="  ", **options)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page(cast: Cast) -> None:
    with cast.app.app_context():
        workflow_id = factories.workflow(db.session(), cast.alice.workspace_id, name="Ours", definition=FLOW).id
        empty_id = drafts.create_draft(
            db.session(), workspace_id=cast.alice.workspace_id, name="Empty", actor_id=None
        ).id
        db.session.commit()
    browser, address = cast.browser(cast.alice), f"/workflows/{workflow_id}/template"
    page = Page(browser.get(address).text)
    assert (page.faults, "How many, in “Write ads”" in page.text) == ([], True)
    assert browser.post(address, data={"name": "", "category": "paid-ads"}).status_code == 422
    saved = browser.post(
        address, data={"name": "Ours", "category": "paid-ads", "ask": ["ads_count"], "words_ads_count": "How many?"}
    )
    assert (saved.status_code, saved.location) == (303, "/gallery/ours")
    shown = Page(browser.get(saved.location).text)
    assert (shown.faults, "“Ours” is a template now, version 1." in shown.text) == ([], True)
    assert "How many?" in Page(browser.get("/gallery/ours/launch").text).text
    assert browser.get(f"/workflows/{empty_id}/template").status_code == 404
    for person, code in ((cast.charlie, 404), (cast.bob, 403)):
        assert cast.browser(person).get(address).status_code == code
        assert cast.browser(person).post(address, data={"name": "x"}).status_code == code
