"""Pages of approvals for people with a link from their mail, who need no account."""

from collections.abc import Sequence

from flask import Response, current_app, make_response, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer

from app.core.db import db
from app.core.errors import Conflict, FieldError, Gone, Invalid, NotFound
from app.core.ids import is_id
from app.features.accounts.guards import public as for_strangers
from app.features.approvals import deciding, pictures, queries, service
from app.features.approvals.blueprint import blueprint
from app.features.approvals.deciding import UNDONE, Change
from app.features.approvals.forms import DecisionForm
from app.features.approvals.models import Approval, Approver
from app.features.runs import service as runs
from app.web import csrf, htmx

LINK_FORM_S = 60 * 24 * 3600  # the link's own end comes first
STALE = "Nothing is decided yet: the page was open for too long. Please press the button again."
PICTURE_CACHE = "private, max-age=600"


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
        deciding.decide(approval, person, form, by=queries.shown(person), by_id=None, via="link")
    except Invalid as error:
        db.session.rollback()
        return _open_link(token, form, problems=error.problems, status=422)
    except (Conflict, Gone) as error:
        db.session.rollback()
        return _open_link(token, form, status=error.status, warning=deciding.unseen(error))
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
    if not deciding.is_open(approval):
        raise Gone("This request has ended.")
    jpeg = queries.picture(db.session(), approval, image_id)
    response = make_response(jpeg if request.args.get("size") == "large" else pictures.square(jpeg))
    response.headers["Content-Type"] = "image/jpeg"
    response.headers["Cache-Control"] = PICTURE_CACHE
    return response


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
        if deciding.is_open(approval):  # a page at this address, loaded again, would take back what is decided next
            return htmx.redirect(url_for("approvals.public", token=token, undone=1))
        return _open_link(token, DecisionForm(), status=late.status, warning=late.message)
    db.session.commit()
    runs.hint(approval.run_id)
    return htmx.redirect(url_for("approvals.public", token=token, undone=1 if change is service.undo else None))


def _open_link(
    token: str, form: DecisionForm, *, problems: Sequence[FieldError] = (), status: int = 200, warning: str = ""
) -> Response:
    found = queries.by_token(db.session(), token)
    if found is None:
        return htmx.page("approvals/ended.html", status=404, approval=None)
    approval, person = found
    if not deciding.is_open(approval) or queries.is_decided_by(person):
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
        **deciding.facts(approval, person, form, problems),
    )


def _ended(
    token: str, approval: Approval, person: Approver, form: DecisionForm, *, status: int, warning: str
) -> Response:
    """Say what became of a request; while its decision can be taken back, with the buttons for it."""
    end = deciding.end(approval, person)
    undo = deciding.undoing(
        approval,
        end["review"].workspace.timezone,
        undo_url=url_for("approvals.undo_public", token=token),
        go_on_url=url_for("approvals.go_on_public", token=token),
        form_token=_link_signer().dumps(person.id),
    )
    shown = status if status in (400, 409) or undo["said"] else 410
    late = deciding.late(approval, person, form, url_for("approvals.public", token=token))
    return htmx.page("approvals/ended.html", status=shown, warning=warning, undo=undo, **late, **end)


def _is_ours(person: Approver) -> bool:
    """Check that the form came from our page for this very link."""
    try:
        return bool(_link_signer().loads(request.form.get(csrf.FIELD, ""), max_age=LINK_FORM_S) == person.id)
    except BadSignature:
        return False


def _link_signer() -> URLSafeTimedSerializer:
    keys = [*reversed(current_app.config.get("SECRET_KEY_FALLBACKS") or []), current_app.config["SECRET_KEY"]]
    return URLSafeTimedSerializer(keys, salt="greenlight.approval")
