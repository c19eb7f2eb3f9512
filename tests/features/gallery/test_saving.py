"""A workflow becomes a template of its workspace: chosen values become questions."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.definition import schema
from app.definition.schema import Definition
from app.engine import catalog
from app.features.accounts.service import Actor
from app.features.gallery import exchange, own, queries, service, starting, versions
from app.features.gallery.models import Template, TemplateVersion
from app.features.runs import saved_views
from app.features.workflows import queries as workflows
from app.features.workflows import service as drafts
from app.features.workflows.enums import Category
from app.features.workflows.models import Workflow
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


def _about_cars() -> dict[str, Any]:
    """A workflow that asks for a vehicle, always has another, and compares parts of the first."""
    parts = ["vin", "stock", "make", "price"]
    car = {"key": "car", "label": "Which car?", "type": "vehicle", "required": True, "parts": parts}
    demo = {"key": "demo", "label": "Demo car", "type": "vehicle", "fixed": True}
    rules = [
        {"value": "{{ inputs.car.price }}", "op": "gt", "than": 20000},
        {"value": "{{ inputs.car.make }}", "op": "eq", "than": "Honda"},
    ]
    steps = [
        {"id": "dear", "type": "condition", "name": "Dear?", "config": {"if": {"all": rules}}},
        {"id": "ads", "type": "generate_copy", "name": "Write ads", "after": ["dear:yes"],
         "config": {"prompt": "Sell {{ inputs.car }} like {{ inputs.demo.make }}", "count": 2}},
    ]  # fmt: skip
    car |= {"must_have": ["price"], "default": {"make": "Honda", "price": "22500"}}
    demo |= {"default": {"stock": "P9", "make": "Kia"}}
    return {"schema": 1, "inputs": [car, demo], "steps": steps}


def test_a_template_asks_for_vehicles_as_its_workflow_did_and_for_what_was_always_the_same(
    cast: Cast, session: Session
) -> None:
    definition = Definition.model_validate(_about_cars())
    assert [(one.key, one.title, one.shown) for one in own.candidates(definition, catalog.facts())] == [
        ("demo", "“Demo car”, always the same", "Kia"),
        ("dear_if_all_than", "Which car: price is more than what?, in “Dear?”", "20,000"),
        ("dear_if_all_than_2", "Which car: make is what?, in “Dear?”", "Honda"),
        ("ads_count", "How many, in “Write ads”", "2 texts"),
    ]
    made = own.with_questions(definition, {"demo": "Like which?", "dear_if_all_than": ""}, catalog.facts())
    workflow = factories.workflow(session, cast.alice.workspace_id, definition=_about_cars())
    own.save(session, workflow, made, name="Cars", summary="", category=Category.SELL, actor=ALICE)
    asked = {each["key"]: each for each in made["inputs"]}
    assert list(asked) == ["car", "demo", "dear_if_all_than"]
    assert (asked["demo"]["label"], asked["demo"]["fixed"]) == ("Like which?", False)
    assert asked["car"] == schema.dump(definition)["inputs"][0]
    launched: dict[str, Any] = {"workspace_id": cast.alice.workspace_id, "slug": "cars", "actor": ALICE}
    with pytest.raises(Invalid) as refused:
        starting.launch(session, raw_inputs={"car": {"stock": "P1"}}, **launched)
    assert [each.path for each in refused.value.problems] == ["/inputs/car/price"]
    car = {"vin": "5TDDZRBH1MS104417", "price": "31,990"}
    run = starting.launch(session, raw_inputs={"car": car, "dear_if_all_than": "9"}, **launched)
    assert (run.inputs["car"]["make"], run.inputs["car"]["price"]) == ("Toyota", "31990.00")
    assert (run.inputs["demo"]["stock"], run.inputs["dear_if_all_than"]) == ("P9", 9)


def test_it_stands_in_the_gallery_of_its_workspace_and_can_be_launched(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id, name="Our ads", definition=FLOW)
    chosen = {"ads_count": "How many?", "tell_to": "Whom?"}
    made = own.with_questions(Definition.model_validate(FLOW), chosen, catalog.facts())
    options: dict[str, Any] = {"name": " Our  ads ", "summary": "Ads", "category": Category.ADS, "actor": ALICE}
    template = own.save(session, workflow, made, **options)
    assert (template.slug, template.version, template.gets) == ("our-ads", 1, ["Write ads", "Tell"])
    assert template.sample_inputs == {"ads_count": 10, "tell_to": ["ann@north.example"]}
    assert queries.template(session, cast.alice.workspace_id, "our-ads").id == template.id
    assert "our-ads" not in [one.slug for one in queries.listed(session, cast.charlie.workspace_id)]

    run = starting.launch(
        session, workspace_id=cast.alice.workspace_id, slug="our-ads", raw_inputs={"ads_count": "3"}, actor=ALICE
    )
    assert run.inputs["ads_count"] == 3
    # saved again as it is, or pressed twice: nothing is new; else the next version. Its workflow is not touched
    assert own.save(session, workflow, made, **options).version == 1
    assert own.save(session, workflow, made, **{**options, "summary": "Better ads"}).version == 2
    assert session.scalar(sa.select(sa.func.count()).select_from(Template).where(Template.slug == "our-ads")) == 1
    assert [version.number for version in workflows.versions(session, workflow)] == [1]


def test_another_workflows_template_is_replaced_only_by_who_says_so(cast: Cast, session: Session) -> None:
    first, second = (factories.workflow(session, cast.alice.workspace_id, definition=FLOW) for _ in range(2))
    options: dict[str, Any] = {"name": "Our ads", "category": Category.ADS}
    own.save(session, first, FLOW, summary="Ads", actor=ALICE, **options)
    with pytest.raises(versions.Taken, match="called “Our ads” by Alice Ames, version 1") as taken:
        own.save(session, second, FLOW, summary="Others", actor=Actor(None, "Dana"), **options)
    assert (taken.value.mark, taken.value.next) == (own.mark_of(session, first.workspace_id, " our ADS"), 2)
    # saved again meanwhile: what is there now was not seen, so it is asked again
    own.save(session, first, FLOW, summary="Newer", actor=ALICE, **options)
    replaces = {"replaces": taken.value.mark}
    with pytest.raises(versions.Taken, match="version 2") as later:
        own.save(session, second, FLOW, summary="Others", actor=Actor(None, "Dana"), **options, **replaces)
    replaces = {"replaces": later.value.mark}
    made = own.save(session, second, FLOW, summary="Others", actor=Actor(None, "Dana"), **options, **replaces)
    assert (made.version, made.summary) == (3, "Others")
    kept = [(one.number, one.saved_by, one.workflow_id) for one in queries.versions(session, made)]
    assert kept == [(3, "Dana", second.id), (2, "Alice Ames", first.id), (1, "Alice Ames", first.id)]

    versions.go_back(session, made, number=2, actor=ALICE)
    assert (made.version, made.summary, made.definition) == (4, "Newer", schema.dump(Definition.model_validate(FLOW)))
    with pytest.raises(Conflict, match="Version 4, the current one, is what version 2 was already"):
        versions.go_back(session, made, number=2, actor=ALICE)
    assert own.save(session, first, FLOW, summary="Newest", actor=ALICE, **options).version == 5
    with pytest.raises(Conflict, match="current one"):
        versions.go_back(session, made, number=5, actor=ALICE)
    with pytest.raises(NotFound, match="no version 9"):
        versions.go_back(session, made, number=9, actor=ALICE)
    exchange.remove(session, made, actor=ALICE)
    assert session.scalar(sa.select(sa.func.count()).select_from(TemplateVersion)) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # on SQLite one alone writes
def test_two_tabs_that_save_a_new_template_and_a_view_of_one_name_find_each_other(app: Flask, cast: Cast) -> None:
    team, me = cast.alice.workspace_id, cast.alice.user_id

    def save(workflow_id: str, saved: threading.Event | None = None) -> None:
        with app.app_context():
            session = db.session()
            saved_views.save(session, team, me, name="Mine", filters={})
            workflow = session.get_one(Workflow, workflow_id)
            if saved:
                own.save(session, workflow, FLOW, name="Ours", summary="Ads", category=Category.ADS, actor=ALICE)
                saved.set()
                factories.until_locked(db.engine)
            session.commit()
            own.save(session, workflow, FLOW, name="Ours", summary="Ads", category=Category.ADS, actor=ALICE)

    with app.app_context():
        ids = [factories.workflow(db.session(), team, definition=FLOW).id for _ in range(2)]
        db.session.commit()
    saved = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(save, ids[0], saved)
        saved.wait(60)
        second = pool.submit(save, ids[1])
    assert first.exception() is None
    assert isinstance(second.exception(), versions.Taken)


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
    assert page.fields()["words_ads_count"] == "How many (texts)"
    assert '<option selected value="">Choose</option>' in browser.get(address).text
    assert browser.post(address, data={"name": "", "category": "paid-ads"}).status_code == 422
    unplaced = browser.post(address, data={"name": "Ours", "category": ""})
    assert (unplaced.status_code, "Choose where it stands in the gallery." in unplaced.text) == (422, True)
    saved = browser.post(
        address,
        data={
            "name": "Ours", "category": "paid-ads", "ask": ["ads_count", "tell_to"],
            "words_ads_count": "How many?", "words_tell_to": "Whom?",
        },
    )  # fmt: skip
    assert (saved.status_code, saved.location) == (303, "/gallery/ours")
    shown = Page(browser.get(saved.location).text)
    assert (shown.faults, "“Ours” is a template now, version 1." in shown.text) == ([], True)
    assert "Leaves the house only e-mails; nothing is posted" in " ".join(shown.text.split())
    assert "How many? 10 Whom? ann@north.example What you get" in " ".join(shown.text.split())
    assert "How many?" in Page(browser.get("/gallery/ours/launch").text).text
    assert browser.get(f"/workflows/{empty_id}/template").status_code == 404

    # another workflow under the same name: asked first, with everything still there, and one more press does it
    with cast.app.app_context():
        other_id = factories.workflow(db.session(), cast.alice.workspace_id, name="Mine", definition=FLOW).id
        db.session.commit()
    data = {"name": "Ours", "summary": "Better", "category": "paid-ads", "ask": ["ads_count"], "words_ads_count": "So?"}
    asked = browser.post(f"/workflows/{other_id}/template", data=data)
    page = Page(asked.text)
    assert (asked.status_code, page.faults) == (409, [])
    assert "already a template called “Ours” by Alice Ames, version 1" in page.text
    assert ("Better" in page.text, 'value="ads_count" checked' in asked.text) == (True, True)
    assert [page.fields()[name] for name in ("name", "words_ads_count")] == ["Ours", "So?"]
    mark = next(attrs["value"] for tag, attrs in page.tags if tag == "button" and attrs.get("name") == "replaces")
    assert browser.post(f"/workflows/{other_id}/template", data={**data, "replaces": mark}).location == "/gallery/ours"
    shown = Page(browser.get("/gallery/ours").text)
    assert (shown.faults, shown.text.count("by Alice Ames"), "Go back to version 1" in shown.text) == ([], 2, True)
    # a lesser role sees who saved what, and cannot go back; a stranger sees nothing
    seen = Page(cast.browser(cast.bob).get("/gallery/ours").text).text
    assert ("Version 2" in seen, "Go back" in seen) == (True, False)
    for person, code in ((cast.charlie, 404), (cast.bob, 403)):
        assert cast.browser(person).post("/gallery/ours/rollback", data={"version": "1"}).status_code == code
    assert browser.post("/gallery/ours/rollback", data={"version": "1"}).location == "/gallery/ours"
    assert "Version 3 is what version 1 was." in Page(browser.get("/gallery/ours").text).text
    assert [browser.post("/gallery/ours/rollback", data={"version": n}).status_code for n in ("x", "9", "3")] == [
        404, 404, 303,
    ]  # fmt: skip
    assert "Version 3 is the current one already." in Page(browser.get("/gallery/ours").text).text
    for person, code in ((cast.charlie, 404), (cast.bob, 403)):
        assert cast.browser(person).get(address).status_code == code
        assert cast.browser(person).post(address, data={"name": "x"}).status_code == code
