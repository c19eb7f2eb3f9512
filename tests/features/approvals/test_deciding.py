"""Deciding: one winner, edits as new versions, everything in one transaction."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.errors import Conflict, Gone, GreenlightError, Invalid
from app.engine.models import Run
from app.features.accounts.models import AuditEntry
from app.features.approvals import service
from app.features.approvals.enums import Decision
from app.features.approvals.models import Approval, Approver
from app.features.files.models import DocumentRevision
from tests.features.approvals.desk import Asked, Desk


def decide(desk: Desk, asked: Asked, email: str, decision: str, reason: str = "", edits: Any = None) -> None:
    with desk.session() as session:
        approval = session.get_one(Approval, asked.approval_id)
        person = session.scalars(
            sa.select(Approver).where(Approver.approval_id == approval.id, Approver.email == email)
        ).one()
        service.decide(
            session,
            approval,
            person,
            decision=Decision(decision),
            reason=reason,
            edits=edits,
            by=email.partition("@")[0],
        )


SAM, EVA = "sam@northfield.example", "eva@northfield.example"


def test_an_approval_ends_the_wait_and_tells_the_documents(desk: Desk) -> None:
    asked = desk.ask(SAM)
    decide(desk, asked, SAM, "approved")
    approval, wait = desk.approval(asked), desk.wait(asked)
    assert (approval.status, approval.decided_by) == ("approved", "sam")
    assert approval.effective_at == approval.decided_at
    assert (wait.status, wait.outcome) == ("decided", "approved")
    assert wait.output == {"decision": "approved", "reason": "", "by": "sam", "answers": {}}
    assert {(d.status, d.approved_by, d.version) for d in desk.documents(asked)} == {("approved", "sam", 1)}
    with desk.session() as session:
        run = session.get_one(Run, asked.run_id)
        assert run.revision == 1  # woken
        assert run.due_at is not None
        [entry] = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "approval.approved"))
        assert (entry.actor, entry.subject_id) == ("sam", asked.approval_id)
        assert entry.detail == {"email": SAM, "edited": [], "via": "page"}


def test_a_rejection_needs_a_reason(desk: Desk) -> None:
    asked = desk.ask(SAM)
    with pytest.raises(Invalid) as caught:
        decide(desk, asked, SAM, "rejected", "  ")
    assert [problem.path for problem in caught.value.problems] == ["/reason"]
    assert desk.approval(asked).status == "open"
    decide(desk, asked, SAM, "rejected", "Wrong price")
    assert (desk.approval(asked).status, desk.approval(asked).reason) == ("rejected", "Wrong price")
    assert desk.wait(asked).output["reason"] == "Wrong price"
    assert {document.status for document in desk.documents(asked)} == {"rejected"}


def test_an_edit_becomes_a_new_version_and_is_what_was_approved(desk: Desk) -> None:
    asked = desk.ask(SAM)
    first, second, third = asked.document_ids
    edits = {
        first: {"title": "Better", "body": "Shorter.", "version": 1},
        second: {
            "title": desk.documents(asked)[1].title,
            "body": desk.documents(asked)[1].body,
            "version": 1,
        },
        third: {"body": "Only the text."},
    }
    decide(desk, asked, SAM, "approved", edits=edits)
    one, two, three = desk.documents(asked)
    assert (one.title, one.body, one.version, one.written_by, one.status) == (
        "Better",
        "Shorter.",
        2,
        "sam",
        "approved",
    )
    assert (two.version, two.written_by) == (1, "Sample writer")
    assert (three.title, three.body, three.version) == ("Weekend-ready, winter-ready", "Only the text.", 2)
    with desk.session() as session:
        said = session.get_one(DocumentRevision, (first, 1))
        assert said.title == "Your next adventure, sorted"
        [entry] = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "approval.approved"))
        assert entry.detail["edited"] == [first, third]


def test_every_fault_is_told_at_once_and_nothing_is_written(desk: Desk) -> None:
    asked, other = desk.ask(SAM), desk.ask(SAM)
    first, second, _ = asked.document_ids
    edits = {
        first: {"body": "x" * 126}, second: {"body": " ", "title": "y" * 41},
        other.document_ids[0]: {"body": "Not yours"},
    }  # fmt: skip
    with pytest.raises(Invalid) as caught:
        decide(desk, asked, SAM, "rejected", edits=edits)
    assert [(p.path, p.code) for p in caught.value.problems] == [
        ("/reason", "required"),
        (f"/edits/{first}/body", "too_long"),
        (f"/edits/{second}/title", "too_long"),
        (f"/edits/{second}/body", "required"),
        (f"/edits/{other.document_ids[0]}", "unknown"),
    ]
    assert caught.value.problems[1].message == "Text 1 has 126 characters; 125 is the limit."
    assert desk.approval(asked).status == "open"
    assert {document.version for document in desk.documents(asked) + desk.documents(other)} == {1}


def test_the_limit_itself_is_fine_and_counts_characters_not_bytes(desk: Desk) -> None:
    asked = desk.ask(SAM)
    decide(desk, asked, SAM, "approved", edits={asked.document_ids[0]: {"body": "ü🚗" + "é" * 123}})
    assert desk.documents(asked)[0].version == 2


def test_somebody_elses_edit_is_not_overwritten_by_what_one_did_not_touch(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA, policy="all")
    first = asked.document_ids[0]
    old = desk.documents(asked)[0]
    decide(
        desk,
        asked,
        SAM,
        "approved",
        edits={first: {"title": old.title, "body": "Sam's words.", "version": 1}},
    )
    with pytest.raises(Invalid) as caught:
        decide(
            desk,
            asked,
            EVA,
            "approved",
            edits={first: {"title": old.title, "body": "Eva's words.", "version": 1}},
        )
    assert caught.value.problems[0].code == "changed"
    decide(desk, asked, EVA, "approved", edits={first: {"title": old.title, "body": old.body, "version": 1}})
    assert desk.documents(asked)[0].body == "Sam's words."
    assert desk.approval(asked).status == "approved"


def test_with_all_the_last_approval_decides(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA, policy="all")
    decide(desk, asked, SAM, "approved")
    assert desk.approval(asked).status == "open"
    assert desk.wait(asked).status == "waiting"
    with pytest.raises(Conflict, match="You have answered already"):
        decide(desk, asked, SAM, "rejected", "Changed my mind")
    decide(desk, asked, EVA, "approved")
    assert desk.approval(asked).status == "approved"
    assert desk.wait(asked).outcome == "approved"


def test_with_all_one_rejection_ends_it(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA, policy="all")
    decide(desk, asked, SAM, "rejected", "No")
    assert desk.approval(asked).status == "rejected"
    with pytest.raises(Conflict, match=r"sam rejected this today, \d\d:\d\d\."):
        decide(desk, asked, EVA, "approved")


def test_with_any_the_first_answer_counts_and_the_second_hears_who_and_when(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA)
    decide(desk, asked, EVA, "approved")
    with pytest.raises(Conflict, match=r"eva approved this today, \d\d:\d\d\."):
        decide(desk, asked, SAM, "rejected", "No")
    assert desk.people(asked)[SAM].decision is None


@pytest.mark.parametrize(
    ("why", "words"), [("expired", "Nobody answered in time"), ("withdrawn", "The run was stopped")]
)
def test_what_has_ended_cannot_be_decided(desk: Desk, why: str, words: str) -> None:
    asked = desk.ask(SAM)
    desk.end(asked, why)
    with pytest.raises(Gone, match=words):
        decide(desk, asked, SAM, "approved")
    assert desk.wait(asked).status == "waiting"


def test_the_second_before_the_clock_closes_it_is_over_too(desk: Desk) -> None:
    asked = desk.ask(SAM, expires=clock.now() - timedelta(milliseconds=1))
    with pytest.raises(Gone, match="Nobody answered in time"):
        decide(desk, asked, SAM, "approved")


@pytest.mark.parametrize("policy", ["any", "all"])
def test_approve_and_reject_at_once_have_one_winner(desk: Desk, policy: str) -> None:
    """Eight at the same moment, half of them with an edit: one decision, one outcome, and it is the same everywhere."""
    emails = [f"p{number}@northfield.example" for number in range(8)]
    asked = desk.ask(*emails, policy=policy)
    gate, results = threading.Barrier(8), []

    def press(number: int) -> None:
        decision = "approved" if number % 2 and policy == "any" else "rejected"
        gate.wait()
        try:
            decide(
                desk,
                asked,
                emails[number],
                decision,
                "Because",
                {asked.document_ids[0]: {"body": f"By {number}."}},
            )
            results.append((number, decision))
        except GreenlightError as error:
            results.append((number, error.code))

    threads = [threading.Thread(target=press, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 8
    [(winner, decision)] = [result for result in results if result[1] in ("approved", "rejected")]
    assert {code for _, code in results} - {decision} == {"decided"}
    approval, wait, document = desk.approval(asked), desk.wait(asked), desk.documents(asked)[0]
    assert (approval.status, approval.decided_by) == (decision, f"p{winner}")
    assert (wait.status, wait.outcome) == ("decided", decision)
    assert (document.status, document.body, document.version) == (decision, f"By {winner}.", 2)
    with desk.session() as session:
        assert session.scalar(sa.select(sa.func.count()).where(AuditEntry.action.like("approval.%"))) == 1
