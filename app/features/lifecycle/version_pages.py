"""Pages of a workflow's versions: publishing one, the list, what differs, going back."""

from flask import Response, flash, request, url_for

from app.core.db import db
from app.core.errors import Conflict, FieldError, Invalid
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires
from app.features.lifecycle import forms, queries, service
from app.features.lifecycle.blueprint import actor, blueprint, workflow_of
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow
from app.features.workflows.service import validated_here
from app.web import htmx


@blueprint.get("/workflows/<workflow_id>/publish")
@requires(Permission.BUILD)
def publish(workflow_id: str) -> Response:
    """Show what a new version would change, or what keeps it from being published."""
    return _publish_page(workflow_of(workflow_id))


@blueprint.post("/workflows/<workflow_id>/publication")
@requires(Permission.BUILD)
def publication(workflow_id: str) -> Response:
    """Publish the draft as it was seen."""
    workflow, form = workflow_of(workflow_id), forms.PublishForm()
    if not form.validate_on_submit():
        return _publish_page(workflow, form, status=422)
    try:
        version = service.publish_draft(
            db.session(), workflow, revision=form.revision.data or 0, actor=actor(), note=form.text("note")
        )
        db.session.commit()
    except (Conflict, Invalid) as refused:
        db.session.rollback()
        form.form_errors.append(" ".join(part for part in (refused.message, refused.fix) if part))
        return _publish_page(workflow_of(workflow_id), form, status=refused.status)
    _say_published(workflow, version.number)
    return htmx.redirect(url_for("workflows.show", workflow_id=workflow.id))


@blueprint.get("/workflows/<workflow_id>/versions")
@requires(Permission.SEE)
def versions(workflow_id: str) -> Response:
    """List the versions with author, time, note and what each changed."""
    workflow, session = workflow_of(workflow_id), db.session()
    entries = queries.history(session, workflow, before=_number(request.args.get("before", "")) or None)
    last = entries[-1].version.number if entries else 1
    return htmx.page(
        "lifecycle/versions.html",
        workflow=workflow,
        entries=entries,
        numbers=range(workflow.published_number, 0, -1),
        older=last if last > 1 else None,
    )


@blueprint.get("/workflows/<workflow_id>/versions/compare")
@requires(Permission.SEE)
def compare(workflow_id: str) -> Response:
    """Tell what one version does differently from another."""
    workflow, session = workflow_of(workflow_id), db.session()
    before, after = (
        queries.version(session, workflow, _number(request.args.get(name, ""))) for name in ("from", "to")
    )
    return htmx.page(
        "lifecycle/compare.html",
        workflow=workflow,
        before=before,
        after=after,
        changes=queries.compare(before, after),
    )


@blueprint.post("/workflows/<workflow_id>/rollback")
@requires(Permission.BUILD)
def rollback(workflow_id: str) -> Response:
    """Go back to an older version, by publishing it anew; one that cannot be published any more is mended first."""
    workflow, form = workflow_of(workflow_id), forms.VersionForm()
    if not form.validate_on_submit():
        raise Invalid("Say which version to go back to.")
    is_ahead = workflow.draft_number != workflow.draft_base
    number = form.version.data or 0
    try:
        version = service.roll_back(db.session(), workflow, number=number, actor=actor())
    except Conflict as same:
        db.session.rollback()
        flash(same.message, "care")
        return htmx.redirect(url_for("lifecycle.versions", workflow_id=workflow_id))
    except Invalid as invalid:
        db.session.rollback()
        return _taken_up(workflow_of(workflow_id), number, invalid)
    db.session.commit()
    _say_published(workflow, version.number)
    if is_ahead:
        flash("What was changed and not published is put aside. Undo in the builder brings it back.", "care")
    return htmx.redirect(url_for("lifecycle.versions", workflow_id=workflow.id))


def _taken_up(workflow: Workflow, number: int, invalid: Invalid) -> Response:
    """Open a version that cannot be published as it is in the builder, with why."""
    service.take_up(db.session(), workflow, number=number, actor=actor())
    db.session.commit()
    why = invalid.problems[0].message if invalid.problems else invalid.message
    flash(
        f"Version {number} cannot be published as it is: {why} It is the draft now: mend it here and publish it. "
        "Undo brings back what was here.",
        "care",
    )
    return htmx.redirect(url_for("workflows.builder.show", workflow_id=workflow.id))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _say_published(workflow: Workflow, number: int) -> None:
    going = queries.going(db.session(), workflow)
    said = f"Version {number} is published. The next run uses it."
    if going:
        said += " The run under way stays on its own." if going == 1 else f" {going} runs under way stay on theirs."
    flash(said, "go")


def _publish_page(workflow: Workflow, form: forms.PublishForm | None = None, *, status: int = 200) -> Response:
    session = db.session()
    draft = workflows.draft_of(session, workflow)
    try:
        problems: tuple[FieldError, ...] = ()
        changes = queries.draft_changes(session, workflow, validated_here(session, workflow, draft.definition))
    except Invalid as invalid:
        problems, changes = invalid.problems, []
    form = form or forms.PublishForm()
    form.revision.data = draft.revision
    return htmx.page(
        "lifecycle/publish.html",
        workflow=workflow,
        draft=draft,
        problems=problems,
        changes=changes,
        going=queries.going(session, workflow),
        form=form,
        status=status,
    )
