"""Pages that make something of a template: a workflow with fixed answers, a copy in the builder, a file."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, flash, request, send_file, url_for

from app.core import yaml
from app.core.db import db
from app.core.errors import Conflict, FieldError, Invalid
from app.definition import launch_form
from app.definition.schema import Definition, Input
from app.features.accounts import queries as accounts
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.service import Actor
from app.features.gallery import (
    exchange,
    forms,
    handing,
    launching,
    library,
    queries,
    rules,
    service,
    uploads,
)
from app.features.gallery.blueprint import blueprint
from app.features.gallery.forms import CustomiseForm, ImportForm
from app.features.gallery.models import Template
from app.features.gallery.uploads import Upload
from app.features.workflows import service as workflows
from app.web import htmx

ASK, ALWAYS = "ask", "always"


@blueprint.get("/gallery/<slug>/customise")
@requires(Permission.BUILD)
def customise(slug: str) -> Response:
    """Ask of each question: ask it every time, or always use this answer."""
    template = queries.template(db.session(), who().workspace_id, slug)
    return _customise(template, CustomiseForm(None, name=template.name), {})


@blueprint.post("/gallery/<slug>/customise")
@requires(Permission.BUILD)
def make(slug: str) -> Response:
    """Make a workflow of the template with the answers that are always used, ready to start.

    Files for such answers are kept first, so that a wrong answer elsewhere loses none of them.
    """
    me, session = who(), db.session()
    handed, faults = uploads.read(each for each in launching.sent_files() if _is_always(each[0].removeprefix("f_")))
    template = queries.template(session, me.workspace_id, slug)
    given, misfits = _given(template, handed)
    faults += misfits
    session.commit()
    about = CustomiseForm()
    about.validate_on_submit()
    try:
        made = service.make_workflow(
            session, workspace_id=me.workspace_id, slug=slug, name=about.text("name") or template.name,
            fixed_inputs={key: value for key, value in given.items() if _is_always(key)}, actor_id=me.user_id,
        )  # fmt: skip
    except Invalid as invalid:
        wrong = {fault.path for fault in faults}
        faults += [handing.plainly(fault) for fault in invalid.problems if fault.path not in wrong]
        if not faults:
            about.add_problems(invalid)
    if faults or about.errors:
        session.rollback()
        return _customise(queries.template(session, me.workspace_id, slug), about, given, faults)
    workflow_id, name = made.id, made.name
    session.commit()
    flash(f"“{name}” is ready. What you fixed is no longer asked.", "go")
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
        template = exchange.take_in(
            session, me.workspace_id, data, actor=Actor(me.user_id, me.name, me.email),
            replaces=request.form.get("replaces", ""),
        )  # fmt: skip
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


def _definition(template: Template) -> Definition:
    return Definition.model_validate(template.definition)


def _questions(template: Template) -> list[Input]:
    return launch_form.asked(_definition(template))


def _is_always(key: str) -> bool:
    return request.form.get(f"how_{key}") == ALWAYS


def _given(template: Template, handed: Sequence[Upload]) -> tuple[dict[str, Any], list[FieldError]]:
    """Return the answers that were sent, with the files of those that are always used, and which files do not fit."""
    me, questions = who(), _questions(template)
    sent = forms.build(questions, launching.choices(me.workspace_id, _definition(template), {}))()
    given = forms.answers(sent, questions, ZoneInfo(me.timezone))
    always = [question for question in questions if _is_always(question.key)]
    faults = handing.take_over(
        db.session(), always, given, handed, request.form, workspace_id=me.workspace_id, by=me.name
    )
    return given, faults


def _customise(
    template: Template, about: CustomiseForm, given: Mapping[str, Any], faults: Sequence[FieldError] = ()
) -> Response:
    me, questions = who(), _questions(template)
    choices = launching.choices(me.workspace_id, _definition(template), given)
    form = forms.build(questions, choices)(None, data=forms.filled(questions, given, ZoneInfo(me.timezone)))
    forms.show_problems(form, faults)
    return htmx.page(
        "gallery/customise.html",
        status=422 if faults or about.errors else 200,
        template=template,
        questions=questions,
        about=about,
        form=form,
        cautions=rules.CAUTIONS,
        people=accounts.members(db.session(), me.workspace_id),
        looks=handing.looks(questions, given),
        hows={question.key: request.form.get(f"how_{question.key}", ASK) for question in questions},
    )
