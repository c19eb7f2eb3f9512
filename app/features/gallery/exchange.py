"""A workspace's own templates in and out of files, and away again. A file says what the product's own files say."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.errors import Conflict, FieldError, Invalid
from app.core.ids import new_id
from app.features.accounts import service as accounts
from app.features.accounts.service import Actor
from app.features.gallery import library, versions
from app.features.gallery.enums import Whose
from app.features.gallery.models import LaunchDraft, Template

RESERVED = frozenset(("compare", "import"))


def write(template: Template) -> dict[str, Any]:
    """Return a template as its file says it; what comes back through :func:`take_in` is the same."""
    return {
        "slug": template.slug,
        "version": template.version,
        "name": template.name,
        "summary": template.summary,
        "category": template.category,
        "tags": list(template.tags),
        "label": template.label,
        "gets": list(template.gets),
        "estimate": dict(template.estimate),
        "sample_inputs": dict(template.sample_inputs),
        "definition": template.definition,
    }


def take_in(session: Session, workspace_id: str, data: object, *, actor: Actor, replaces: str = "") -> Template:
    """Keep a file as the workspace's own template, or as the next version of it; the caller commits.

    A file of what is there already makes no version. Raises Invalid with every problem, Conflict for the slug of one of
    ours, Taken where what is there is newer than the file, unless *replaces* is its mark.
    """
    file = library.parse(data)
    if file.slug in RESERVED:
        fault = FieldError("/slug", "bad_value", f"No template can be called “{file.slug}”.", "Choose another slug.")
        raise Invalid("The template cannot be taken in.", [fault])
    if session.scalar(sa.select(Template.id).where(Template.workspace_id.is_(None), Template.slug == file.slug)):
        raise Conflict(f"Greenlight has a template “{file.slug}” already.", fix="Give yours another slug.")
    template, contents = versions.standing(session, workspace_id, file.slug), versions.contents_of(file)
    if template is not None and template.version >= file.version and versions.is_current(template, contents):
        return template
    if template is None:
        template = Template(id=new_id(), workspace_id=workspace_id, slug=file.slug, version=file.version - 1)
        session.add(template)
    else:
        versions.check_newer(session, template, version=file.version, replaces=replaces)
    template.version = max(file.version, template.version + 1)
    versions.change(template, contents)
    versions.keep(session, template, actor=actor)
    accounts.audit_of(session, template, actor, "template.imported", name=template.name, version=template.version)
    return template


def remove(session: Session, template: Template, *, actor: Actor) -> None:
    """Take an own template away; the caller commits. Workflows and runs made of it stay. Raises Conflict for ours."""
    if template.whose is Whose.OURS:
        raise Conflict(f"“{template.name}” comes with Greenlight and stays.", fix="Only your own can be removed.")
    forms = sa.delete(LaunchDraft).where(
        LaunchDraft.workspace_id == template.workspace_id, LaunchDraft.template_slug == template.slug
    )
    session.execute(forms)
    accounts.audit_of(session, template, actor, "template.removed", name=template.name)
    session.delete(template)
    session.flush()

