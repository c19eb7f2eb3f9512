"""From start to end with the real engine, the real steps, the outbox and a real mail server."""

import re
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock, events, outbox
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.outbox import OutboxRow
from app.engine import runner, store, timers
from app.engine.events import WaitStarted
from app.engine.models import Run, RunLog, StepRun, WaitRow
from app.engine.seat import Seat
from app.features.accounts.models import AuditEntry
from app.features.accounts.service import Actor
from app.features.approvals import service
from app.features.approvals.models import Approval, Approver
from app.features.files.models import Document
from app.features.notifications import service as notifications
from app.features.runs import service as runs
from app.features.workflows import service as workflows
from tests.features.approvals.desk import Desk, form_of
from tests.servers import SmtpServer

STEPS = [
    {
        "id": "copy",
        "type": "generate_copy",
        "name": "Write 2 texts",
        "config": {
            "prompt": "An ad for {{ inputs.offer }}",
            "count": 2,
            "max_chars": 125,
            "title_max_chars": 40,
        },
    },
    {
        "id": "check",
        "type": "review",
        "name": "Sales manager decides",
        "after": ["copy"],
        "config": {"documents": "copy", "approvers": ["{{ inputs.approver }}"], "expires_after_hours": 48, "undo_s": 0},
    },
    {
        "id": "yes",
        "type": "notify",
        "name": "Tell sales",
        "after": ["check:approved"],
        "config": {
            "channel": "email",
            "to": ["{{ run.started_by.email }}"],
            "subject": "Ready",
            "body": "Go.",
        },
    },
    {
        "id": "no",
        "type": "notify",
        "name": "Tell why not",
        "after": ["check:rejected"],
        "config": {
            "channel": "email",
            "to": ["{{ run.started_by.email }}"],
            "subject": "Not approved",
            "body": "{{ steps.check.by }}: {{ steps.check.reason }}",
        },
    },
]
INPUTS = [
    {"key": "offer", "label": "Offer", "type": "text", "required": True},
    {"key": "approver", "label": "Approver", "type": "email", "required": True},
]
SAM = "sam@northfield.example"


class Factory:
    """A worker, a clock and a mail relay in this thread."""

    def __init__(self, app: Flask, desk: Desk, smtp_url: str) -> None:
        with app.app_context():
            self.engine = db.engine
        self.desk = desk
        self.line: list[tuple[str, str]] = []
        notifications.configure(app.config["SETTINGS"].replace(smtp_url=smtp_url))

    def start(self, steps: Sequence[dict[str, Any]] = STEPS, name: str = "Ads") -> str:
        with transaction(self.engine) as session:
            workflow = workflows.create(
                session, workspace_id=self.desk.workspace_id, name=name, actor_id=None,
                definition={"schema": 1, "inputs": INPUTS, "steps": list(steps)},
            )  # fmt: skip
            actor = Actor(None, "Alice Reed", "alice@northfield.example")
            inputs = {"offer": "a CR-V", "approver": SAM}
            return runs.start(
                session, workspace_id=self.desk.workspace_id, workflow=workflow, inputs=inputs, actor=actor
            ).id

    def work(self, run_id: str) -> None:
        """Do everything that is due now, mails included."""
        seat = Seat(
            engine=self.engine, reader=self.engine, owner="test:1:a", lease_s=60.0,
            hint_steps=lambda rows: self.line.extend(("step", row_id) for row_id, _ in rows),
            hint_run=lambda run_id: self.line.append(("run", run_id)), hint_outbox=lambda: None,
            is_ending=threading.Event(), is_over=threading.Event(),
        )  # fmt: skip
        self.line.append(("run", run_id))
        for _ in range(200):
            if not self.line:
                timers.tick(
                    self.engine,
                    hint_runs=lambda ids: self.line.extend(("run", one) for one in ids),
                    hint_outbox=lambda ids: self.line.extend(("mail", one) for one in ids),
                    count=1,
                )
            if not self.line:
                return
            kind, row_id = self.line.pop(0)
            if kind == "mail":
                outbox.relay(self.engine, row_id, owner="test:1:a")
            else:
                (runner.advance if kind == "run" else runner.do_step)(seat, row_id)
        raise AssertionError("the run does not come to rest")

    def session(self) -> Session:
        return Session(self.engine)


def test_a_mailed_link_decides_and_the_run_goes_on(app: Flask, desk: Desk, smtp_server: SmtpServer) -> None:
    factory = Factory(app, desk, smtp_server.url)
    run_id = factory.start()
    factory.work(run_id)
    [request] = smtp_server.wait_for(1)
    assert request.recipients == [SAM]
    [path] = re.findall(r"http://localhost(/a/[\w-]{43})\s", request.text())
    assert "“Tell sales” comes next." in request.text()

    client = app.test_client()
    page = client.get(path)
    assert page.status_code == 200
    with factory.session() as session:
        document = session.scalars(sa.select(Document).order_by(Document.position)).first()
        assert document is not None
        assert session.get_one(Run, run_id).status == "waiting"
    form = {**form_of(page.text), f"body-{document.id}": "The manager's words.", "decision": "approved"}
    assert client.post(path + "/decision", data=form).status_code == 303

    factory.work(run_id)
    with factory.session() as session:
        assert session.get_one(Run, run_id).status == "completed"
        steps = {row.step_id: (row.status, row.outcome) for row in session.scalars(sa.select(StepRun))}
        assert steps["check"] == ("completed", "approved")
        assert steps["yes"][0] == "completed"
        assert steps["no"][0] == "skipped"
        documents = list(session.scalars(sa.select(Document).order_by(Document.position)))
        assert [(d.status, d.approved_by) for d in documents] == [("approved", SAM)] * 2
        assert documents[0].body == "The manager's words."
        assert {row.status for row in session.scalars(sa.select(OutboxRow))} == {"sent"}
        [entry] = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "approval.approved"))
        assert entry.detail["via"] == "link"
    ready = smtp_server.wait_for(2)[1]
    assert (ready.recipients, ready.message["Subject"]) == (["alice@northfield.example"], "Ready")
    assert client.get(path).status_code == 410


def test_a_rejection_goes_its_way_with_its_reason(app: Flask, desk: Desk, smtp_server: SmtpServer) -> None:
    factory = Factory(app, desk, smtp_server.url)
    run_id = factory.start()
    factory.work(run_id)
    [path] = re.findall(r"http://localhost(/a/[\w-]{43})\s", smtp_server.wait_for(1)[0].text())
    client = app.test_client()
    form = {**form_of(client.get(path).text), "kind": "Bad timing", "decision": "rejected"}
    assert client.post(path + "/decision", data=form).status_code == 303
    factory.work(run_id)
    told = smtp_server.wait_for(2)[1]
    assert told.message["Subject"] == "Not approved"
    assert f"{SAM}: Bad timing" in told.text()


def test_stopping_the_run_withdraws_the_request(app: Flask, desk: Desk, smtp_server: SmtpServer) -> None:
    factory = Factory(app, desk, smtp_server.url)
    run_id = factory.start()
    factory.work(run_id)
    [path] = re.findall(r"http://localhost(/a/[\w-]{43})\s", smtp_server.wait_for(1)[0].text())
    form = form_of(app.test_client().get(path).text)
    with transaction(factory.engine) as session:
        runs.stop(session, session.get_one(Run, run_id), actor=Actor(None, "Alice Reed"))
    factory.work(run_id)
    for answer in (
        app.test_client().get(path),
        app.test_client().post(path + "/decision", data={**form, "decision": "approved"}),
    ):
        assert answer.status_code == 410
        assert "The run was stopped today" in answer.text
    with factory.session() as session:
        assert session.scalars(sa.select(Approval.status)).one() == "withdrawn"
        assert session.get_one(Run, run_id).status == "stopped"


def test_time_that_runs_out_closes_it_and_the_run_goes_on(
    app: Flask, desk: Desk, smtp_server: SmtpServer
) -> None:
    factory = Factory(app, desk, smtp_server.url)
    run_id = factory.start()
    factory.work(run_id)
    [path] = re.findall(r"http://localhost(/a/[\w-]{43})\s", smtp_server.wait_for(1)[0].text())
    with transaction(factory.engine) as session:
        past = sa.text("'2026-01-01 00:00:00.000000'")
        for statement in (
            "UPDATE wait SET until =",
            "UPDATE approval SET expires_at =",
            "UPDATE run SET due_at =",
        ):
            session.execute(sa.text(f"{statement} {past}"))
    factory.work(run_id)
    page = app.test_client().get(path)
    assert page.status_code == 410
    assert "Nobody answered in time." in page.text
    assert ": Nobody answered in time." in smtp_server.wait_for(2)[1].text()
    with factory.session() as session:
        assert session.scalars(sa.select(Approval.status)).one() == "expired"
        assert {document.status for document in session.scalars(sa.select(Document))} == {"rejected"}


def test_a_mail_that_asks_for_what_is_decided_does_not_leave(
    app: Flask, desk: Desk, smtp_server: SmtpServer
) -> None:
    factory = Factory(app, desk, smtp_server.url)
    names = ("ann", "bob", "eve")
    asked = desk.ask(*(f"{name}@northfield.example" for name in names), policy="all", undo_s=600)

    def decide(name: str) -> Approval:
        with desk.session() as session:
            approval = session.get_one(Approval, asked.approval_id)
            approver = session.scalars(sa.select(Approver).where(Approver.email == f"{name}@northfield.example")).one()
            is_no = name == "bob"
            decision = "rejected" if is_no else "approved"
            return service.decide(session, approval, approver, decision=decision, reason="No" * is_no, by=name)

    def relay(name: str) -> str:
        [mail] = [mail for mail in desk.mails(asked) if mail.recipient.startswith(name)]
        outbox.relay(factory.engine, mail.id, owner="test:1:a")
        with desk.session() as session:
            return session.get_one(outbox.OutboxRow, mail.id).status

    decide("ann")
    assert [relay(name) for name in ("ann", "bob")] == ["withdrawn", "sent"]
    ended = decide("bob")
    assert relay("eve") == "withdrawn"
    with desk.session() as session:
        service.undo(session, session.get_one(Approval, ended.id), by="bob")
    assert [relay(name) for name in names] == ["withdrawn", "sent", "sent"]
    told = [sent.recipients for sent in smtp_server.wait_for(2)]
    assert told == [["bob@northfield.example"], ["eve@northfield.example"]]


def test_a_review_that_is_tried_again_asks_again_and_its_first_mail_does_not_leave(
    app: Flask, desk: Desk, smtp_server: SmtpServer
) -> None:
    factory = Factory(app, desk, smtp_server.url)
    asked = desk.ask(SAM)
    desk.end(asked, "withdrawn")
    with desk.session() as session:
        first = session.get_one(WaitRow, asked.wait_id)
        session.expunge(first)
        session.execute(sa.update(StepRun).where(StepRun.id == asked.step_run_id).values(status="failed"))
        store.begin_again(session, [asked.step_run_id])
        again = WaitRow(
            id=new_id(), workspace_id=first.workspace_id, run_id=first.run_id, step_run_id=asked.step_run_id,
            kind=first.kind, status="waiting", detail=first.detail, created_at=clock.now(),
        )  # fmt: skip
        session.add(again)
        session.flush()
        ids = (again.id, again.workspace_id, again.run_id, again.step_run_id)
        events.publish(session, WaitStarted(*ids, "check", again.kind, again.detail, None, "rejected"))
    old, new = sorted(desk.mails(asked), key=lambda mail: mail.created_at)
    for mail in (old, new):
        outbox.relay(factory.engine, mail.id, owner="test:1:a")
    [request] = smtp_server.wait_for(1)
    assert new.content["text"].split("/a/")[1][:43] in request.text()
    assert {mail.id: mail.status for mail in desk.mails(asked)} == {old.id: "withdrawn", new.id: "sent"}


def test_a_review_of_every_item_and_one_of_a_run_below_say_what_comes_after_a_yes(
    app: Flask, desk: Desk, smtp_server: SmtpServer
) -> None:
    cars = {"id": "cars", "type": "transform", "config": {"set": {"names": ["CR-V", "Civic"]}}}
    asks = {"text": "{{ inputs.offer }}", "approvers": ["{{ inputs.approver }}"]}
    check = {"id": "check", "type": "review", "config": asks}
    each = {**check, "after": ["cars"], "for_each": {"items": "{{ steps.cars.names }}"}}
    tell = {**STEPS[2], "after": ["check"]}
    answers = {"offer": "a CR-V", "approver": SAM}
    sub = {"id": "sub", "type": "run_workflow", "config": {"workflow": "Ads", "inputs": answers}}
    factory = Factory(app, desk, smtp_server.url)
    for steps, name in (([cars, each, tell], "Each"), ([check], "Ads"), ([sub, {**tell, "after": ["sub"]}], "Above")):
        factory.work(factory.start(steps, name))
    with factory.session() as session:
        requests = session.scalars(sa.select(Approval).order_by(Approval.id)).all()
        assert [request.what_next for request in requests] == [
            *["“Tell sales” comes next, when each of the others has its answer, too."] * 2,
            "The run is finished. Nothing more happens by itself.",
            "The run is finished: the run that it belongs to goes on.",
        ]
        for request in (requests[0], requests[3]):
            [person] = session.scalars(sa.select(Approver).where(Approver.approval_id == request.id))
            service.decide(session, request, person, decision="approved", by="Sam")
        assert [requests[0].undo_s, requests[3].undo_s] == [600, 600]


def test_a_request_that_perhaps_did_not_arrive_is_told_to_its_starter(
    app: Flask, desk: Desk, smtp_server: SmtpServer
) -> None:
    smtp_server.answers[SAM] = "451 try later"
    factory = Factory(app, desk, smtp_server.url)
    run_id = factory.start()
    factory.work(run_id)
    with transaction(factory.engine) as session:  # the last of many died while it was handing it over
        past = clock.now() - timedelta(seconds=1)
        dead = {"attempts": outbox.ATTEMPTS, "lease_owner": "dead:1:a", "lease_until": past, "due_at": past}
        row_id = session.scalars(sa.update(OutboxRow).values(**dead).returning(OutboxRow.id)).one()
    outbox.relay(factory.engine, row_id, owner="test:1:a")
    factory.work(run_id)
    [told] = smtp_server.wait_for(1)
    assert told.recipients == ["alice@northfield.example"]
    assert f"may not have reached {SAM}. Our side stopped each time" in told.text()


def test_a_refused_request_is_shown_on_the_run_and_told_to_its_starter(
    app: Flask, desk: Desk, smtp_server: SmtpServer
) -> None:
    smtp_server.answers[SAM] = "550 no such user"
    factory = Factory(app, desk, smtp_server.url)
    run_id = factory.start()
    factory.work(run_id)
    [told] = smtp_server.wait_for(1)
    assert told.recipients == ["alice@northfield.example"]
    assert told.message["Subject"] == "Not delivered: Sales manager decides"
    assert f"could not be mailed to {SAM}. The mail server said 550: no such user" in told.text()
    assert f"http://localhost/runs/{run_id}" in told.text()
    with factory.session() as session:
        [line] = session.scalars(sa.select(RunLog).where(RunLog.event == "approval.mail_refused"))
        assert (line.run_id, line.level) == (run_id, "error")
        assert session.get_one(Run, run_id).status == "waiting"
        assert session.scalars(sa.select(Approval.status)).one() == "open"
    sealed = Fernet(Fernet.generate_key()).encrypt(b"{}").decode()
    with transaction(factory.engine) as session:
        session.execute(sa.text("UPDATE outbox SET content = :sealed"), {"sealed": sealed})  # no key opens it any more
        events.publish(session, outbox.Marked(None, run_id, "parked", SAM))
    factory.work(run_id)
    assert len(smtp_server.messages) == 1
    with transaction(factory.engine) as session:  # of a run that no person started nobody is told
        session.get_one(Run, run_id).facts = {}
        session.execute(sa.delete(outbox.OutboxRow).where(outbox.OutboxRow.dedupe_key.contains("--refused-")))
        events.publish(session, outbox.Marked(None, run_id, "parked", "kim@northfield.example"))
        refused = sa.select(RunLog.event).where(RunLog.event == "approval.mail_refused")
        assert session.scalars(refused).all() == ["approval.mail_refused"]  # said once, whoever else is not reached
