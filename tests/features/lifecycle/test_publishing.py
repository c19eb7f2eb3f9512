"""Publishing a draft, its history, comparing two versions, and going back."""

import copy
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.features.accounts.models import AuditEntry
from app.features.accounts.service import Actor
from app.features.lifecycle import queries, service
from app.features.workflows import queries as workflows
from app.features.workflows import service as drafts
from app.features.workflows.models import Version, Workflow
from app.features.workflows.service import DraftConflict
from tests import factories
from tests.cast import Cast, add_editor
from tests.factories import ADS
from tests.page import Page

ALICE = Actor(None, "Alice Ames", "alice@north.example")


def _five(data: dict[str, Any] = ADS) -> dict[str, Any]:
    made = copy.deepcopy(data)
    made["steps"][0]["config"]["count"] = 5
    return made


def _actor(cast: Cast) -> Actor:
    return Actor(cast.alice.user_id, cast.alice.name, cast.alice.email)


def _edited(session: Session, cast: Cast, data: dict[str, Any] | None = None) -> Workflow:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    drafts.save_draft(session, workflow, data or _five(), base_revision=0, actor_id=cast.alice.user_id)
    return workflow


def test_a_draft_becomes_the_next_version_with_its_author_and_note(cast: Cast, session: Session) -> None:
    workflow = _edited(session, cast)
    version = service.publish_draft(
        session, workflow, revision=workflow.draft_number, actor=_actor(cast), note=" Fewer ads "
    )
    assert (version.number, workflow.published_number, version.note) == (2, 2, "Fewer ads")
    newest, first = queries.history(session, workflow)
    assert (newest.author, newest.is_current, [change.sentence for change in newest.changes]) == (
        "Alice Ames",
        True,
        ["“Write the ads” now makes 5 texts instead of 10."],
    )
    assert (first.author, first.is_current, first.changes) == ("the system", False, [])
    assert not workflows.draft_of(session, workflow).has_changes


def test_a_draft_with_problems_is_not_published(cast: Cast, session: Session) -> None:
    broken = copy.deepcopy(ADS)
    broken["steps"][0]["config"]["count"] = 99
    workflow = _edited(session, cast, broken)
    with pytest.raises(Invalid) as caught:
        service.publish_draft(session, workflow, revision=workflow.draft_number, actor=_actor(cast))
    assert [problem.path for problem in caught.value.problems] == ["/steps/0/config/count"]
    assert workflow.published_number == 1


def test_what_somebody_changed_meanwhile_is_not_published_unseen(cast: Cast, session: Session) -> None:
    workflow = _edited(session, cast)
    with pytest.raises(DraftConflict) as changed:
        service.publish_draft(session, workflow, revision=workflow.draft_number - 1, actor=_actor(cast))
    assert changed.value.fix == "Look at what it changes now, then publish it."


def test_two_who_publish_the_same_draft_at_once_get_one_version_and_a_clear_message(app: Flask, cast: Cast) -> None:
    with app.app_context():
        workflow = _edited(db.session(), cast)
        workflow_id, revision = workflow.id, workflow.draft_number
        db.session.commit()
    barrier, done, refused = threading.Barrier(2), [], []

    def publish() -> None:
        with app.app_context():
            try:
                barrier.wait(60)
                workflow = db.session.get_one(Workflow, workflow_id)
                done.append(
                    service.publish_draft(db.session(), workflow, revision=revision, actor=_actor(cast)).number
                )
                db.session.commit()
            except Conflict as conflict:
                refused.append(conflict.message)
                db.session.rollback()

    threads = [threading.Thread(target=publish) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [2]
    assert refused == ["Nothing is new: Alice Ames published version 2, and nothing was changed since."]


def test_going_back_is_a_new_version_and_keeps_the_draft_one_undo_away(cast: Cast, session: Session) -> None:
    workflow = _edited(session, cast)
    service.publish_draft(session, workflow, revision=workflow.draft_number, actor=_actor(cast))
    six = _five()
    six["steps"][0]["config"]["count"] = 6
    drafts.save_draft(session, workflow, six, base_revision=workflow.draft_number, actor_id=None)

    version = service.roll_back(session, workflow, number=1, actor=_actor(cast))

    assert (version.number, version.note) == (3, "Back to version 1")
    assert service.roll_back(session, workflow, number=1, actor=_actor(cast)) is version  # pressed twice
    assert version.definition["steps"][0]["config"]["count"] == 10
    assert workflows.draft_of(session, workflow).definition == version.definition
    drafts.undo(session, workflow, base_revision=workflow.draft_number)
    assert workflows.draft_of(session, workflow).definition["steps"][0]["config"]["count"] == 6
    with pytest.raises(Conflict, match="current one"):
        service.roll_back(session, workflow, number=3, actor=_actor(cast))
    with pytest.raises(NotFound):
        service.roll_back(session, workflow, number=9, actor=_actor(cast))
    actions = session.scalars(sa.select(AuditEntry.action).where(AuditEntry.subject_id == workflow.id))
    assert list(actions).count("workflow.published") == 3


def test_a_run_stays_on_its_version(cast: Cast, session: Session) -> None:
    workflow = _edited(session, cast)
    run = factories.queued_run(session, workflow)
    service.publish_draft(session, workflow, revision=workflow.draft_number, actor=_actor(cast))
    assert session.get_one(Version, run.version_id).number == 1
    assert queries.going(session, workflow) == 1


def test_the_history_takes_as_many_statements_for_one_version_as_for_three(
    cast: Cast, session: Session
) -> None:
    counts = []
    for versions in (1, 3):
        workflow = factories.workflow(session, cast.alice.workspace_id, name=f"With {versions}")
        for number in range(1, versions):
            data = _five()
            data["steps"][0]["config"]["count"] = number
            drafts.publish(session, workflow, data, actor_id=None)
        session.flush()
        seen: list[str] = []

        def note(_c: Any, _cur: Any, statement: str, *_: Any, seen: list[str] = seen) -> None:
            seen.append(statement)

        engine = session.get_bind()
        sa.event.listen(engine, "before_cursor_execute", note)
        queries.history(session, workflow)
        sa.event.remove(engine, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[0] == counts[1]


# --- pages ---


def _made(cast: Cast, data: dict[str, Any] | None = None) -> str:
    with cast.app.app_context():
        workflow_id = _edited(db.session(), cast, data).id
        db.session.commit()
    return workflow_id


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_pages_of_publishing(cast: Cast) -> None:
    workflow_id, browser = _made(cast), cast.browser(cast.alice)
    page = Page(browser.get(f"/workflows/{workflow_id}/publish").text)
    assert page.faults == []
    assert "“Write the ads” now makes 5 texts instead of 10." in page.text
    assert "Publish version 2" in page.text
    revision = next(attrs["value"] for tag, attrs in page.tags if attrs.get("name") == "revision")

    answer = browser.post(f"/workflows/{workflow_id}/publication", data={"revision": revision, "note": "Fewer"})
    assert (answer.status_code, answer.location) == (303, f"/workflows/{workflow_id}")
    assert "Version 2 is published. The next run uses it." in Page(browser.get(answer.location).text).text

    again = browser.post(f"/workflows/{workflow_id}/publication", data={"revision": revision})
    assert (again.status_code, "Nothing is new: Alice Ames published version 2" in again.text) == (409, True)
    assert browser.post(f"/workflows/{workflow_id}/publication", data={"revision": "x"}).status_code == 422

    history = Page(browser.get(f"/workflows/{workflow_id}/versions").text)
    assert history.faults == []
    assert "Fewer" in history.text
    assert "by Alice Ames" in history.text
    compared = Page(browser.get(f"/workflows/{workflow_id}/versions/compare?from=2&to=1").text)
    assert compared.faults == []
    assert "“Write the ads” now makes 10 texts instead of 5." in compared.text
    assert browser.get(f"/workflows/{workflow_id}/versions/compare?from=1&to=77").status_code == 404
    assert browser.get(f"/workflows/{workflow_id}/versions/compare").status_code == 404

    back = browser.post(f"/workflows/{workflow_id}/rollback", data={"version": "1"})
    assert back.status_code == 303
    page = Page(browser.get(back.location).text)
    assert "Version 3" in page.text
    assert "put aside" not in page.text
    with cast.app.app_context():
        workflow = db.session.get_one(Workflow, workflow_id)
        data = copy.deepcopy(queries.version(db.session(), workflow, 2).definition)
        data["steps"][0]["config"]["count"] = 7
        drafts.save_draft(db.session(), workflow, data, base_revision=workflow.draft_number, actor_id=None)
        db.session.commit()
    assert "Going back to a version puts them aside" in Page(browser.get(back.location).text).text
    browser.post(f"/workflows/{workflow_id}/rollback", data={"version": "1"})
    seen = Page(browser.get(back.location).text).text
    assert "Version 3, the current one, does the same as version 1 already." in seen  # nothing is made, or put aside
    browser.post(f"/workflows/{workflow_id}/rollback", data={"version": "2"})
    assert "Undo in the builder brings it back." in Page(browser.get(back.location).text).text
    with cast.app.app_context():
        workflow = db.session.get_one(Workflow, workflow_id)
        draft = drafts.undo(db.session(), workflow, base_revision=workflow.draft_number)
        assert (workflow.published_number, draft.definition) == (4, data)
    browser.post(f"/workflows/{workflow_id}/rollback", data={"version": "4"})
    assert "Version 4 is the current one already." in Page(browser.get(back.location).text).text
    assert browser.post(f"/workflows/{workflow_id}/rollback", data={}).status_code == 422


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_version_that_cannot_be_published_any_more_is_mended_in_the_builder(cast: Cast) -> None:
    workflow_id, browser = _made(cast), cast.browser(cast.alice)
    with cast.app.app_context():
        session = db.session()
        workflow = session.get_one(Workflow, workflow_id)
        drafts.publish(session, workflow, _five(), actor_id=None)
        first = queries.version(session, workflow, 1)
        gone = copy.deepcopy(ADS)
        gone["steps"][0]["type"] = "write_poems"
        first.definition = gone
        session.commit()
    answer = browser.post(f"/workflows/{workflow_id}/rollback", data={"version": "1"})
    assert (answer.status_code, answer.location) == (303, f"/workflows/{workflow_id}/edit")
    page = Page(browser.get(answer.location).text)
    assert "Version 1 cannot be published as it is: “write_poems” is not a type of step." in page.text
    with cast.app.app_context():
        workflow = db.session.get_one(Workflow, workflow_id)
        assert workflow.published_number == 2
        assert workflows.draft_of(db.session(), workflow).definition["steps"][0]["type"] == "write_poems"
        before = drafts.undo(db.session(), workflow, base_revision=workflow.draft_number)
        assert before.definition["steps"][0]["config"]["count"] == 5


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_publishing_is_off_until_nothing_is_wrong(cast: Cast) -> None:
    broken = copy.deepcopy(ADS)
    broken["steps"][0]["config"]["count"] = 99
    workflow_id, browser = _made(cast, broken), cast.browser(cast.alice)
    page = Page(browser.get(f"/workflows/{workflow_id}/publish").text)
    assert page.faults == []
    assert "“How many” must be at most 50." in page.text
    assert "Publish version 2" not in [text.strip() for text in page.texts if "btn" in text]
    revision = {"revision": "2"}
    assert browser.post(f"/workflows/{workflow_id}/publication", data=revision).status_code == 422


GETS = ("publish", "versions", "versions/compare?from=1&to=1")
POSTS = ("publication", "rollback")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_may_publish(cast: Cast) -> None:
    workflow_id = _made(cast)
    dana = add_editor(cast)
    stranger, lesser = cast.browser(cast.charlie), cast.browser(cast.bob)
    for part in GETS:
        assert stranger.get(f"/workflows/{workflow_id}/{part}").status_code == 404
    for part in POSTS:
        data = {"revision": "2", "version": "1"}
        assert stranger.post(f"/workflows/{workflow_id}/{part}", data=data).status_code == 404
        assert lesser.post(f"/workflows/{workflow_id}/{part}", data=data).status_code == 403
    assert lesser.get(f"/workflows/{workflow_id}/publish").status_code == 403
    assert lesser.get(f"/workflows/{workflow_id}/versions").status_code == 200
    assert cast.browser(dana).get(f"/workflows/{workflow_id}/publish").status_code == 200
