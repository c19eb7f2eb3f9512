"""Pages of approvals: the list, the decision page for people with an account and for those without.

Opening a page decides nothing. A decision is a POST by a visible button, with a token of the page, never by script.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import structlog
from flask import Blueprint, Response, current_app, flash, make_response, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer

from app.core import clock
from app.core.db import db
from app.core.errors import Conflict, FieldError, Forbidden, Gone, GreenlightError, Invalid, NotFound
from app.core.ids import is_id
from app.features.accounts.enums import Permission
from app.features.accounts.guards import public as for_strangers
from app.features.accounts.guards import requires, who
from app.features.accounts.queries import Who
from app.features.approvals import pictures, queries, rows, service, words
from app.features.approvals.enums import ApprovalStatus, Decision
from app.features.approvals.forms import DecisionForm
from app.features.approvals.models import Approval, Approver
from app.features.runs import service as runs
from app.web import csrf, htmx, nav, paging
from app.web.address import choice, not_filters

blueprint = Blueprint("approvals", __name__)
log = structlog.get_logger(__name__)

PAGE = 30
SHOWS = ("open", "mine", "others", "decided")  # what is open on one page: the first of mine and of the others
NAMES = {"show": "Show"}  # of the filters in the address
LINK_FORM_S = 60 * 24 * 3600  # the link's own end comes first
STALE = "Nothing is decided yet: the page was open for too long. Please press the button again."
UNDONE = "Taken back. Nothing is decided, and nothing has begun."
WENT_ON = "The run goes on."
Change = Callable[..., None]
PICTURE_CACHE = "private, max-age=600"


nav.counter("approvals", lambda asker: queries.count_for(asker.workspace_id, asker.email))


@blueprint.url_value_preprocessor
def _many_texts(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Take a form of up to 200 texts with three fields each; elsewhere a form has at most 200 parts."""
    request.max_form_parts = 1000


# --- for people with an account ---


@blueprint.get("/approvals")
@requires(Permission.SEE)
def index() -> Response:
    """List what waits for me, what waits for others, and what was decided."""
    me, problems = who(), dict[str, str]()
    shows = choice(request.args, "show", SHOWS.__contains__, problems) or SHOWS[0]
    return htmx.page(
        "approvals/index.html", fragment="approvals/_list.html", shows=shows, problems=problems, filter_names=NAMES,
        not_filters=not_filters(request.args, NAMES), **rows.callables(me), **_lists(me, shows),
    )  # fmt: skip


@blueprint.get("/approvals/of/<wait_id>")
@requires(Permission.SEE)
def of_wait(wait_id: str) -> Response:
    """Lead from a run's wait to its request: runs know waits, not requests."""
    if not is_id(wait_id):
        raise NotFound("This request does not exist.")
    approval = queries.of_wait(db.session(), who().workspace_id, wait_id)
    return htmx.redirect(url_for("approvals.show", approval_id=approval.id))


@blueprint.get("/approvals/<approval_id>")
@requires(Permission.SEE)
def show(approval_id: str) -> Response:
    """Show one request: to decide, or what became of it."""
    approval, person = _mine(approval_id)
    return _show(approval, person, DecisionForm())


@blueprint.post("/approvals/<approval_id>/decision")
@requires(Permission.APPROVE)
def decide(approval_id: str) -> Response:
    """Decide as a signed-in approver."""
    approval, person = _mine(approval_id)
    if person is None:
        raise Forbidden("Only those who were asked can decide this.")
    form, me = DecisionForm.read(request.form, approval.document_ids), who()
    if form.decision is None:
        return _show(approval, person, form)
    try:
        _decide(approval, person, form, by=me.name, by_id=me.user_id, via="page")
    except Invalid as error:
        db.session.rollback()
        return _show(approval, person, form, error.problems, status=422)
    except (Conflict, Gone) as error:
        db.session.rollback()
        return _show(approval, person, form, status=error.status, warning=_unseen(error))
    return htmx.redirect(url_for("approvals.show", approval_id=approval_id))


@blueprint.post("/approvals/<approval_id>/undo")
@blueprint.delete("/approvals/<approval_id>/decision", endpoint="undo_by_delete")
@requires(Permission.APPROVE)
def undo(approval_id: str) -> Response:
    """Take a decision back that has not taken effect, as one of those who were asked."""
    return _after(approval_id, service.undo, UNDONE)


@blueprint.post("/approvals/<approval_id>/go-on")
@requires(Permission.APPROVE)
def go_on(approval_id: str) -> Response:
    """Let a decision take effect now, as one of those who were asked."""
    return _after(approval_id, service.go_on, WENT_ON)


@blueprint.get("/approvals/of/<wait_id>/decision")
@requires(Permission.SEE)
def decision_of_wait(wait_id: str) -> Response:
    """Show a run's page what was decided while it can be taken back; nothing when it cannot."""
    if not is_id(wait_id):
        raise NotFound("This request does not exist.")
    me = who()
    approval = queries.of_wait(db.session(), me.workspace_id, wait_id)
    person = queries.approver_for(db.session(), approval, me.email)
    undo = _undoing_inside(approval, person)
    if undo["said"]:
        undo["go_on_url"] = undo["go_on_url"] and f"{undo['go_on_url']}?from=run"
        undo["said"] = f"{_outcome(approval, person, me.timezone)} {undo['said']}"
    return htmx.page("approvals/_undo.html", undo=undo)


# --- for people with a link ---


@blueprint.get("/a/<token>")
@for_strangers
def public(token: str) -> Response:
    """Show the request that a link was mailed for. Changes nothing, however often it is opened."""
    return _open_link(token, DecisionForm())


@blueprint.post("/a/<token>/decision")
@csrf.exempt
@for_strangers
def decide_public(token: str) -> Response:
    """Decide by a link; the form's token is bound to the link, so that no cookie is needed."""
    found = queries.by_token(db.session(), token)
    if found is None:
        return _open_link(token, DecisionForm())
    approval, person = found
    form = DecisionForm.read(request.form, approval.document_ids)
    if not _is_ours(person):
        return _open_link(token, form, status=400, warning=STALE)
    if form.decision is None:
        return _open_link(token, form)
    try:
        _decide(approval, person, form, by=queries.shown(person), by_id=None, via="link")
    except Invalid as error:
        db.session.rollback()
        return _open_link(token, form, problems=error.problems, status=422)
    except (Conflict, Gone) as error:
        db.session.rollback()
        return _open_link(token, form, status=error.status, warning=_unseen(error))
    return htmx.redirect(url_for("approvals.public", token=token))


@blueprint.post("/a/<token>/undo")
@csrf.exempt
@for_strangers
def undo_public(token: str) -> Response:
    """Take a decision back by the link of one of those who were asked."""
    return _after_by_link(token, service.undo)


@blueprint.post("/a/<token>/go-on")
@csrf.exempt
@for_strangers
def go_on_public(token: str) -> Response:
    """Let a decision take effect now, by the link of one of those who were asked."""
    return _after_by_link(token, service.go_on)


@blueprint.get("/a/<token>/images/<image_id>")
@for_strangers
def public_picture(token: str, image_id: str) -> Response:
    """Give a picture of the request's documents: a small square, or ``?size=large`` the whole of 480 px."""
    found = queries.by_token(db.session(), token)
    if found is None or not is_id(image_id):
        raise NotFound("This picture does not exist.")
    approval, _person = found
    if not _is_open(approval):
        raise Gone("This request has ended.")
    jpeg = queries.picture(db.session(), approval, image_id)
    response = make_response(jpeg if request.args.get("size") == "large" else pictures.square(jpeg))
    response.headers["Content-Type"] = "image/jpeg"
    response.headers["Cache-Control"] = PICTURE_CACHE
    return response


# --- what both share ---


def _decide(approval: Approval, person: Approver, form: DecisionForm, *, by: str, by_id: str | None, via: str) -> None:
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


def _unseen(error: GreenlightError) -> str:
    """Return what to say above the form where an answer was not taken though the request is open; else ""."""
    return error.message if error.code == service.TAKEN_BACK else ""


def _after(approval_id: str, change: Change, said: str) -> Response:
    """Undo or go on as a signed-in approver."""
    approval, person = _mine(approval_id)
    if person is None:
        raise Forbidden("Only those who were asked can do this.")
    me = who()
    change(db.session(), approval, by=me.name, by_id=me.user_id, via="page")
    db.session.commit()
    runs.hint(approval.run_id)
    flash(said, "go")
    if request.args.get("from") == "run":
        return htmx.redirect(url_for("runs.show", run_id=approval.run_id))
    return htmx.redirect(url_for("approvals.show", approval_id=approval_id))


def _after_by_link(token: str, change: Change) -> Response:
    """Undo or go on by a link; the form's token is bound to the link, as for a decision."""
    found = queries.by_token(db.session(), token)
    if found is None:
        return _open_link(token, DecisionForm())
    approval, person = found
    if not _is_ours(person):
        return _open_link(token, DecisionForm(), status=400, warning=STALE)
    try:
        change(db.session(), approval, by=queries.shown(person), by_id=None, via="link")
    except Conflict as late:
        db.session.rollback()
        if _is_open(approval):  # a page at this address, loaded again, would take back what is decided next
            return htmx.redirect(url_for("approvals.public", token=token, undone=1))
        return _open_link(token, DecisionForm(), status=late.status, warning=late.message)
    db.session.commit()
    runs.hint(approval.run_id)
    return htmx.redirect(url_for("approvals.public", token=token, undone=1 if change is service.undo else None))


def _undoing(approval: Approval, zone: str, *, undo_url: str, go_on_url: str, form_token: str) -> dict[str, str]:
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


def _undoing_inside(approval: Approval, person: Approver | None) -> dict[str, str]:
    """As :func:`_undoing`, for somebody with an account: without buttons for those who were not asked."""
    me = who()
    may = person is not None and me.may(Permission.APPROVE)
    return _undoing(
        approval,
        me.timezone,
        undo_url=url_for("approvals.undo", approval_id=approval.id) if may else "",
        go_on_url=url_for("approvals.go_on", approval_id=approval.id) if may else "",
        form_token=csrf.token(),
    )


def _mine(approval_id: str) -> tuple[Approval, Approver | None]:
    if not is_id(approval_id):
        raise NotFound("This request does not exist.")
    me = who()
    approval = queries.approval(db.session(), me.workspace_id, approval_id)
    return approval, queries.approver_for(db.session(), approval, me.email)


def _show(
    approval: Approval,
    person: Approver | None,
    form: DecisionForm,
    problems: Sequence[FieldError] = (),
    status: int = 200,
    warning: str = "",
) -> Response:
    me = who()
    may_decide = _is_open(approval) and person is not None and person.decision is None and me.may(Permission.APPROVE)
    return htmx.page(
        "approvals/show.html",
        status=status,
        warning=warning,
        may_decide=may_decide,
        post_to=url_for("approvals.decide", approval_id=approval.id),
        form_token=csrf.token(),
        picture_url=rows.small,
        undo=_undoing_inside(approval, person),
        **({} if may_decide else _late(approval, person, form, url_for("approvals.show", approval_id=approval.id))),
        **_facts(approval, person, form if may_decide else DecisionForm(), problems),
    )


def _open_link(
    token: str, form: DecisionForm, *, problems: Sequence[FieldError] = (), status: int = 200, warning: str = ""
) -> Response:
    found = queries.by_token(db.session(), token)
    if found is None:
        return htmx.page("approvals/ended.html", status=404, approval=None)
    approval, person = found
    if not _is_open(approval) or queries.is_decided_by(person):
        return _ended(token, approval, person, form, status=status, warning=warning)
    return htmx.page(
        "approvals/public.html",
        status=status,
        warning=warning,
        notice=UNDONE if request.args.get("undone") else "",
        may_decide=True,
        post_to=url_for("approvals.decide_public", token=token),
        form_token=_link_signer().dumps(person.id),
        picture_url=lambda image_id, size="": url_for(
            "approvals.public_picture", token=token, image_id=image_id, size=size or None
        ),
        **_facts(approval, person, form, problems),
    )


def _ended(
    token: str, approval: Approval, person: Approver, form: DecisionForm, *, status: int, warning: str
) -> Response:
    """Say what became of a request; while its decision can be taken back, with the buttons for it."""
    end = _end(approval, person)
    undo = _undoing(
        approval,
        end["review"].workspace.timezone,
        undo_url=url_for("approvals.undo_public", token=token),
        go_on_url=url_for("approvals.go_on_public", token=token),
        form_token=_link_signer().dumps(person.id),
    )
    shown = status if status in (400, 409) or undo["said"] else 410
    late = _late(approval, person, form, url_for("approvals.public", token=token))
    return htmx.page("approvals/ended.html", status=shown, warning=warning, undo=undo, **late, **end)


def _late(approval: Approval, person: Approver | None, form: DecisionForm, address: str) -> dict[str, Any]:
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


def _facts(
    approval: Approval, person: Approver | None, form: DecisionForm, problems: Sequence[FieldError]
) -> dict[str, Any]:
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
        "outcome": _outcome(approval, person, zone),
    }


def _end(approval: Approval, person: Approver) -> dict[str, Any]:
    review = queries.review(db.session(), approval)
    return {
        "approval": approval,
        "person": person,
        "review": review,
        "outcome": _outcome(approval, person, review.workspace.timezone),
    }


def _outcome(approval: Approval, person: Approver | None, zone: str) -> str:
    """Say what became of it to this reader; empty while it waits for them."""
    if not _is_open(approval):
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


def _is_open(approval: Approval) -> bool:
    return approval.status == ApprovalStatus.OPEN and not service.has_run_out(approval, clock.now())


def _lists(me: Who, shows: str) -> dict[str, Any]:
    session, before = db.session(), None if shows == "open" else paging.before()
    open_count, over_count = queries.counts(session, me.workspace_id)
    found: dict[str, paging.Page[Approval]] = {}
    if shows == "decided":
        decided = queries.decided(session, me.workspace_id, limit=PAGE + 1, before=before)
        found["history"] = paging.cut(decided, PAGE)
    for name, is_mine in (("mine", True), ("others", False)):
        if shows in ("open", name):
            some = queries.open_approvals(
                session, me.workspace_id, email=me.email, limit=PAGE + 1, is_mine=is_mine, before=before
            )
            found[name] = paging.cut(some, PAGE)
    every = iter(queries.rows(session, [one for page in found.values() for one in page.items], email=me.email))
    return {
        **{name: list(islice(every, len(page.items))) for name, page in found.items()},
        "further": {name: page.next for name, page in found.items()},
        "before": before,
        "open_count": open_count,
        "over_count": over_count,
        "most": queries.MOST_COUNTED,
    }


def _is_ours(person: Approver) -> bool:
    """Check that the form came from our page for this very link."""
    try:
        return bool(_link_signer().loads(request.form.get(csrf.FIELD, ""), max_age=LINK_FORM_S) == person.id)
    except BadSignature:
        return False


def _link_signer() -> URLSafeTimedSerializer:
    keys = [*reversed(current_app.config.get("SECRET_KEY_FALLBACKS") or []), current_app.config["SECRET_KEY"]]
    return URLSafeTimedSerializer(keys, salt="greenlight.approval")
