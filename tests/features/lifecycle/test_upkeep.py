"""Switching off and on, copies, deletion with its undo, and files in and out."""

import copy
import io
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.definition import schema
from app.definition.schema import Definition
from app.engine import retention
from app.engine.enums import RunStatus
from app.engine.models import Run
from app.features.accounts.models import AuditEntry
from app.features.accounts.service import Actor
from app.features.files import service as files
from app.features.lifecycle import exchange, queries, rules, service
from app.features.lifecycle.enums import FileKind, OpenRuns
from app.features.runs import service as runs
from app.features.workflows import queries as workflows
from app.features.workflows import service as drafts
from app.features.workflows.models import DraftRevision, Version, Workflow
from tests import factories
from tests.cast import Cast
from tests.factories import ADS
from tests.page import Page

FAR: dict[str, Any] = {
    **ADS,
    "steps": [
        *ADS["steps"],
        {"id": "far", "type": "notify", "name": "Tell the agency", "after": ["check:approved"],
         "config": {"to": ["ann@agency.example", "alice@north.example"], "subject": "Ads",
                    "body": "See https://ann:pw@agency.example/x?token=abc&page=2"}},
    ],
}  # fmt: skip


def _actor(cast: Cast) -> Actor:
    return Actor(cast.alice.user_id, cast.alice.name, cast.alice.email)


def _status(session: Session, run: Run) -> str:
    session.flush()
    session.expire_all()
    return session.get_one(Run, run.id).status


@pytest.mark.parametrize(
    ("choice", "status"),
    [(OpenRuns.FINISH, "queued"), (OpenRuns.PAUSE, "pausing"), (OpenRuns.STOP, "stopping")],
)
def test_switching_off_lets_runs_finish_pauses_or_stops_them(
    cast: Cast, session: Session, choice: OpenRuns, status: str
) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    run = factories.queued_run(session, workflow)
    other = factories.queued_run(session, factories.workflow(session, cast.alice.workspace_id, name="Other"))
    ended = service.switch_off(session, workflow, open_runs=choice, actor=_actor(cast))
    assert ended == ([] if choice is OpenRuns.FINISH else [run.id])
    assert (_status(session, run), _status(session, other)) == (status, "queued")
    workflow = session.get_one(Workflow, workflow.id)
    with pytest.raises(Conflict, match="switched off"):
        factories.queued_run(session, workflow)
    service.switch_on(session, workflow, actor=_actor(cast))
    service.switch_on(session, workflow, actor=_actor(cast))
    assert factories.queued_run(session, workflow).status == RunStatus.QUEUED
    actions = session.scalars(sa.select(AuditEntry.action).where(AuditEntry.subject_id == workflow.id))
    assert sorted(actions) == ["workflow.disabled", "workflow.enabled", "workflow.published"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_open_runs_are_found_among_many_by_the_index_of_statuses(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    seen: list[str] = []
    sa.event.listen(session.get_bind(), "before_cursor_execute", lambda _c, _x, text, *_: seen.append(text))
    assert queries.going(session, workflow) == 0
    asked = seen[-1]
    plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", ("x",) * asked.count("?"))
    assert any("ix_run_workspace_id_status" in row[3] for row in plan)


def test_a_run_that_ended_meanwhile_does_not_keep_it_on(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    run = factories.queued_run(session, workflow)
    runs.stop(session, run, actor=_actor(cast))
    assert service.switch_off(session, workflow, open_runs=OpenRuns.PAUSE, actor=_actor(cast)) == []
    assert not workflow.is_enabled


def test_what_is_switched_off_can_still_be_tested(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    service.switch_off(session, workflow, open_runs=OpenRuns.FINISH, actor=_actor(cast))
    run = service.start_test(session, workflow, inputs={"offer": "A car"}, actor=_actor(cast))
    assert (run.test, session.get_one(Version, run.version_id).number) == (True, 1)


def test_a_copy_has_the_draft_and_nothing_published(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    made = service.copy(session, workflow, actor=_actor(cast))
    assert (made.name, made.published_number) == (f"Copy of {workflow.name}", 0)
    assert workflows.draft_of(session, made).definition == workflows.draft_of(session, workflow).definition
    drafts.save_draft(
        session, made, {**ADS, "limits": {}}, base_revision=made.draft_number, actor_id=None
    )
    assert workflows.draft_of(session, workflow).definition["limits"]["cost_usd"] == "5.00"


def test_deleting_hides_it_and_bringing_back_undoes_that(cast: Cast, session: Session) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id)
    run = factories.queued_run(session, workflow)
    service.delete(session, workflow, open_runs=OpenRuns.STOP, actor=_actor(cast))
    assert _status(session, run) == "stopping"
    with pytest.raises(NotFound, match=f"“{workflow.name}” was deleted") as gone:
        workflows.workflow(session, cast.alice.workspace_id, workflow.id)
    assert gone.value.fix == "Under Workflows, Deleted, it can be brought back for 30 days."
    with pytest.raises(NotFound, match="This workflow does not exist"):
        workflows.workflow(session, cast.charlie.workspace_id, workflow.id)
    assert [one.workflow.id for one in queries.deleted(session, cast.alice.workspace_id)] == [workflow.id]
    assert queries.deleted(session, cast.charlie.workspace_id) == []
    service.bring_back(session, workflow, actor=_actor(cast))
    assert workflows.workflow(session, cast.alice.workspace_id, workflow.id).is_enabled
    assert queries.deleted(session, cast.alice.workspace_id) == []


def test_after_30_days_it_is_gone_for_good_but_its_runs_stay(cast: Cast, session: Session) -> None:
    used, unused, fresh = (factories.workflow(session, cast.alice.workspace_id, name=name) for name in "abc")
    run = factories.queued_run(session, used)
    drafts.save_draft(session, used, {**ADS, "limits": {}}, base_revision=0, actor_id=None)
    for one in (used, unused, fresh):
        service.delete(session, one, open_runs=OpenRuns.FINISH, actor=_actor(cast))
    used.deleted_at = unused.deleted_at = clock.now() - timedelta(days=31)
    session.flush()
    assert service.remove_old(session, 100) == 2
    assert service.remove_old(session, 100) == 0
    session.expire_all()
    assert session.scalars(sa.select(Workflow.name).order_by(Workflow.name)).all() == ["a", "c"]
    assert session.scalar(sa.select(sa.func.count()).select_from(DraftRevision)) == 0
    assert workflows.load_definition(session, session.get_one(Run, run.id).version_id).steps
    assert [one.workflow.name for one in queries.deleted(session, cast.alice.workspace_id)] == ["c"]
    with pytest.raises(NotFound):
        queries.deleted_workflow(session, cast.alice.workspace_id, used.id)


def test_once_a_day_the_clock_removes_them_until_none_is_left(
    cast: Cast, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    for name in "abcde":
        workflow = factories.workflow(session, cast.alice.workspace_id, name=name)
        workflow.deleted_at = clock.now() - timedelta(days=31)
    session.commit()
    assert [retention.work(db.engine) for _ in range(4)] == [2, 2, 1, 0]
    session.expire_all()
    assert session.scalar(sa.select(sa.func.count()).select_from(Workflow)) == 0


# --- files ---


@pytest.mark.parametrize("kind", list(FileKind))
def test_a_file_brings_the_same_definition_without_secrets(cast: Cast, session: Session, kind: FileKind) -> None:
    workflow = factories.workflow(session, cast.alice.workspace_id, definition=FAR)
    workflow.tags, workflow.description = ["spring"], "Ten ads"
    text = exchange.written(workflow, workflows.current_version(session, workflow).definition, kind)
    assert "ann:pw" not in text
    assert "abc" not in text
    made = service.bring_in(
        session, text, workspace_id=cast.alice.workspace_id, name="", actor=_actor(cast), source="x.yaml"
    )
    expected = copy.deepcopy(FAR)
    expected["steps"][-1]["config"]["body"] = "See https://agency.example/x?token=%28left+out%29&page=2"
    assert workflows.current_version(session, made).definition == schema.dump(Definition.model_validate(expected))
    assert (made.name, made.tags, made.description) == (workflow.name, ["spring"], "Ten ads")


@pytest.mark.parametrize("kind", list(FileKind))
def test_a_file_keeps_what_is_asked_of_a_vehicle_and_the_limits(cast: Cast, session: Session, kind: FileKind) -> None:
    begins = {"vin": "5TDDZRBH1MS104417", "mileage": 34150, "price": "31990.00"}
    car = {"key": "car", "label": "Which car?", "type": "vehicle", "required": True, "must_have": ["price"]}
    demo = {"key": "demo", "label": "Demo car", "type": "vehicle", "fixed": True, "default": begins}
    dear = {"value": "{{ inputs.car.price }}", "op": "gt", "than": 20000}
    steps = [{"id": "dear", "type": "condition", "name": "Dear?", "config": {"if": dear}}]
    limits = {"cost_usd": "2.00", "minutes": 30, "at_once": 2}
    data = {"schema": 1, "inputs": [{**car, "parts": ["vin", "price"]}, demo], "steps": steps, "limits": limits}
    workflow = factories.workflow(session, cast.alice.workspace_id, name="Cars", definition=data)
    text = exchange.written(workflow, workflows.current_version(session, workflow).definition, kind)
    made = service.bring_in(
        session, text, workspace_id=cast.alice.workspace_id, name="", actor=_actor(cast), source="x.yaml"
    )
    assert workflows.current_version(session, made).definition == schema.dump(Definition.model_validate(data))


def test_secrets_are_left_out_by_their_names_and_values_worked_out_stay() -> None:
    config = {
        "headers": {"Authorization": "Bearer 123", "X-Api-Key": "{{ inputs.key }}", "Accept": "text/plain"},
        "json": [{"client_secret": "abc", "name": "Ann"}],
        "url": "https://api.example/v1?api_key=1&q=a b",
    }
    assert rules.without_secrets(config) == {
        "headers": {"Authorization": "(left out)", "X-Api-Key": "{{ inputs.key }}", "Accept": "text/plain"},
        "json": [{"client_secret": "(left out)", "name": "Ann"}],
        "url": "https://api.example/v1?api_key=%28left+out%29&q=a b",
    }


def test_a_secret_that_a_question_always_answers_is_left_out_and_asked_for(cast: Cast, session: Session) -> None:
    asked = {"key": "agency_token", "label": "Token", "type": "text", "default": "tok-123", "fixed": True}
    data = {**ADS, "inputs": [*ADS["inputs"], asked]}
    for kind in FileKind:
        text = exchange.written(factories.workflow(session, cast.alice.workspace_id, definition=data), data, kind)
        assert "tok-123" not in text
        made = service.bring_in(
            session, text, workspace_id=cast.alice.workspace_id, name="", actor=_actor(cast), source="x.yaml"
        )
        assert ("secret:Token", False) in [(need.key, made.is_enabled) for need in queries.needs(session, made)]


def test_an_import_stays_off_until_everything_was_looked_at(cast: Cast, session: Session) -> None:
    text = exchange.text_of({"name": "Far", "definition": FAR}, FileKind.YAML)
    made = service.bring_in(
        session, text, workspace_id=cast.alice.workspace_id, name="", actor=_actor(cast), source="x.yaml"
    )
    assert [(need.kind, need.what, need.steps) for need in queries.needs(session, made)] == [
        ("person", "ann@agency.example", ("Tell the agency",)),
        ("address", "agency.example", ("Tell the agency",)),
    ]
    assert not made.is_enabled
    with pytest.raises(Conflict, match="2 things"):
        service.switch_on(session, made, actor=_actor(cast))
    service.check_off(session, made, ["person:ann@agency.example"], actor=_actor(cast))
    assert [need.kind for need in queries.needs(session, made)] == ["address"]
    # what the draft no longer has counts no more once it is published: until then runs would do what the file says
    drafts.save_draft(session, made, ADS, base_revision=made.draft_number, actor_id=None)
    assert [need.kind for need in queries.needs(session, made)] == ["address"]
    with pytest.raises(Conflict, match="1 thing"):
        service.switch_on(session, made, actor=_actor(cast))
    service.publish_draft(session, made, revision=made.draft_number, actor=_actor(cast))
    assert queries.needs(session, made) == []
    service.switch_on(session, made, actor=_actor(cast))
    assert made.is_enabled


def _borrowing(workflow: str, picture_id: str, document_id: str) -> str:
    """Return a file that names a workflow and things of the workspace that it came from."""
    steps = [
        {"id": "ads", "type": "generate_copy", "name": "Write ads",
         "config": {"prompt": "Ads", "context": document_id}},
        {"id": "attach", "type": "attach_images", "name": "Attach", "after": ["ads"],
         "config": {"documents": "ads", "image_ids": [picture_id, "{{ inputs.logo }}"]}},
        {"id": "sub", "type": "run_workflow", "name": "Mail them", "after": ["attach"],
         "config": {"workflow": workflow, "inputs": {"picture": picture_id}}},
        {"id": "any", "type": "run_workflow", "name": "Any", "config": {"workflow": "{{ inputs.which }}"}},
    ]  # fmt: skip
    inputs = [
        {"key": "logo", "label": "Logo", "type": "image", "default": picture_id, "fixed": True},
        {"key": "which", "label": "Which?", "type": "text", "default": document_id},
    ]
    definition = {"schema": 1, "inputs": inputs, "steps": steps}
    return exchange.text_of({"name": "Borrowing", "definition": definition}, FileKind.YAML)


def _handed(session: Session, workspace_id: str) -> tuple[str, str]:
    place: dict[str, Any] = {"workspace_id": workspace_id, "run_id": None, "step_run_id": None, "position": 1}
    picture = files.store_image(session, prompt="A car", model="sample", prepared=factories.picture(), **place)
    document = files.create_document(
        session, title="Facts", body="Quiet", fields={}, status="draft", written_by="Alice", test=False, **place
    )
    return picture.id, document.id


def test_an_import_names_workflows_and_files_that_are_not_here(cast: Cast, session: Session) -> None:
    far = _handed(session, cast.charlie.workspace_id)
    factories.workflow(session, cast.charlie.workspace_id, name="Newsletter")
    options: dict[str, Any] = {"workspace_id": cast.alice.workspace_id, "name": "", "actor": _actor(cast)}
    made = service.bring_in(session, _borrowing("Newsletter", *far), source="x.yaml", **options)
    found = queries.needs(session, made)
    assert [(need.key, need.steps) for need in found] == [
        ("workflow:Newsletter", ("Mail them",)),
        ("file:Background", ("Write ads",)),
        ("file:Pictures handed in", ("Attach",)),
        ("file:Its answers", ("Mail them",)),
        ("file:Logo", ("Logo",)),
    ]
    assert not made.is_enabled
    assert service.take_over(session, made, actor=_actor(cast)) == found  # having the file at hand brings none of them
    assert not made.is_enabled

    # the workflow is made here: one thing less; with files of this workspace nothing is left
    asking = {"schema": 1, "inputs": [{"key": "picture", "label": "Picture", "type": "image"}],
              "steps": [{"id": "one", "type": "merge"}]}  # fmt: skip
    factories.workflow(session, cast.alice.workspace_id, name="newsletter", definition=asking)
    assert [need.kind for need in queries.needs(session, made)] == ["file"] * 4
    near = _handed(session, cast.alice.workspace_id)
    mended = exchange.parts(exchange.read(_borrowing("Newsletter", *near)))[1]
    drafts.save_draft(session, made, mended, base_revision=made.draft_number, actor_id=None)
    service.publish_draft(session, made, revision=made.draft_number, actor=_actor(cast))
    assert queries.needs(session, made) == []
    again = service.bring_in(session, _borrowing("Newsletter", *near), source="x.yaml", **options)
    assert (again.is_enabled, again.unchecked) == (True, [])
    by_id = service.bring_in(session, _borrowing(new_id(), *near), source="x.yaml", **options)
    assert [need.key for need in queries.needs(session, by_id)] == ["workflow:Another workflow"]


TWELVE = """
schema: 2
inputs: [{key: offer, type: txt}, {key: offer}]
steps:
  - {id: a, type: generate_copi, config: {}}
  - {id: b, type: generate_copy, config: {prompt: "{{ inputs.ofer }}", count: 99}}
  - {id: c, type: notify, after: [zzz], config: {to: [], subject: Ready}}
  - {id: c, type: merge, after: [a]}
  - {id: d, type: review, after: ["d:approved"], config: {approvers: [ann@agency.example], policy: most}}
limits: {minutes: -1}
"""


def test_twelve_faults_give_twelve_problems_and_nothing_is_kept(cast: Cast, session: Session) -> None:
    with pytest.raises(Invalid) as caught:
        service.bring_in(
            session, TWELVE, workspace_id=cast.alice.workspace_id, name="", actor=_actor(cast), source="x.yaml"
        )
    assert [(problem.path, problem.code) for problem in caught.value.problems] == [
        ("/schema", "bad_value"),
        ("/inputs/0/type", "bad_value"),
        ("/inputs/1/key", "duplicate"),
        ("/steps/0/type", "unknown_type"),
        ("/steps/1/config/count", "out_of_range"),
        ("/steps/1/config/prompt", "unknown_input"),
        ("/steps/2/after/0", "unknown_step"),
        ("/steps/2/config/to", "required"),
        ("/steps/3/id", "duplicate"),
        ("/steps/4/after/0", "cycle"),
        ("/steps/4/config/policy", "bad_value"),
        ("/limits/minutes", "out_of_range"),
    ]
    assert all(problem.message and problem.fix for problem in caught.value.problems)
    assert workflows.workflows(session, cast.alice.workspace_id) == []


def test_odd_characters_of_a_file_are_dropped_from_what_it_says_and_refused_in_what_it_does(
    cast: Cast, session: Session
) -> None:
    data = {"name": "A\x00b", "tags": ["x\x00", 5, "y, z", "x"], "description": "D\u0001", "definition": ADS}
    text = exchange.text_of(data, FileKind.JSON)
    options: dict[str, Any] = {"workspace_id": cast.alice.workspace_id, "name": "", "actor": _actor(cast)}
    made = service.bring_in(session, text, source="x.json", **options)
    assert (made.name, made.tags, made.description) == ("Ab", ["x", "y", "z"], "D")
    broken = copy.deepcopy(ADS)
    broken["steps"][0]["config"]["prompt"] = "\x00"
    with pytest.raises(Invalid) as caught:
        service.bring_in(session, exchange.text_of({"definition": broken}, FileKind.JSON), source="x.json", **options)
    assert [problem.path for problem in caught.value.problems] == ["/steps/0/config/prompt"]
    drafts.save_draft(session, made, {**ADS, "limits": {}}, base_revision=made.draft_number, actor_id=None)
    with pytest.raises(Invalid, match="cannot be stored"):
        service.publish_draft(session, made, revision=made.draft_number, actor=_actor(cast), note="\x00")


# --- pages ---


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_draft_that_cannot_be_read_keeps_its_checklist_and_its_file(cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    text = exchange.text_of({"name": "Far", "definition": FAR}, FileKind.YAML)
    checklist = browser.post("/workflows/import", data={"content": text}).location
    copied = browser.post(checklist.replace("checklist", "copy")).location
    with cast.app.app_context():
        session = db.session()
        for workflow_id in (checklist.split("/")[2], copied.split("/")[2]):
            workflow = session.get_one(Workflow, workflow_id)
            broken = {**FAR, "limits": {"minutes": "an hour"}}
            drafts.save_draft(session, workflow, broken, base_revision=workflow.draft_number, actor_id=None)
        session.commit()
    page = Page(browser.get(checklist).text)
    assert (page.faults, "2 things to look at" in page.text, "once it is published" in page.text) == ([], True, True)
    assert browser.post(checklist.replace("checklist", "activation")).status_code == 409
    file = browser.get(f"{copied}/export").text
    assert "minutes: an hour" in file
    assert "ann:pw" not in file
    # what is ticked of a copy is kept, though there is nothing to switch on before it is published
    needs = ["person:ann@agency.example", "address:agency.example"]
    assert browser.post(f"{copied}/checklist", data={"needs": needs}).location == copied
    assert "can be started once it is published" in Page(browser.get(copied).text).text
    with cast.app.app_context():
        made = db.session.get_one(Workflow, copied.split("/")[2])
        assert (made.is_enabled, made.unchecked) == (True, [])


def _made(cast: Cast) -> str:
    with cast.app.app_context():
        workflow_id = factories.workflow(db.session(), cast.alice.workspace_id, name="Ads & more").id
        db.session.commit()
    return workflow_id


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_pages_of_the_end(cast: Cast) -> None:
    workflow_id, browser = _made(cast), cast.browser(cast.alice)
    with cast.app.app_context():
        factories.queued_run(db.session(), db.session.get_one(Workflow, workflow_id))
        db.session.commit()
    step = {"id": "ads", "type": "run_workflow", "name": "Ads", "config": {"workflow": "ads & MORE"}}
    with cast.app.app_context():
        data = {"schema": 1, "steps": [step]}
        campaign = factories.workflow(db.session(), cast.alice.workspace_id, name="Campaign", definition=data).id
        db.session.commit()
    for part in ("deactivation", "deletion"):
        assert "It is run by “Campaign”: the step that does so will fail." in Page(
            browser.get(f"/workflows/{workflow_id}/{part}").text
        ).text
        page = Page(browser.get(f"/workflows/{workflow_id}/{part}").text)
        assert page.faults == []
        assert "1 run is going." in page.text
        assert "Let them finish" in page.text
        assert browser.post(f"/workflows/{workflow_id}/{part}", data={"open_runs": "burn"}).status_code == 422

    details = {"name": "Ads", "description": "", "category": "", "tags": "", "icon": ""}
    renamed = browser.post(f"/workflows/{workflow_id}/edit/details", data=details)
    assert "“Campaign” runs it by its old name, and still finds it." in Page(browser.get(renamed.location).text).text
    assert "It is run by" in browser.get(f"/workflows/{workflow_id}/deletion").text
    assert '<option value="ads &amp; MORE" selected>Ads</option>' in browser.get(
        f"/workflows/{campaign}/edit/steps/ads"
    ).text
    with cast.app.app_context():
        team = cast.alice.workspace_id
        assert workflows.named(db.session(), team, " ads & MORE ").id == workflow_id
        factories.workflow(db.session(), team, name="Ads & more")  # who has a name now is meant by it
        assert workflows.named(db.session(), team, "Ads & more").id != workflow_id
        with pytest.raises(NotFound):
            workflows.named(db.session(), cast.charlie.workspace_id, "Ads & more")
        db.session.rollback()
    browser.post(f"/workflows/{workflow_id}/edit/details", data={**details, "name": "Ads & more"})

    answer = browser.post(f"/workflows/{workflow_id}/deactivation", data={"open_runs": "pause"})
    assert (answer.status_code, answer.location) == (303, f"/workflows/{workflow_id}")
    assert "It is switched off" in Page(browser.get(answer.location).text).text
    assert browser.post(f"/workflows/{workflow_id}/activation").status_code == 303
    assert browser.delete(f"/workflows/{workflow_id}/activation").status_code == 303
    copied = browser.post(f"/workflows/{workflow_id}/copy")
    page = Page(browser.get(copied.location).text)
    assert (page.faults, "Nothing is published yet" in page.text) == ([], True)
    assert ("Draft Not published yet" in page.text, "1. Write the ads" in page.text) == (True, True)

    gone = browser.post(f"/workflows/{workflow_id}/deletion", data={"open_runs": "stop"})
    assert gone.location == "/workflows/deleted"
    page = Page(browser.get("/workflows/deleted").text)
    assert (page.faults, "Ads & more" in page.text) == ([], True)
    assert browser.get(f"/workflows/{workflow_id}").status_code == 404
    assert browser.post(f"/workflows/{workflow_id}/restoration").status_code == 303
    assert browser.get(f"/workflows/{workflow_id}").status_code == 200
    assert browser.post(f"/workflows/{workflow_id}/restoration").status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_pages_of_files(cast: Cast) -> None:
    workflow_id, browser = _made(cast), cast.browser(cast.alice)
    yaml = browser.get(f"/workflows/{workflow_id}/export")
    assert yaml.headers["Content-Disposition"] == 'attachment; filename="ads-more.yaml"'
    json = browser.get(f"/workflows/{workflow_id}/export?kind=json")
    assert json.json["definition"] == schema.dump(Definition.model_validate(ADS))
    assert f'href="/workflows/{workflow_id}/export?kind=json"' in browser.get(f"/workflows/{workflow_id}").text
    with cast.app.app_context():
        draft_id = drafts.create_draft(
            db.session(), workspace_id=cast.alice.workspace_id, name="Not yet", actor_id=None, definition=ADS
        ).id
        db.session.commit()
    not_yet = browser.get(f"/workflows/{draft_id}/export?kind=json").json["definition"]
    assert not_yet == schema.dump(Definition.model_validate(ADS))
    assert cast.browser(cast.bob).get(f"/workflows/{draft_id}/export").status_code == 404

    page = Page(browser.get("/workflows/import").text)
    assert page.faults == []
    for data in ({}, {"content": "steps: ["}, {"content": TWELVE}, {"file": (io.BytesIO(b"\xff\xfe\xff"), "a.yaml")}):
        wrong = browser.post("/workflows/import", data=data, content_type="multipart/form-data")
        assert (wrong.status_code, Page(wrong.text).faults) == (422, [])
    page = Page(browser.post("/workflows/import", data={"content": TWELVE}).text)
    assert "12 things need to be mended first" in page.text.replace("\xa0", " ")
    assert re.findall(r"Line (\d+): ", page.text) == ["2", "3", "3", "5", "6", "6", "7", "7", "8", "9", "9", "10"]
    assert "At line 1" in browser.post("/workflows/import", data={"content": "steps: ["}).text

    far = exchange.text_of({"name": "Far", "definition": FAR}, FileKind.YAML)
    came = browser.post(
        "/workflows/import", data={"file": (io.BytesIO(far.encode()), "far.yaml")}, content_type="multipart/form-data"
    )
    assert came.location.endswith("/checklist")
    page = Page(browser.get(came.location).text)
    assert (page.faults, "ann@agency.example" in page.text, "2 things to look at" in page.text) == ([], True, True)
    base = came.location.removesuffix("/checklist")
    assert f"{base}/edit/steps/far?fix=c-to#c-to" in [attrs.get("href") for _, attrs in page.tags]
    ticked = {"needs": ["person:ann@agency.example"]}
    assert browser.post(came.location, data=ticked).location == came.location
    assert "1 thing to look at" in Page(browser.get(came.location).text).text
    done = browser.post(came.location, data={"needs": ["address:agency.example"]})
    assert "is switched on" in Page(browser.get(done.location).text).text
    lost = browser.post("/workflows/import", data={"content": _borrowing("Newsletter", new_id(), new_id())})
    page = Page(browser.get(lost.location).text)
    assert (page.faults, "5 things to look at" in page.text.replace("\xa0", " ")) == ([], True)
    assert "A workflow that is not here" in page.text
    base = lost.location.removesuffix("/checklist")
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a" and "?fix=" in attrs.get("href", "")]
    assert links == [
        f"{base}/edit/steps/sub?fix=c-workflow#c-workflow",
        f"{base}/edit/steps/ads?fix=c-context#c-context",
        f"{base}/edit/steps/attach?fix=c-image_ids#c-image_ids",
        f"{base}/edit/steps/sub?fix=c-inputs#c-inputs",
        f"{base}/edit/questions/logo?fix=q-default#q-default",
    ]
    for link in links:
        name = link.rpartition("#")[2]
        ids = [attrs["id"] for _, attrs in Page(browser.get(link).text).tags if attrs.get("id", "").startswith(name)]
        assert ids, link
    plain = browser.post("/workflows/import", data={"content": yaml.text, "name": "Again"})
    assert "“Again” is here, as version 1." in Page(browser.get(plain.location).text).text


GETS = ("deactivation", "deletion", "checklist", "export", "test")
POSTS = ("activation", "deactivation", "deletion", "copy", "checklist", "restoration", "test-runs",
         "draft/steps/ads/sample")  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_may(cast: Cast) -> None:
    workflow_id = _made(cast)
    stranger, lesser = cast.browser(cast.charlie), cast.browser(cast.bob)
    for part in GETS:
        assert stranger.get(f"/workflows/{workflow_id}/{part}").status_code == 404
        assert lesser.get(f"/workflows/{workflow_id}/{part}").status_code == (200 if part == "export" else 403)
    for part in POSTS:
        data = {"open_runs": "finish"}
        assert stranger.post(f"/workflows/{workflow_id}/{part}", data=data).status_code == 404
        assert lesser.post(f"/workflows/{workflow_id}/{part}", data=data).status_code == 403
    for address in ("/workflows/deleted", "/workflows/import"):
        assert lesser.get(address).status_code == 403
    assert lesser.post("/workflows/import", data={"content": "x"}).status_code == 403
    assert cast.browser(None).get(f"/workflows/{workflow_id}/test").status_code == 303
