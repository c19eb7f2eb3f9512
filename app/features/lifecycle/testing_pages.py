"""Pages of tests: a test run of the whole, a sample of one step, what would have been sent."""

from flask import Response, request, url_for

from app.core.db import db
from app.core.errors import FieldError, Invalid
from app.definition.parts import InputType, in_words
from app.definition.schema import Definition
from app.definition.values import UnusableValue, as_text
from app.engine import jobs
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.files import queries as files
from app.features.lifecycle import forms, queries, samples, service
from app.features.lifecycle.blueprint import actor, blueprint, draft_of, once, workflow_of
from app.features.runs import queries as runs
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow
from app.features.workflows.service import validated
from app.web import htmx, moments

TO_CHOOSE = 30  # documents and pictures that a test offers


@blueprint.get("/workflows/<workflow_id>/test")
@requires(Permission.LAUNCH)
def test(workflow_id: str) -> Response:
    """Ask for the answers of a test; samples stand there already."""
    return _test_page(workflow_of(workflow_id))


@blueprint.post("/workflows/<workflow_id>/test-runs")
@requires(Permission.LAUNCH)
def test_runs(workflow_id: str) -> Response:
    """Start a test run and show it."""
    workflow = workflow_of(workflow_id)
    definition = Definition.model_validate(validated(draft_of(workflow)))
    form = forms.answers_form(definition, {}, zone := moments.zone_named(), **_there(definition))()
    try:
        given = forms.given(form, definition, zone)
        run = service.start_test(db.session(), workflow, inputs=given, actor=actor(), once=once())
        db.session.commit()
    except Invalid as invalid:
        db.session.rollback()
        form.add_problems(_by_question(invalid))
        return _test_page(workflow_of(workflow_id), form, status=422)
    jobs.hint_run(run.id)
    return htmx.redirect(url_for("runs.show", run_id=run.id))


@blueprint.post("/workflows/<workflow_id>/draft/steps/<step_id>/sample")
@requires(Permission.LAUNCH)
def sample(workflow_id: str, step_id: str) -> Response:
    """Do one step of the draft alone; its result appears beside it, or on the run's page without script."""
    workflow = workflow_of(workflow_id)
    run = service.start_sample(db.session(), workflow, step_id, actor=actor(), once=once())
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
    workflow_of(workflow_id)
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


def _test_page(workflow: Workflow, form: object | None = None, *, status: int = 200) -> Response:
    try:
        definition = Definition.model_validate(validated(draft_of(workflow)))
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


def _by_question(invalid: Invalid) -> Invalid:
    """Return problems of answers with the names of the form's fields."""
    faults = [
        FieldError(fault.path.replace("/inputs/", "/q_", 1), fault.code, fault.message, fault.fix)
        if fault.path.startswith("/inputs/")
        else fault
        for fault in invalid.problems
    ]
    return Invalid(invalid.message, faults, fix=invalid.fix)
