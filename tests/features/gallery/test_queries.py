"""What cards say, which samples are shown, and how many statements that takes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.engine.enums import RunStatus, StepStatus, WaitStatus
from app.engine.models import Run
from app.features.accounts.service import Actor
from app.features.files import service as files
from app.features.gallery import figures, library, queries, samples, shelf, starting
from app.features.gallery.enums import Sort
from app.features.workflows.enums import Category
from app.features.workflows.models import Workflow
from tests.cast import Cast
from tests.factories import Story, story

FACEBOOK = "facebook-ads-campaign"
SLUGS = sorted(path.stem for path in library.FOLDER.glob("*.yaml"))


def _ended(
    session: Session,
    cast: Cast,
    status: RunStatus = RunStatus.COMPLETED,
    *,
    minutes: float = 3,
    waited_minutes: float = 0,
    cost_microusd: int = 200_000,
    **options: Any,
) -> Story:
    """Write a run of the Facebook template that worked for *minutes* and waited besides."""
    actor = Actor(cast.alice.user_id, cast.alice.name, cast.alice.email)
    run = starting.launch(
        session,
        workspace_id=cast.alice.workspace_id,
        slug=FACEBOOK,
        raw_inputs={"offer": "A red car"},
        actor=actor,
        **options,
    )
    told = story(session, run)
    step = told.step("check", StepStatus.COMPLETED)
    if waited_minutes:
        wait = told.wait(step)
        wait.status = WaitStatus.DECIDED.value
        wait.created_at = run.created_at + timedelta(minutes=1)
        wait.decided_at = wait.created_at + timedelta(minutes=waited_minutes)
    run.status = status.value
    run.started_at = run.created_at
    run.finished_at = run.created_at + timedelta(minutes=minutes + waited_minutes)
    run.cost_microusd = cost_microusd
    run.due_at = None
    session.flush()
    return told


def _names() -> dict[str, str]:
    return {file.slug: file.name for file in library.ours()}


def _facts(session: Session, cast: Cast) -> figures.CardFacts:
    return figures.facts(session, cast.alice.workspace_id, [FACEBOOK])[FACEBOOK]


def test_facts_are_the_templates_own_sample_before_anything_ran(cast: Cast, session: Session) -> None:
    facts = _facts(session, cast)
    assert facts == figures.CardFacts(
        steps=6, approvals=1, minutes=4, cost_microusd=230_000, used=0, finished_share=None, is_sample=True
    )


def test_facts_stay_a_sample_until_five_real_runs_have_ended(cast: Cast, session: Session) -> None:
    for _ in range(4):
        _ended(session, cast)
    _ended(session, cast, trigger_kind="seed", minutes=99)
    _ended(session, cast, test=True, minutes=99)
    facts = _facts(session, cast)
    assert (facts.is_sample, facts.used, facts.minutes) == (True, 4, 4)

    _ended(session, cast, RunStatus.FAILED)
    facts = _facts(session, cast)
    assert (facts.is_sample, facts.used, facts.minutes, facts.cost_microusd) == (False, 5, 3, 200_000)
    assert facts.finished_share == pytest.approx(0.8)


def test_waiting_for_people_is_no_work(cast: Cast, session: Session) -> None:
    for minutes in (2, 3, 3, 4, 60):
        _ended(session, cast, minutes=minutes, waited_minutes=600, cost_microusd=int(minutes * 100_000))
    facts = _facts(session, cast)
    assert facts.minutes == pytest.approx(3)
    assert facts.cost_microusd == 300_000


def test_who_got_no_yes_has_ended_and_is_not_finished(cast: Cast, session: Session) -> None:
    for _ in range(4):
        _ended(session, cast)
    rejected = _ended(session, cast, minutes=50, cost_microusd=9_000_000)
    rejected.run.last_no = "rejected"
    session.flush()

    facts = _facts(session, cast)

    assert facts.finished_share == pytest.approx(0.8)
    assert (facts.used, facts.minutes, facts.cost_microusd) == (5, 3, 200_000)


def test_a_busy_template_does_not_hide_what_another_takes(
    cast: Cast, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "RECENT", 5)
    other = next(slug for slug in SLUGS if slug != FACEBOOK)
    made = _ended(session, cast, minutes=7).run
    workflow = session.get_one(Workflow, made.workflow_id)
    for minutes in (8, 8, 9, 9):
        _ended(session, cast, minutes=minutes)
    workflow.template_slug = other
    for minutes in (90, 1, 2, 3, 4, 5):
        _ended(session, cast, minutes=minutes)

    facts = figures.facts(session, cast.alice.workspace_id, [FACEBOOK, other])

    assert (facts[other].used, facts[other].minutes) == (5, pytest.approx(8))
    assert (facts[FACEBOOK].used, facts[FACEBOOK].minutes) == (6, pytest.approx(3))  # of the last five
    assert figures.of_workflow(session, cast.alice.workspace_id, workflow.id).minutes == pytest.approx(8)


def test_another_workspaces_runs_do_not_count(cast: Cast, session: Session) -> None:
    for _ in range(5):
        _ended(session, cast)
    facts = figures.facts(session, cast.charlie.workspace_id, [FACEBOOK])[FACEBOOK]
    assert (facts.used, facts.is_sample) == (0, True)


def test_the_sample_is_a_seeded_run_before_any_other_with_its_documents_and_pictures(
    cast: Cast, session: Session
) -> None:
    seeded = _ended(session, cast, trigger_kind="seed")
    step = seeded.step("ads", StepStatus.COMPLETED)
    documents = seeded.documents(step, ["One. First ad.", "Two. Second ad."])
    [image] = seeded.pictures(step, 1)
    files.attach(session, documents[1].id, [image.id])
    _ended(session, cast)
    _ended(session, cast, RunStatus.FAILED)
    _ended(session, cast, trigger_kind="seed").run.last_no = "rejected"
    session.flush()

    sample = samples.sample(session, cast.alice.workspace_id, FACEBOOK)

    assert sample is not None
    assert (sample.run_id, sample.image_ids) == (seeded.run.id, (image.id,))
    assert [(document.title, document.image_id) for document in sample.documents] == [
        ("Two", image.id),
        ("One", None),
    ]
    assert dict(samples.covers(session, cast.alice.workspace_id, SLUGS)) == {
        FACEBOOK: samples.Cover("One", "One. First ad.", (image.id,))
    }
    assert samples.covers(session, cast.charlie.workspace_id, SLUGS) == {}
    assert samples.sample(session, cast.charlie.workspace_id, FACEBOOK) is None


def test_the_sample_is_the_newest_run_that_ended_well(cast: Cast, session: Session) -> None:
    well = _ended(session, cast)
    _ended(session, cast).run.last_no = "rejected"
    _ended(session, cast).run.last_no = "expired"
    _ended(session, cast, RunStatus.STOPPED)
    session.flush()

    sample = samples.sample(session, cast.alice.workspace_id, FACEBOOK)

    assert sample is not None
    assert sample.run_id == well.run.id


def test_templates_are_found_by_words_and_category_and_stand_in_order(cast: Cast, session: Session) -> None:
    def found(**options: Any) -> list[str]:
        return [template.slug for template in queries.templates(session, cast.alice.workspace_id, **options)]

    assert found() == sorted(SLUGS, key=lambda slug: _names()[slug].lower())
    assert found(text="new car arrived") == ["used-vehicle-listing-copy", FACEBOOK]
    assert found(text="boat") == []
    assert found(category="sell-this-car") == [
        "aged-inventory-price-move",
        "new-lead-follow-up",
        "trade-in-offer-follow-up",
        "used-vehicle-listing-copy",
    ]
    assert found(text="facebook", category="social") == []
    newest = session.scalars(sa.select(queries.Template).where(queries.Template.slug == SLUGS[1])).one()
    newest.updated_at = clock.now() + timedelta(hours=1)
    session.flush()
    assert found(sort=Sort.NEWEST)[0] == SLUGS[1]
    listed = queries.listed(session, cast.alice.workspace_id)
    assert shelf.counts(listed, listed) == {
        Category.SELL: 4,
        Category.SERVICE: 1,
        Category.ADS: 3,
        Category.SOCIAL: 1,
        Category.BLOG: 1,
        Category.EMAIL: 1,
        Category.REPUTATION: 1,
    }


def test_facts_and_covers_take_the_same_statements_for_one_template_and_for_all(
    cast: Cast, session: Session, statements: Callable[[], int]
) -> None:
    for _ in range(3):
        _ended(session, cast)
    session.commit()
    counted = []
    for slugs in ([FACEBOOK], SLUGS):
        before = statements()
        figures.facts(session, cast.alice.workspace_id, slugs)
        samples.covers(session, cast.alice.workspace_id, slugs)
        counted.append(statements() - before)
    assert counted[0] == counted[1] == 6
    assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_runs_are_counted_by_an_index_whether_they_ended_or_not(cast: Cast, session: Session) -> None:
    for status in (RunStatus.COMPLETED, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.STOPPED):
        _ended(session, cast, status)
    _ended(session, cast, test=True)
    _ended(session, cast, RunStatus.WAITING).run.finished_at = None
    session.commit()
    session.execute(sa.text("ANALYZE"))
    asked: list[tuple[str, Any]] = []
    connection = session.connection()

    def note(_connection: object, _cursor: object, text: str, given: Any, *_rest: object) -> None:
        asked.append((text, given))

    sa.event.listen(connection, "before_cursor_execute", note)

    found = figures.counted(session, cast.alice.workspace_id)[FACEBOOK]
    counting, given = next(each for each in asked if "UNION ALL" in each[0])
    plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {counting}", given)]

    assert (found.used, found.ended, found.ready) == (5, 4, 2)
    ways = [step for step in plan if step.startswith(("SCAN run", "SEARCH run"))]
    assert sorted(set(ways)) == [
        "SEARCH run USING INDEX ix_run_real (workflow_id=? AND status=? AND last_no=?)",
        "SEARCH run USING INDEX ix_run_real (workflow_id=? AND status=? AND last_no>?)",
        "SEARCH run USING INDEX ix_run_real (workflow_id=? AND status=?)",
        "SEARCH run USING INDEX ix_run_real_open (workflow_id=?)",
    ]
    assert sum("ix_run_real " in way for way in ways) == 4
