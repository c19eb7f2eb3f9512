"""Pages of notifications: the outbox, with each mail as it went out."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, make_response, request

from app.core.db import db
from app.core.errors import NotFound
from app.core.ids import is_id
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.notifications import queries
from app.features.notifications.queries import Mail
from app.web import htmx

blueprint = Blueprint("notifications", __name__)

PAGE = 50
# A mail brings its own inline style and pictures, and nothing else: no script, no request, no form, no sight of us.
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; frame-ancestors 'self'"
)


@blueprint.get("/settings/outbox")
@requires(Permission.MANAGE)
def outbox() -> Response:
    """List the mails of the workspace, the newest first."""
    before = request.args.get("before", "")
    mails = queries.mails(db.session(), who().workspace_id, limit=PAGE + 1, before=before if is_id(before) else None)
    older = mails[PAGE - 1].row.id if len(mails) > PAGE else None
    return htmx.page(
        "notifications/outbox.html",
        fragment="notifications/_list.html",
        mails=mails[:PAGE],
        older=older,
        is_kept=not current_app.config["SETTINGS"].smtp_url,
    )


@blueprint.get("/settings/outbox/<row_id>")
@requires(Permission.MANAGE)
def mail(row_id: str) -> Response:
    """Show one mail: its headers, its text with working links, its HTML in a frame."""
    return htmx.page("notifications/mail.html", mail=_mail(row_id), is_kept=not current_app.config["SETTINGS"].smtp_url)


@blueprint.get("/settings/outbox/<row_id>/html")
@requires(Permission.MANAGE)
def mail_html(row_id: str) -> Response:
    """Give the HTML part as mail programs show it, locked into a sandbox, its pictures inside."""
    response = make_response(_whole(_mail(row_id).content or {}))
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def _mail(row_id: str) -> Mail:
    if not is_id(row_id):
        raise NotFound("This mail does not exist.")
    return queries.mail(db.session(), who().workspace_id, row_id)


def _whole(content: Mapping[str, Any]) -> str:
    """Return the HTML with its pictures as ``data:`` addresses and links that open beside."""
    html = str(content.get("html", ""))
    for picture in content.get("images", ()):
        html = html.replace(f"cid:{picture['cid']}", f"data:{picture['media_type']};base64,{picture['data']}")
    return html.replace("<head>", '<head><base target="_blank">', 1)
