"""A decision and what its page shows, for people with an account and for those with a link."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from flask import request

from app.core import clock
from app.core.db import db
from app.core.errors import FieldError, GreenlightError
from app.features.approvals import queries, service, words
from app.features.approvals.enums import ApprovalStatus, Decision
from app.features.approvals.forms import DecisionForm
from app.features.approvals.models import Approval, Approver
from app.features.runs import service as runs

log = structlog.get_logger(__name__)

UNDONE = "Taken back. Nothing is decided, and nothing has begun."
Change = Callable[..., None]  # undo, or go on


def decide(approval: Approval, person: Approver, form: DecisionForm, *, by: str, by_id: str | None, via: str) -> None:
    """Make the decision of a page, committed, and hint the run; raises as :func:`service.decide`."""
    assert form.decision is not None
    service.decide(
        db.session(),
        approval,
        person,
        decision=form.decision,
        reason=form.reason if form.decision is Decision.REJECTED else "",
        edits=form.edits,
        seen_at=form.seen_at,
        by=by,
        by_id=by_id,
        via=via,
    )
    db.session.commit()
    log.info(
        "approval.decided",
        approval_id=approval.id,
        decision=form.decision.value,
        via=via,
        by_a_press=request.headers.get("Sec-Fetch-User") == "?1",
    )
    runs.hint(approval.run_id)


def unseen(error: GreenlightError) -> str:
    """Return what to say above the form where an answer was not taken though the request is open; else ""."""
    return error.message if error.code == service.TAKEN_BACK else ""


def undoing(approval: Approval, zone: str, *, undo_url: str, go_on_url: str, form_token: str) -> dict[str, str]:
    """Return what the line with *Undo* and *Go on now* shows; ``said`` is empty when there is nothing to take back."""
    if approval.effective_at is None or not service.may_undo(approval, clock.now()):
        return {"said": ""}
    return {
        "said": words.takes_effect(approval.effective_at, zone, clock.now()),
        "kind": "go" if approval.status == ApprovalStatus.APPROVED else "wait",
        "undo_url": undo_url,
        "go_on_url": go_on_url,
        "form_token": form_token,
    }


def late(approval: Approval, person: Approver | None, form: DecisionForm, address: str) -> dict[str, Any]:
    """Return what somebody typed into a page that decides nothing any more: it is kept nowhere else.

    And why their answer was not counted, unless it is the one that they gave; and the address that shows the answer,
    where it answers a form.
    """
    given = person.decision if person else None
    uncounted = words.uncounted(approval.status, has_answered=given is not None)
    return {
        "uncounted": "" if form.decision in (None, given) else uncounted,
        "lost": service.typed(db.session(), approval, form.edits),
        "lost_reason": form.more,
        "address": address if request.method == "POST" else "",
    }


def facts(
    approval: Approval, person: Approver | None, form: DecisionForm, problems: Sequence[FieldError]
) -> dict[str, Any]:
    """Return what the page of a request shows; *person* is who reads it, None for one who was not asked."""
    review = queries.review(db.session(), approval)
    zone = review.workspace.timezone
    return {
        "review": review,
        "approval": approval,
        "person": person,
        "zone": zone,
        "form": form,
        "made_at": clock.iso(clock.now()),
        "cards": form.cards(review.items, problems),
        "problems": problems,
        "reasons": words.REASONS,
        "due": "" if approval.expires_at is None else words.when(approval.expires_at, zone, clock.now()),
        "things": words.things(len(review.items)),
        "without_answer": words.without_answer(
            approval.on_expiry,
            "" if approval.expires_at is None else words.when(approval.expires_at, zone, clock.now()),
        ),
        "others": [queries.shown(other) for other in review.people if person is None or other.id != person.id],
        "listed": words.listed,
        "outcome": outcome(approval, person, zone),
    }


def end(approval: Approval, person: Approver) -> dict[str, Any]:
    """Return what the page of a request that has ended shows to one who was asked."""
    review = queries.review(db.session(), approval)
    return {
        "approval": approval,
        "person": person,
        "review": review,
        "outcome": outcome(approval, person, review.workspace.timezone),
    }


def outcome(approval: Approval, person: Approver | None, zone: str) -> str:
    """Say what became of it to this reader; empty while it waits for them."""
    if not is_open(approval):
        ended = approval.decided_at or approval.expires_at or clock.now()
        status = ApprovalStatus.EXPIRED if approval.status == ApprovalStatus.OPEN else approval.status
        is_mine = person is not None and person.decision == status and person.decided_at == approval.decided_at
        by = "You" if is_mine else approval.decided_by or "Somebody"
        return words.outcome(status, by=by, moment=words.when(ended, zone, clock.now()))
    if person is not None and person.decided_at is not None:
        left = [queries.shown(p) for p in queries.people(db.session(), approval.id) if p.decision is None]
        moment = words.when(person.decided_at, zone, clock.now())
        return words.outcome(ApprovalStatus.OPEN, by="You", moment=moment, undecided=words.listed(left))
    return ""


def is_open(approval: Approval) -> bool:
    """Tell whether a request waits for an answer, and its time is not over."""
    return approval.status == ApprovalStatus.OPEN and not service.has_run_out(approval, clock.now())
