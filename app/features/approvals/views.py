"""Pages of approvals for people with an account: the list, the decision page; ``by_link`` has those for others.

Opening a page decides nothing. A decision is a POST by a visible button, with a token of the page, never by script.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from flask import Response, flash, request, url_for

from app.core.db import db
from app.core.errors import Conflict, FieldError, Forbidden, Gone, Invalid, NotFound
from app.core.ids import is_id
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.queries import Who
from app.features.approvals import (
    by_link,  # noqa: F401 (its rules are added to the blueprint)
    deciding,
    queries,
    rows,
    service,
)
from app.features.approvals.blueprint import blueprint
from app.features.approvals.deciding import UNDONE, Change
from app.features.approvals.forms import DecisionForm
from app.features.approvals.models import Approval, Approver
from app.features.runs import service as runs
from app.web import csrf, htmx, nav, paging
from app.web.address import choice, not_filters

PAGE = 30
SHOWS = ("open", "mine", "others", "decided")  # what is open on one page: the first of mine and of the others
NAMES = {"show": "Show"}  # of the filters in the address
WENT_ON = "The run goes on."


nav.counter("approvals", lambda asker: queries.count_for(asker.workspace_id, asker.email))


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
        deciding.decide(approval, person, form, by=me.name, by_id=me.user_id, via="page")
    except Invalid as error:
        db.session.rollback()
        return _show(approval, person, form, error.problems, status=422)
    except (Conflict, Gone) as error:
        db.session.rollback()
        return _show(approval, person, form, status=error.status, warning=deciding.unseen(error))
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
        undo["said"] = f"{deciding.outcome(approval, person, me.timezone)} {undo['said']}"
    return htmx.page("approvals/_undo.html", undo=undo)


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


def _undoing_inside(approval: Approval, person: Approver | None) -> dict[str, str]:
    """As :func:`deciding.undoing`, for somebody with an account: without buttons for those who were not asked."""
    me = who()
    may = person is not None and me.may(Permission.APPROVE)
    return deciding.undoing(
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
    is_asked = person is not None and person.decision is None and me.may(Permission.APPROVE)
    may_decide = is_asked and deciding.is_open(approval)
    address = url_for("approvals.show", approval_id=approval.id)
    return htmx.page(
        "approvals/show.html",
        status=status,
        warning=warning,
        may_decide=may_decide,
        post_to=url_for("approvals.decide", approval_id=approval.id),
        form_token=csrf.token(),
        picture_url=rows.small,
        undo=_undoing_inside(approval, person),
        **({} if may_decide else deciding.late(approval, person, form, address)),
        **deciding.facts(approval, person, form if may_decide else DecisionForm(), problems),
    )


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
