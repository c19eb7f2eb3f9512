"""Pages about the workflow as a whole: what it is called, its limits, and all of it as text."""

from typing import Any

from flask import Response, make_response, render_template, request, url_for

from app.core.db import db
from app.core.errors import Invalid
from app.definition.problems import listed
from app.features.accounts import queries as accounts
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.workflows import queries, service
from app.features.workflows.builder.answers import (
    Clashed,
    Data,
    answer,
    base_revision,
    beside,
    clash_panel,
    panel,
    save,
    workflow_of,
)
from app.features.workflows.builder.blueprint import blueprint
from app.features.workflows.desk import Desk, lay
from app.features.workflows.forms.clash import Clash
from app.features.workflows.forms.details import DetailsForm, details_form, limits_of
from app.features.workflows.forms.text import Fault, as_text, read_text
from app.features.workflows.models import Workflow
from app.features.workflows.queries import Draft
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
    """Save what was changed of what the workflow is called and of its limits."""
    workflow = workflow_of(workflow_id)
    form = DetailsForm()
    form.opened(request.form)
    clash: list[Clash] = []
    former = workflow.name

    def change(draft: Draft) -> tuple[Data, str]:
        now = details_form(workflow, draft.definition)
        made = form.onto(now, clash, is_sure="over" in request.form)
        limited = made.limited(draft.definition)
        if clash:
            raise Clashed
        service.describe(
            db.session(), workflow, name=made.text("name"), description=made.text("description"),
            category=made.text("category"), tags=made.text("tags").split(","), icon=made.text("icon"),
            actor_id=who().user_id,
        )  # fmt: skip
        return limited, "Changed the limits"

    if form.validate_on_submit():
        try:
            save(workflow, change)
            return answer(workflow_id, "details", told=_renamed(workflow, former))
        except Clashed:
            db.session.rollback()
            return _clash_panel(workflow_id, clash)
        except Invalid as invalid:
            db.session.rollback()
            form.add_problems(invalid)
    return panel(
        lay(db.session(), workflow_of(workflow_id)), "details", form=form, base=base_revision(), status=422,
        wants_panel=True,
    )  # fmt: skip


def _renamed(workflow: Workflow, former: str) -> str:
    """Say which workflows run this one by the name that it had; "" where none does."""
    if workflow.name.lower() == former.lower():
        return ""
    named = [f"“{name}”" for name in queries.run_by(db.session(), workflow, former)]
    return f"{listed(named)} runs it by its old name, and still finds it." if named else ""


def _clash_panel(workflow_id: str, clash: list[Clash]) -> Response:
    session, workflow = db.session(), workflow_of(workflow_id)
    changers = accounts.changers(session, who().workspace_id, workflow_id, service.DESCRIBED)
    changers |= queries.changers(session, workflow, base_revision(), limits_of)
    return clash_panel(
        lay(session, workflow), clash, changers, thing="workflow", title=workflow.name,
        at=url_for(".save_details", workflow_id=workflow_id), back=url_for(".details", workflow_id=workflow_id),
    )  # fmt: skip


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
            return _not_taken(desk, written, kind, [], status=409, conflict=conflict.told(who().name))
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
    context["focus"] = "text-faults" if faults else ""  # else the title gets it
    return panel(desk, "text", text=written, status=status, wants_panel=True, **context)


def _is_beside() -> bool:
    return "beside" in request.args and htmx.is_fragment()


def _pane(desk: Desk, kind: str) -> Response:
    """Answer with the text beside the diagram, or with nothing to close it."""
    if request.args["beside"] == "closed":
        return make_response("")
    return make_response(
        render_template(
            "workflows/builder/_pane.html",
            desk=desk, kind=kind, text=as_text(desk.data, kind), is_opened="as" not in request.args,
        )
    )  # fmt: skip
