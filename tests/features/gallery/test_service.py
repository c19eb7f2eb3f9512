"""Seeding, launching, upgrading."""

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core.db import db
from app.core.errors import Invalid, NotFound
from app.engine.models import Run
from app.features.accounts.service import Actor
from app.features.gallery import library, queries, service, starting
from app.features.gallery.models import LaunchDraft, Template
from app.features.workflows import queries as workflow_queries
from app.features.workflows import service as workflows
from app.features.workflows.models import Version, Workflow
from tests.cast import Cast

FACEBOOK = "facebook-ads-campaign"


def _launch(session: Session, cast: Cast, **options: Any) -> Run:
    actor = Actor(cast.alice.user_id, cast.alice.name, cast.alice.email)
    values: dict[str, Any] = {
        "slug": FACEBOOK,
        "raw_inputs": {"offer": "A red car"},
        "actor": actor,
        **options,
    }
    return starting.launch(session, workspace_id=cast.alice.workspace_id, **values)


def _newer(**changes: Any) -> list[library.TemplateFile]:
    [file] = [file for file in library.ours() if file.slug == FACEBOOK]
    return [file.model_copy(update={"version": file.version + 1, **changes})]


def test_seeding_again_changes_nothing(cast: Cast, session: Session) -> None:
    assert service.seed_templates(session) == 0
    assert session.scalar(sa.select(sa.func.count()).select_from(Template)) == len(library.ours())


def test_a_newer_file_replaces_the_template_and_an_older_one_does_not(cast: Cast, session: Session) -> None:
    assert service.seed_templates(session, _newer(name="Facebook Ads, better")) == 1
    template = queries.template(session, cast.alice.workspace_id, FACEBOOK)
    [newer] = _newer()
    assert (template.name, template.version) == ("Facebook Ads, better", newer.version)

    assert service.seed_templates(session) == 0
    assert queries.template(session, cast.alice.workspace_id, FACEBOOK).version == newer.version


def test_the_offer_alone_is_enough_and_names_the_run(cast: Cast, session: Session) -> None:
    run = _launch(session, cast)
    assert run.label == "Facebook ads: A red car"
    assert (run.inputs["copies"], run.inputs["pictures"], run.inputs["approver"]) == (10, 5, None)
    assert run.facts["started_by"] == {"name": "Alice Ames", "email": "alice@north.example"}
    assert run.budget_microusd == 5_000_000


def test_the_second_launch_uses_the_workflow_of_the_first(cast: Cast, session: Session) -> None:
    first, second = _launch(session, cast), _launch(session, cast)
    assert first.id != second.id
    assert (first.workflow_id, first.version_id) == (second.workflow_id, second.version_id)
    assert session.scalar(sa.select(sa.func.count()).select_from(Workflow)) == 1


def test_an_upgrade_gives_the_following_workflow_a_version_and_touches_no_other(
    cast: Cast, session: Session
) -> None:
    before = _launch(session, cast)
    template = queries.template(session, cast.alice.workspace_id, FACEBOOK)
    copied = workflows.create(
        session,
        workspace_id=cast.alice.workspace_id,
        name="My own ads",
        definition=template.definition,
        actor_id=None,
    )
    service.seed_templates(session, _newer())

    after = _launch(session, cast)

    assert after.workflow_id == before.workflow_id
    numbers = {version.id: version.number for version in session.scalars(sa.select(Version))}
    assert (numbers[before.version_id], numbers[after.version_id]) == (1, 2)
    workflow = session.get_one(Workflow, after.workflow_id)
    assert (workflow.published_number, workflow.template_version) == (2, _newer()[0].version)
    assert copied.published_number == 1
    assert _launch(session, cast).version_id == after.version_id


def test_wrong_answers_start_nothing_and_are_all_named(cast: Cast, session: Session) -> None:
    with pytest.raises(Invalid) as caught:
        _launch(session, cast, raw_inputs={"copies": "99", "landing_url": "northfield"})
    assert [problem.path for problem in caught.value.problems] == [
        "/inputs/offer",
        "/inputs/landing_url",
        "/inputs/copies",
    ]
    session.rollback()
    assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_an_unknown_template_and_a_strangers_own_are_not_found(cast: Cast, session: Session) -> None:
    ours = queries.template(session, cast.alice.workspace_id, FACEBOOK)
    values = {
        column.key: getattr(ours, column.key) for column in Template.__table__.columns if column.key != "id"
    }
    session.add(
        Template(
            **values | {"workspace_id": cast.charlie.workspace_id, "slug": "charlies", "name": "Charlie’s"}
        )
    )
    session.flush()
    for slug in ("no-such", "charlies"):
        with pytest.raises(NotFound):
            queries.template(session, cast.alice.workspace_id, slug)
    assert queries.template(session, cast.charlie.workspace_id, "charlies").name == "Charlie’s"


def test_a_workspaces_own_template_stands_before_ours_of_the_same_slug(cast: Cast, session: Session) -> None:
    ours = queries.template(session, cast.alice.workspace_id, FACEBOOK)
    values = {
        column.key: getattr(ours, column.key) for column in Template.__table__.columns if column.key != "id"
    }
    session.add(Template(**values | {"workspace_id": cast.alice.workspace_id, "name": "Our own"}))
    session.flush()
    assert queries.template(session, cast.alice.workspace_id, FACEBOOK).name == "Our own"
    assert queries.template(session, cast.charlie.workspace_id, FACEBOOK).name == "Facebook Ads Campaign"
    assert len(queries.templates(session, cast.alice.workspace_id)) == len(library.ours())


def _draft(session: Session, cast: Cast, answers: dict[str, Any]) -> LaunchDraft:
    return service.keep_answers(
        session,
        workspace_id=cast.alice.workspace_id,
        user_id=cast.alice.user_id,
        slug=FACEBOOK,
        answers=answers,
        over=None,
    )


def _start(session: Session, cast: Cast, draft_id: str, person: str = "alice") -> Run:
    me = cast.person(person)
    assert me is not None
    actor = Actor(me.user_id, me.name, me.email)
    return starting.start_draft(
        session, workspace_id=me.workspace_id, slug=FACEBOOK, draft_id=draft_id, actor=actor
    )


def test_a_draft_starts_one_run_and_is_gone(cast: Cast, session: Session) -> None:
    draft_id = _draft(session, cast, {"offer": "A red car"}).id
    first = _start(session, cast, draft_id)
    session.commit()
    again = _start(session, cast, draft_id)
    assert again.id == first.id
    assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 1
    assert queries.draft(session, cast.alice.workspace_id, cast.alice.user_id, queries.Place(FACEBOOK)) is None


def test_somebody_elses_draft_starts_nothing(cast: Cast, session: Session) -> None:
    draft_id = _draft(session, cast, {"offer": "A red car"}).id
    session.commit()
    for person in ("bob", "charlie"):
        with pytest.raises(NotFound):
            _start(session, cast, draft_id, person)
        session.rollback()
    assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_two_presses_at_the_same_moment_start_one_run(app: Flask, cast: Cast) -> None:
    import threading

    with app.app_context():
        draft_id = _draft(db.session(), cast, {"offer": "A red car"}).id
        db.session.commit()
    barrier, runs, faults = threading.Barrier(3), [], []

    def press() -> None:
        with app.app_context():
            try:
                barrier.wait(60)
                runs.append(_start(db.session(), cast, draft_id).id)
                db.session.commit()
            except Exception as error:
                faults.append(error)
                db.session.rollback()

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not faults
    assert len(runs) == 3
    assert len(set(runs)) == 1
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 1


def test_two_first_launches_at_the_same_moment_make_one_workflow(app: Flask, cast: Cast) -> None:
    import threading

    barrier, faults = threading.Barrier(3), []

    def press() -> None:
        with app.app_context():
            try:
                barrier.wait(60)
                _launch(db.session(), cast)
                db.session.commit()
            except Exception as error:
                faults.append(error)
                db.session.rollback()

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not faults
    with app.app_context():
        session = db.session()
        assert len(workflow_queries.workflows(session, cast.alice.workspace_id)) == 1
        assert sorted(session.scalars(sa.select(Run.number))) == [1, 2, 3]


def test_later_answers_are_added_to_the_draft(cast: Cast, session: Session) -> None:
    draft = _draft(session, cast, {"offer": "A red car", "tone": "Playful"})
    service.keep_answers(
        session,
        workspace_id=draft.workspace_id,
        user_id=draft.user_id,
        slug=FACEBOOK,
        answers={"tone": "Friendly"},
        over=draft,
    )
    kept = queries.draft(session, draft.workspace_id, draft.user_id, queries.Place(FACEBOOK))
    assert kept is not None
    assert kept.answers == {"offer": "A red car", "tone": "Friendly"}


def test_a_draft_belongs_to_one_person_and_one_template(cast: Cast, session: Session) -> None:
    draft = _draft(session, cast, {"offer": "A red car"})
    assert queries.draft(session, draft.workspace_id, cast.bob.user_id, queries.Place(FACEBOOK)) is None
    assert queries.draft(session, draft.workspace_id, draft.user_id, queries.Place("instagram-carousel")) is None
    service.forget_answers(session, draft)
    assert queries.draft(session, draft.workspace_id, draft.user_id, queries.Place(FACEBOOK)) is None


def test_the_seeds_own_runs_are_not_the_last_time(cast: Cast, session: Session) -> None:
    me = cast.alice
    _launch(session, cast, raw_inputs={"offer": "The sample"}, trigger_kind="seed")
    assert queries.last_inputs(session, me.workspace_id, me.user_id, queries.Place(FACEBOOK)) is None
    _launch(session, cast, raw_inputs={"offer": "A red car"})
    last = queries.last_inputs(session, me.workspace_id, me.user_id, queries.Place(FACEBOOK))
    assert last is not None
    assert last["offer"] == "A red car"
    assert queries.last_inputs(session, me.workspace_id, cast.bob.user_id, queries.Place(FACEBOOK)) is None


def test_answers_of_two_tabs_are_both_kept_also_after_a_start(cast: Cast, session: Session) -> None:
    whose = {"workspace_id": cast.alice.workspace_id, "user_id": cast.alice.user_id, "slug": FACEBOOK}
    seen = service.keep_answers(session, answers={"offer": "A red car"}, over=None, **whose)
    session.commit()
    session.refresh(seen)
    session.expunge(seen)  # as another request has read it
    there = session.get_one(LaunchDraft, seen.id)
    other = service.keep_answers(session, answers={"tone": "Friendly"}, over=there, **whose)
    session.commit()

    kept = service.keep_answers(session, answers={"copies": "10"}, over=seen, **whose)
    assert (kept.id, kept.answers) == (other.id, {"offer": "A red car", "tone": "Friendly", "copies": "10"})

    service.forget_answers(session, kept)  # as Start does
    session.commit()
    assert service.keep_answers(session, answers={"copies": "11"}, over=seen, **whose).answers == {"copies": "11"}
