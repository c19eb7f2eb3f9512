"""Ten minutes to take a decision back where something leaves the house next: by the link, on the page, on the run."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core import clock
from app.core.errors import Conflict
from app.definition.schema import ForEach
from app.engine.models import Run, StepRun, WaitRow
from app.features.accounts.models import AuditEntry
from app.features.approvals import rules, service
from app.features.approvals.enums import Decision
from app.features.approvals.models import Approval, Approver
from app.features.files.models import Document
from app.features.workflows import queries as workflows
from tests.features.approvals.desk import Asked, Desk, form_of
from tests.page import Page

SAM = "sam@northfield.example"


@pytest.fixture
def asked(desk: Desk) -> Asked:
    """A request whose review says nothing of undoing; a mail leaves after its yes."""
    asked = desk.ask(SAM)
    with desk.session() as session:
        wait = session.get_one(WaitRow, asked.wait_id)
        wait.detail = {key: value for key, value in wait.detail.items() if key != "undo_s"}
    return asked


def press(client: FlaskClient, page: str, url: str, **more: str) -> int:
    """Press a button of *page* that posts to *url*."""
    return client.post(url, data={**form_of(client.get(page).text), **more}).status_code


def waiting(desk: Desk, asked: Asked) -> tuple[str, str, list[str | None], set[str]]:
    with desk.session() as session:
        approval = session.get_one(Approval, asked.approval_id)
        of_it = sa.select(Approver).where(Approver.approval_id == approval.id)
        people = session.scalars(of_it.order_by(Approver.email))
        documents = session.scalars(sa.select(Document.status).where(Document.id.in_(asked.document_ids)))
        wait = session.get_one(WaitRow, asked.wait_id)
        return approval.status, wait.status, [person.decision for person in people], set(documents)


def actions(desk: Desk) -> list[str]:
    with desk.session() as session:
        found = session.scalars(
            sa.select(AuditEntry.action).where(AuditEntry.action.like("approval.%")).order_by(AuditEntry.id)
        )
        return list(found)


def test_the_link_undoes_and_decides_again(desk: Desk, asked: Asked) -> None:
    client = desk.app.test_client()
    assert press(client, asked.path, f"{asked.path}/decision", decision="approved") == 303
    page = client.get(asked.path)
    said = Page(page.text)
    assert (page.status_code, said.faults) == (200, [])
    assert "The next step starts at" in said.text
    assert "After that there is nothing more for you to do." in said.text
    assert waiting(desk, asked) == ("approved", "decided", ["approved"], {"approved"})
    assert press(client, asked.path, f"{asked.path}/undo") == 303
    assert waiting(desk, asked) == ("open", "waiting", [None], {"in_review"})
    again = client.get(f"{asked.path}?undone=1")
    assert "Taken back. Nothing is decided" in again.text
    assert press(client, asked.path, f"{asked.path}/decision", decision="approved") == 303
    assert waiting(desk, asked)[:3] == ("approved", "decided", ["approved"])
    assert actions(desk) == ["approval.approved", "approval.undone", "approval.approved"]


@pytest.mark.parametrize("page", ["link", "account"])
def test_a_page_from_before_it_was_taken_back_decides_nothing_when_it_is_sent_again(
    desk: Desk, asked: Asked, page: str
) -> None:
    client = desk.person(SAM, "approver") if page == "account" else desk.app.test_client()
    path = f"/approvals/{asked.approval_id}" if page == "account" else asked.path
    field = f"body-{asked.document_ids[0]}"
    old = {**form_of(client.get(path).text), "decision": "approved"}
    assert press(client, path, f"{path}/decision", decision="approved") == 303
    assert client.post(f"{path}/decision", data=old).status_code == 409
    assert press(client, path, f"{path}/undo") == 303
    again = client.post(f"{path}/decision", data={**old, field: "My words"})
    assert (again.status_code, Page(again.text).faults) == (409, [])
    assert "it was decided and taken back since you opened this page. Look at it again" in again.text
    assert waiting(desk, asked) == ("open", "waiting", [None], {"in_review"})
    form = form_of(again.text)
    assert form[field] == "My words"
    assert client.post(f"{path}/decision", data={**form, "decision": "approved"}).status_code == 303
    assert waiting(desk, asked)[:3] == ("approved", "decided", ["approved"])


@pytest.mark.parametrize("verb", ["undo", "go-on"])
def test_a_button_of_a_decision_that_was_taken_back_leads_to_the_page_that_says_so(
    desk: Desk, asked: Asked, verb: str
) -> None:
    client, sam = desk.app.test_client(), desk.person(SAM, "approver")
    press(client, asked.path, f"{asked.path}/decision", decision="approved")
    old = form_of(client.get(asked.path).text)
    press(client, asked.path, f"{asked.path}/undo")
    late = client.post(f"{asked.path}/{verb}", data=old)
    assert (late.status_code, late.location) == (303, f"{asked.path}?undone=1")
    token = {"csrf_token": sam.csrf}  # type: ignore[attr-defined]
    inside = sam.post(f"/approvals/{asked.approval_id}/{verb}", data=token)
    assert (inside.status_code, "It was taken back already." in inside.text) == (409, True)


def test_whoever_typed_is_told_of_a_text_that_was_changed_by_a_decision_that_was_taken_back(desk: Desk) -> None:
    asked = desk.ask(SAM, "eva@northfield.example", undo_s=600)
    client, field = desk.app.test_client(), f"body-{asked.document_ids[0]}"
    eva = f"/a/{asked.tokens['eva@northfield.example']}"
    old = {**form_of(client.get(eva).text), field: "Eva’s words", "decision": "approved"}
    press(client, asked.path, f"{asked.path}/decision", decision="approved", **{field: "Sam’s words"})
    assert press(client, asked.path, f"{asked.path}/undo") == 303
    for _ in range(2):
        again = client.post(f"{eva}/decision", data=old)
        assert (again.status_code, "Text 1 was changed by somebody else" in again.text) == (422, True)
    assert form_of(again.text)[field] == "Eva’s words"
    assert client.post(f"{eva}/decision", data={**form_of(again.text), "decision": "approved"}).status_code == 303


def test_go_on_now_ends_the_ten_minutes(desk: Desk, asked: Asked) -> None:
    client = desk.app.test_client()
    press(client, asked.path, f"{asked.path}/decision", decision="approved")
    form = form_of(client.get(asked.path).text)
    assert client.post(f"{asked.path}/go-on", data=form).status_code == 303
    with desk.session() as session:
        assert session.get_one(StepRun, asked.step_run_id).status == "completed"
    late = client.post(f"{asked.path}/undo", data=form)
    assert (late.status_code, "Too late to undo: the next step has begun." in late.text) == (409, True)
    assert client.post(f"{asked.path}/go-on", data=form).status_code == 409
    assert client.get(asked.path).status_code == 410
    assert actions(desk) == ["approval.approved", "approval.went_on"]


def test_a_link_needs_its_own_form(desk: Desk, asked: Asked) -> None:
    client = desk.app.test_client()
    press(client, asked.path, f"{asked.path}/decision", decision="approved")
    assert client.post(f"{asked.path}/undo").status_code == 400
    assert client.post(f"/a/{'x' * 43}/undo").status_code == 404
    assert waiting(desk, asked)[0] == "approved"


def test_the_page_undoes_for_those_who_were_asked(desk: Desk, asked: Asked) -> None:
    sam, kim, charlie = desk.person(SAM, "approver"), desk.person("kim@northfield.example", "owner"), desk.stranger()
    path = f"/approvals/{asked.approval_id}"
    assert press(sam, path, f"{path}/decision", decision="approved") == 303
    shown = Page(sam.get(path).text)
    assert (shown.faults, "Undo" in shown.text, "Go on now" in shown.text) == ([], True, True)
    assert "Go on now" not in Page(kim.get(path).text).text
    line = f"/approvals/of/{asked.wait_id}/decision"
    assert "You approved this" in Page(sam.get(line).text).text
    assert [client.get(line).status_code for client in (kim, charlie)] == [200, 404]
    for verb in ("undo", "go-on"):
        token = {"csrf_token": kim.csrf}  # type: ignore[attr-defined]
        assert kim.post(f"{path}/{verb}", data=token).status_code == 403
        token = {"csrf_token": charlie.csrf}  # type: ignore[attr-defined]
        assert charlie.post(f"{path}/{verb}", data=token).status_code == 404
    token = {"csrf_token": sam.csrf}  # type: ignore[attr-defined]
    assert sam.post(f"{path}/undo", data=token).status_code == 303
    assert "Taken back. Nothing is decided, and nothing has begun." in Page(sam.get(path).text).text
    late = sam.post(f"{path}/undo", data=token)
    assert (late.status_code, "It was taken back already." in late.text) == (409, True)
    assert sam.get(line).text.count("form") == 0


def test_the_run_says_when_the_next_step_starts(desk: Desk, asked: Asked) -> None:
    sam = desk.person(SAM, "approver")
    path = f"/approvals/{asked.approval_id}"
    press(sam, path, f"{path}/decision", decision="approved")
    with desk.session() as session:
        session.get_one(Run, asked.run_id).status = "waiting"
    page = sam.get(f"/runs/{asked.run_id}").text
    assert f'hx-get="/approvals/of/{asked.wait_id}/decision"' in page
    assert "Decided. The next step starts" in page
    line = Page(sam.get(f"/approvals/of/{asked.wait_id}/decision").text)
    (go_on,) = (form["action"] for form in line.attributes("form") if "go-on" in str(form["action"]))
    answer = sam.post(str(go_on), data={"csrf_token": sam.csrf})  # type: ignore[attr-defined]
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{asked.run_id}")


def test_only_the_last_answer_is_taken_back(desk: Desk) -> None:
    asked = desk.ask(SAM, "kim@northfield.example", policy="all", undo_s=60)
    with desk.session() as session:
        approval = session.get_one(Approval, asked.approval_id)
        for person in session.scalars(sa.select(Approver).order_by(Approver.email)).all():
            service.decide(session, approval, person, decision=Decision.APPROVED, by=person.email)
    assert waiting(desk, asked)[2] == ["approved", "approved"]
    with desk.session() as session:
        service.undo(session, session.get_one(Approval, asked.approval_id), by="Sam")
    assert waiting(desk, asked) == ("open", "waiting", ["approved", None], {"in_review"})


def test_programs_decide_without_delay(desk: Desk, asked: Asked) -> None:
    with desk.session() as session:
        approval, person = session.get_one(Approval, asked.approval_id), session.scalars(sa.select(Approver)).one()
        service.decide(session, approval, person, decision=Decision.APPROVED, by="Sam", undo_s=0)
        with pytest.raises(Conflict, match="the next step has begun"):
            service.undo(session, approval, by="Sam")


def test_a_time_that_is_over_cannot_be_undone(desk: Desk, asked: Asked) -> None:
    with desk.session() as session:
        approval, person = session.get_one(Approval, asked.approval_id), session.scalars(sa.select(Approver)).one()
        service.decide(session, approval, person, decision=Decision.APPROVED, by="Sam")
        session.get_one(WaitRow, asked.wait_id).until = clock.now() - timedelta(seconds=1)
        session.flush()
        with pytest.raises(Conflict, match="the time to answer is over"):
            service.undo(session, approval, by="Sam")


@pytest.mark.parametrize(
    ("outcome", "leads"), [("approved", True), ("rejected", False), ("expired", False)]
)
def test_undo_time_is_where_something_leaves_before_the_next_review(desk: Desk, outcome: str, leads: bool) -> None:
    asked = desk.ask(SAM)
    with desk.session() as session:
        definition = workflows.load_definition(session, session.get_one(Run, asked.run_id).version_id)
        first = definition.step("check")
        second = first.model_copy(update={"id": "again", "after": ["check:rejected"]})
        tell = definition.step("tell").model_copy(update={"id": "tell_again", "after": ["again:approved"]})
        longer = definition.model_copy(update={"steps": [*definition.steps, second, tell]})
    assert rules.leads_to_sending(longer, "check", outcome) is leads
    assert rules.leads_to_sending(longer, "again", "approved") is True


@pytest.mark.parametrize("outcome", ["approved", "rejected"])
def test_undo_time_is_where_something_leaves_after_a_review_of_every_item(desk: Desk, outcome: str) -> None:
    asked = desk.ask(SAM)
    with desk.session() as session:
        definition = workflows.load_definition(session, session.get_one(Run, asked.run_id).version_id)
    each = definition.step("check").model_copy(update={"after": [], "for_each": ForEach(items="{{ inputs.cars }}")})
    tell = definition.step("tell").model_copy(update={"after": ["check"]})
    of_items = definition.model_copy(update={"steps": [each, tell]})
    assert rules.leads_to_sending(of_items, "check", outcome) is True
    again = each.model_copy(update={"id": "again", "after": ["check"]})
    both = definition.model_copy(update={"steps": [each, again, tell]})
    assert rules.leads_to_end(definition.model_copy(update={"steps": [each, again]}), "check", outcome) is False
    assert rules.leads_to_end(both, "check", outcome) is True


def test_undo_time_counts_a_workflow_that_is_run_and_the_one_that_goes_on(desk: Desk) -> None:
    asked = desk.ask(SAM)
    with desk.session() as session:
        sending = workflows.load_definition(session, session.get_one(Run, asked.run_id).version_id)
    check, tell = sending.step("check"), sending.step("tell")
    plain = sending.model_copy(update={"steps": [tell.model_copy(update={"type": "merge", "after": []})]})
    mails = sending.model_copy(update={"steps": [tell.model_copy(update={"after": []})]})
    runs = tell.model_copy(update={"type": "run_workflow", "config": {"workflow": "Other"}})
    above = sending.model_copy(update={"steps": [check.model_copy(update={"after": []}), runs]})
    for part, sends in ((plain, False), (mails, True), (None, True), (above, False)):
        assert rules.leads_to_sending(above, "check", "approved", lambda _step, part=part: part) is sends
    alone = sending.model_copy(update={"steps": [check.model_copy(update={"after": []})]})
    twice = check.model_copy(update={"id": "again", "after": ["check:approved"]})
    assert rules.leads_to_end(alone, "check", "approved") is True
    assert rules.leads_to_end(alone.model_copy(update={"steps": [*alone.steps, twice]}), "check", "approved") is False


def test_a_request_of_a_run_within_another_looks_at_what_that_one_does_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = desk.ask(SAM), desk.ask(SAM, undo_s=None)
    with desk.session() as session:
        above, run = session.get_one(Run, outer.run_id), session.get_one(Run, inner.run_id)
        run.parent_step_run_id, run.parent_run_id = session.get_one(WaitRow, outer.wait_id).step_run_id, above.id
        session.flush()
        known = workflows.load_definition(session, above.version_id)
        tell = known.step("tell").model_copy(update={"after": ["check"]})
        other = known.step("check").model_copy(update={"after": []}), tell.model_copy(update={"type": "run_workflow"})
        made = {above.version_id: [known.step("check"), tell], run.version_id: list(other)}
        definitions = {key: known.model_copy(update={"steps": steps}) for key, steps in made.items()}
        monkeypatch.setattr(workflows, "load_definition", lambda _session, version_id: definitions[version_id])
        approval = session.get_one(Approval, inner.approval_id)
        person = session.scalars(sa.select(Approver).where(Approver.approval_id == approval.id)).one()
        service.decide(session, approval, person, decision=Decision.REJECTED, reason="No", by="Sam")
        assert approval.undo_s == rules.UNDO_S
        assert service._part_of(session, run.workspace_id, tell) is None
