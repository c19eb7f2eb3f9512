"""Pages of a workspace's limits, under Settings: for those who manage."""

from flask import Blueprint, Response, flash, url_for

from app.core.db import db
from app.engine import jobs
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.limits import queries, service
from app.features.limits.forms import AiForm, RetentionForm
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


@blueprint.get("/settings/ai")
@requires(Permission.MANAGE)
def ai() -> Response:
    """Show who writes, what AI may cost a day, and how much may run at once."""
    return _ai_page(AiForm.of(_limits().own))


@blueprint.post("/settings/ai")
@requires(Permission.MANAGE)
def set_ai() -> Response:
    """Set what AI may cost a day, and how much may run at once."""
    form, me = AiForm(), who()
    if not form.validate():
        return _ai_page(form, status=422)
    service.set_most(db.session(), me.workspace_id, form.most(), by=me.name, by_id=me.user_id)
    db.session.commit()
    flash("The limits are set.", "go")
    return htmx.redirect(url_for("limits.ai"))


@blueprint.get("/settings/retention")
@requires(Permission.MANAGE)
def retention() -> Response:
    """Show how long runs are kept."""
    return _retention_page(RetentionForm.of(_limits().own))


@blueprint.post("/settings/retention")
@requires(Permission.MANAGE)
def set_retention() -> Response:
    """Set how long runs are kept, and whether their documents stay when they go."""
    form, me = RetentionForm(), who()
    if not form.validate():
        return _retention_page(form, status=422)
    service.set_keeping(
        db.session(), me.workspace_id, months=form.months.data or 0, documents=form.documents.data, by=me.name,
        by_id=me.user_id,
    )  # fmt: skip
    db.session.commit()
    flash("Kept as you said, from the next night on.", "go")
    return htmx.redirect(url_for("limits.retention"))


def _limits() -> queries.Limits:
    me = who()
    return queries.limits(db.session(), me.workspace_id, zone=me.timezone)


def _ai_page(form: AiForm, *, status: int = 200) -> Response:
    return htmx.page("limits/ai.html", form=form, limits=_limits(), status=status)


def _retention_page(form: RetentionForm, *, status: int = 200) -> Response:
    return htmx.page("limits/retention.html", form=form, status=status)
