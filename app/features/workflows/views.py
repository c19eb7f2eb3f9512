"""Pages of workflows: the list, and one workflow with its steps and versions."""

from flask import Blueprint, Response, request

from app.core.db import db
from app.definition import lanes
from app.definition.sketch import sketch
from app.engine import catalog
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.workflows import queries
from app.features.workflows.builder import (
    questions,  # noqa: F401 (its rules are added to the blueprint)
    steps,  # noqa: F401 (its rules as well)
    whole,  # noqa: F401
)
from app.features.workflows.builder.blueprint import blueprint as builder
from app.web import htmx, paging

blueprint = Blueprint("workflows", __name__)
blueprint.register_blueprint(builder)

LISTED = 100


@blueprint.get("/workflows")
@requires(Permission.SEE)
def index() -> Response:
    """List the workspace's workflows, the last changed first."""
    found = queries.workflows(db.session(), who().workspace_id, before=paging.before(), limit=LISTED + 1)
    page = paging.cut(found, LISTED)
    return htmx.page("workflows/index.html", workflows=page.items, next=page.next)


@blueprint.get("/workflows/<workflow_id>")
@requires(Permission.SEE)
def show(workflow_id: str) -> Response:
    """Show a workflow: its versions, and the steps of the current one or of the one that ``?version=`` names.

    Of one that was never published the draft is shown, as far as it can be read.
    """
    session = db.session()
    workflow = queries.workflow(session, who().workspace_id, workflow_id)
    versions = queries.versions(session, workflow)
    written = request.args.get("version", "")
    chosen = next((version for version in versions if str(version.number) == written), None)
    shown = chosen or (versions[0] if versions else None)
    definition = (
        queries.load_definition(session, shown.id) if shown else sketch(queries.draft_of(session, workflow).definition)
    )
    return htmx.page(
        "workflows/show.html",
        workflow=workflow,
        versions=versions,
        shown=shown,
        definition=definition,
        places=lanes.layout(definition),
        called={step.id: step.name for step in definition.steps},
        types=catalog.step_types(),
        names=queries.publishers(session, versions),
    )
