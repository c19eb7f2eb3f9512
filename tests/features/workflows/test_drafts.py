"""Drafts: revisions that are saved, undone and done again, kept in step with publishing, never lost to another save."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.definition import schema
from app.features.workflows import queries, revisions, service
from app.features.workflows.models import Workflow
from tests.cast import Cast, enter
from tests.factories import ADS

EMPTY = schema.dump(schema.Definition())


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Alice, Bob and Charlie."""
    return enter(app)


def _empty(session: Session, cast: Cast) -> Workflow:
    return service.create_draft(
        session, workspace_id=cast.alice.workspace_id, name="Ads", actor_id=cast.alice.user_id
    )


def _with(text: str) -> dict[str, Any]:
    step = {"id": "say", "type": "transform", "config": {"set": {"said": text}}}
    return schema.dump(schema.Definition.model_validate({"steps": [step]}))


def _save(session: Session, workflow: Workflow, text: str, base: int, actor: str | None = None) -> queries.Draft:
    return service.save_draft(
        session, workflow, _with(text), base_revision=base, actor_id=actor, summary=f"Said {text}"
    )


def test_a_new_workflow_has_an_empty_draft_and_nothing_to_run(cast: Cast, session: Session) -> None:
    workflow = _empty(session, cast)
    draft = queries.draft_of(session, workflow)
    assert (draft.revision, draft.definition, draft.has_changes) == (0, EMPTY, False)
    assert (draft.can_undo, draft.can_redo) == (False, False)
    with pytest.raises(NotFound, match="not been published"):
        queries.current_version(session, workflow)
    with pytest.raises(Invalid, match="needs a name"):
        service.create_draft(session, workspace_id=cast.alice.workspace_id, name=" ", actor_id=None)


def test_the_draft_of_what_nobody_edited_is_the_published_version(cast: Cast, session: Session) -> None:
    workflow = service.create(
        session, workspace_id=cast.alice.workspace_id, name="Ads", definition=ADS, actor_id=None
    )
    draft = queries.draft_of(session, workflow)
    assert draft.definition == queries.current_version(session, workflow).definition
    assert (draft.revision, draft.has_changes) == (0, False)


def test_saving_keeps_who_when_and_what_and_leaves_the_version(cast: Cast, session: Session) -> None:
    workflow = service.create(
        session, workspace_id=cast.alice.workspace_id, name="Ads", definition=ADS, actor_id=None
    )
    draft = _save(session, workflow, "a", 0, cast.alice.user_id)
    assert (draft.author, draft.summary, draft.has_changes) == ("Alice Ames", "Said a", True)
    assert draft.saved_at is not None
    assert queries.current_version(session, workflow).definition["steps"][0]["id"] == "ads"
    again = _save(session, workflow, "a", draft.revision)
    assert again.revision == draft.revision  # nothing changed: no revision


def test_undo_and_redo_walk_the_revisions(cast: Cast, session: Session) -> None:
    workflow = _empty(session, cast)
    first = _save(session, workflow, "a", 0)
    second = _save(session, workflow, "b", first.revision)
    back = service.undo(session, workflow, base_revision=second.revision)
    assert (back.definition, back.can_undo, back.can_redo) == (_with("a"), True, True)
    start = service.undo(session, workflow, base_revision=back.revision)
    assert (start.definition, start.can_undo) == (EMPTY, False)
    with pytest.raises(Conflict, match="nothing to undo"):
        service.undo(session, workflow, base_revision=start.revision)
    forth = service.redo(session, workflow, base_revision=start.revision)
    forth = service.redo(session, workflow, base_revision=forth.revision)
    assert (forth.definition, forth.revision, forth.can_redo) == (_with("b"), second.revision, False)
    with pytest.raises(Conflict, match="nothing to do again"):
        service.redo(session, workflow, base_revision=forth.revision)


def test_what_is_typed_in_one_place_within_a_minute_is_one_step_back(
    cast: Cast, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow, alice, bob = _empty(session, cast), cast.alice.user_id, cast.bob.user_id
    now = clock.now()

    def types(text: str, seconds: int = 0, actor: str | None = alice, name: str = "Say") -> None:
        nonlocal now
        now += timedelta(seconds=seconds)
        monkeypatch.setattr(clock, "now", lambda: now)
        data = _with(text)
        data["steps"][0]["name"] = name
        base = workflow.draft_number
        service.save_draft(session, workflow, data, base_revision=base, actor_id=actor, by_itself=True)

    def steps_back() -> list[str]:
        """Return what undo comes by, the present first; the draft is then where it was."""
        here, found = workflow.draft_number, []
        while (draft := queries.draft_of(session, workflow)).can_undo:
            found.append(draft.definition["steps"][0]["config"]["set"]["said"])
            service.undo(session, workflow, base_revision=draft.revision)
        while workflow.draft_number != here:
            service.redo(session, workflow, base_revision=workflow.draft_number)
        return found

    _save(session, workflow, "one", 0, alice)
    for text in ("on", "one t", "one tw", "one two"):
        types(text, 2)
    assert steps_back() == ["one two", "one"]
    types("one two", 2, name="Say it")  # another place
    types("one two!", 2, name="Say it")  # and back to the first
    assert steps_back() == ["one two!", "one two", "one two", "one"]
    types("her", 2, name="Say it", actor=bob)  # another person
    types("hers", 30, name="Say it", actor=bob)
    types("hers now", 40, name="Say it", actor=bob)  # more than a minute after she began
    assert steps_back()[:3] == ["hers now", "hers", "one two!"]
    service.publish(session, workflow, _with("hers now"), actor_id=bob)
    types("published", 1, actor=bob)
    types("published too", 1, actor=bob)
    assert steps_back()[:2] == ["published too", "hers now"]
    service.undo(session, workflow, base_revision=workflow.draft_number)
    types("after an undo", 1, actor=bob)
    assert steps_back()[:2] == ["after an undo", "hers now"]
    _save(session, workflow, "by a button", workflow.draft_number, bob)
    _save(session, workflow, "by another", workflow.draft_number, bob)
    assert steps_back()[:3] == ["by another", "by a button", "after an undo"]


def _called(session: Session, workflow: Workflow, name: str, *tags: str) -> None:
    service.describe(
        session, workflow, name=name, description=workflow.description, category=workflow.category, tags=tags,
        icon=workflow.icon, actor_id=None,
    )  # fmt: skip


def test_undo_takes_back_what_it_is_called_and_leaves_the_steps(cast: Cast, session: Session) -> None:
    workflow = _empty(session, cast)
    _called(session, workflow, "Spring ads")
    assert queries.draft_of(session, workflow).summary == "Changed the name"
    _save(session, workflow, "one", workflow.draft_number)
    _called(session, workflow, "Summer ads", "cars")
    _called(session, workflow, "Summer ads", "cars")
    assert (workflow.draft_number, queries.draft_of(session, workflow).summary) == (4, "Changed the name and tags")

    names = []
    for way in (service.undo, service.undo, service.undo, service.redo, service.redo, service.redo):
        draft = way(session, workflow, base_revision=workflow.draft_number)
        names.append((workflow.name, workflow.tags, draft.definition["steps"] != []))
    assert names == [
        ("Spring ads", [], True), ("Spring ads", [], False), ("Ads", [], False),
        ("Spring ads", [], False), ("Spring ads", [], True), ("Summer ads", ["cars"], True),
    ]  # fmt: skip


def test_a_new_name_is_no_change_to_publish(cast: Cast, session: Session) -> None:
    workflow = service.create(
        session, workspace_id=cast.alice.workspace_id, name="Ads", definition=ADS, actor_id=None
    )
    _called(session, workflow, "Spring ads")
    changes = [queries.draft_of(session, workflow).has_changes]
    for way in (service.undo, service.redo):
        changes.append(way(session, workflow, base_revision=workflow.draft_number).has_changes)
    assert (workflow.name, changes) == ("Spring ads", [False, False, False])
    _save(session, workflow, "one", workflow.draft_number)
    _called(session, workflow, "Summer ads")
    assert queries.draft_of(session, workflow).has_changes
    for is_changed in (True, False, False):
        draft = service.undo(session, workflow, base_revision=workflow.draft_number)
        assert draft.has_changes is is_changed
    assert workflow.name == "Ads"


def test_a_save_after_an_undo_is_what_redo_comes_back_to(cast: Cast, session: Session) -> None:
    workflow = _empty(session, cast)
    first = _save(session, workflow, "a", 0)
    _save(session, workflow, "b", first.revision)
    service.undo(session, workflow, base_revision=workflow.draft_number)
    third = _save(session, workflow, "c", workflow.draft_number)
    assert not third.can_redo
    service.undo(session, workflow, base_revision=third.revision)
    assert service.redo(session, workflow, base_revision=first.revision).definition == _with("c")


def test_a_change_of_a_setting_that_asks_ends_in_one_mark(cast: Cast, session: Session) -> None:
    workflow = _empty(session, cast)
    asked, base = "Changed “Ads”: what should be written?", workflow.draft_number
    service.save_draft(session, workflow, _with("a"), base_revision=base, actor_id=cast.alice.user_id, summary=asked)
    with pytest.raises(service.DraftConflict) as caught:
        _save(session, workflow, "b", base, cast.bob.user_id)
    assert caught.value.message.endswith("while you were at it: Changed “Ads”: what should be written?")


def test_the_second_save_is_told_who_changed_what_and_loses_nothing(cast: Cast, session: Session) -> None:
    workflow = _empty(session, cast)
    hers = _save(session, workflow, "a", 0, cast.alice.user_id)
    with pytest.raises(service.DraftConflict) as caught:
        _save(session, workflow, "b", 0, cast.bob.user_id)
    assert caught.value.message == "Alice Ames saved this workflow while you were at it: Said a."
    assert caught.value.theirs.definition == _with("a")
    assert queries.draft_of(session, workflow).revision == hers.revision
    over = _save(session, workflow, "b", caught.value.theirs.revision, cast.bob.user_id)
    assert over.definition == _with("b")
    for step in (service.undo, service.redo):
        with pytest.raises(service.DraftConflict):
            step(session, workflow, base_revision=hers.revision)


def test_saving_at_the_same_moment_lets_one_through(app: Flask, cast: Cast) -> None:
    with app.app_context():
        workflow_id = _empty(db.session(), cast).id
        db.session.commit()
    barrier, outcomes = threading.Barrier(3), []

    def save(text: str) -> None:
        with app.app_context():
            try:
                barrier.wait(60)
                workflow = db.session.get_one(Workflow, workflow_id)
                _save(db.session(), workflow, text, 0)
                db.session.commit()
                outcomes.append("saved")
            except service.DraftConflict:
                db.session.rollback()
                outcomes.append("told")

    threads = [threading.Thread(target=save, args=(text,)) for text in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["saved", "told", "told"]


def test_publishing_keeps_the_draft_in_step_and_undo_reaches_behind_it(cast: Cast, session: Session) -> None:
    workflow = service.create(
        session, workspace_id=cast.alice.workspace_id, name="Ads", definition=_with("a"), actor_id=None
    )
    changed = _save(session, workflow, "b", 0)
    service.publish(session, workflow, changed.definition, actor_id=None)
    draft = queries.draft_of(session, workflow)
    assert (draft.revision, draft.has_changes) == (changed.revision, False)
    service.publish(session, workflow, _with("a"), actor_id=cast.alice.user_id)  # from elsewhere
    draft = queries.draft_of(session, workflow)
    assert (draft.definition, draft.summary, draft.has_changes) == (_with("a"), "Version 3 was published", False)
    back = service.undo(session, workflow, base_revision=draft.revision)
    assert (back.definition, back.has_changes) == (_with("b"), True)


def test_a_draft_may_have_problems_but_must_be_data_that_can_be_kept(cast: Cast, session: Session) -> None:
    workflow = _empty(session, cast)
    broken = {"steps": [{"id": "a", "type": "glue", "after": ["a"]}, "nonsense"]}
    draft = service.save_draft(session, workflow, broken, base_revision=0, actor_id=None)
    assert draft.definition == broken
    for bad in ({"steps": ["\x00"]}, {"steps": ["x" * 300_000]}):
        with pytest.raises(Invalid) as caught:
            service.save_draft(session, workflow, bad, base_revision=draft.revision, actor_id=None)
        assert len(caught.value.problems) == 1
    assert queries.draft_of(session, workflow).revision == draft.revision


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_old_revisions_are_dropped(cast: Cast, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "KEPT_REVISIONS", 3)
    workflow = _empty(session, cast)
    draft = queries.draft_of(session, workflow)
    for number in range(8):
        draft = _save(session, workflow, str(number), draft.revision)
    for wanted in ("6", "5"):
        draft = service.undo(session, workflow, base_revision=draft.revision)
        assert draft.definition == _with(wanted)
    assert not draft.can_undo


def test_words_that_cannot_be_kept_are_refused_and_a_name_is_one_line(cast: Cast, session: Session) -> None:
    workflow = _empty(session, cast)
    options: dict[str, Any] = {"description": "", "category": "", "actor_id": None}
    for bad in ({"tags": ["a\x00b"], "icon": ""}, {"tags": [], "icon": "\x00"}, {"tags": [], "icon": "x" * 41}):
        with pytest.raises(Invalid):
            service.describe(session, workflow, name="Ads", **options, **bad)
        session.flush()
    _called(session, workflow, " Spring\n ads ", "cars")
    assert (workflow.name, workflow.tags) == ("Spring ads", ["cars"])
    made = service.create_draft(session, workspace_id=workflow.workspace_id, name="Two\r\nlines", actor_id=None)
    assert made.name == "Two lines"
