"""Reads of the gallery: templates, and half-filled answers. What runs say of a template is read by ``figures``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, defer
from sqlalchemy.sql.base import ExecutableOption

from app.core.errors import NotFound
from app.core.ids import is_id
from app.engine.models import Run
from app.features.accounts import queries as accounts
from app.features.gallery import search
from app.features.gallery.enums import Sort
from app.features.gallery.models import LaunchDraft, Template, TemplateVersion
from app.features.runs.service import Pinned
from app.features.workflows.models import Version, Workflow

MOST = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """What a launch form belongs to: a template by its slug, or a workflow by its id; one of the two."""

    slug: str = ""
    workflow_id: str = ""


def templates(
    session: Session,
    workspace_id: str,
    *,
    text: str | None = None,
    category: str | None = None,
    sort: Sort = Sort.NAME,
) -> list[Template]:
    """Return ours and the workspace's own templates that fit; a search without *sort* by name stands best first.

    ``Sort.USED`` is settled by the caller, who has the facts: here it is the name's order.
    """
    found = [t for t in _all(session, workspace_id) if category is None or t.category == category]
    if sort is Sort.NEWEST:
        found.sort(key=lambda template: (template.updated_at, template.id), reverse=True)
    else:
        found.sort(key=lambda template: template.name.lower())
    return search.ranked(found, text or "")


def listed(session: Session, workspace_id: str) -> list[Template]:
    """Return every template that the workspace sees, by name, without definition and sample answers. One statement."""
    light = (defer(Template.definition, raiseload=True), defer(Template.sample_inputs, raiseload=True))
    return sorted(_all(session, workspace_id, options=light), key=lambda template: template.name.lower())


def template(session: Session, workspace_id: str, slug: str) -> Template:
    """Return one template, the workspace's own before ours of the same slug. Raises NotFound."""
    for found in _all(session, workspace_id, slugs=[slug]):
        return found
    raise NotFound("This template does not exist.", fix="Look for it in the gallery.")


def versions(session: Session, template: Template) -> Sequence[TemplateVersion]:
    """Return the versions of one of the workspace's own templates, the newest first, at most 50; not what they held."""
    newest = sa.select(TemplateVersion).where(TemplateVersion.template_id == template.id)
    kept = newest.order_by(TemplateVersion.number.desc()).limit(50).options(defer(TemplateVersion.contents))
    return session.scalars(kept).all()


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled launch form, and what it starts; *label* is "" where the workflow is of no template.

    *made_of* names the version as the launch form does.
    """

    answers: dict[str, Any]
    pinned: Pinned
    label: str
    made_of: str


def ask_filled(place: Place, draft_id: str) -> accounts.Beside | None:
    """Return what asks for a filled form, whosever it is, with the version that it starts; None where there is none.

    It finds nothing when the form is gone, and while the template has no workflow in this workspace.
    """
    if not is_id(draft_id):
        return None
    if place.slug:
        return _filled_template, {"b_id": draft_id, "b_slug": place.slug}
    return _filled_workflow, {"b_id": draft_id, "b_workflow_id": place.workflow_id}


def filled_of(row: Mapping[str, Any], workspace_id: str, user_id: str, place: Place) -> Filled | None:
    """Return the form that :func:`ask_filled` found; None where it is not this person's, or the workflow is older."""
    if (row["workspace_id"], row["user_id"]) != (workspace_id, user_id) or (row["followed"] or 0) < row["newest"]:
        return None
    names = ("workflow_id", "workflow_name", "is_enabled", "version_id", "version_number")
    pinned = Pinned(*(row[name] for name in names))
    return Filled(row["answers"], pinned, row["label"], str(row["newest"]) if place.slug else row["version_id"])


_COLUMNS = (
    LaunchDraft.answers,
    LaunchDraft.workspace_id,
    LaunchDraft.user_id,
    Workflow.id.label("workflow_id"),
    Workflow.name.label("workflow_name"),
    Workflow.is_enabled,
    Workflow.template_version.label("followed"),
    Version.id.label("version_id"),
    Version.number.label("version_number"),
)
# By its id alone, so that the database looks nowhere else; whose it is, is compared afterwards.
_IS_IT = LaunchDraft.id == sa.bindparam("b_id")
_IS_CURRENT = (Version.workflow_id == Workflow.id) & (Version.number == Workflow.published_number)
_IS_ALIVE = (Workflow.workspace_id == LaunchDraft.workspace_id) & Workflow.deleted_at.is_(None)
# Built once: they stand in the way of every start. A workspace's own template comes before ours of the same slug.
_filled_template = (
    sa.select(*_COLUMNS, Template.label, Template.version.label("newest"))
    .select_from(LaunchDraft)
    .join(Template, (Template.slug == LaunchDraft.template_slug) & (Template.slug == sa.bindparam("b_slug")))
    .join(Workflow, (Workflow.template_slug == Template.slug) & _IS_ALIVE)
    .join(Version, _IS_CURRENT)
    .where(
        _IS_IT,
        sa.or_(Template.workspace_id.is_(None), Template.workspace_id == LaunchDraft.workspace_id),
    )
    .order_by(Template.workspace_id.is_(None), Workflow.created_at)
    .limit(1)
)
_filled_workflow = (
    sa.select(*_COLUMNS, sa.literal("").label("label"), sa.literal(0).label("newest"))
    .select_from(LaunchDraft)
    .join(Workflow, (Workflow.id == LaunchDraft.workflow_id) & _IS_ALIVE)
    .join(Version, _IS_CURRENT)
    .where(_IS_IT, Workflow.id == sa.bindparam("b_workflow_id"))
)


def last_inputs(session: Session, workspace_id: str, user_id: str, place: Place) -> Mapping[str, Any] | None:
    """Return the answers that this person gave the last time; None when there was none.

    Runs that a schedule or another run started for them have answers that they did not give.
    """
    wanted = (
        sa.select(Run.inputs)
        .join(Workflow, Workflow.id == Run.workflow_id)
        .where(
            Run.workspace_id == workspace_id,
            Run.started_by == user_id,
            Run.trigger_kind == "person",
            Workflow.template_slug == place.slug if place.slug else Workflow.id == place.workflow_id,
        )
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(1)
    )
    return session.execute(wanted).scalar_one_or_none()


def draft(session: Session, workspace_id: str, user_id: str, place: Place) -> LaunchDraft | None:
    """Return this person's half-filled answers, the newest; None when there are none."""
    newest = _drafts(workspace_id, user_id, place).order_by(LaunchDraft.updated_at.desc(), LaunchDraft.id.desc())
    return session.execute(newest.limit(1)).scalars().first()


def run_of_draft(session: Session, workspace_id: str, user_id: str, draft_id: str) -> Run | None:
    """Return the run that these answers have already started; None when they have not."""
    if not is_id(draft_id):
        return None
    wanted = sa.select(Run).where(
        Run.workspace_id == workspace_id, Run.dedupe_key == draft_id, Run.started_by == user_id
    )
    return session.execute(wanted).scalar_one_or_none()


def chosen(session: Session, workspace_id: str, slugs: Sequence[str]) -> list[Template]:
    """Return these templates whole, in the order named; what does not exist is left out. One statement."""
    found = {template.slug: template for template in _all(session, workspace_id, slugs=slugs)}
    return [found[slug] for slug in dict.fromkeys(slugs) if slug in found]


def _all(
    session: Session,
    workspace_id: str,
    *,
    slugs: Sequence[str] | None = None,
    options: Sequence[ExecutableOption] = (),
) -> list[Template]:
    """Return the templates that a workspace sees; its own hides ours of the same slug."""
    wanted = sa.select(Template).where(
        sa.or_(Template.workspace_id.is_(None), Template.workspace_id == workspace_id)
    )
    if slugs is not None:
        wanted = wanted.where(Template.slug.in_([slug for slug in slugs if "\x00" not in slug]))
    by_slug: dict[str, Template] = {}
    for found in session.execute(wanted.options(*options).limit(MOST)).scalars():
        if found.slug not in by_slug or found.workspace_id is not None:
            by_slug[found.slug] = found
    return list(by_slug.values())


def _drafts(workspace_id: str, user_id: str, place: Place) -> sa.Select[LaunchDraft]:
    return sa.select(LaunchDraft).where(
        LaunchDraft.workspace_id == workspace_id,
        LaunchDraft.user_id == user_id,
        LaunchDraft.template_slug == place.slug if place.slug else LaunchDraft.workflow_id == place.workflow_id,
    )
