"""Pages that make something of a template: a workflow with fixed answers, a copy in the builder, a file."""

from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, flash, request, send_file, url_for

from app.core import yaml
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.definition.schema import Definition, Input, InputType
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.gallery import exchange, forms, library, queries, rules, service
from app.features.gallery.blueprint import blueprint
from app.features.gallery.forms import CustomiseForm, ImportForm
from app.features.gallery.models import Template
from app.features.runs.service import Actor
from app.features.workflows import service as workflows
from app.web import htmx
from app.web.forms import Form

ASK, ALWAYS = "ask", "always"
FIXABLE = frozenset(InputType) - {InputType.CSV, *rules.HANDED}


@blueprint.get("/gallery/<slug>/customise")
@requires(Permission.BUILD)
def customise(slug: str) -> Response:
    """Ask of each question: ask it every time, or always use this answer."""
    template = queries.template(db.session(), who().workspace_id, slug)
    questions = _fixable(template)
    shown = forms.filled(questions, {}, ZoneInfo(who().timezone))
    answers = forms.build(questions, with_files=False)(None, data=shown)
    return _customise(template, CustomiseForm(None, name=template.name), answers)


@blueprint.post("/gallery/<slug>/customise")
@requires(Permission.BUILD)
def make(slug: str) -> Response:
    """Make a workflow of the template with the answers that are always used, ready to start."""
    me, session = who(), db.session()
    template = queries.template(session, me.workspace_id, slug)
    questions = _fixable(template)
    about, answers = CustomiseForm(), forms.build(questions, with_files=False)()
    given = forms.answers(answers, questions, ZoneInfo(me.timezone))
    fixed = {key: value for key, value in given.items() if request.form.get(f"how_{key}") == ALWAYS}
    if not about.validate_on_submit():
        return _customise(template, about, answers, status=422)
    try:
        made = service.make_workflow(
            session, workspace_id=me.workspace_id, slug=slug, name=about.text("name"), fixed_inputs=fixed,
            actor_id=me.user_id,
        )  # fmt: skip
        workflow_id = made.id
        session.commit()
    except Invalid as invalid:
        session.rollback()
        forms.show_problems(answers, invalid.problems)
        if not any(field.errors for field in answers):
            about.add_problems(invalid)
        return _customise(queries.template(session, me.workspace_id, slug), about, answers, status=422)
    flash(f"“{made.name}” is ready. What you fixed is no longer asked.", "go")
    return htmx.redirect(url_for("gallery.launch_workflow", workflow_id=workflow_id))


@blueprint.post("/gallery/<slug>/copies")
@requires(Permission.BUILD)
def copy(slug: str) -> Response:
    """Copy the template's steps to the builder, as a draft of a new workflow."""
    me, session = who(), db.session()
    template = queries.template(session, me.workspace_id, slug)
    made = workflows.create_draft(
        session,
        workspace_id=me.workspace_id,
        name=f"Copy of {template.name}"[:200],
        actor_id=me.user_id,
        definition=template.definition,
        category=template.category,
        description=template.summary,
        summary=f"Copied from the template {template.name}",
    )
    workflow_id = made.id
    session.commit()
    return htmx.redirect(url_for("workflows.builder.show", workflow_id=workflow_id))


@blueprint.get("/gallery/<slug>/export")
@requires(Permission.SEE)
def export(slug: str) -> Response:
    """Give the template as a YAML file."""
    template = queries.template(db.session(), who().workspace_id, slug)
    text = yaml.dump(exchange.write(template)).encode("utf-8")
    return send_file(
        BytesIO(text), mimetype="application/yaml", as_attachment=True, download_name=f"{template.slug}.yaml", max_age=0
    )


@blueprint.get("/gallery/import")
@requires(Permission.BUILD)
def new() -> Response:
    """Ask for a template's file."""
    return htmx.page("gallery/import.html", form=ImportForm())


@blueprint.post("/gallery/import")
@requires(Permission.BUILD)
def take_in() -> Response:
    """Keep a file as a template of the workspace; every problem of it is named with its place."""
    me, session, form = who(), db.session(), ImportForm()
    sent = request.files.get("file")
    try:
        if sent is not None and sent.filename:
            form["source"].data = service.read_file(sent.filename, BytesIO(sent.stream.read(MAX_BYTES)))
        data = library.load(form.text("source"))
        template = exchange.take_in(session, me.workspace_id, data, actor=Actor(me.user_id, me.name, me.email))
        slug, version = template.slug, template.version
        session.commit()
    except (Invalid, Conflict) as refused:
        session.rollback()
        faults = refused.problems if isinstance(refused, Invalid) else ()
        lines = yaml.found_lines(form.text("source"), [fault.path for fault in faults])
        return htmx.page(
            "gallery/import.html", form=form, refused=refused, faults=faults, lines=lines, status=refused.status
        )
    flash(f"Your team finds the template in the gallery, version {version}.", "go")
    return htmx.redirect(url_for("gallery.show", slug=slug))


@blueprint.post("/gallery/<slug>/removal")
@requires(Permission.BUILD)
def remove(slug: str) -> Response:
    """Take an own template away; what was made of it stays."""
    me, session = who(), db.session()
    template = queries.template(session, me.workspace_id, slug)
    name = template.name
    exchange.remove(session, template, actor=Actor(me.user_id, me.name, me.email))
    session.commit()
    flash(f"“{name}” is no longer in the gallery. Workflows and runs made of it stay.", "go")
    return htmx.redirect(url_for("gallery.index"))


MAX_BYTES = 1024 * 1024


def _fixable(template: Template) -> list[Input]:
    """Return the questions whose answer may be fixed; files and tables are handed in every time."""
    definition = Definition.model_validate(template.definition)
    return [question for question in rules.asked(definition) if question.type in FIXABLE]


def _customise(template: Template, about: CustomiseForm, answers: Form, *, status: int = 200) -> Response:
    questions = _fixable(template)
    asked = {question.key for question in questions}
    definition = Definition.model_validate(template.definition)
    hows: dict[str, Any] = {key: request.form.get(f"how_{key}", ASK) for key in asked}
    return htmx.page(
        "gallery/customise.html",
        status=status,
        template=template,
        questions=questions,
        others=[question for question in rules.asked(definition) if question.key not in asked],
        about=about,
        form=answers,
        hows=hows,
    )
