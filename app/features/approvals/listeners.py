"""What approvals do when a step begins to wait for a person, and when such a wait ends by itself."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from app.core import clock, events, outbox
from app.core.db import table
from app.core.ids import new_id, new_token, token_hash
from app.engine import control
from app.engine.events import WaitEnded, WaitStarted
from app.engine.models import Run, RunLog, WaitRow
from app.features.accounts import queries as accounts
from app.features.approvals import mail, queries, rules, service, words
from app.features.approvals.enums import ApprovalStatus
from app.features.approvals.models import Approval, Approver
from app.features.files import service as files
from app.features.files.enums import DocumentStatus
from app.features.notifications import service as notifications
from app.features.workflows import queries as workflows

KIND = "approval"
_GIVEN_UP = ("parked", "unsure")  # a message that is not tried any more and did not arrive, as far as we know
_base_url = ""


def configure(*, base_url: str) -> None:
    """Set the address that the links in mails begin with."""
    global _base_url
    _base_url = base_url


def register() -> None:
    """Listen to the engine; twice is once."""
    events.listen(WaitStarted, wait_started)
    events.listen(WaitEnded, wait_ended)
    events.listen(outbox.Marked, mail_marked)
    outbox.call_off(asks_in_vain)


def wait_started(session: Session, event: WaitStarted) -> None:
    """Write the request, one approver an address and one mail each, in the transaction that parks the step."""
    if event.kind != KIND:
        return
    approval = _request(session, event)
    files.set_status(session, approval.document_ids, DocumentStatus.IN_REVIEW, by="")
    if control.is_test(session, event.run_id):
        _ask(session, approval, event.detail["approvers"])  # on the page alone
        return
    tokens = {person.email: token for person, token in _ask(session, approval, event.detail["approvers"])}
    review = queries.review(session, approval)
    pictures = mail.pictures(session, review)
    for person in review.people:
        content = mail.request(review, person, link=f"{_base_url}/a/{tokens[person.email]}", pictures=pictures)
        outbox.post(
            session,
            channel="email",
            recipient=person.email,
            subject=content["subject"],
            content=dict(content),
            dedupe_key=f"{event.wait_id}--{person.email}-0",  # a step that is tried again asks again
            workspace_id=event.workspace_id,
            run_id=event.run_id,
            step_run_id=event.step_run_id,
        )


def wait_ended(session: Session, event: WaitEnded) -> None:
    """Close the request everywhere: its time ran out, or the run was stopped."""
    if event.kind != KIND:
        return
    if event.why == "expired":
        service.expire(session, event.wait_id, event.outcome)
    else:
        service.withdraw(session, event.wait_id)


def asks_in_vain(message: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a mail asks for a decision that this person cannot make any more."""
    wait, approval, approver = table(WaitRow), table(Approval), table(Approver)
    is_request = sa.exists().where(wait.c.step_run_id == message.c.step_run_id, wait.c.kind == KIND)
    is_asked = sa.exists().where(
        wait.c.step_run_id == message.c.step_run_id,
        approval.c.wait_id == wait.c.id,
        approval.c.status == ApprovalStatus.OPEN.value,
        approval.c.requested_at <= message.c.created_at,
        approver.c.approval_id == approval.c.id,
        approver.c.email == message.c.recipient,
        approver.c.decision.is_(None),
    )
    return sa.and_(is_request, sa.not_(is_asked))


def mail_marked(session: Session, event: outbox.Marked) -> None:
    """Tell the run, and who started it, about a request whose mail did not arrive, or perhaps not. May run twice."""
    if event.status not in _GIVEN_UP:
        return
    run = session.get_one(Run, event.run_id)
    for row, approval in session.execute(_given_up(run.id, event.recipient)):
        _tell_starter(session, run, approval, row)


def _given_up(run_id: str, recipient: str) -> sa.Select[outbox.OutboxRow, Approval]:
    """Select the mails of a run that are not tried any more and ask somebody for a decision which is still open."""
    return (
        sa.select(outbox.OutboxRow, Approval)
        .join(WaitRow, WaitRow.step_run_id == outbox.OutboxRow.step_run_id)
        .join(Approval, Approval.wait_id == WaitRow.id)
        .join(Approver, sa.and_(Approver.approval_id == Approval.id, Approver.email == outbox.OutboxRow.recipient))
        .where(
            outbox.OutboxRow.run_id == run_id,
            outbox.OutboxRow.recipient == recipient,
            outbox.OutboxRow.status.in_(_GIVEN_UP),
            Approval.status == ApprovalStatus.OPEN.value,
        )
        .options(defer(outbox.OutboxRow.content))  # pictures, and perhaps no key opens it any more
    )


def _tell_starter(session: Session, run: Run, approval: Approval, row: outbox.OutboxRow) -> None:
    told = f"{row.step_run_id}--refused-{row.recipient}"
    if session.scalar(sa.select(outbox.OutboxRow.id).where(outbox.OutboxRow.dedupe_key == told)):
        return
    how = "could not be mailed to" if row.status == "parked" else "may not have reached"
    said = f"The request “{approval.title}” {how} {row.recipient}. {row.error}"
    session.add(
        RunLog(
            id=new_id(),
            workspace_id=run.workspace_id,
            run_id=run.id,
            level="error",
            event="approval.mail_refused",
            message=said,
            at=clock.now(),
        )
    )
    starter = str((run.facts.get("started_by") or {}).get("email") or "")
    if not starter or starter == row.recipient:
        return
    body = f"{said}\n\nThe run waits for an answer. Pass the link on yourself, or stop the run and name somebody else."
    subject = f"Not delivered: {approval.title}"
    outbox.post(
        session,
        channel="email",
        recipient=starter,
        subject=subject,
        content=notifications.notice(subject, body, ("See the run", f"/runs/{run.id}")),
        dedupe_key=told,
        workspace_id=run.workspace_id,
        run_id=run.id,
    )


def _request(session: Session, event: WaitStarted) -> Approval:
    detail = event.detail
    policy = detail.get("policy")
    approval = Approval(
        id=new_id(),
        workspace_id=event.workspace_id,
        run_id=event.run_id,
        wait_id=event.wait_id,
        title=str(detail.get("title") or "A text to approve")[:300],
        text=str(detail.get("text") or ""),
        document_ids=[str(document_id) for document_id in detail.get("documents") or ()],
        policy="all" if policy == "all" else "any",
        what_next=_what_next(session, event),
        requested_at=clock.now(),
        expires_at=event.until,
        on_expiry=str(detail.get("on_expiry") or "reject"),
    )
    session.add(approval)
    session.flush()
    return approval


def _ask(session: Session, approval: Approval, addresses: list[Any]) -> list[tuple[Approver, str]]:
    """Add one approver an address; the token is known here only, and in the (encrypted) mail."""
    asked = []
    for address in dict.fromkeys(str(address).strip().lower() for address in addresses):
        member = accounts.member_by_email(session, approval.workspace_id, address)
        token = new_token()
        person = Approver(
            id=new_id(),
            workspace_id=approval.workspace_id,
            approval_id=approval.id,
            email=address,
            name=member.name if member else "",
            token_hash=token_hash(token),
        )
        session.add(person)
        asked.append((person, token))
    session.flush()
    return asked


def _what_next(session: Session, event: WaitStarted) -> str:
    """Say which steps follow an approval."""
    run = session.get_one(Run, event.run_id)
    definition = workflows.load_definition(session, run.version_id)
    following = map(definition.step, rules.next_steps(definition, event.step_id, "approved"))
    return words.after_yes(
        [step.name or step.id for step in following],
        is_of_items=definition.step(event.step_id).for_each is not None,
        is_part=run.parent_step_run_id is not None,
    )
