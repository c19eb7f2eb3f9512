"""Pages of a workspace's limits, under Settings: for those who manage."""

from flask import Blueprint, Response, flash, url_for

from app.core.db import db
from app.engine import jobs
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.limits import queries, service
from app.web import htmx

blueprint = Blueprint("limits", __name__)


@blueprint.get("/settings/sending")
@requires(Permission.MANAGE)
def sending() -> Response:
    """Show whether the workspace sends, and the switch."""
    return htmx.page("limits/sending.html", sending=queries.sending(db.session(), who().workspace_id))


@blueprint.post("/settings/sending/hold")
@requires(Permission.MANAGE)
def hold() -> Response:
    """Switch everything off that sends. Twice is once."""
    me = who()
    service.hold_sending(db.session(), me.workspace_id, by=me.name, by_id=me.user_id)
    db.session.commit()
    flash("Sending is switched off. What would leave the house waits.", "care")
    return htmx.redirect(url_for("limits.sending"))


@blueprint.post("/settings/sending/release")
@blueprint.delete("/settings/sending/hold", endpoint="release_by_delete")
@requires(Permission.MANAGE)
def release() -> Response:
    """Switch sending on again. Twice is once."""
    me = who()
    runs = service.release_sending(db.session(), me.workspace_id, by=me.name, by_id=me.user_id)
    db.session.commit()
    jobs.hint_runs(runs)
    flash("Sending is switched on. What waited goes out in its order.", "go")
    return htmx.redirect(url_for("limits.sending"))
