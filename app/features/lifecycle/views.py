"""Pages of a workflow's life: testing, publishing, versions, on and off, copies, deletion, files in and out."""

import re
from typing import Any

from flask import Blueprint, Response, flash, make_response, request, url_for

from app.core.db import db
from app.core.errors import Conflict, FieldError, Invalid
from app.definition.parts import InputType, in_words
from app.definition.problems import listed
from app.definition.schema import Definition
from app.definition.values import UnusableValue, as_text
from app.engine import jobs
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.service import Actor
from app.features.files import queries as files
from app.features.lifecycle import exchange, forms, queries, samples, service
from app.features.lifecycle.enums import KEPT_DAYS, FileKind
from app.features.lifecycle.rules import Place
from app.features.runs import queries as runs
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow
from app.features.workflows.service import validated
from app.web import htmx, moments

blueprint = Blueprint("lifecycle", __name__)

TO_CHOOSE = 30  # documents and pictures that a test offers


# --- publishing and versions ---


@blueprint.get("/workflows/<workflow_id>/publish")
@requires(Permission.BUILD)
def publish(workflow_id: str) -> Response:
    """Show what a new version would change, or what keeps it from being published."""
    return _publish_page(_workflow(workflow_id))


@blueprint.post("/workflows/<workflow_id>/publication")
@requires(Permission.BUILD)
def publication(workflow_id: str) -> Response:
    """Publish the draft as it was seen."""
    workflow, form = _workflow(workflow_id), forms.PublishForm()
    if not form.validate_on_submit():
        return _publish_page(workflow, form, status=422)
    try:
        version = service.publish_draft(
            db.session(), workflow, revision=form.revision.data or 0, actor=_actor(), note=form.text("note")
        )
        db.session.commit()
    except (Conflict, Invalid) as refused:
        db.session.rollback()
        form.form_errors.append(" ".join(part for part in (refused.message, refused.fix) if part))
        return _publish_page(_workflow(workflow_id), form, status=refused.status)
    _say_published(workflow, version.number)
    return htmx.redirect(url_for("workflows.show", workflow_id=workflow.id))


@blueprint.get("/workflows/<workflow_id>/versions")
@requires(Permission.SEE)
def versions(workflow_id: str) -> Response:
    """List the versions with author, time, note and what each changed."""
    workflow, session = _workflow(workflow_id), db.session()
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
    workflow, session = _workflow(workflow_id), db.session()
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
    workflow, form = _workflow(workflow_id), forms.VersionForm()
    if not form.validate_on_submit():
        raise Invalid("Say which version to go back to.")
    is_ahead = workflow.draft_number != workflow.draft_base
    number = form.version.data or 0
    try:
        version = service.roll_back(db.session(), workflow, number=number, actor=_actor())
    except Conflict as same:
        db.session.rollback()
        flash(same.message, "care")
        return htmx.redirect(url_for("lifecycle.versions", workflow_id=workflow_id))
    except Invalid as invalid:
        db.session.rollback()
        return _taken_up(_workflow(workflow_id), number, invalid)
    db.session.commit()
    _say_published(workflow, version.number)
    if is_ahead:
        flash("What was changed and not published is put aside. Undo in the builder brings it back.", "care")
    return htmx.redirect(url_for("lifecycle.versions", workflow_id=workflow.id))


def _taken_up(workflow: Workflow, number: int, invalid: Invalid) -> Response:
    """Open a version that cannot be published as it is in the builder, with why."""
    service.take_up(db.session(), workflow, number=number, actor=_actor())
    db.session.commit()
    why = invalid.problems[0].message if invalid.problems else invalid.message
    flash(
        f"Version {number} cannot be published as it is: {why} It is the draft now: mend it here and publish it. "
        "Undo brings back what was here.",
        "care",
    )
    return htmx.redirect(url_for("workflows.builder.show", workflow_id=workflow.id))


# --- tests ---


@blueprint.get("/workflows/<workflow_id>/test")
@requires(Permission.LAUNCH)
def test(workflow_id: str) -> Response:
    """Ask for the answers of a test; samples stand there already."""
    return _test_page(_workflow(workflow_id))


@blueprint.post("/workflows/<workflow_id>/test-runs")
@requires(Permission.LAUNCH)
def test_runs(workflow_id: str) -> Response:
    """Start a test run and show it."""
    workflow = _workflow(workflow_id)
    definition = Definition.model_validate(validated(_draft(workflow)))
    form = forms.answers_form(definition, {}, zone := moments.zone_named(), **_there(definition))()
    try:
        given = forms.given(form, definition, zone)
        run = service.start_test(db.session(), workflow, inputs=given, actor=_actor(), once=_once())
        db.session.commit()
    except Invalid as invalid:
        db.session.rollback()
        form.add_problems(_by_question(invalid))
        return _test_page(_workflow(workflow_id), form, status=422)
    jobs.hint_run(run.id)
    return htmx.redirect(url_for("runs.show", run_id=run.id))


@blueprint.post("/workflows/<workflow_id>/draft/steps/<step_id>/sample")
@requires(Permission.LAUNCH)
def sample(workflow_id: str, step_id: str) -> Response:
    """Do one step of the draft alone; its result appears beside it, or on the run's page without script."""
    workflow = _workflow(workflow_id)
    run = service.start_sample(db.session(), workflow, step_id, actor=_actor(), once=_once())
    db.session.commit()
    jobs.hint_run(run.id)
    if not htmx.is_fragment():
        return htmx.redirect(url_for("runs.show", run_id=run.id))
    response = _sample(run.id, is_next=True)
    response.headers["HX-Reswap"] = "outerHTML show:bottom"  # it stands below a long form
    return response


@blueprint.get("/workflows/<workflow_id>/samples/<run_id>")
@requires(Permission.SEE)
def sample_result(workflow_id: str, run_id: str) -> Response:
    """Show what a sample has come to; the last answer ends the asking."""
    _workflow(workflow_id)
    return _sample(run_id)


@blueprint.get("/runs/<run_id>/would-have")
@requires(Permission.SEE)
def would_have(run_id: str) -> Response:
    """List what a test run would have sent to whom."""
    session = db.session()
    run = runs.run(session, who().workspace_id, run_id)
    return htmx.page(
        "lifecycle/would_have.html",
        fragment="lifecycle/_would_have.html",
        run=run,
        sentences=queries.would_have(session, run) if run.test else [],
    )


# --- on, off, copies, gone ---


@blueprint.post("/workflows/<workflow_id>/activation")
@requires(Permission.BUILD)
def switch_on(workflow_id: str) -> Response:
    """Switch a workflow on."""
    workflow = _workflow(workflow_id)
    service.switch_on(db.session(), workflow, actor=_actor())
    db.session.commit()
    flash(f"“{workflow.name}” is switched on.", "go")
    return _to(workflow)


@blueprint.get("/workflows/<workflow_id>/deactivation")
@requires(Permission.BUILD)
def off(workflow_id: str) -> Response:
    """Ask what becomes of the runs under way before a workflow is switched off."""
    return _end_page(_workflow(workflow_id), "off")


@blueprint.post("/workflows/<workflow_id>/deactivation")
@blueprint.delete("/workflows/<workflow_id>/activation", endpoint="switch_off_by_delete")
@requires(Permission.BUILD)
def switch_off(workflow_id: str) -> Response:
    """Switch a workflow off."""
    workflow, form = _workflow(workflow_id), forms.EndForm()
    if not form.validate_on_submit() and request.method == "POST":
        return _end_page(workflow, "off", form, status=422)
    ended = service.switch_off(db.session(), workflow, open_runs=form.chosen, actor=_actor())
    db.session.commit()
    jobs.hint_runs(ended)
    flash(f"“{workflow.name}” is switched off: nobody can start it.", "care")
    return _to(workflow)


@blueprint.get("/workflows/<workflow_id>/deletion")
@requires(Permission.BUILD)
def deletion(workflow_id: str) -> Response:
    """Ask before a workflow is deleted."""
    return _end_page(_workflow(workflow_id), "delete")


@blueprint.post("/workflows/<workflow_id>/deletion")
@blueprint.delete("/workflows/<workflow_id>", endpoint="delete_by_delete")
@requires(Permission.BUILD)
def delete(workflow_id: str) -> Response:
    """Delete a workflow; it can be brought back for 30 days."""
    workflow, form = _workflow(workflow_id), forms.EndForm()
    if not form.validate_on_submit() and request.method == "POST":
        return _end_page(workflow, "delete", form, status=422)
    ended = service.delete(db.session(), workflow, open_runs=form.chosen, actor=_actor())
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
    service.bring_back(db.session(), workflow, actor=_actor())
    db.session.commit()
    flash(f"“{workflow.name}” is back, as it was.", "go")
    return _to(workflow)


@blueprint.post("/workflows/<workflow_id>/copy")
@requires(Permission.BUILD)
def copy(workflow_id: str) -> Response:
    """Make a workflow of its own from this one."""
    made = service.copy(db.session(), _workflow(workflow_id), actor=_actor())
    db.session.commit()
    flash(f"This is “{made.name}”. It is yours to change; nothing of it is published yet.", "go")
    return _to(made)


# --- files ---


@blueprint.get("/workflows/<workflow_id>/export")
@requires(Permission.SEE)
def export(workflow_id: str) -> Response:
    """Download a workflow as a file, without secrets: what is published; for builders, before that, the draft."""
    workflow = _workflow(workflow_id)
    kind = FileKind.JSON if request.args.get("kind") == FileKind.JSON else FileKind.YAML
    if workflow.published_number or not who().may(Permission.BUILD):
        definition = workflows.current_version(db.session(), workflow).definition
    else:
        definition = _draft(workflow)
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
            actor=_actor(),
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
    return _to(made)


@blueprint.get("/workflows/<workflow_id>/checklist")
@requires(Permission.BUILD)
def checklist(workflow_id: str) -> Response:
    """Show what an imported workflow still needs before it can be switched on."""
    workflow = _workflow(workflow_id)
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
    workflow, session = _workflow(workflow_id), db.session()
    service.check_off(session, workflow, request.form.getlist("needs"), actor=_actor())
    left = queries.needs(session, workflow)
    if not left and workflow.published_number:
        service.switch_on(session, workflow, actor=_actor())
    session.commit()
    if left:
        flash(f"{len(left)} to look at yet.", "care")
        return htmx.redirect(url_for("lifecycle.checklist", workflow_id=workflow.id))
    ready = "is switched on" if workflow.published_number else "can be started once it is published"
    flash(f"“{workflow.name}” {ready}.", "go")
    return _to(workflow)


# --- helpers ---


def _workflow(workflow_id: str) -> Workflow:
    return workflows.workflow(db.session(), who().workspace_id, workflow_id)


def _actor() -> Actor:
    me = who()
    return Actor(me.user_id, me.name, me.email)


def _field_url(workflow: Workflow, place: Place) -> str:
    """Return the address of the builder's form with the field where something stands."""
    page = "question" if place.is_question else "step"
    field = "q-default" if place.is_question else f"c-{place.setting}"
    values: dict[str, Any] = {"key" if place.is_question else "step_id": place.owner, "fix": field}
    return url_for(f"workflows.builder.{page}", workflow_id=workflow.id, _anchor=field, **values)


def _to(workflow: Workflow) -> Response:
    return htmx.redirect(url_for("workflows.show", workflow_id=workflow.id))


def _once() -> str:
    return request.form.get("once", "")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _draft(workflow: Workflow) -> dict[str, Any]:
    return workflows.draft_of(db.session(), workflow).definition


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
        changes = queries.draft_changes(session, workflow, validated(draft.definition))
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


def _test_page(workflow: Workflow, form: object | None = None, *, status: int = 200) -> Response:
    try:
        definition = Definition.model_validate(validated(_draft(workflow)))
    except Invalid as invalid:
        return htmx.page("lifecycle/test.html", workflow=workflow, form=None, problems=invalid.problems, status=status)
    if form is None:
        there, last = _there(definition), queries.last_answers(db.session(), workflow)
        ids = {name: [key for key, _ in choices] for name, choices in there.items()}
        answers = samples.answers(definition, last, tester=who().email, **ids)
        form = forms.answers_form(definition, answers, moments.zone_named(), **there)(formdata=None)
    return htmx.page("lifecycle/test.html", workflow=workflow, form=form, problems=(), status=status)


def _there(definition: Definition) -> dict[str, list[tuple[str, str]]]:
    """Return the newest documents and pictures with their words, where a question asks for one."""
    asked = {question.type for question in definition.inputs}
    session, workspace_id = db.session(), who().workspace_id
    found: dict[str, list[tuple[str, str]]] = {}
    if asked & {InputType.DOCUMENT, InputType.DOCUMENTS}:
        documents = files.documents(session, workspace_id, limit=TO_CHOOSE)
        found["documents"] = [(one.id, one.title) for one in documents]
    if asked & {InputType.IMAGE, InputType.IMAGES}:
        pictures = files.images(session, workspace_id, limit=TO_CHOOSE)
        found["images"] = [(one.id, one.alt or one.prompt[:80] or "A picture") for one in pictures]
    return found


def _end_page(
    workflow: Workflow, what: str, form: forms.EndForm | None = None, *, status: int = 200
) -> Response:
    going = queries.going(db.session(), workflow)
    run_by = [f"“{name}”" for name in workflows.run_by(db.session(), workflow, *workflows.references(workflow))]
    return htmx.page(
        "lifecycle/end.html", workflow=workflow, what=what, going=going, form=form or forms.EndForm(), days=KEPT_DAYS,
        run_by=listed(run_by) if run_by else "", status=status,
    )  # fmt: skip


def _sample(run_id: str, *, is_next: bool = False) -> Response:
    session = db.session()
    run = runs.run(session, who().workspace_id, run_id)
    wanted = workflows.load_definition(session, run.version_id).steps[-1].id
    step = next((row for row in runs.step_runs(session, run.id) if row.step_id == wanted), None)
    made_by = step.id if step else ""
    documents = [one for one in runs.arrived_documents(session, run) if one.step_run_id == made_by]
    pictures = [one for one in runs.arrived_pictures(session, run) if one.step_run_id == made_by]
    response = htmx.page(
        "lifecycle/sample.html",
        fragment="lifecycle/sample.oob.html",
        run=run,
        step=step,
        documents=documents,
        pictures=pictures,
        values=[] if documents or pictures else _values(step.output if step else None),
        sentences=queries.would_have(session, run),
        is_next=is_next,
    )
    if htmx.is_fragment() and request.method == "GET" and not run.is_open:
        response.status_code = htmx.STOP_POLLING
    return response


def _values(output: object) -> list[tuple[str, str]]:
    """Return what a step gave as words and texts, for a list; ids and empty parts say nothing to people."""
    if not isinstance(output, dict):
        return []
    shown = ((in_words(key), _shown(value)) for key, value in output.items())
    return [(name, text) for name, text in shown if text][:20]


def _shown(value: object) -> str:
    try:
        text = as_text(value)
    except UnusableValue:
        return ""
    return text if len(text) <= 600 else text[:599] + "…"


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


def _by_question(invalid: Invalid) -> Invalid:
    """Return problems of answers with the names of the form's fields."""
    faults = [
        FieldError(f"/q_{fault.path.rsplit('/', 1)[-1]}", fault.code, fault.message, fault.fix)
        if fault.path.startswith("/inputs/")
        else fault
        for fault in invalid.problems
    ]
    return Invalid(invalid.message, faults, fix=invalid.fix)
