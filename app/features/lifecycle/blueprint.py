"""The blueprint of a workflow's life, and what its pages share: whose workflow it is, who acts, the way back to it."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from app.core.db import db
from app.features.accounts.guards import who
from app.features.accounts.service import Actor
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow
from app.web import htmx

blueprint = Blueprint("lifecycle", __name__)


def workflow_of(workflow_id: str) -> Workflow:
    """Return the visitor's workflow. Raises NotFound."""
    return workflows.workflow(db.session(), who().workspace_id, workflow_id)


def draft_of(workflow: Workflow) -> dict[str, Any]:
    """Return what the builder shows of it."""
    return workflows.draft_of(db.session(), workflow).definition


def actor() -> Actor:
    """Return the visitor as who acts."""
    me = who()
    return Actor(me.user_id, me.name, me.email)


def once() -> str:
    """Return what makes a form that comes twice count once."""
    return request.form.get("once", "")


def back_to(workflow: Workflow) -> Response:
    """Lead to the workflow's page."""
    return htmx.redirect(url_for("workflows.show", workflow_id=workflow.id))
