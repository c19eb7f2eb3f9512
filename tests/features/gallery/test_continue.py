"""Continuing a run with other answers: the form, what it foresees, and the run it starts."""

import pytest
import sqlalchemy as sa

from app.core.db import db
from app.engine.enums import RunStatus
from app.engine.models import Run, StepRun
from tests import factories
from tests.features.runs.conftest import Yard, yard
from tests.page import Page
from tests.web.conftest import cast, web_app, web_settings

__all__ = ["cast", "web_app", "web_settings", "yard"]

HTMX = {"HX-Request": "true"}
ANSWERS = {"q_offer": "a 2021 Ford F-150", "q_approver": "bob@northfield.example"}


@pytest.fixture
def failed(yard: Yard) -> str:
    (run_id,) = yard.make("failed")
    return run_id


def test_form_shows_the_answers_and_begins_at_the_failed_step(yard: Yard, failed: str) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    assert f'href="/runs/{failed}/continue?step=pictures"' in alice.get(f"/runs/{failed}").text
    page = Page(alice.get(f"/runs/{failed}/continue").text)
    assert page.faults == []
    assert page.fields()["q_approver"] == "bob@northfield.example"
    assert '<option value="pictures" selected>' in alice.get(f"/runs/{failed}/continue").text
    assert "Taken over, at no cost Write the ads" in page.text


def test_it_foresees_what_a_changed_answer_does_again(yard: Yard, failed: str) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    url = f"/runs/{failed}/continue/preview"
    with yard.app.app_context():
        same = {f"q_{key}": value for key, value in db.session.get_one(Run, failed).inputs.items()}
    kept = Page(alice.post(url, data={**same, "step": "pictures"}, headers=HTMX).text).text
    changed = Page(alice.post(url, data={**ANSWERS, "step": "pictures"}, headers=HTMX).text).text
    assert "Taken over, at no cost Write the ads" in kept
    assert "Nothing: every step depends on what you change." in changed
    assert "<h1>" in alice.post(url, data={**ANSWERS, "step": "pictures"}).text


def test_two_presses_start_one_run_that_takes_over_what_is_kept(yard: Yard, failed: str) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    with yard.app.app_context():
        same = {f"q_{key}": value for key, value in db.session.get_one(Run, failed).inputs.items()}
    form = {**same, "step": "pictures", "once": "one"}
    places = {alice.post(f"/runs/{failed}/continue", data=form).headers["Location"] for _ in range(2)}
    (place,) = places
    with yard.app.app_context():
        run = db.session.get_one(Run, place.rsplit("/", 1)[-1])
        rows = db.session.scalars(sa.select(StepRun).where(StepRun.run_id == run.id)).all()
        assert (run.continues_run_id, [row.step_id for row in rows]) == (failed, ["ads"])
    shown = alice.get(place).text
    assert "reused, $0" in shown
    assert "The 2023 RAV4 XLE" in shown or "RAV4" in shown


@pytest.mark.parametrize("is_named_by_hand", [False, True])
def test_the_new_run_is_named_after_its_own_answers_like_the_first(
    yard: Yard, failed: str, is_named_by_hand: bool
) -> None:
    with yard.app.app_context():
        run = db.session.get_one(Run, failed)
        run.label = "The spring ads" if is_named_by_hand else f"Facebook Ads: {run.inputs['offer']}"
        db.session.commit()
    place = yard.cast.browser(yard.cast.alice).post(
        f"/runs/{failed}/continue", data={**ANSWERS, "step": "pictures", "once": "one"}
    )
    with yard.app.app_context():
        made = db.session.get_one(Run, place.headers["Location"].rsplit("/", 1)[-1])
        assert made.label == ("The spring ads" if is_named_by_hand else "Facebook Ads: a 2021 Ford F-150")


def test_wrong_answers_come_back_with_what_to_do(yard: Yard, failed: str) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    answer = alice.post(f"/runs/{failed}/continue", data={"q_offer": "", "q_approver": "nobody", "step": "pictures"})
    assert answer.status_code == 422
    assert Page(answer.text).faults == []
    assert "nobody" in answer.text
    assert "needs an answer" in answer.text


def test_a_vehicle_is_changed_by_its_parts(yard: Yard) -> None:
    car = {"vin": None, "stock": "P2208", "year": 2021, "make": "Honda", "model": "Civic", "trim": None}
    definition = {
        "schema": 1,
        "inputs": [{"key": "car", "label": "Which car?", "type": "vehicle", "required": True}],
        "steps": [{"id": "note", "type": "transform", "config": {"set": {"car": "{{ inputs.car }}"}}}],
    }
    with yard.app.app_context():
        flow = factories.workflow(db.session(), yard.cast.alice.workspace_id, name="Cars", definition=definition)
        run = factories.queued_run(db.session(), flow, label="A car", inputs={"car": {**car, "price": "22500"}})
        run.status = RunStatus.COMPLETED
        run.finished_at = run.created_at
        db.session.commit()
        run_id = run.id
    alice = yard.cast.browser(yard.cast.alice)
    page = Page(alice.get(f"/runs/{run_id}/continue").text)
    sent = {name: text for name, text in page.fields().items() if name.startswith("q_car-")}
    assert page.faults == []
    assert (sent["q_car-stock"], sent["q_car-price"], sent["q_car-year"]) == ("P2208", "22500.00", "2021")

    wrong = alice.post(f"/runs/{run_id}/continue", data={**sent, "q_car-price": "dear", "step": "note"})
    assert wrong.status_code == 422
    assert "$dear is not a price." in Page(wrong.text).text
    going = alice.post(f"/runs/{run_id}/continue", data={**sent, "q_car-price": "21,900", "step": "note"}).location
    with yard.app.app_context():
        after = db.session.get_one(Run, going.rsplit("/", 1)[-1]).inputs["car"]
    assert after == {**car, "mileage": None, "price": "21900.00"}


def test_open_runs_strangers_and_lesser_roles_are_refused(yard: Yard, failed: str) -> None:
    (running,) = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    assert alice.get(f"/runs/{running}/continue").status_code == 409
    assert alice.get(f"/runs/{failed}/continue?step=nothing").status_code == 404
    for path in ("continue", "continue/preview"):
        assert yard.cast.browser(yard.cast.bob).post(f"/runs/{failed}/{path}").status_code == 403
        assert yard.cast.browser(yard.cast.charlie).post(f"/runs/{failed}/{path}").status_code == 404
