"""Workflows: creating, publishing versions that never change, reading within a workspace, and the two pages."""

import re
import threading

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db
from app.core.errors import Invalid, NotFound
from app.core.ids import new_id
from app.definition import schema
from app.features.accounts.models import AuditEntry
from app.features.workflows import queries, service, views
from app.features.workflows.models import Version, Workflow
from tests import factories
from tests.cast import Cast, enter
from tests.factories import ADS
from tests.page import Page


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Alice, Bob and Charlie."""
    return enter(app)


def _create(session: Session, cast: Cast, name: str = "Ads") -> Workflow:
    return service.create(
        session,
        workspace_id=cast.alice.workspace_id,
        name=name,
        definition=ADS,
        actor_id=cast.alice.user_id,
        description="Ten ads",
    )


def test_creating_publishes_version_1_and_is_audited(cast: Cast, session: Session) -> None:
    workflow = _create(session, cast, "  Ads  ")
    version = queries.current_version(session, workflow)
    assert (workflow.name, workflow.published_number, version.number) == ("Ads", 1, 1)
    assert schema.Definition.model_validate(version.definition) == schema.parse(ADS, _types())
    entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "workflow.published")).one()
    assert (entry.actor, entry.subject_id, entry.detail["version"]) == ("Alice Ames", workflow.id, 1)


def test_a_wrong_definition_is_refused_with_every_problem(cast: Cast, session: Session) -> None:
    broken = {**ADS, "steps": [{"id": "a", "type": "glue"}, {"id": "b", "type": "merge", "after": ["c"]}]}
    with pytest.raises(Invalid) as caught:
        service.create(
            session, workspace_id=cast.alice.workspace_id, name="Ads", definition=broken, actor_id=None
        )
    assert [problem.path for problem in caught.value.problems] == ["/steps/0/type", "/steps/1/after/0"]
    with pytest.raises(Invalid, match="needs a name"):
        service.create(session, workspace_id=cast.alice.workspace_id, name=" ", definition=ADS, actor_id=None)
    assert session.scalar(sa.select(sa.func.count()).select_from(Workflow)) == 0


def test_publishing_adds_a_version_and_leaves_the_older_one_as_it_was(cast: Cast, session: Session) -> None:
    workflow = _create(session, cast)
    first = queries.current_version(session, workflow)
    kept = dict(first.definition)
    steps = [{**step, "name": "Write"} if step["id"] == "ads" else step for step in ADS["steps"]]

    second = service.publish(session, workflow, {**ADS, "steps": steps}, actor_id=None, note="Shorter name")

    assert [(version.number, version.note) for version in queries.versions(session, workflow)] == [
        (2, "Shorter name"),
        (1, ""),
    ]
    assert queries.current_version(session, workflow).id == second.id
    session.expire(first)
    assert first.definition == kept
    with pytest.raises(Invalid):
        service.publish(session, workflow, {"steps": []}, actor_id=None)
    assert workflow.published_number == 2


def test_publishing_at_the_same_moment_gives_each_its_number(app: Flask, cast: Cast) -> None:
    with app.app_context():
        workflow_id = _create(db.session(), cast).id
        db.session.commit()
    barrier, faults = threading.Barrier(3), []

    def publish() -> None:
        with app.app_context():
            try:
                barrier.wait(60)
                service.publish(db.session(), db.session.get_one(Workflow, workflow_id), ADS, actor_id=None)
                db.session.commit()
            except Exception as error:
                faults.append(error)
                db.session.rollback()

    threads = [threading.Thread(target=publish) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not faults
    with app.app_context():
        assert sorted(db.session.scalars(sa.select(Version.number))) == [1, 2, 3, 4]


def test_a_definition_is_read_once_a_version(cast: Cast, session: Session) -> None:
    workflow = _create(session, cast)
    version = queries.current_version(session, workflow)
    first = queries.load_definition(session, version.id)
    session.execute(sa.update(Version).values(definition={}))
    assert queries.load_definition(session, version.id) is first
    with pytest.raises(NotFound):
        queries.load_definition(session, new_id())


def test_the_definitions_kept_in_memory_are_bounded() -> None:
    kept = queries._Definitions(2)
    definitions = {name: schema.Definition() for name in "abc"}
    kept.keep("a", definitions["a"])
    kept.keep("b", definitions["b"])
    assert kept.get("a") is definitions["a"]
    kept.keep("c", definitions["c"])
    assert kept.get("b") is None
    assert kept.get("a") is definitions["a"]


def test_a_stranger_finds_nothing(cast: Cast, session: Session) -> None:
    workflow = _create(session, cast)
    assert queries.workflow(session, cast.alice.workspace_id, workflow.id).id == workflow.id
    assert queries.workflows(session, cast.charlie.workspace_id) == []
    for workspace_id, wanted in (
        (cast.charlie.workspace_id, workflow.id),
        (cast.alice.workspace_id, "nonsense"),
    ):
        with pytest.raises(NotFound):
            queries.workflow(session, workspace_id, wanted)
    workflow.deleted_at = clock.now()
    session.flush()
    with pytest.raises(NotFound):
        queries.workflow(session, cast.alice.workspace_id, workflow.id)


# --- pages ---


def _made(cast: Cast, count: int = 1) -> list[str]:
    with cast.app.app_context():
        made = [_create(db.session(), cast, f"Ads <{number}>").id for number in range(count)]
        db.session.commit()
    return made


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_list_names_them_and_is_empty_elsewhere(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    _made(cast)
    page = Page(cast.browser(cast.bob).get("/workflows").text)
    assert page.faults == []
    assert "Ads <0> Ten ads Version 1" in page.text
    assert "Open Ads <0>" in [a.get("aria-label") for a in page.attributes("a")]
    monkeypatch.setattr(views, "LISTED", 1)
    _made(cast, 2)
    browser, seen, address = cast.browser(cast.bob), list[str](), "/workflows"
    while address:  # however many there are, each is reached once
        page = Page(browser.get(address).text)
        seen += re.findall(r"Ads <\d>", page.text)
        address = next((a["href"] for a in page.attributes("a") if "before=" in a.get("href", "")), "")
    assert (sorted(seen), page.faults) == (["Ads <0>", "Ads <0>", "Ads <1>"], [])
    empty = Page(cast.browser(cast.charlie).get("/workflows").text)
    assert empty.faults == []
    assert "No workflows yet" in empty.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_workflow_shows_the_steps_of_the_version_asked_for(cast: Cast) -> None:
    [workflow_id] = _made(cast)
    with cast.app.app_context():
        steps = [{**step, "name": "Write better"} if step["id"] == "ads" else step for step in ADS["steps"]]
        workflow = db.session.get_one(Workflow, workflow_id)
        service.publish(
            db.session(), workflow, {**ADS, "steps": steps}, actor_id=cast.alice.user_id, note="Better"
        )
        db.session.commit()
    browser = cast.browser(cast.alice)
    newest, oldest = (
        Page(browser.get(f"/workflows/{workflow_id}{query}").text) for query in ("", "?version=1")
    )
    assert newest.faults == oldest.faults == []
    assert "1. Write better" in newest.text
    assert "Better" in newest.text
    assert "by Alice Ames" in newest.text
    assert "1. Write the ads" in oldest.text
    assert "2 is newer" in oldest.text
    assert "after The sales manager decides (approved)" in newest.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_strangers_workflow_is_not_found_and_signed_out_people_sign_in(cast: Cast) -> None:
    [workflow_id] = _made(cast)
    assert cast.browser(cast.charlie).get(f"/workflows/{workflow_id}").status_code == 404
    assert cast.browser(cast.alice).get("/workflows/nonsense").status_code == 404
    for address in ("/workflows", f"/workflows/{workflow_id}"):
        assert cast.browser(None).get(address).status_code == 303


def _types() -> dict[str, schema.TypeFacts]:
    from app.engine import catalog

    return catalog.facts()


def test_who_runs_a_workflow_is_known_by_what_is_published(cast: Cast, session: Session) -> None:
    place = cast.alice.workspace_id
    mine = factories.workflow(session, place, name="Ads")
    step = {"id": "ads", "type": "run_workflow", "name": "Ads", "config": {"workflow": "ads"}}
    factories.workflow(session, place, name="Campaign", definition={"schema": 1, "steps": [step]})
    by_id = {**step, "config": {"workflow": mine.id}}
    factories.workflow(session, place, name="By id", definition={"schema": 1, "steps": [by_id]})
    assert queries.run_by(session, mine, mine.id, mine.name) == ["By id", "Campaign"]
    assert queries.run_by(session, mine, "Ads") == ["Campaign"]
    assert queries.run_by(session, mine, "Others") == []
