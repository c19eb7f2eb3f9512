"""What is made of a template: a workflow with fixed answers, a copy in the builder, a file and back, nothing."""

import re
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core import yaml
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.ids import new_id
from app.engine.models import Run
from app.features.accounts.models import AuditEntry
from app.features.accounts.service import Actor
from app.features.files import service as file_service
from app.features.files.models import Document, Image
from app.features.gallery import exchange, library, queries, service
from app.features.gallery.models import LaunchDraft, Template
from app.features.workflows import queries as workflow_queries
from app.features.workflows.models import Workflow
from tests.cast import Cast, Person
from tests.factories import picture
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SLUG = "facebook-ads-campaign"
PAGE = f"/gallery/{SLUG}"


def _file(**changes: Any) -> dict[str, Any]:
    data = yaml.load((library.FOLDER / f"{SLUG}.yaml").read_text("utf-8"))
    return {**data, "slug": "our-ads", "name": "Our ads", **changes}


def _actor(cast: Cast) -> Actor:
    return Actor(cast.alice.user_id, cast.alice.name)


# --- customise ---


def test_a_workflow_asks_only_what_is_not_fixed(app: Flask, cast: Cast, dana: Person) -> None:
    browser = cast.browser(dana)
    page = Page(browser.get(f"{PAGE}/customise").text)
    assert page.faults == []
    assert "Always use this" in page.text
    data = {"name": "Ads, our way", "how_tone": "always", "q_tone": "Playful", "how_copies": "always", "q_copies": "3"}
    made = browser.post(f"{PAGE}/customise", data=data)
    with app.app_context():
        workflow = db.session.scalars(sa.select(Workflow)).one()
        assert made.location == f"/workflows/{workflow.id}/launch"
        assert (workflow.name, workflow.template_slug, workflow.published_number) == ("Ads, our way", None, 1)
        version = workflow_queries.current_version(db.session(), workflow)
        fixed = {each["key"]: each["default"] for each in version.definition["inputs"] if each["fixed"]}
    assert fixed == {"tone": "Playful", "copies": 3}
    pages = [browser.get(f"{made.location}?page={number}").text for number in (1, 2, 3)]
    assert not any('name="q_tone"' in text or 'name="q_copies"' in text for text in pages)
    assert any('name="q_offer"' in text for text in pages)


def test_data_can_be_fixed_and_is_kept_as_data(app: Flask, cast: Cast) -> None:
    file = _file()
    file["definition"]["inputs"].append({"key": "facts", "label": "Facts", "type": "json"})
    with app.app_context():
        exchange.take_in(db.session(), cast.alice.workspace_id, file, actor=_actor(cast))
        db.session.commit()
    browser = cast.browser(cast.alice)
    data = {"name": "Ads", "how_facts": "always", "q_facts": '{"doors": [4]}'}

    wrong = browser.post("/gallery/our-ads/customise", data={**data, "q_facts": "{"})
    made = browser.post("/gallery/our-ads/customise", data=data)

    assert (wrong.status_code, made.status_code) == (422, 303)
    with app.app_context():
        version = workflow_queries.current_version(db.session(), db.session.scalars(sa.select(Workflow)).one())
        assert [each["default"] for each in version.definition["inputs"] if each["fixed"]] == [{"doors": [4]}]


def _asking_for_files(app: Flask, cast: Cast) -> None:
    """Keep a template that asks for files of every kind."""
    kinds = ("document", "documents", "image", "images", "csv")
    questions = [
        {"key": kind, "label": f"The {kind}", "type": kind} | ({"columns": ["email"]} if kind == "csv" else {})
        for kind in kinds
    ]
    steps = [{"id": "note", "type": "transform", "config": {"set": {"x": "{{ inputs.csv }}"}}}]
    definition = {"schema": 1, "inputs": questions, "steps": steps}
    with app.app_context():
        file = _file(definition=definition, label="Files", sample_inputs={})
        exchange.take_in(db.session(), cast.alice.workspace_id, file, actor=_actor(cast))
        db.session.commit()


def _an_image(workspace_id: str) -> Image:
    return file_service.store_image(
        db.session(), workspace_id=workspace_id, run_id=None, step_run_id=None, position=1, prompt="A car",
        model="sample", prepared=picture(),
    )  # fmt: skip


def _always(*kinds: str, **more: Any) -> dict[str, Any]:
    return {"name": "Ads", **{f"how_{kind}": "always" for kind in kinds}, **more}


def _fixed(app: Flask) -> dict[str, Any]:
    with app.app_context():
        version = workflow_queries.current_version(db.session(), db.session.scalars(sa.select(Workflow)).one())
        return {each["key"]: each["default"] for each in version.definition["inputs"] if each["fixed"]}


def test_a_vehicle_can_be_fixed_and_its_parts_are_told_apart(app: Flask, cast: Cast) -> None:
    browser, address = cast.browser(cast.alice), "/gallery/used-vehicle-listing-copy/customise"
    car = {"q_car-stock": "P2208", "q_car-price": "31,990", "q_car-mileage": "34,150"}
    data = {"name": "Our demo car", "how_car": "always", **car}

    wrong = Page(browser.post(address, data={**data, "q_car-price": "dear"}).text)
    made = browser.post(address, data=data)

    assert wrong.faults == []
    assert "$dear is not a price." in wrong.text
    assert wrong.fields()["q_car-stock"] == "P2208"
    with app.app_context():
        version = workflow_queries.current_version(db.session(), db.session.scalars(sa.select(Workflow)).one())
        (fixed,) = (each["default"] for each in version.definition["inputs"] if each["fixed"])
    assert (fixed["stock"], fixed["price"], fixed["vin"]) == ("P2208", "31990.00", None)
    assert "q_car" not in browser.get(made.location).text


def test_files_and_tables_can_be_fixed(app: Flask, cast: Cast) -> None:
    _asking_for_files(app, cast)
    browser = cast.browser(cast.alice)
    page = Page(browser.get("/gallery/our-ads/customise").text)
    data = _always(
        "document", "documents", "image", "images", "csv",
        f_document=(BytesIO(b"Our voice"), "Voice.txt"),
        f_documents=[(BytesIO(b"One"), "One.md"), (BytesIO(b"Two"), "Two.md")],
        f_image=(BytesIO(picture(1).original), "front.png"),
        f_images=[(BytesIO(picture(2).original), "a.png"), (BytesIO(picture(3).original), "b.png")],
        f_csv=(BytesIO(b"E-Mail,Name\nann@x.example,Ann\n"), "people.csv"),
    )  # fmt: skip

    made = browser.post("/gallery/our-ads/customise", data=data)
    check = Page(browser.get(made.location).text)

    assert page.faults == check.faults == []
    fixed = _fixed(app)
    assert fixed["csv"] == "email,Name\nann@x.example,Ann\n"
    with app.app_context():
        titles = {each.id: each.title for each in db.session.scalars(sa.select(Document))}
        pictures = set(db.session.scalars(sa.select(Image.id)))
    assert titles[fixed["document"]] == "Voice"
    assert [titles[each] for each in fixed["documents"]] == ["One", "Two"]
    assert pictures == {fixed["image"], *fixed["images"]}
    assert "Always the same here" in check.text
    assert "One, Two" in check.text


def test_as_many_questions_as_there_may_be_lose_nothing(app: Flask, cast: Cast) -> None:
    choices = [f"Choice {number}" for number in range(200)]
    ticks = [{"key": f"t{n}", "label": "Ticks", "type": "multi_choice", "choices": choices} for n in range(10)]
    texts = [{"key": f"w{n}", "label": "Words", "type": "long_text", "max_length": 10_000} for n in range(89)]
    file = _file(label="Ours", sample_inputs={})
    file["definition"] = {
        "schema": 1,
        "inputs": [*ticks, *texts, {"key": "number", "label": "Number", "type": "integer"}],
        "steps": [{"id": "ready", "type": "notify", "config": {"to": ["ann@north.example"], "subject": "Ready"}}],
    }
    with app.app_context():
        exchange.take_in(db.session(), cast.alice.workspace_id, file, actor=_actor(cast))
        db.session.commit()
    browser = cast.browser(cast.alice)
    given = {f"q_t{n}": choices for n in range(10)} | {f"q_w{n}": f"Typed {n}" for n in range(89)}
    fixed = {f"how_{each['key']}": "always" for each in file["definition"]["inputs"]}
    whole, parts = given | fixed | {"name": "Ads"}, {"content_type": "multipart/form-data"}

    wrong = browser.post("/gallery/our-ads/customise", data=whole | {"q_number": "many"}, **parts)
    ticked = len(re.findall(r'value="Choice \d+" checked', wrong.text))
    assert (wrong.status_code, wrong.text.count("Typed "), ticked) == (422, 89, 2000)
    made = browser.post("/gallery/our-ads/customise", data=whole | {"q_number": "7"}, **parts)
    asked = browser.post("/gallery/our-ads/launch?page=1", data=given | {"q_number": "7"}, **parts)
    with app.app_context():
        workflow = db.session.scalars(sa.select(Workflow)).one()
        inputs = workflow_queries.current_version(db.session(), workflow).definition["inputs"]
        kept = db.session.scalars(sa.select(LaunchDraft)).one().answers
    assert (made.status_code, asked.status_code) == (303, 303)
    always = {each["key"]: each["default"] for each in inputs}
    assert (always["t9"], always["w88"], always["number"]) == (choices, "Typed 88", 7)
    assert (kept["t9"], kept["w88"], kept["number"]) == (choices, "Typed 88", "7")


def test_what_was_handed_in_stays_when_another_answer_is_wrong(app: Flask, cast: Cast) -> None:
    _asking_for_files(app, cast)
    browser = cast.browser(cast.alice)
    sent = {"f_image": (BytesIO(picture(1).original), "front.png"), "f_csv": (BytesIO(b"a,b\n1,2\n"), "people.csv")}
    wrong = browser.post("/gallery/our-ads/customise", data=_always("image", "csv", "document", **sent))
    page = Page(wrong.text)
    with app.app_context():
        kept = db.session.scalars(sa.select(Image.id)).one()

    assert (wrong.status_code, page.faults) == (422, [])
    assert "Check below which is which" in page.text
    assert "“The document” needs an answer that is always used." in page.text
    assert f'value="{kept}" checked' in wrong.text
    assert "a,b" in wrong.text
    again = _always("image", "csv", q_image=kept, q_csv="a,b\n1,2\n", m_csv_0="a")
    assert browser.post("/gallery/our-ads/customise", data=again).status_code == 303
    assert _fixed(app) == {"image": kept, "csv": "email,b\n1,2\n"}


def test_a_fixed_answer_is_of_this_workspace_and_no_larger_than_a_workflow(app: Flask, cast: Cast) -> None:
    _asking_for_files(app, cast)
    with app.app_context():
        foreign = _an_image(cast.charlie.workspace_id).id
        db.session.commit()
    rows = "email\n" + "somebody@north.example\n" * 14_000
    data = _always("image", "csv", q_image=foreign, f_csv=(BytesIO(rows.encode()), "people.csv"))
    wrong = cast.browser(cast.alice).post("/gallery/our-ads/customise", data=data)
    assert wrong.status_code == 422
    assert "no longer exists" in wrong.text
    assert "too large to stand in a workflow, which may have 256 KB. Ask it every time." in wrong.text


def test_a_fixed_picture_that_is_gone_is_told_before_the_start(app: Flask, cast: Cast) -> None:
    _asking_for_files(app, cast)
    browser = cast.browser(cast.alice)
    kinds = ("document", "documents", "image", "images", "csv")
    with app.app_context():
        ids = {kind: _an_image(cast.alice.workspace_id).id for kind in ("image", "images")}
        ids["document"] = file_service.create_document(
            db.session(), workspace_id=cast.alice.workspace_id, run_id=None, step_run_id=None, title="T", body="B",
            fields={}, status="draft", position=1, written_by="Alice", test=False,
        ).id  # fmt: skip
        db.session.commit()
    answers = {f"q_{kind}": ids[kind.removesuffix("s")] if "doc" in kind else ids[kind] for kind in kinds[:-1]}
    data = _always(*kinds, **answers, q_csv="email\na@b.example\n")
    made = browser.post("/gallery/our-ads/customise", data=data)
    with app.app_context():
        db.session.execute(sa.delete(Image).where(Image.id == ids["image"]))
        db.session.commit()

    shown = browser.get(made.location)
    refused = browser.post(f"{made.location}/run", data={"draft": new_id()})

    said = "“The image” always uses something that no longer exists."
    assert (shown.status_code, refused.status_code) == (200, 422)
    assert said in shown.text
    assert said in refused.text
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "", "how_tone": "ask"}, "Give it a name."),
        ({"name": "Ads", "how_copies": "always", "q_copies": "99"}, "“How many ads?” must be from 1 to 20."),
        ({"name": "Ads", "how_offer": "always", "q_offer": ""}, "“What is the offer?” needs an answer that is"),
    ],
)
def test_what_cannot_be_fixed_is_said_beside_it(app: Flask, cast: Cast, data: dict[str, str], words: str) -> None:
    response = cast.browser(cast.alice).post(f"{PAGE}/customise", data=data)
    page = Page(response.text)
    assert response.status_code == 422
    assert page.faults == []
    assert words in page.text
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Workflow)) == 0


def test_an_unknown_question_cannot_be_fixed(cast: Cast, session: Session) -> None:
    with pytest.raises(Invalid) as caught:
        service.make_workflow(
            session, workspace_id=cast.alice.workspace_id, slug=SLUG, name="Ads", fixed_inputs={"colour": "red"},
            actor_id=None,
        )  # fmt: skip
    assert [problem.path for problem in caught.value.problems] == ["/inputs/colour"]


# --- the builder ---


def test_a_copy_is_a_draft_that_no_upgrade_touches(app: Flask, cast: Cast) -> None:
    made = cast.browser(cast.alice).post(f"{PAGE}/copies")
    with app.app_context():
        workflow = db.session.scalars(sa.select(Workflow)).one()
        assert made.location == f"/workflows/{workflow.id}/edit"
        assert (workflow.name, workflow.template_slug) == ("Copy of Facebook Ads Campaign", None)
        assert workflow.published_number == 0
    assert cast.browser(cast.alice).get(made.location).status_code == 200


# --- files ---


def _kept(app: Flask, cast: Cast) -> Template:
    with app.app_context():
        return queries.template(db.session(), cast.alice.workspace_id, "our-ads")


def test_a_template_goes_out_and_comes_back_the_same(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    with app.app_context():
        template = exchange.take_in(db.session(), cast.alice.workspace_id, _file(), actor=_actor(cast))
        before = exchange.write(template)
        db.session.commit()
    sent = browser.get("/gallery/our-ads/export")
    assert sent.headers["Content-Disposition"] == "attachment; filename=our-ads.yaml"
    assert yaml.load(sent.text) == before
    back = browser.post(
        "/gallery/import", data={"file": (BytesIO(sent.data), "our-ads.yaml")}, content_type="multipart/form-data"
    )
    assert back.location == "/gallery/our-ads"
    assert exchange.write(_kept(app, cast)) == before  # nothing is new
    browser.post("/gallery/import", data={"source": yaml.dump({**before, "summary": "Better."})})
    assert exchange.write(_kept(app, cast)) == {**before, "summary": "Better.", "version": before["version"] + 1}
    with app.app_context():
        actions = db.session.scalars(sa.select(AuditEntry.action).where(AuditEntry.subject_kind == "template")).all()
        assert actions.count("template.imported") == 2
    shown = browser.get("/gallery/our-ads").text
    assert "Your team’s" in shown
    # the same file again is older than what it has become: asked first, and one more press does it
    older = {"file": (BytesIO(sent.data), "our-ads.yaml")}
    asked = browser.post("/gallery/import", data=older, content_type="multipart/form-data")
    page = Page(asked.text)
    said = f"called “Our ads” by {cast.alice.name}, version {before['version'] + 1}"
    assert (asked.status_code, page.faults, said in page.text) == (409, [], True)
    mark = next(attrs["value"] for tag, attrs in page.tags if tag == "button" and attrs.get("name") == "replaces")
    again = browser.post("/gallery/import", data={"source": sent.text, "replaces": mark})
    assert again.location == "/gallery/our-ads"
    assert f"Version {before['version'] + 2}" in browser.get("/gallery/our-ads").text
    assert "our-ads" not in cast.browser(cast.charlie).get("/gallery").text


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("slug: [", 422, "is not YAML"),
        ("just words", 422, "is not a template"),
        ("", 422, "is not a template"),
        (yaml.dump(_file(version=10**30)), 422, "1000000"),
        (yaml.dump(_file(slug="compare")), 422, "No template can be called “compare”"),
        (yaml.dump(_file(slug=SLUG)), 409, "Greenlight has a template"),
        (yaml.dump(_file(label="{{ inputs.colour }}", sample_inputs={"copies": 99})), 422, "has 2 problems"),
        (yaml.dump(_file(definition={"steps": [{"id": "a", "type": "glue"}]})), 422, "“glue”"),
    ],
)
def test_a_faulty_file_is_refused_with_its_places(
    app: Flask, cast: Cast, text: str, status: int, words: str
) -> None:
    response = cast.browser(cast.alice).post("/gallery/import", data={"source": text})
    page = Page(response.text)
    assert response.status_code == status
    assert page.faults == []
    assert words in page.text
    with app.app_context():
        own = sa.select(sa.func.count()).select_from(Template).where(Template.workspace_id.is_not(None))
        assert db.session.scalar(own) == 0


def test_every_fault_of_a_file_is_named_in_words(cast: Cast) -> None:
    file = _file(slug="Our Ads", version="x", category="cars", definition={"steps": [{"id": "a", "type": "glue"}]})
    del file["summary"], file["estimate"]
    response = cast.browser(cast.alice).post("/gallery/import", data={"source": yaml.dump(file)})
    said = Page(response.text).text
    for words in (
        "“Slug” cannot be “Our Ads”. Use small letters and digits with - between, like our-ads.",
        "“Version” must be a whole number. Write it like 10, without quotes.",
        "“Summary” is missing. Fill it in.",
        "“Category” cannot be “cars”. Use sell-this-car, back-to-service,",
        "“Estimate” is missing. Fill it in.",
        "“glue”",
    ):
        assert words in said


def test_a_file_of_another_kind_is_refused(cast: Cast) -> None:
    response = cast.browser(cast.alice).post(
        "/gallery/import", data={"file": (BytesIO(b"MZ"), "x.exe")}, content_type="multipart/form-data"
    )
    assert response.status_code == 422
    assert "Use a .yaml or .json file." in Page(response.text).text


# --- away ---


def test_an_own_template_can_be_removed_and_ours_cannot(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    with app.app_context():
        exchange.take_in(db.session(), cast.alice.workspace_id, _file(), actor=_actor(cast))
        service.keep_answers(
            db.session(), workspace_id=cast.alice.workspace_id, user_id=cast.alice.user_id, slug="our-ads",
            answers={"offer": "A car"}, over=None,
        )  # fmt: skip
        db.session.commit()
    assert "Remove this template" in browser.get("/gallery/our-ads").text
    assert browser.post("/gallery/our-ads/removal").location == "/gallery"
    assert browser.get("/gallery/our-ads").status_code == 404
    assert "Remove Facebook" not in browser.get(PAGE).text
    assert browser.post(f"{PAGE}/removal").status_code == 409


def test_a_seed_never_touches_an_own_template(cast: Cast, session: Session) -> None:
    exchange.take_in(session, cast.alice.workspace_id, _file(), actor=_actor(cast))
    newer = [file.model_copy(update={"version": file.version + 1, "name": "New"}) for file in library.ours()]
    service.seed_templates(session, newer)
    assert queries.template(session, cast.alice.workspace_id, "our-ads").name == "Our ads"


def test_the_name_of_one_of_ours_is_refused(cast: Cast, session: Session) -> None:
    with pytest.raises(Conflict):
        exchange.take_in(session, cast.alice.workspace_id, _file(slug=SLUG), actor=_actor(cast))


# --- who may ---


@pytest.mark.parametrize("path", ["/gallery/import", f"{PAGE}/customise"])
def test_who_may_not_build_sees_no_form_and_makes_nothing(cast: Cast, path: str) -> None:
    for person, status in ((cast.bob, 403), (None, 303)):
        assert cast.browser(person).get(path).status_code == status
        assert cast.browser(person).post(path).status_code in (status, 400)


@pytest.mark.parametrize("path", ["customise", "copies", "removal", "export"])
def test_a_strangers_template_is_not_there(app: Flask, cast: Cast, path: str) -> None:
    with app.app_context():
        exchange.take_in(db.session(), cast.alice.workspace_id, _file(), actor=_actor(cast))
        db.session.commit()
    stranger = cast.browser(cast.charlie)
    answer = stranger.get(f"/gallery/our-ads/{path}") if path == "export" else stranger.post(f"/gallery/our-ads/{path}")
    assert answer.status_code == 404
