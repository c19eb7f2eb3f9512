"""Pages of a workflow's upkeep: on and off, copies, deletion and the way back; the others are bound here."""

from flask import Response, flash, request, url_for

from app.core.db import db
from app.definition.problems import listed
from app.engine import jobs
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.lifecycle import (
    file_pages,  # noqa: F401 (its rules are added to the blueprint)
    forms,
    queries,
    service,
    testing_pages,  # noqa: F401 (its rules as well)
    version_pages,  # noqa: F401 (as well)
)
from app.features.lifecycle.blueprint import actor, back_to, blueprint, workflow_of
from app.features.lifecycle.enums import KEPT_DAYS
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow
from app.web import htmx


@blueprint.post("/workflows/<workflow_id>/activation")
@requires(Permission.BUILD)
def switch_on(workflow_id: str) -> Response:
    """Switch a workflow on."""
    workflow = workflow_of(workflow_id)
    service.switch_on(db.session(), workflow, actor=actor())
    db.session.commit()
    flash(f"“{workflow.name}” is switched on.", "go")
    return back_to(workflow)


@blueprint.get("/workflows/<workflow_id>/deactivation")
@requires(Permission.BUILD)
def off(workflow_id: str) -> Response:
    """Ask what becomes of the runs under way before a workflow is switched off."""
    return _end_page(workflow_of(workflow_id), "off")


@blueprint.post("/workflows/<workflow_id>/deactivation")
@blueprint.delete("/workflows/<workflow_id>/activation", endpoint="switch_off_by_delete")
@requires(Permission.BUILD)
def switch_off(workflow_id: str) -> Response:
    """Switch a workflow off."""
    workflow, form = workflow_of(workflow_id), forms.EndForm()
    if not form.validate_on_submit() and request.method == "POST":
        return _end_page(workflow, "off", form, status=422)
    ended = service.switch_off(db.session(), workflow, open_runs=form.chosen, actor=actor())
    db.session.commit()
    jobs.hint_runs(ended)
    flash(f"“{workflow.name}” is switched off: nobody can start it.", "care")
    return back_to(workflow)


@blueprint.get("/workflows/<workflow_id>/deletion")
@requires(Permission.BUILD)
def deletion(workflow_id: str) -> Response:
    """Ask before a workflow is deleted."""
    return _end_page(workflow_of(workflow_id), "delete")


@blueprint.post("/workflows/<workflow_id>/deletion")
@blueprint.delete("/workflows/<workflow_id>", endpoint="delete_by_delete")
@requires(Permission.BUILD)
def delete(workflow_id: str) -> Response:
    """Delete a workflow; it can be brought back for 30 days."""
    workflow, form = workflow_of(workflow_id), forms.EndForm()
    if not form.validate_on_submit() and request.method == "POST":
        return _end_page(workflow, "delete", form, status=422)
    ended = service.delete(db.session(), workflow, open_runs=form.chosen, actor=actor())
    db.session.commit()
    jobs.hint_runs(ended)
    flash(f"“{workflow.name}” is deleted. For {KEPT_DAYS} days you can bring it back.", "care")
    return htmx.redirect(url_for("lifecycle.deleted"))


@blueprint.get("/workflows/deleted")
@requires(Permission.BUILD)
def deleted() -> Response:
    """List what was deleted and can be brought back."""
    return htmx.page("lifecycle/deleted.html", deleted=queries.deleted(db.session(), who().workspace_id))


@blueprint.post("/workflows/<workflow_id>/restoration")
@requires(Permission.BUILD)
def restoration(workflow_id: str) -> Response:
    """Bring a deleted workflow back."""
    workflow = queries.deleted_workflow(db.session(), who().workspace_id, workflow_id)
    service.bring_back(db.session(), workflow, actor=actor())
    db.session.commit()
    flash(f"“{workflow.name}” is back, as it was.", "go")
    return back_to(workflow)


@blueprint.post("/workflows/<workflow_id>/copy")
@requires(Permission.BUILD)
def copy(workflow_id: str) -> Response:
    """Make a workflow of its own from this one."""
    made = service.copy(db.session(), workflow_of(workflow_id), actor=actor())
    db.session.commit()
    flash(f"This is “{made.name}”. It is yours to change; nothing of it is published yet.", "go")
    return back_to(made)


def _end_page(
    workflow: Workflow, what: str, form: forms.EndForm | None = None, *, status: int = 200
) -> Response:
    going = queries.going(db.session(), workflow)
    run_by = [f"“{name}”" for name in workflows.run_by(db.session(), workflow, *workflows.references(workflow))]
    return htmx.page(
        "lifecycle/end.html", workflow=workflow, what=what, going=going, form=form or forms.EndForm(), days=KEPT_DAYS,
        run_by=listed(run_by) if run_by else "", status=status,
    )  # fmt: skip
