"""The versions of a workspace's own templates: each is kept with who saved it, and can be gone back to."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.features.accounts import service as accounts
from app.features.accounts.service import Actor
from app.features.gallery.library import TemplateFile
from app.features.gallery.models import Template, TemplateVersion
from app.features.workflows import service as workflows

_CONTENTS = ("name", "summary", "category", "tags", "gets", "label", "sample_inputs", "estimate", "definition")


class Taken(Conflict):
    """Something else is a template of this name. Who means to replace it says so with *mark*."""

    code = "taken"

    def __init__(self, template: Template, by: str, *, otherwise: str) -> None:
        whose = f" by {by}" if by else ""
        super().__init__(
            f"There is already a template called “{template.name}”{whose}, version {template.version}.",
            fix=f"Replace it with this as version {template.version + 1}, or {otherwise}.",
        )
        self.mark, self.next = mark(template), template.version + 1


def standing(session: Session, workspace_id: str, slug: str) -> Template | None:
    """Return and lock the workspace's own template of this slug.

    Who asks at the same moment waits, also where there is none: of two that save one the second finds the first's.
    """
    accounts.take_turn(session, workspace_id)
    mine = sa.select(Template).where(Template.workspace_id == workspace_id, Template.slug == slug)
    return session.scalars(mine.with_for_update()).one_or_none()


def mark_of(session: Session, workspace_id: str, slug: str) -> str:
    """Return the mark of the workspace's own template of this slug; "" where there is none."""
    template = standing(session, workspace_id, slug)
    return mark(template) if template else ""


def mark(template: Template) -> str:
    """Name a template as it stands, so that what was saved meanwhile is not replaced unseen."""
    return f"{template.id}:{template.version}"


def check_free(session: Session, template: Template, *, workflow_id: str, replaces: str) -> None:
    """Raise Taken where *template* was last saved of another workflow and is not what *replaces* marks."""
    last = newest(session, template)
    if replaces != mark(template) and (last is None or last.workflow_id != workflow_id):
        raise Taken(template, last.saved_by if last else "", otherwise="give another name")


def check_newer(session: Session, template: Template, *, version: int, replaces: str) -> None:
    """Raise Taken where a file of *version* is older than *template*, which is not what *replaces* marks."""
    if replaces != mark(template) and version < template.version:
        last = newest(session, template)
        raise Taken(template, last.saved_by if last else "", otherwise="give yours another slug")


def newest(session: Session, template: Template) -> TemplateVersion | None:
    """Return the version that a template has now."""
    found: TemplateVersion | None = session.scalar(_of(template, template.version))
    return found


def contents_of(file: TemplateFile) -> dict[str, Any]:
    """Return what a file makes of a template."""
    return file.model_dump(mode="json", exclude={"slug", "version"})


def is_current(template: Template, contents: Mapping[str, Any]) -> bool:
    """Whether a template holds these contents already."""
    return all(getattr(template, name) == contents[name] for name in _CONTENTS)


def change(template: Template, contents: Mapping[str, Any]) -> None:
    """Give a template other contents."""
    for name in _CONTENTS:
        setattr(template, name, contents[name])


def keep(session: Session, template: Template, *, actor: Actor, workflow_id: str | None = None) -> None:
    """Keep what a template is now as its version; the caller commits."""
    template.updated_at = clock.now()
    session.flush()
    session.add(
        TemplateVersion(
            id=new_id(),
            template_id=template.id,
            number=template.version,
            saved_by=actor.name,
            saved_at=template.updated_at,
            workflow_id=workflow_id,
            contents={name: getattr(template, name) for name in _CONTENTS},
        )
    )
    session.flush()


def go_back(session: Session, template: Template, *, number: int, actor: Actor) -> None:
    """Make what version *number* was the next version; the caller commits. Workflows made of it stay as they are.

    Raises NotFound for an unknown number, Conflict where nothing would change, Invalid where a step type is gone.
    """
    session.refresh(template, with_for_update=True)
    old: TemplateVersion | None = session.scalar(_of(template, number))
    if old is None:
        raise NotFound(f"“{template.name}” has no version {number} to go back to.")
    if number == template.version:
        raise Conflict(f"Version {number} is the current one already.")
    if is_current(template, old.contents):
        raise Conflict(f"Version {template.version}, the current one, is what version {number} was already.")
    workflows.validated(old.contents["definition"])
    change(template, old.contents)
    template.version += 1
    keep(session, template, actor=actor, workflow_id=old.workflow_id)
    detail = {"name": template.name, "version": template.version, "back_to": number}
    accounts.audit_of(session, template, actor, "template.restored", **detail)


def _of(template: Template, number: int) -> sa.Select[Any]:
    return sa.select(TemplateVersion).where(
        TemplateVersion.template_id == template.id, TemplateVersion.number == number
    )
