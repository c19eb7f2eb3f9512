"""Pausing, resuming and stopping by real forms."""

import pytest

from app.core.db import db
from app.engine.models import Run
from app.features.accounts.models import AuditEntry
from tests.features.runs.conftest import Yard
from tests.page import Page, token


def _status(yard: Yard, run_id: str) -> str:
    with yard.app.app_context():
        return db.session.get_one(Run, run_id).status


@pytest.mark.parametrize(
    ("kind", "action", "status", "audited"),
    [("running", "pause", "pausing", "run.paused"), ("waiting", "stop", "stopping", "run.stopped")],
)
def test_control_changes_the_run_wakes_it_and_is_audited(
    yard: Yard, kind: str, action: str, status: str, audited: str
) -> None:
    run_id, = yard.make(kind)
    alice = yard.cast.browser(yard.cast.alice)
    page = alice.get(f"/runs/{run_id}").text
    form, = (a for a in Page(page).attributes("form") if a.get("action", "").endswith(action))

    answer = alice.post(form["action"], data={"csrf_token": token(page)})

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run_id}")
    assert _status(yard, run_id) == status
    with yard.app.app_context():
        run = db.session.get_one(Run, run_id)
        assert run.due_at is not None
        entry = db.session.query(AuditEntry).filter_by(action=audited).one()
        assert (entry.actor_id, entry.subject_id) == (yard.cast.alice.user_id, run_id)
    assert f"Run {run.number}" in Page(alice.get(f"/runs/{run_id}").text).text


def test_resume_lets_a_paused_run_go_on(yard: Yard) -> None:
    run_id, = yard.make("waiting")
    yard.change(run_id, lambda run: setattr(run, "status", "paused"))
    alice = yard.cast.browser(yard.cast.alice)

    assert "Nothing new begins until you resume it." in alice.get(f"/runs/{run_id}").text
    page = Page(alice.get(f"/runs/{run_id}").text)
    assert f"/runs/{run_id}/resume" in [attrs.get("action") for attrs in page.attributes("form")]
    assert alice.post(f"/runs/{run_id}/resume").status_code == 303
    assert _status(yard, run_id) == "running"
    yard.change(run_id, lambda run: setattr(run, "status", "paused"))
    assert alice.delete(f"/runs/{run_id}/pause").status_code == 303
    assert _status(yard, run_id) == "running"


def test_a_run_that_is_paused_with_the_one_above_says_so_and_is_not_resumed_here(yard: Yard) -> None:
    run_id, = yard.make("waiting")
    paused = {"status": "paused", "is_paused_above": True}
    yard.change(run_id, lambda run: [setattr(run, name, value) for name, value in paused.items()])

    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)

    assert "Paused with the run that it belongs to, and goes on with it." in page.text
    assert f"/runs/{run_id}/resume" not in [attrs.get("action") for attrs in page.attributes("form")]


def test_control_of_an_ended_run_is_a_conflict_that_says_so(yard: Yard) -> None:
    run_id, = yard.make("finished")

    answer = yard.cast.browser(yard.cast.alice).post(f"/runs/{run_id}/pause")

    assert answer.status_code == 409
    assert "completed" in answer.text
    assert _status(yard, run_id) == "completed"


def test_a_press_that_is_too_late_leads_back_to_its_page_which_says_why_once(yard: Yard) -> None:
    run_id, = yard.make("finished")
    alice = yard.cast.browser(yard.cast.alice)

    answer = alice.post(f"/runs/{run_id}/stop", headers={"Referer": f"http://localhost/runs/{run_id}"})

    assert (answer.status_code, answer.location) == (303, f"/runs/{run_id}")
    said = "This run is completed: it cannot be stopped any more."
    assert [said in alice.get(answer.location).text for _ in range(2)] == [True, False]


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_control_by_others_changes_nothing(yard: Yard, action: str) -> None:
    run_id, = yard.make("running")

    assert yard.cast.browser(yard.cast.bob).post(f"/runs/{run_id}/{action}").status_code == 403
    assert yard.cast.browser(yard.cast.charlie).post(f"/runs/{run_id}/{action}").status_code == 404
    assert _status(yard, run_id) == "running"
    bare = yard.cast.browser(yard.cast.alice)
    del bare.environ_base["HTTP_X_CSRF_TOKEN"]
    assert bare.post(f"/runs/{run_id}/{action}").status_code == 400
    assert _status(yard, run_id) == "running"
