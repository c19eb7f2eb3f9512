"""Pages of a workflow's files: download, import, and the list of what an imported one still needs."""

import re
from typing import Any

from flask import Response, flash, make_response, request, url_for

from app.core.db import db
from app.core.errors import FieldError, Invalid
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.lifecycle import exchange, forms, queries, service
from app.features.lifecycle.blueprint import actor, back_to, blueprint, draft_of, workflow_of
from app.features.lifecycle.enums import FileKind
from app.features.lifecycle.rules import Place
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow
from app.web import htmx


@blueprint.get("/workflows/<workflow_id>/export")
@requires(Permission.SEE)
def export(workflow_id: str) -> Response:
    """Download a workflow as a file, without secrets: what is published; for builders, before that, the draft."""
    workflow = workflow_of(workflow_id)
    kind = FileKind.JSON if request.args.get("kind") == FileKind.JSON else FileKind.YAML
    if workflow.published_number or not who().may(Permission.BUILD):
        definition = workflows.current_version(db.session(), workflow).definition
    else:
        definition = draft_of(workflow)
    response = make_response(exchange.written(workflow, definition, kind))
    response.mimetype = "application/json" if kind is FileKind.JSON else "application/yaml"
    name = re.sub(r"[^a-z0-9]+", "-", workflow.name.lower()).strip("-")[:80] or "workflow"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind.value}"'
    return response


@blueprint.get("/workflows/import")
@requires(Permission.BUILD)
def import_form() -> Response:
    """Ask for a file or a text."""
    return htmx.page("lifecycle/import.html", form=forms.ImportForm(), problems=[])


@blueprint.post("/workflows/import")
@requires(Permission.BUILD)
def import_() -> Response:
    """Make a workflow from a file; every problem of it is listed, and then nothing is kept."""
    form = forms.ImportForm()
    if not form.validate_on_submit():
        return htmx.page("lifecycle/import.html", form=form, problems=[], status=422)
    text = ""
    try:
        text, source = _uploaded(form)
        made = service.bring_in(
            db.session(),
            text,
            workspace_id=who().workspace_id,
            name=form.text("name").strip(),
            actor=actor(),
            source=source,
        )
        db.session.commit()
    except Invalid as invalid:
        db.session.rollback()
        problems = invalid.problems or (FieldError("", invalid.code, invalid.message, invalid.fix),)
        lines = exchange.lines(text, problems) if invalid.problems else {}
        return htmx.page("lifecycle/import.html", form=form, problems=problems, lines=lines, status=422)
    if made.unchecked:
        return htmx.redirect(url_for("lifecycle.checklist", workflow_id=made.id))
    flash(f"“{made.name}” is here, as version 1.", "go")
    return back_to(made)


@blueprint.get("/workflows/<workflow_id>/checklist")
@requires(Permission.BUILD)
def checklist(workflow_id: str) -> Response:
    """Show what an imported workflow still needs before it can be switched on."""
    workflow = workflow_of(workflow_id)
    needs = queries.needs(db.session(), workflow)
    return htmx.page(
        "lifecycle/checklist.html",
        workflow=workflow,
        needs=needs,
        is_ahead=bool(workflow.published_number) and workflow.draft_number != workflow.draft_base,
        fields={place: _field_url(workflow, place) for need in needs for place in need.places},
        form=forms.ChecklistForm(),
    )


@blueprint.post("/workflows/<workflow_id>/checklist")
@requires(Permission.BUILD)
def checklist_done(workflow_id: str) -> Response:
    """Note what was looked at; switch the workflow on when nothing is left."""
    workflow, session = workflow_of(workflow_id), db.session()
    service.check_off(session, workflow, request.form.getlist("needs"), actor=actor())
    left = queries.needs(session, workflow)
    if not left and workflow.published_number:
        service.switch_on(session, workflow, actor=actor())
    session.commit()
    if left:
        flash(f"{len(left)} to look at yet.", "care")
        return htmx.redirect(url_for("lifecycle.checklist", workflow_id=workflow.id))
    ready = "is switched on" if workflow.published_number else "can be started once it is published"
    flash(f"“{workflow.name}” {ready}.", "go")
    return back_to(workflow)


def _field_url(workflow: Workflow, place: Place) -> str:
    """Return the address of the builder's form with the field where something stands."""
    page = "question" if place.is_question else "step"
    field = "q-default" if place.is_question else f"c-{place.setting}"
    values: dict[str, Any] = {"key" if place.is_question else "step_id": place.owner, "fix": field}
    return url_for(f"workflows.builder.{page}", workflow_id=workflow.id, _anchor=field, **values)


def _uploaded(form: forms.ImportForm) -> tuple[str, str]:
    """Return the text of the file, or what was pasted, with what to call it."""
    upload = request.files.get("file")
    if upload is not None and upload.filename:
        content = upload.stream.read(exchange.MOST_CHARACTERS * 4 + 1)
        try:
            return content.decode("utf-8-sig"), upload.filename[-120:]
        except UnicodeDecodeError:
            raise Invalid(f"{upload.filename} is not text in UTF-8.") from None
    text = form.text("content")
    if not text.strip():
        raise Invalid("There is nothing to import.", fix="Choose a file, or paste its text.")
    return text, "Imported workflow.yaml"
