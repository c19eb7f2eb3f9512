"""Test runs of a draft, one step alone, and what a test says it would have sent."""

import copy
import zipfile
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock, outbox
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.ids import new_id
from app.definition.inputs import clean_inputs
from app.definition.schema import Definition, InputType
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import Run, RunLog, StepRun
from app.features.accounts.service import Actor
from app.features.files import archive
from app.features.files import service as files
from app.features.files.models import Document
from app.features.lifecycle import queries, samples, service
from app.features.runs import service as runs
from app.features.workflows import queries as workflows
from app.features.workflows import service as drafts
from app.features.workflows.models import Version
from tests import factories
from tests.cast import Cast
from tests.factories import ADS
from tests.page import Page


def _actor(cast: Cast) -> Actor:
    return Actor(cast.alice.user_id, cast.alice.name, cast.alice.email)


def _definition(**inputs: Any) -> Definition:
    questions = [{"key": key, "required": True, **extra} for key, extra in inputs.items()]
    steps = [{"id": "a", "type": "transform", "config": {"set": {"x": 1}}}]
    return Definition.model_validate({"schema": 1, "inputs": questions, "steps": steps})


# --- answers ---

IDS = {InputType.DOCUMENT, InputType.DOCUMENTS, InputType.IMAGE, InputType.IMAGES}


@pytest.mark.parametrize("kind", [kind for kind in InputType if kind not in IDS])
def test_every_type_of_question_has_a_sample_that_it_takes(kind: InputType) -> None:
    definition = _definition(q={"type": kind.value, "choices": ["Honda", "Kia"] if "choice" in kind else []})
    answers = samples.answers(definition, {}, tester="ann@north.example")
    assert clean_inputs(definition, answers)["q"] not in (None, "", [])


def test_the_last_answer_comes_first_then_the_questions_own_then_a_sample() -> None:
    definition = _definition(
        last={}, own={"default": "Mine"}, made={"max_length": 8}, gone={"type": "number", "min": 5},
    )  # fmt: skip
    answers = samples.answers(definition, {"last": "Said", "own": "", "gone": "no number"}, tester="")
    assert answers == {"last": "Said", "own": "Mine", "made": "Sample: ", "gone": 5}


def test_what_may_stay_empty_stays_empty() -> None:
    definition = _definition(q={"required": False})
    assert samples.answers(definition, {}, tester="") == {}


# --- runs ---


def test_a_test_of_a_draft_runs_the_draft_and_no_list_of_versions_shows_it(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    changed = copy.deepcopy(ADS)
    changed["steps"][0]["config"]["count"] = 4
    drafts.save_draft(session, workflow, changed, base_revision=0, actor_id=None)
    one, two = (
        service.start_test(session, workflow, inputs={"offer": "A car"}, actor=_actor(cast)) for _ in range(2)
    )
    ran = [session.get_one(Version, run.version_id) for run in (one, two)]
    assert [version.number for version in ran] == [-1, -1]
    drafts.save_draft(session, workflow, ADS, base_revision=workflow.draft_number, actor_id=None)
    third = service.start_test(session, workflow, inputs={"offer": "A car"}, actor=_actor(cast))
    assert session.get_one(Version, third.version_id).number == -2
    assert ran[0].definition["steps"][0]["config"]["count"] == 4
    assert (one.test, one.facts["version"], one.budget_microusd) == (True, 0, 5_000_000)
    assert [version.number for version in workflows.versions(session, workflow)] == [1]
    assert workflow.published_number == 1
    with pytest.raises(Invalid):
        service.start_test(session, workflow, inputs={}, actor=_actor(cast))


@pytest.mark.parametrize("is_published", [True, False])
def test_a_test_and_a_sample_that_are_started_over_are_what_they_were(
    cast: Cast, session: Session, is_published: bool
) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    changed = copy.deepcopy(ADS)
    changed["steps"][0]["config"]["count"] = 4
    drafts.save_draft(session, workflow, changed, base_revision=0, actor_id=None)
    if not is_published:
        workflow.published_number = 0
    test = service.start_test(session, workflow, inputs={"offer": "A car"}, actor=_actor(cast))
    sample = service.start_sample(session, workflow, "ads", actor=_actor(cast))
    for run in (test, sample):
        over = runs.start_over(session, run, actor=_actor(cast))
        assert (over.version_id, over.test, over.trigger_kind) == (run.version_id, True, run.trigger_kind)
    assert sample.trigger_kind == queries.SAMPLE


def test_pressed_twice_a_test_and_a_sample_are_one_run(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    once, again = new_id(), new_id()

    def test(offer: str, once: str) -> str:
        return service.start_test(session, workflow, inputs={"offer": offer}, actor=_actor(cast), once=once).id

    def sample(step: str, once: str) -> str:
        return service.start_sample(session, workflow, step, actor=_actor(cast), once=once).id

    assert test("A car", once) == test("A car", once)
    assert len({test("A car", once), test("A van", once), test("A car", again), test("A car", "")}) == 4
    assert sample("ads", once) == sample("ads", once)
    first = sample("ads", once)
    drafts.save_draft(session, workflow, {**ADS, "limits": {}}, base_revision=0, actor_id=None)
    assert len({first, sample("ads", once), sample("pictures", once), sample("ads", again)}) == 4


def test_samples_go_after_a_week_and_a_draft_that_no_run_is_of_with_them(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    old, fresh, going = (
        service.start_sample(session, workflow, step, actor=_actor(cast)) for step in ("ads", "pictures", "attach")
    )
    test = service.start_test(session, workflow, inputs={"offer": "A car"}, actor=_actor(cast))
    story = factories.story(session, old)
    made = story.documents(story.step("ads", StepStatus.COMPLETED))[0].id
    long_ago = clock.now() - timedelta(days=8)
    for run, ended in ((old, long_ago), (fresh, clock.now()), (test, long_ago)):
        run.status, run.finished_at = RunStatus.COMPLETED.value, ended
    session.flush()
    versions = {run.id: run.version_id for run in (old, fresh, going, test)}

    assert (service.remove_samples(session, 100), service.remove_tested(session, 100)) == (1, 1)
    assert (service.remove_samples(session, 100), service.remove_tested(session, 100)) == (0, 0)

    session.expire_all()
    assert set(session.scalars(sa.select(Run.id))) == {fresh.id, going.id, test.id}
    assert session.get(Version, versions[old.id]) is None
    assert all(session.get(Version, versions[run.id]) for run in (fresh, going, test))
    assert session.get(Document, made) is None


def test_samples_of_several_workspaces_leave_what_runs_of_each_were_given(cast: Cast, session: Session) -> None:
    kept = []
    for person in (cast.alice, cast.charlie):
        workflow = factories.workflow(session, person.workspace_id)
        actor = Actor(person.user_id, person.name, person.email)
        sample = service.start_sample(session, workflow, "ads", actor=actor)
        story = factories.story(session, sample)
        kept.append(story.documents(story.step("ads", StepStatus.COMPLETED))[0].id)
        service.start_test(session, workflow, inputs={"offer": f"As in {kept[-1]}"}, actor=actor)
        sample.status, sample.finished_at = RunStatus.COMPLETED.value, clock.now() - timedelta(days=8)
    session.flush()

    assert service.remove_samples(session, 100) == 2

    assert set(session.scalars(sa.select(Document.id))) == set(kept)


def test_a_draft_with_problems_is_not_tested(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    broken = copy.deepcopy(ADS)
    broken["steps"][0]["config"]["count"] = 99
    drafts.save_draft(session, workflow, broken, base_revision=0, actor_id=None)
    with pytest.raises(Invalid, match="one problem"):
        service.start_test(session, workflow, inputs={"offer": "A car"}, actor=_actor(cast))
    with pytest.raises(Invalid, match="one problem"):
        service.start_sample(session, workflow, "ads", actor=_actor(cast))
    assert service.start_sample(session, workflow, "pictures", actor=_actor(cast)).test
    # nor does a form that is not filled in matter to a step that does not use it
    broken["steps"] += [{"id": "late", "name": "", "after": "ads", "when": 7}, "no step"]
    broken["inputs"] += [{"key": "Not a key"}]
    drafts.save_draft(session, workflow, broken, base_revision=workflow.draft_number, actor_id=None)
    run = service.start_sample(session, workflow, "pictures", actor=_actor(cast))
    assert [each.id for each in workflows.load_definition(session, run.version_id).steps] == ["pictures"]


def test_a_sample_takes_the_last_runs_results(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    story = factories.story(session, factories.queued_run(session, workflow))
    story.step("ads", StepStatus.COMPLETED, outcome="done", output={"documents": [], "texts": ["x"], "titles": [""]})
    session.flush()
    run = service.start_sample(session, workflow, "attach", actor=_actor(cast))
    definition = workflows.load_definition(session, run.version_id)
    assert [step.type for step in definition.steps] == ["transform", "generate_image", "attach_images"]
    assert run.inputs["offer"] == factories.OFFER
    with pytest.raises(Conflict, match="not in the workflow any more"):
        service.start_sample(session, workflow, "nothing", actor=_actor(cast))


def test_what_would_have_been_sent_is_said_of_the_run_and_of_its_parts(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    run = factories.queued_run(session, workflow, test=True)
    part = factories.queued_run(session, workflow, test=True)
    step = StepRun(
        workspace_id=run.workspace_id, run_id=run.id, step_id="part", type="run_workflow", status="waiting",
        created_at=run.created_at,
    )  # fmt: skip
    session.add(step)
    session.flush()
    part.parent_step_run_id = step.id
    for place, (of, person) in enumerate(((run, "ann@x.example"), (part, "bob@x.example"))):
        outbox.post(
            session, channel="email", recipient=person, subject="Ready", content={}, dedupe_key=f"k{place}",
            workspace_id=run.workspace_id, run_id=of.id,
        )  # fmt: skip
    session.add(
        RunLog(
            workspace_id=run.workspace_id, run_id=run.id, event="test.call", message="Would call x.", at=run.created_at
        )
    )
    session.flush()
    assert queries.would_have(session, run) == [
        "Would e-mail 2 people: ann@x.example, bob@x.example. “Ready”",
        "Would call x.",
    ]
    assert set(session.scalars(sa.select(outbox.OutboxRow.status))) == {"test"}


def test_files_of_a_test_say_so(cast: Cast, session: Session, tmp_path: Any) -> None:
    document = files.create_document(
        session, workspace_id=cast.alice.workspace_id, run_id=None, step_run_id=None, title="Ad", body="Buy", fields={},
        status="draft", position=1, written_by="x", test=True,
    )  # fmt: skip
    path = tmp_path / "all.zip"
    with path.open("wb") as stream:
        archive.write(session, cast.alice.workspace_id, [document], stream)
    with zipfile.ZipFile(path) as opened:
        [name] = [name for name in opened.namelist() if name.endswith(".txt")]
        assert "test" in name.lower()
        assert opened.read(name).decode().startswith("TEST: Ad\n")
        assert "TEST: Ad" in opened.read("manifest.csv").decode("utf-8-sig")
    assert session.get_one(Document, document.id).title == "Ad"


# --- pages ---


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_pages_of_what_a_test_made_say_test(cast: Cast) -> None:
    with cast.app.app_context():
        workflow = factories.workflow(db.session(), cast.alice.workspace_id)
        run_ids = [factories.finished_run(db.session(), workflow, test=is_test).id for is_test in (True, False)]
        made = [
            db.session.query(Document.id).filter_by(run_id=run_id, position=1).scalar() for run_id in run_ids
        ]
        db.session.commit()
    browser = cast.browser(cast.alice)
    for page in (f"/documents/{made[0]}", f"/documents?run={run_ids[0]}", f"/runs/{run_ids[0]}"):
        shown = Page(browser.get(page).text)
        assert (shown.faults, "TEST" in shown.texts) == ([], True), page
    assert "<title>TEST: " in browser.get(f"/documents/{made[0]}").text
    for page in (f"/documents/{made[1]}", f"/documents?run={run_ids[1]}", f"/runs/{run_ids[1]}"):
        assert "TEST" not in Page(browser.get(page).text).text, page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_pages_of_a_test(cast: Cast) -> None:
    with cast.app.app_context():
        workflow_id = factories.workflow(db.session(), cast.alice.workspace_id).id
        db.session.commit()
    browser = cast.browser(cast.alice)
    page = Page(browser.get(f"/workflows/{workflow_id}/test").text)
    assert (page.faults, "Sample: What is the offer?" in str(page.texts)) == ([], True)
    wrong = browser.post(f"/workflows/{workflow_id}/test-runs", data={"q_offer": "", "q_approver": "nobody"})
    assert (wrong.status_code, Page(wrong.text).faults) == (422, [])
    assert "is not an e-mail address" in wrong.text
    started = browser.post(f"/workflows/{workflow_id}/test-runs", data={"q_offer": "A car", "q_approver": ""})
    assert started.status_code == 303
    run_id = started.location.rsplit("/", 1)[-1]
    for address in (f"/runs/{run_id}", f"/runs/{run_id}/would-have"):
        page = Page(browser.get(address).text)
        assert (page.faults, "TEST" in page.text or "A test" in page.text) == ([], True)
    fragment = browser.get(f"/runs/{run_id}/would-have", headers={"HX-Request": "true"})
    assert fragment.text.strip().startswith('<section class="box pad stack-s mb-3" id="would-have"')
    assert cast.browser(cast.charlie).get(f"/runs/{run_id}/would-have").status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_sample_appears_beside_its_step_and_ends_its_asking(cast: Cast) -> None:
    with cast.app.app_context():
        workflow_id = factories.workflow(db.session(), cast.alice.workspace_id).id
        db.session.commit()
    browser, htmx = cast.browser(cast.alice), {"HX-Request": "true"}
    address = f"/workflows/{workflow_id}/draft/steps/ads/sample"
    assert browser.post(address).location.startswith("/runs/")
    made = browser.post(address, headers=htmx)
    assert (made.status_code, made.headers["HX-Reswap"]) == (200, "outerHTML show:bottom")
    assert 'hx-trigger="every 1s"' in made.text
    assert '<p id="sample-said" hx-swap-oob="innerHTML">Making the sample.</p>' in made.text
    with cast.app.app_context():
        run = db.session.scalars(sa.select(Run).order_by(Run.number.desc())).first()
        assert run is not None
        story = factories.story(db.session(), run)
        step = story.step("ads", StepStatus.COMPLETED, outcome="done", output={"texts": ["One"], "documents": []})
        story.documents(step, ["One"])
        story.now(RunStatus.COMPLETED)
        db.session.commit()
        result = f"/workflows/{workflow_id}/samples/{run.id}"
    done = browser.get(result, headers=htmx)
    assert (done.status_code, "every 1s" in done.text, "One" in done.text) == (286, False, True)
    assert '<p id="sample-said" hx-swap-oob="innerHTML">The sample is here: 1\xa0text.</p>' in done.text
    page = Page(browser.get(result).text)
    assert (page.faults, ("p", {"class": "vh", "id": "sample-said", "role": "status"}) in page.tags) == ([], True)
    assert browser.post(f"/workflows/{workflow_id}/draft/steps/zzz/sample", headers=htmx).status_code == 409
    assert cast.browser(cast.charlie).get(result).status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_documents_are_chosen_by_their_titles_and_fixed_questions_are_not_asked(cast: Cast) -> None:
    definition = {
        "schema": 1,
        "inputs": [
            {"key": "text", "label": "Which text?", "type": "document", "required": True},
            {"key": "brand", "label": "Brand", "default": "Kia", "fixed": True},
            {"key": "at", "label": "When?", "type": "datetime", "default": "2026-11-30T19:00:00Z"},
        ],
        "steps": [{"id": "a", "type": "transform", "config": {"set": {"x": "{{ inputs.brand }}"}}}],
    }
    with cast.app.app_context():
        workflow_id = factories.workflow(db.session(), cast.alice.workspace_id, definition=definition).id
        made = files.create_document(
            db.session(), workspace_id=cast.alice.workspace_id, run_id=None, step_run_id=None, title="Spring ad",
            body="Buy", fields={}, status="draft", position=1, written_by="x", test=False,
        ).id  # fmt: skip
        db.session.commit()
    browser = cast.browser(cast.alice)
    page = Page(browser.get(f"/workflows/{workflow_id}/test").text)
    assert (page.faults, "Spring ad" in page.text, "Brand" in page.text) == ([], True, False)
    assert ("option", {"selected": "", "value": made}) in page.tags
    (at,) = [attrs for attrs in page.attributes("input") if attrs.get("name") == "q_at"]
    assert (at["type"], at["value"]) == ("datetime-local", "2026-11-30T14:00")  # in the workspace's zone
    data = {"q_text": made, "q_at": "2026-12-01T09:30"}
    started = browser.post(f"/workflows/{workflow_id}/test-runs", data=data)
    with cast.app.app_context():
        run = db.session.get_one(Run, started.location.rsplit("/", 1)[-1])
        assert run.inputs == {"text": made, "brand": "Kia", "at": "2026-12-01T14:30:00Z"}
