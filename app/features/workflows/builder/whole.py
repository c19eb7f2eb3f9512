"""Pages about the workflow as a whole: what it is called, its limits, and all of it as text."""

from typing import Any

from flask import Response, make_response, render_template, request

from app.core.db import db
from app.core.errors import Invalid
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.workflows import service
from app.features.workflows.builder.answers import answer, beside, panel, save, workflow_of
from app.features.workflows.builder.blueprint import blueprint
from app.features.workflows.desk import Desk, lay
from app.features.workflows.forms.details import DetailsForm, details_form
from app.features.workflows.forms.text import Fault, as_text, read_text
from app.web import htmx


@blueprint.get("/workflows/<workflow_id>/edit/details")
@requires(Permission.BUILD)
def details(workflow_id: str) -> Response:
    """Show name, description, category, tags, icon and limits."""
    desk = lay(db.session(), workflow_of(workflow_id))
    return panel(desk, "details", form=details_form(desk.workflow, desk.data))


@blueprint.post("/workflows/<workflow_id>/edit/details")
@requires(Permission.BUILD)
def save_details(workflow_id: str) -> Response:
    """Save what the workflow is called, and its limits."""
    workflow = workflow_of(workflow_id)
    form = DetailsForm()
    if form.validate_on_submit():
        try:
            service.describe(
                db.session(), workflow, name=form.text("name"), description=form.text("description"),
                category=form.text("category"), tags=form.text("tags").split(","), icon=form.text("icon"),
            )  # fmt: skip
            save(workflow, lambda draft: (form.limited(draft.definition), "Changed the limits"))
            return answer(workflow_id, "details")
        except Invalid as invalid:
            db.session.rollback()
            form.add_problems(invalid)
    return panel(
        lay(db.session(), workflow_of(workflow_id)), "details", form=form, status=422, wants_panel=True
    )


@blueprint.get("/workflows/<workflow_id>/edit/text")
@requires(Permission.BUILD)
def text(workflow_id: str) -> Response:
    """Show the draft as YAML, or as JSON with ``?as=json``; ``?beside=`` asks for the pane under the diagram."""
    desk = lay(db.session(), workflow_of(workflow_id))
    if _is_beside():
        return _pane(desk, request.args.get("as", "yaml"))
    written = as_text(desk.data, request.args.get("as", "yaml"))
    return panel(desk, "text", text=written, kind=request.args.get("as", "yaml"), faults=[])


@blueprint.post("/workflows/<workflow_id>/edit/text")
@requires(Permission.BUILD)
def save_text(workflow_id: str) -> Response:
    """Make the draft what a text says. A text with problems changes nothing, and each is shown at its line."""
    workflow = workflow_of(workflow_id)
    written, kind = request.form.get("text", ""), request.form.get("as", "yaml")
    desk = lay(db.session(), workflow)
    data, faults = read_text(written, desk.data, desk.types)
    if not faults and data is not None:
        try:
            base = request.form.get("revision", type=int) or 0
            if "over" in request.form:
                base = desk.draft.revision
            service.save_draft(
                db.session(), workflow, data, base_revision=base, actor_id=who().user_id, summary="Changed the text"
            )  # fmt: skip
            db.session.commit()
            if _is_beside():
                return beside(workflow)
            return answer(workflow_id, "text", kind=kind)
        except service.DraftConflict as conflict:
            db.session.rollback()
            desk = lay(db.session(), workflow_of(workflow_id))
            return _not_taken(desk, written, kind, [], status=409, conflict=conflict.message)
        except Invalid as invalid:
            db.session.rollback()
            faults = [Fault(0, "", problem.message, problem.fix) for problem in invalid.problems]
    return _not_taken(desk, written, kind, faults)


def _not_taken(
    desk: Desk, written: str, kind: str, faults: list[Fault], *, status: int = 422, conflict: str = ""
) -> Response:
    """Say what is wrong with a text; what was written stays."""
    context: dict[str, Any] = {"kind": kind, "faults": faults, "conflict": conflict}
    if _is_beside():
        html = render_template("workflows/builder/_faults.html", desk=desk, beside=True, **context)
        return make_response(html, status)
    return panel(desk, "text", text=written, status=status, wants_panel=True, **context)


def _is_beside() -> bool:
    return "beside" in request.args and htmx.is_fragment()


def _pane(desk: Desk, kind: str) -> Response:
    """Answer with the text beside the diagram, or with nothing to close it."""
    if request.args["beside"] == "closed":
        return make_response("")
    return make_response(
        render_template("workflows/builder/_pane.html", desk=desk, kind=kind, text=as_text(desk.data, kind))
    )
