"""Every type of question on the launch form, files handed in, columns named, and the form of a workflow."""

from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core.db import db
from app.definition.schema import InputType
from app.engine.models import Run
from app.features.accounts.service import Actor
from app.features.files import service as files
from app.features.files.models import Document, Image
from app.features.gallery.models import LaunchDraft
from app.features.runs import service as runs
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow
from tests.cast import Cast
from tests.factories import picture
from tests.features.files.test_images import heic
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
COLUMNS = ["email", "first_name"]
VIN = "5TDDZRBH1MS104417"
CAR = f"2021 Toyota XLE, 34,150 miles, $31,990 · VIN {VIN} · made in the United States"


def _png(number: int = 1) -> bytes:
    return picture(number).original


def _questions(kinds: list[InputType]) -> list[dict[str, Any]]:
    choosing = (InputType.CHOICE, InputType.MULTI_CHOICE)
    return [
        {"key": kind.value, "label": f"The {kind.value}", "type": kind.value, "group": f"Group {place // 6}"}
        | ({"choices": ["one", "two"]} if kind in choosing else {})
        | ({"columns": COLUMNS} if kind is InputType.CSV else {})
        for place, kind in enumerate(kinds)
    ]


def _workflow(app: Flask, cast: Cast, questions: list[dict[str, Any]], **options: Any) -> str:
    definition = {
        "schema": 1,
        "inputs": questions,
        "steps": [{"id": "note", "type": "transform", "config": {"set": {"x": "1"}}}],
    }
    with app.app_context():
        workflow = workflows.create(
            db.session(),
            workspace_id=options.get("workspace_id", cast.alice.workspace_id),
            name="Everything",
            definition=definition,
            actor_id=None,
        )
        db.session.commit()
        return workflow.id


def _draft(app: Flask) -> dict[str, Any]:
    with app.app_context():
        return dict(db.session.scalars(sa.select(LaunchDraft)).one().answers)


def _send(browser: FlaskClient, address: str, **data: Any) -> Any:
    return browser.post(address, data=data, content_type="multipart/form-data")


def _sent(kind: str, typed: Any) -> dict[str, Any]:
    """Return what a browser sends for a question."""
    if isinstance(typed, dict):
        return {f"q_{kind}-{part}": text for part, text in typed.items()}
    return {f"q_{kind}": typed}


@pytest.fixture
def address(app: Flask, cast: Cast) -> str:
    """The launch form of a workflow that asks one question of every type."""
    return f"/workflows/{_workflow(app, cast, _questions(list(InputType)))}/launch"


def test_a_workflow_asks_every_type_on_pages_without_a_fault(cast: Cast, address: str) -> None:
    browser = cast.browser(cast.alice)
    for number in range(1, 5):
        page = Page(browser.get(f"{address}?page={number}").text)
        assert page.faults == []
        files = {a["name"]: a["aria-label"] for a in page.attributes("input") if a.get("type") == "file"}
        assert len(set(files.values())) == len(files), "two fields for files have one name"
    assert "Everything" in page.text
    assert "Your answers are kept while you write." in page.text
    assert "What the AI will be told" not in page.text  # no step of it asks one
    assert 'href="/workflows"' in browser.get(address).text


WRONG = {
    "number": ("twelve", "is not a number"),
    "integer": ("1.5", "is not a whole number"),
    "money": ("289,90", "is not a price"),
    "percent": ("101", "is not between 0 and 100"),
    "date": ("soon", "is not a date"),
    "datetime": ("noon", "is not a date and time"),
    "choice": ("three", "is not one of the choices"),
    "multi_choice": ("three", "is not one of the choices"),
    "email": ("bob", "is not an e-mail address"),
    "phone": ("call me", "is not a phone number"),
    "url": ("northfield", "is not a web address"),
    "vin": ("5TDDZRBH2MS104417", "its check digit, the 9th, should be 1"),
    "vehicle": ({"year": "new", "make": "Honda"}, "is not a whole number"),
    "document": ("01a1f900-0000-7000-8000-000000000000", "no longer exists"),
    "documents": ("01a1f900-0000-7000-8000-000000000000", "no longer exists"),
    "image": ("01a1f900-0000-7000-8000-000000000000", "no longer exists"),
    "images": ("../../etc", "is not the id of one"),
    "people": ("alice@north.example, bob", "is not an e-mail address"),
    "csv": ("a,A\n1,2", "Two columns have the same name"),
    "json": ("{a: 1}", "is not JSON"),
}


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_a_wrong_answer_is_named_beside_its_question_and_kept(app: Flask, cast: Cast, kind: str) -> None:
    typed, words = WRONG[kind]
    page_of = f"/workflows/{_workflow(app, cast, _questions([InputType(kind), InputType.TEXT]))}/launch"
    response = _send(cast.browser(cast.alice), page_of, **_sent(kind, typed), q_text="Stays")
    page = Page(response.text)
    assert response.status_code == 422
    assert page.faults == []
    assert words in page.text
    assert "Stays" in response.text
    assert _draft(app)["text"] == "Stays"


RIGHT = {
    "text": "A car", "long_text": "Two\nlines", "number": "12.5", "integer": "34,150", "money": "$28,990",
    "percent": "4.9", "boolean": "y", "date": "2026-11-30", "datetime": "2026-11-30T09:00", "choice": "one",
    "multi_choice": ["one", "two"], "email": "bob@north.example", "phone": "+1 555 010 2030",
    "url": "https://north.example", "vin": VIN.lower(), "people": ["bob@north.example", "x@y.example; z@y.example"],
    "json": '{"a": 1}', "vehicle": {"vin": VIN.lower(), "trim": "XLE", "mileage": "34,150", "price": "31,990"},
}  # fmt: skip


def test_right_answers_of_every_type_start_a_run_with_typed_values(app: Flask, cast: Cast, address: str) -> None:
    browser = cast.browser(cast.alice)
    kinds = [kind.value for kind in InputType]
    files = {
        "f_document": (BytesIO(b"One."), "one.txt"),
        "f_documents": [(BytesIO(b"Two."), "two.md"), (BytesIO(b"Three."), "three.txt")],
        "f_image": (BytesIO(heic(64, 48)), "car.HEIC"),
        "f_images": [(BytesIO(_png()), "a.png"), (BytesIO(_png(2)), "b.png")],
        "f_csv": (BytesIO(b"First Name;E-mail\nDana;d@x.example\n"), "people.csv"),
    }
    for number in range(1, 5):
        asked = kinds[(number - 1) * 6 : number * 6]
        data = {name: sent for kind in asked if kind in RIGHT for name, sent in _sent(kind, RIGHT[kind]).items()}
        data |= {name: sent for name, sent in files.items() if name.removeprefix("f_") in asked}
        response = _send(browser, f"{address}?page={number}", **data)
        assert response.status_code == 303, Page(response.text).text
    check = browser.get(response.location)
    page = Page(check.text)
    assert page.faults == []
    for words in ("$28,990.00", "one, two", "1 row: email, first_name", "two, three", "car", VIN, "Test run", CAR):
        assert words in page.text.replace("\u00a0", " ")
    started = browser.post(f"{address}/run", data={"draft": page.fields()["draft"]})
    with app.app_context():
        run = db.session.scalars(sa.select(Run)).one()
        assert started.location == f"/runs/{run.id}"
        assert (run.label, run.test) == ("Everything", False)
        assert run.inputs["integer"] == 34150
        assert run.inputs["people"] == ["bob@north.example", "x@y.example", "z@y.example"]
        assert run.inputs["vehicle"] == {
            "vin": VIN, "stock": None, "year": 2021, "make": "Toyota", "model": None, "trim": "XLE", "mileage": 34150,
            "price": "31990.00",
        }  # fmt: skip
        assert run.inputs["csv"] == "email,first_name\nd@x.example,Dana\n"
        assert db.session.get_one(Document, run.inputs["document"]).body == "One."
        assert len(run.inputs["images"]) == 2
        photo = db.session.get_one(Image, run.inputs["image"])
        assert (photo.alt, photo.media_type) == ("car", "image/jpeg")
        assert db.session.scalar(sa.select(sa.func.count()).select_from(LaunchDraft)) == 0


def test_a_vin_says_what_it_is_while_it_is_typed_and_on_the_page(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([InputType.VIN]))}/launch"
    browser = cast.browser(cast.alice)
    data = {"q_vin": VIN.lower()}
    while_typing = browser.post(f"{address}/draft?page=1", data=data, headers={"HX-Request": "true"}).text
    page = Page(browser.get(address).text)
    check = Page(browser.get(_send(browser, address, **data).location).text)

    said = "2021 Toyota, made in the United States"
    assert 'id="vin-vin" role="status" hx-swap-oob="innerHTML"' in while_typing
    assert f"{said}. The check digit is right." in while_typing
    assert page.faults == check.faults == []
    assert f"{said}. The check digit is right." in page.text
    assert f"{VIN} · {said}" in check.text


def test_leaving_the_vin_of_a_vehicle_fills_what_is_empty(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([InputType.VEHICLE]))}/launch"
    browser = cast.browser(cast.alice)
    data = _sent("vehicle", {"vin": VIN.lower(), "model": "Highlander"})
    said = browser.post(f"{address}/vin?page=1", data=data, headers={"HX-Request": "true"}).text
    kept = browser.post(f"{address}/draft?page=1", data=data, headers={"HX-Request": "true"}).text
    page = Page(browser.get(address).text)

    assert 'id="vin-vehicle" role="status" hx-swap-oob="innerHTML"' in said
    assert "From the VIN: 2021 Toyota, made in the United States." in said
    assert '<data data-fills="q_vehicle-year" value="2021">' in said
    assert '<data data-fills="q_vehicle-make" value="Toyota">' in said
    assert "From the VIN: 2021 Toyota" in kept
    assert "data-fills" not in kept  # while somebody types, nothing is filled in
    assert page.faults == []
    assert page.fields()["q_vehicle-model"] == "Highlander"
    assert page.fields()["q_vehicle-year"] == ""
    assert browser.post(f"{address}/vin?page=1", data=data).location == f"{address}?page=1"


def test_a_vin_that_says_another_car_is_told_and_nothing_is_filled_in(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([InputType.VEHICLE]))}/launch"
    data = _sent("vehicle", {"vin": VIN, "year": "2019", "make": "toyota", "model": "Highlander"})
    browser = cast.browser(cast.alice)
    said = browser.post(f"{address}/vin?page=1", data=data, headers={"HX-Request": "true"}).text
    assert "The VIN says year 2021. Is it the right VIN?" in said
    check = Page(browser.get(_send(browser, address, **data).location).text)
    assert "2019 toyota Highlander" in check.text


@pytest.mark.parametrize("kind", [InputType.VIN, InputType.VEHICLE])
def test_what_is_wrong_with_a_vin_is_said_once(app: Flask, cast: Cast, kind: InputType) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([kind]))}/launch"
    name = "q_vehicle-vin" if kind is InputType.VEHICLE else "q_vin"
    page = Page(_send(cast.browser(cast.alice), address, **{name: "5TDDZRBH2MS104417"}).text)
    assert page.text.count("its check digit, the 9th, should be 1") == 1
    assert page.faults == []


def test_a_vehicle_that_must_be_named_says_by_what(app: Flask, cast: Cast) -> None:
    question = {"key": "car", "label": "Which car?", "type": "vehicle", "required": True}
    address = f"/workflows/{_workflow(app, cast, [question])}/launch"
    browser = cast.browser(cast.alice)
    refused = _send(browser, address, **_sent("car", {"make": "Honda", "mileage": "32,000"}))
    page = Page(refused.text)
    assert refused.status_code == 422
    assert page.faults == []
    said = "“Which car?” does not say which vehicle it is. Give its VIN, its stock number or year, make and model."
    assert said in page.text
    assert page.fields()["q_car-mileage"] == "32,000"
    assert _send(browser, address, **_sent("car", {"stock": "P2208"})).status_code == 303


def test_the_listing_wants_miles_and_price_at_their_fields(cast: Cast) -> None:
    browser, address = cast.browser(cast.alice), "/gallery/used-vehicle-listing-copy/launch"
    blank = Page(browser.get(address).text)
    assert "Always give its miles and price." in " ".join(blank.text.split())
    refused = _send(browser, address, **_sent("car", {"stock": "P2208", "price": "31,990"}))
    page = Page(refused.text)
    assert refused.status_code == 422
    assert page.faults == []
    assert page.text.count("needs its miles.") == 1
    assert "needs its price." not in page.text
    assert (page.fields()["q_car-stock"], page.fields()["q_car-price"]) == ("P2208", "31,990")
    whole = _sent("car", {"stock": "P2208", "price": "31990", "mileage": "0"})
    assert _send(browser, address, **whole).status_code == 303


def test_files_of_a_page_with_a_wrong_answer_are_kept(app: Flask, cast: Cast) -> None:
    kinds = [InputType.MONEY, InputType.IMAGES, InputType.DOCUMENTS, InputType.CSV]
    address = f"/workflows/{_workflow(app, cast, _questions(kinds))}/launch"
    browser = cast.browser(cast.alice)
    response = _send(
        browser,
        address,
        q_money="dear",
        f_images=[(BytesIO(_png()), "lot.png"), (BytesIO(b"no picture"), "bad.png")],
        f_documents=(BytesIO(b"Our rules."), "rules.txt"),
        f_csv=(BytesIO(b"Vorname,Mail\nDana,d@x.example\n"), "people.csv"),
    )
    page = Page(response.text)
    assert response.status_code == 422
    assert page.faults == []
    assert "“bad.png”: This is not a picture" in page.text
    assert "Check below which is which, then continue." in page.text
    kept = _draft(app)
    assert len(kept["images"]) == len(kept["documents"]) == 1
    assert f'value="{kept["images"][0]}" checked' in response.text
    selected = [a["value"] for a in page.attributes("option") if "selected" in a]
    assert selected == ["Mail", "Vorname"]

    data = {"q_money": "1", "q_images": kept["images"], "q_documents": kept["documents"], "q_csv": kept["csv"]}
    response = _send(browser, address, **data, m_csv_0="Mail", m_csv_1="Vorname")
    assert response.location == f"{address}?page=check"
    after = _draft(app)
    assert after["csv"] == "email,first_name\nd@x.example,Dana\n"
    assert after["images"] == kept["images"]


def test_a_file_that_does_not_fit_its_question_says_which_would(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([InputType.IMAGE, InputType.TEXT]))}/launch"
    browser = cast.browser(cast.alice)
    response = _send(browser, address, f_image=(BytesIO(b"words"), "words.txt"), f_text=(BytesIO(b"x"), "x.txt"))
    assert response.status_code == 422
    said = "“words.txt” does not fit this question. Use .png, .jpg, .jpeg, .webp, .heic or .heif."
    assert said in Page(response.text).text


@pytest.mark.parametrize(
    ("kind", "name", "content", "says"),
    [
        ("image", "car.gif", b"GIF89a", "does not fit this question. Use .png, .jpg, .jpeg, .webp, .heic or .heif."),
        ("document", "facts.pdf", b"%PDF", "does not fit this question. Use .txt, .md or .docx."),
        ("document", "people.csv", b"a,b", "does not fit this question. Use .txt, .md or .docx."),
        ("csv", "people.xlsx", b"PK", "does not fit this question. Save the table as .csv first."),
        ("csv", "people", b"email", "does not fit this question. Save the table as .csv first."),
        ("csv", "people.csv", b"", "is empty. Choose another file."),
        ("csv", "people.csv", b"\xef\xbb\xbf\r\n", "is empty. Choose another file."),
    ],
)
def test_a_file_that_cannot_be_used_says_what_its_question_takes(
    app: Flask, cast: Cast, kind: str, name: str, content: bytes, says: str
) -> None:
    kinds = [InputType(kind), InputType.TEXT]
    address = f"/workflows/{_workflow(app, cast, _questions(kinds))}/launch"
    sent = {f"f_{kind}": (BytesIO(content), name)}
    response = _send(cast.browser(cast.alice), address, **sent, q_text="Stays")
    assert response.status_code == 422
    assert f"“{name}” {says}" in Page(response.text).text
    assert _draft(app)["text"] == "Stays"


def test_what_was_chosen_stays_on_the_page_however_much_is_newer(app: Flask, cast: Cast) -> None:
    kinds = [InputType.DOCUMENT, InputType.DOCUMENTS, InputType.IMAGE]
    address = f"/workflows/{_workflow(app, cast, _questions(kinds))}/launch"
    browser = cast.browser(cast.alice)
    handed = {f"f_{kind}": (BytesIO(b"words"), "old.txt") for kind in ("document", "documents")}
    _send(browser, address, **handed, f_image=(BytesIO(_png()), "old.png"))
    kept = _draft(app)
    with app.app_context():
        for _ in range(101):
            files.create_document(
                db.session(), workspace_id=cast.alice.workspace_id, run_id=None, step_run_id=None, title="New",
                body="New", fields={}, status="draft", position=1, written_by="Bob", test=False,
            )  # fmt: skip
        db.session.commit()

    shown = browser.get(address).text

    assert f'<option selected value="{kept["document"]}">old</option>' in shown
    assert f'value="{kept["documents"][0]}" checked' in shown or f'checked value="{kept["documents"][0]}"' in shown


def test_a_moment_at_the_end_of_time_is_refused_and_the_form_stays(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([InputType.DATETIME, InputType.TEXT]))}/launch"
    browser = cast.browser(cast.alice)
    response = _send(browser, address, q_datetime="9999-12-31T23:59", q_text="Stays")
    assert response.status_code == 422
    said = "The year 9999 cannot be meant. Write all of the year, from 1900 to 2199."
    assert said in Page(response.text).text
    assert Page(browser.get(address).text).fields()["q_text"] == "Stays"


def test_a_strangers_picture_cannot_be_chosen(app: Flask, cast: Cast) -> None:
    theirs = f"/workflows/{_workflow(app, cast, _questions([InputType.IMAGE]), workspace_id=cast.charlie.workspace_id)}"
    _send(cast.browser(cast.charlie), f"{theirs}/launch", f_image=(BytesIO(_png()), "secret.png"))
    image_id = _draft(app)["image"]
    ours = f"/workflows/{_workflow(app, cast, _questions([InputType.IMAGE]))}/launch"
    browser = cast.browser(cast.alice)
    assert image_id not in browser.get(ours).text
    response = _send(browser, ours, q_image=image_id)
    assert response.status_code == 422
    assert "no longer exists" in Page(response.text).text


def test_pictures_of_one_name_are_told_apart_where_one_is_chosen(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([InputType.IMAGE]))}/launch"
    browser = cast.browser(cast.alice)
    with app.app_context():
        for prompt in ("A red car", "A red car", "Snow"):
            files.store_image(
                db.session(), prepared=picture(1), workspace_id=cast.alice.workspace_id, run_id=None,
                step_run_id=None, position=1, prompt=prompt, model="sample",
            )  # fmt: skip
        db.session.commit()
    page = Page(browser.get(address).text)
    assert page.faults == []
    alts = {attrs["alt"] for attrs in page.attributes("img") if attrs["alt"]}
    assert alts == {"A red car, 1 of 2", "A red car, 2 of 2", "Snow"}


def test_a_test_run_leaves_the_answers_for_the_run_itself(app: Flask, cast: Cast, address: str) -> None:
    browser = cast.browser(cast.alice)
    short = f"/workflows/{_workflow(app, cast, _questions([InputType.TEXT]))}/launch"
    _send(browser, short, q_text="A car")
    draft = Page(browser.get(f"{short}?page=check").text).fields()["draft"]
    for _ in range(2):
        assert browser.post(f"{short}/run", data={"draft": draft, "test": "1"}).status_code == 303
    assert _draft(app)["text"] == "A car"
    browser.post(f"{short}/run", data={"draft": draft})
    with app.app_context():
        assert sorted(db.session.scalars(sa.select(Run.test))) == [False, True, True]


def test_a_workflow_without_questions_is_checked_and_started_once(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, [])}/launch"
    browser = cast.browser(cast.alice)
    page = Page(browser.get(address).text)
    assert page.faults == []
    draft = page.fields()["draft"]
    places = {browser.post(f"{address}/run", data={"draft": draft}).location for _ in range(2)}
    assert len(places) == 1
    assert browser.post(f"{address}/run", data={"draft": "x"}).status_code == 404


def test_a_fixed_question_is_never_asked_and_always_answered(app: Flask, cast: Cast) -> None:
    questions = _questions([InputType.TEXT, InputType.NUMBER])
    questions[1] |= {"fixed": True, "default": 12}
    address = f"/workflows/{_workflow(app, cast, questions)}/launch"
    browser = cast.browser(cast.alice)
    assert "q_number" not in browser.get(address).text
    _send(browser, address, q_text="A car", q_number="99")
    check = Page(browser.get(f"{address}?page=check").text)
    browser.post(f"{address}/run", data={"draft": check.fields()["draft"]})
    with app.app_context():
        assert db.session.scalars(sa.select(Run)).one().inputs == {"text": "A car", "number": 12}


def test_strangers_and_lesser_roles_do_not_launch_a_workflow(cast: Cast, address: str) -> None:
    assert cast.browser(cast.charlie).get(address).status_code == 404
    assert cast.browser(cast.bob).get(address).status_code == 403
    for tail in ("", "/draft", "/last", "/clear", "/run"):
        assert cast.browser(cast.charlie).post(address + tail, data={"draft": "x"}).status_code == 404
        assert cast.browser(cast.bob).post(address + tail).status_code == 403
        assert cast.browser(None).get(address).status_code == 303


def test_the_last_answers_of_a_workflow_come_back(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([InputType.TEXT]))}/launch"
    browser = cast.browser(cast.alice)
    _send(browser, address, q_text="A red car")
    draft = Page(browser.get(f"{address}?page=check").text).fields()["draft"]
    browser.post(f"{address}/run", data={"draft": draft})
    with app.app_context():  # one that a schedule of hers starts is none of her answers
        workflow = db.session.get_one(Workflow, address.split("/")[2])
        runs.start(
            db.session(), workspace_id=cast.alice.workspace_id, workflow=workflow, inputs={"text": "By schedule"},
            actor=Actor(cast.alice.user_id, cast.alice.name, cast.alice.email), trigger_kind="schedule",
        )  # fmt: skip
        db.session.commit()
    assert "Same as last time" in browser.get(address).text
    browser.post(f"{address}/last?page=1")
    assert _draft(app)["text"] == "A red car"


def test_a_vehicle_comes_back_the_next_time_and_is_found(app: Flask, cast: Cast) -> None:
    address = f"/workflows/{_workflow(app, cast, _questions([InputType.VEHICLE]))}/launch"
    browser = cast.browser(cast.alice)
    _send(browser, address, **_sent("vehicle", {"vin": VIN, "stock": "P2208", "price": "31,990"}))
    check = Page(browser.get(f"{address}?page=check").text)
    run = browser.post(f"{address}/run", data={"draft": check.fields()["draft"]}).location
    assert run in browser.get("/runs?q=P2208").text
    assert run in browser.get("/runs?q=ms104417").text
    assert run not in browser.get("/runs?q=P2209").text

    browser.post(f"{address}/last?page=1")
    shown = Page(browser.get(address).text).fields()
    assert [shown[f"q_vehicle-{part}"] for part in ("vin", "year", "make", "price", "model")] == [
        VIN, "2021", "Toyota", "31990.00", "",
    ]  # fmt: skip
