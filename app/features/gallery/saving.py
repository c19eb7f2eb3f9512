"""Pages of own templates: one is made of a workflow, with values that are asked each time, or is what it was before."""

from flask import Response, flash, request, url_for
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import InputRequired, Length, Optional

from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.definition import launch_form
from app.engine import catalog
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.service import Actor
from app.features.gallery import own, queries, versions
from app.features.gallery.blueprint import blueprint
from app.features.gallery.versions import Taken
from app.features.workflows import queries as workflows
from app.features.workflows.enums import Category
from app.features.workflows.models import Workflow
from app.web import htmx
from app.web.forms import Form


class TemplateForm(Form):
    """What the template is called and where it stands."""

    name = StringField("Name", [InputRequired("Give it a name."), Length(max=200)])
    summary = TextAreaField(
        "What you get", [Optional(), Length(max=300)], description="One sentence; it stands on the card."
    )
    category = SelectField(
        "Category",
        [InputRequired("Choose where it stands in the gallery.")],
        choices=[SelectChoice("", "Choose"), *(SelectChoice(one.value, one.label) for one in Category)],
    )


@blueprint.get("/workflows/<workflow_id>/template")
@requires(Permission.BUILD)
def save_as_template(workflow_id: str) -> Response:
    """Ask what the template is called, and which values become questions."""
    workflow = workflows.workflow(db.session(), who().workspace_id, workflow_id)
    known = workflow.category in set(Category)
    form = TemplateForm(
        formdata=None,
        name=workflow.name,
        summary=workflow.description,
        category=workflow.category if known else "",
    )
    return _page(workflow, form)


@blueprint.post("/workflows/<workflow_id>/template")
@requires(Permission.BUILD)
def keep_template(workflow_id: str) -> Response:
    """Make the template and show it in the gallery."""
    me, session = who(), db.session()
    workflow = workflows.workflow(session, me.workspace_id, workflow_id)
    form = TemplateForm()
    if not form.validate_on_submit():
        return _page(workflow, form, status=422)
    chosen = {key: request.form.get(f"words_{key}", "") for key in request.form.getlist("ask")}
    try:
        version = workflows.current_version(session, workflow)
        definition = workflows.load_definition(session, version.id)
        template = own.save(
            session,
            workflow,
            own.with_questions(definition, chosen, catalog.facts()),
            name=form.text("name"),
            summary=form.text("summary"),
            category=Category(form.text("category")),
            actor=Actor(me.user_id, me.name, me.email),
            replaces=request.form.get("replaces", ""),
        )
        session.commit()
    except Taken as taken:
        session.rollback()
        return _page(workflows.workflow(session, me.workspace_id, workflow_id), form, taken=taken, status=taken.status)
    except (Invalid, Conflict) as refused:
        session.rollback()
        form.form_errors.append(" ".join(part for part in (refused.message, refused.fix) if part))
        return _page(workflows.workflow(session, me.workspace_id, workflow_id), form, status=refused.status)
    flash(f"“{template.name}” is a template now, version {template.version}. Your team finds it in the gallery.", "go")
    return htmx.redirect(url_for("gallery.show", slug=template.slug))


@blueprint.post("/gallery/<slug>/rollback")
@requires(Permission.BUILD)
def go_back(slug: str) -> Response:
    """Make an older version of an own template the next one."""
    me, session = who(), db.session()
    template = queries.template(session, me.workspace_id, slug)
    number = request.form.get("version", "")
    try:
        versions.go_back(
            session,
            template,
            number=int(number) if number.isdecimal() and len(number) < 9 else 0,
            actor=Actor(me.user_id, me.name, me.email),
        )
        version = template.version
        session.commit()
        flash(f"Version {version} is what version {number} was.", "go")
    except Conflict as same:
        session.rollback()
        flash(same.message, "care")
    return htmx.redirect(url_for("gallery.show", slug=slug))


def _page(workflow: Workflow, form: TemplateForm, *, taken: Taken | None = None, status: int = 200) -> Response:
    session = db.session()
    version = workflows.current_version(session, workflow)
    definition = workflows.load_definition(session, version.id)
    asked = set(request.form.getlist("ask"))
    return htmx.page(
        "gallery/save.html",
        workflow=workflow,
        version=version,
        already=launch_form.asked(definition),
        candidates=own.offered(definition),
        asked=asked,
        words=request.form,
        form=form,
        taken=taken,
        status=status,
    )
