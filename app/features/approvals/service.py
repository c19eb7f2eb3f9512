"""Writes of approvals: asking, deciding, ending. A request ends once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock, outbox
from app.core.errors import Conflict, FieldError, Gone, GreenlightError, Invalid
from app.definition.schema import Definition, Step
from app.engine import control
from app.engine.models import Run, StepRun, WaitRow
from app.features.accounts import service as accounts
from app.features.accounts.models import Workspace
from app.features.approvals import queries, rules, words
from app.features.approvals.enums import ApprovalStatus, Decision
from app.features.approvals.models import Approval, Approver
from app.features.approvals.queries import Item
from app.features.files import service as files
from app.features.files.enums import DocumentStatus
from app.features.files.models import Document
from app.features.workflows import queries as workflows

REASON_LENGTH = 2000
TITLE_LENGTH = 300
BODY_LENGTH = 20_000
TAKEN_BACK = "taken_back"  # the code of an answer from a page that is older than a decision that was taken back


@dataclass(frozen=True, slots=True)
class Edit:
    """A text as a person changed it; None: as it was. *version* is the one the person saw; None: the newest."""

    title: str | None = None
    body: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to a request."""

    decision: Decision
    reason: str = ""
    edits: Mapping[str, Edit] = field(default_factory=dict)


def decide(
    session: Session,
    approval: Approval,
    approver: Approver,
    *,
    decision: Decision,
    reason: str = "",
    edits: Mapping[str, Mapping[str, Any]] | None = None,
    seen_at: datetime | None = None,
    by: str,
    by_id: str | None = None,
    via: str = "page",
    undo_s: int | None = None,
) -> Approval:
    """Record one person's answer; the caller commits, then hints the run.

    *edits* by document id, ``{title?, body?, version?}``, become new versions. *by* is the name shown, *by_id* the
    user, *via* where it was said, for the audit. Where everybody must approve, the request stays open until the last
    has; one rejection ends it. *seen_at* is when its page was made: what was decided and taken back since is to be seen
    before it is decided again, by a person and not by a page that is loaded again. It takes effect *undo_s* seconds
    later, and until then :func:`undo` takes it back; None: as the review step says, else ten minutes where something
    leaves the house next.

    Raises Invalid for an answer that cannot be (a rejection without a reason, a text too long), Conflict when it is
    decided already, or was since it was seen, Gone when it expired or was withdrawn. Two at once: one wins.
    """
    answer = Answer(Decision(decision), reason.strip(), {i: Edit(**dict(e)) for i, e in (edits or {}).items()})
    _lock(session, approval)
    session.refresh(approver)
    moment = clock.now()
    _check_open(session, approval, approver, moment)
    changed = _check(session, approval, answer)
    if seen_at and queries.is_taken_back_since(session, approval, seen_at):
        said = "Nothing is decided yet: it was decided and taken back since you opened this page."
        raise Conflict(f"{said} Look at it again, then press the button once more.", code=TAKEN_BACK)
    _save_edits(session, changed, answer.edits, by)
    _record(session, approver, answer, moment)
    _audit(
        session, approval, f"approval.{answer.decision.value}", by, by_id, email=approver.email,
        edited=[item.id for item in changed], via=via,
    )  # fmt: skip
    if _is_final(session, approval, answer.decision):
        _end(session, approval, answer, by, moment, _undo_s(session, approval, answer) if undo_s is None else undo_s)
    return approval


def undo(session: Session, approval: Approval, *, by: str, by_id: str | None = None, via: str = "page") -> None:
    """Take back the decision that ended a request: it is open again, other people's answers stay.

    Whom it was not mailed to, since it was decided, it is mailed to now. Texts that were changed with the decision stay
    changed. The caller commits, then hints the run. Raises Conflict when the decision has taken effect, was taken back
    already, or the time to answer is over.
    """
    _lock(session, approval)
    if not may_undo(approval, clock.now()) or not control.undo(session, approval.wait_id):
        raise Conflict(_too_late(approval), code="too_late")
    session.execute(
        sa.update(Approver)
        .where(Approver.approval_id == approval.id, Approver.decided_at == approval.decided_at)
        .values(decision=None, reason="", decided_at=None)
    )
    approval.status = ApprovalStatus.OPEN.value
    approval.decided_at = approval.effective_at = None
    approval.decided_by = approval.reason = ""
    approval.undo_s = 0
    files.set_status(session, approval.document_ids, DocumentStatus.IN_REVIEW, by="")
    outbox.bring_back(session, approval.run_id, session.get_one(WaitRow, approval.wait_id).step_run_id)
    _audit(session, approval, "approval.undone", by, by_id, via=via)
    session.flush()


def go_on(session: Session, approval: Approval, *, by: str, by_id: str | None = None, via: str = "page") -> None:
    """Let a decision take effect now. The caller commits, then hints the run. Raises Conflict when it has already."""
    _lock(session, approval)
    if not may_undo(approval, clock.now()) or not control.go_on(session, approval.wait_id):
        is_open = approval.status == ApprovalStatus.OPEN
        raise Conflict(_too_late(approval) if is_open else "The next step has begun already.", code="too_late")
    approval.effective_at = clock.now()
    _audit(session, approval, "approval.went_on", by, by_id, via=via)
    session.flush()


def may_undo(approval: Approval, moment: datetime) -> bool:
    """Tell whether a request's decision can still be taken back: nothing after it has begun."""
    is_decided = approval.status in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED)
    return is_decided and approval.effective_at is not None and approval.effective_at > moment


def withdraw(session: Session, wait_id: str) -> None:
    """Close the request of a wait that nobody needs decided any more; its documents are drafts again."""
    approval = _close(session, wait_id, ApprovalStatus.WITHDRAWN)
    if approval is not None:
        files.set_status(session, approval.document_ids, DocumentStatus.DRAFT, by="")


def expire(session: Session, wait_id: str, outcome: str) -> None:
    """Close the request of a wait whose time ran out; *outcome* is what the step left by."""
    approval = _close(session, wait_id, ApprovalStatus.EXPIRED)
    if approval is None:
        return
    status = {"approved": DocumentStatus.APPROVED, "rejected": DocumentStatus.REJECTED}.get(outcome)
    files.set_status(session, approval.document_ids, status or DocumentStatus.DRAFT, by="nobody, the time ran out")


def said(session: Session, approval: Approval) -> str:
    """Say what became of a request, by whom and when, in one sentence, in the workspace's zone."""
    zone = session.get_one(Workspace, approval.workspace_id).timezone
    moment = words.when(approval.decided_at or clock.now(), zone, clock.now())
    return words.outcome(approval.status, by=approval.decided_by or "Somebody", moment=moment)


def _lock(session: Session, approval: Approval) -> None:
    """Lock in one order, the engine's: the wait first, so that an expiry or another answer stands in line here."""
    session.execute(sa.select(WaitRow.id).where(WaitRow.id == approval.wait_id).with_for_update())
    session.refresh(approval)


def _audit(session: Session, approval: Approval, action: str, by: str, by_id: str | None, **detail: Any) -> None:
    accounts.audit(
        session, workspace_id=approval.workspace_id, actor=by, actor_id=by_id, action=action,
        subject_kind="approval", subject_id=approval.id, **detail,
    )  # fmt: skip


def _too_late(approval: Approval) -> str:
    if approval.status == ApprovalStatus.OPEN:
        return "It was taken back already. Nothing is decided."
    if approval.effective_at is not None and approval.effective_at > clock.now():
        return "Too late to undo: the run was stopped, or the time to answer is over."
    return "Too late to undo: the next step has begun."


def _undo_s(session: Session, approval: Approval, answer: Answer) -> int:
    wait = session.get_one(WaitRow, approval.wait_id)
    chosen = wait.detail.get("undo_s")
    if chosen is not None:
        return int(chosen)
    return rules.UNDO_S if _leads_to_sending(session, wait.step_run_id, answer.decision.value) else 0


def _leads_to_sending(session: Session, step_run_id: str, outcome: str) -> bool:
    """Tell whether something can leave the house next: in this run, one that it runs, or one that goes on after it."""
    step = session.get_one(StepRun, step_run_id)
    run = session.get_one(Run, step.run_id)
    definition = workflows.load_definition(session, run.version_id)
    if rules.leads_to_sending(definition, step.step_id, outcome, partial(_part_of, session, run.workspace_id)):
        return True
    return (
        run.parent_step_run_id is not None
        and rules.leads_to_end(definition, step.step_id, outcome)
        and _leads_to_sending(session, run.parent_step_run_id, "done")
    )


def _part_of(session: Session, workspace_id: str, step: Step) -> Definition | None:
    """Return what a step that runs another workflow would run; None where only its run can tell."""
    try:
        workflow = workflows.named(session, workspace_id, str(step.config.get("workflow", "")))
        return workflows.load_definition(session, workflows.current_version(session, workflow).id)
    except GreenlightError:
        return None


def _check_open(session: Session, approval: Approval, approver: Approver, moment: datetime) -> None:
    if approval.status in (ApprovalStatus.EXPIRED, ApprovalStatus.WITHDRAWN):
        raise Gone(said(session, approval), code=approval.status)
    if approval.status != ApprovalStatus.OPEN:
        raise Conflict(said(session, approval), code="decided")
    if has_run_out(approval, moment):
        raise Gone("Nobody answered in time, so the request has ended.", code="expired")
    if approver.decision is not None:
        raise Conflict("You have answered already; others have not.", code="answered")


def has_run_out(approval: Approval, moment: datetime) -> bool:
    """Tell whether a request's time is over, also in the second before the clock closes it."""
    return approval.expires_at is not None and approval.on_expiry != "keep" and approval.expires_at <= moment


def _check(session: Session, approval: Approval, answer: Answer) -> list[Item]:
    """Return the items that the answer really changes; raise Invalid with every fault at once."""
    items = {item.id: item for item in queries.items(session, approval.workspace_id, approval.document_ids)}
    problems = check_reason(answer)
    changed = []
    for document_id, edit in answer.edits.items():
        item = items.get(document_id)
        if item is None:
            message = "This text is not part of the request."
            problems.append(_fault(document_id, "", "unknown", message, "Leave it out."))
            continue
        if not is_change(session, item, edit):
            continue
        if edit.version not in (None, item.version):
            message = f"Text {item.number} was changed by somebody else while you looked at it."
            problems.append(_fault(item.id, "body", "changed", message, "Read yours again, then decide."))
        problems += check_edit(item, edit)
        changed.append(item)
    if problems:
        count = "one thing needs" if len(problems) == 1 else f"{len(problems)} things need"
        raise Invalid(f"Nothing is decided yet: {count} another look.", problems)
    return changed


def is_change(session: Session, item: Item, edit: Edit) -> bool:
    """Tell whether somebody typed something: the text differs from the one that was seen."""
    seen: tuple[str, str] | None = (item.title, item.body)
    if edit.version not in (None, item.version):
        seen = queries.text_at(session, item.id, edit.version or 0)
    title, body = seen or ("", "")
    return (title if edit.title is None else edit.title, body if edit.body is None else edit.body) != (title, body)


def typed(session: Session, approval: Approval, edits: Mapping[str, Mapping[str, Any]]) -> list[Item]:
    """Return the texts that somebody changed on their page as they typed them, without a headline that is as it was."""
    items = queries.items(session, approval.workspace_id, approval.document_ids) if edits else ()
    changes = ((item, Edit(**edits[item.id])) for item in items if item.id in edits)
    return [
        replace(item, title="" if edit.title in (None, item.title) else edit.title, body=edit.body or "")
        for item, edit in changes
        if is_change(session, item, edit)
    ]


def check_reason(answer: Answer) -> list[FieldError]:
    """Return what is wrong with the reason: a rejection needs one."""
    if answer.decision is Decision.REJECTED and not answer.reason:
        message = "Say why, so that the others know what to change."
        return [FieldError("/reason", "required", message, "Choose or write a reason.")]
    if len(answer.reason) > REASON_LENGTH or "\x00" in answer.reason:
        message = f"The reason is longer than {REASON_LENGTH:,} characters or is not text."
        return [FieldError("/reason", "too_long", message, "Shorten it.")]
    return []


def check_edit(item: Item, edit: Edit) -> list[FieldError]:
    """Return what is wrong with a changed text: empty, or longer than its place allows."""
    problems = []
    for part, value, limit in (
        ("title", edit.title, item.title_max_chars or TITLE_LENGTH),
        ("body", edit.body, item.max_chars or BODY_LENGTH),
    ):
        what = f"Text {item.number}, headline," if part == "title" else f"Text {item.number}"
        if value is None:
            continue
        if not value.strip() and (part == "body" or item.title):
            problems.append(_fault(item.id, part, "required", f"{what} is empty.", "Write something."))
        elif len(value) > limit:
            message = f"{what} has {len(value):,} characters; {limit:,} is the limit."
            problems.append(_fault(item.id, part, "too_long", message, f"Take out {len(value) - limit:,}."))
        elif "\x00" in value:
            message = f"{what} has a character that is not text."
            problems.append(_fault(item.id, part, "not_text", message, "Type it again."))
    return problems


def _fault(document_id: str, part: str, code: str, message: str, fix: str) -> FieldError:
    return FieldError(f"/edits/{document_id}/{part}".rstrip("/"), code, message, fix)


def _save_edits(session: Session, changed: Sequence[Item], edits: Mapping[str, Edit], by: str) -> None:
    for item in changed:
        edit = edits[item.id]
        document = session.get_one(Document, item.id)
        title = item.title if edit.title is None else edit.title
        body = item.body if edit.body is None else edit.body
        files.edit_document(session, document, title=title, body=body, written_by=by)


def _record(session: Session, approver: Approver, answer: Answer, moment: datetime) -> None:
    told = session.execute(
        sa.update(Approver)
        .where(Approver.id == approver.id, Approver.decision.is_(None))
        .values(decision=answer.decision.value, reason=answer.reason, decided_at=moment)
        .execution_options(synchronize_session=False)
    )
    if told.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        raise Conflict("You have answered already.", code="answered")
    session.refresh(approver)


def _is_final(session: Session, approval: Approval, decision: Decision) -> bool:
    if decision is Decision.REJECTED or approval.policy != "all":
        return True
    left = sa.select(sa.func.count()).where(Approver.approval_id == approval.id, Approver.decision.is_(None))
    return session.execute(left).scalar_one() == 0


def _end(
    session: Session, approval: Approval, answer: Answer, by: str, moment: datetime, undo_s: int
) -> None:
    values: dict[str, Any] = {
        "status": answer.decision.value,
        "decided_at": moment,
        "decided_by": by,
        "reason": answer.reason,
        "undo_s": undo_s,
        "effective_at": moment + timedelta(seconds=undo_s),
    }
    if not _move(session, approval.id, values):
        session.refresh(approval)
        raise Conflict(said(session, approval), code="decided")
    status = DocumentStatus.APPROVED if answer.decision is Decision.APPROVED else DocumentStatus.REJECTED
    files.set_status(session, approval.document_ids, status, by=by)
    outcome = answer.decision.value
    output = {"decision": outcome, "reason": answer.reason, "by": by, "answers": {}}
    if not control.decide(session, approval.wait_id, outcome=outcome, output=output, undo_s=undo_s):
        raise Conflict("The run has moved on meanwhile, so there is nothing left to decide.", code="decided")
    session.refresh(approval)


def _close(session: Session, wait_id: str, status: ApprovalStatus) -> Approval | None:
    approval = session.execute(sa.select(Approval).where(Approval.wait_id == wait_id)).scalar_one_or_none()
    if approval is None or not _move(session, approval.id, {"status": status.value, "decided_at": clock.now()}):
        return None
    session.refresh(approval)
    return approval


def _move(session: Session, approval_id: str, values: Mapping[str, Any]) -> bool:
    """End an open request; False when somebody was quicker. The only place that changes an approval's status."""
    ended = session.execute(
        sa.update(Approval)
        .where(Approval.id == approval_id, Approval.status == ApprovalStatus.OPEN.value)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return ended.rowcount == 1  # type: ignore[attr-defined, no-any-return]  # an UPDATE's result has it
