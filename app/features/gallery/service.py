"""Writes of the gallery: seeding templates, keeping half-filled answers, and launching."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import table
from app.core.errors import NotFound
from app.core.ids import is_id, new_id
from app.engine.models import Run
from app.features.gallery import library, queries
from app.features.gallery.models import LaunchDraft, Template
from app.features.runs import service as runs
from app.features.workflows import queries as workflow_queries
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow


def seed_templates(session: Session, files: Sequence[library.TemplateFile] | None = None) -> int:
    """Bring the product's own templates up to *files* (those it comes with); return how many changed.

    The caller commits. A template whose stored version is the same or newer stays as it is; workflows are not touched.
    """
    stored = {
        t.slug: t
        for t in session.execute(sa.select(Template).where(Template.workspace_id.is_(None))).scalars()
    }
    changed = 0
    for file in library.ours() if files is None else files:
        template = stored.get(file.slug)
        if template is not None and template.version >= file.version:
            continue
        if template is None:
            template = Template(id=new_id(), slug=file.slug, workspace_id=None)
            session.add(template)
        _take_over(template, file)
        changed += 1
    session.flush()
    return changed


def launch(
    session: Session,
    *,
    workspace_id: str,
    slug: str,
    raw_inputs: Mapping[str, Any],
    actor: runs.Actor,
    dedupe_key: str | None = None,
    trigger_kind: str = "person",
    test: bool = False,
) -> Run:
    """Start a run of a template; the caller commits and then hints. The same *dedupe_key* gives the same run.

    The workspace's workflow of this template is made on first use and gets a new version when the template has one.
    Raises NotFound, and Invalid with every wrong answer.
    """
    template = queries.template(session, workspace_id, slug)
    options = {"dedupe_key": dedupe_key, "trigger_kind": trigger_kind, "test": test}
    return _start(session, workspace_id, template, raw_inputs, actor, **options)


def keep_answers(
    session: Session,
    *,
    workspace_id: str,
    user_id: str,
    slug: str,
    answers: Mapping[str, Any],
    over: LaunchDraft | None,
) -> LaunchDraft:
    """Keep half-filled answers as they were typed, added to those of *over* where there is one; the caller commits."""
    if over is None:
        over = LaunchDraft(
            id=new_id(), workspace_id=workspace_id, user_id=user_id, template_slug=slug, answers={}
        )
        session.add(over)
    over.answers = {**over.answers, **answers}
    over.updated_at = clock.now()
    session.flush()
    return over


def start_draft(session: Session, *, workspace_id: str, slug: str, draft_id: str, actor: runs.Actor) -> Run:
    """Start the run of a filled form, once: pressed twice, also at the same moment, it is the same run.

    The caller commits and hints. Raises NotFound for a stranger's draft and Invalid with every wrong answer.
    """
    answers = _take_draft(session, workspace_id, str(actor.user_id), slug, draft_id)
    if answers is None:
        started = queries.run_of_draft(session, workspace_id, str(actor.user_id), draft_id)
        if started is None:
            raise NotFound("These answers are no longer kept.", fix="Fill in the form again.")
        return started
    template = queries.template(session, workspace_id, slug)
    asked = {question["key"] for question in template.definition["inputs"]}
    raw_inputs = {key: value for key, value in answers.items() if key in asked}
    return _start(session, workspace_id, template, raw_inputs, actor, dedupe_key=draft_id)


def forget_answers(session: Session, draft: LaunchDraft) -> None:
    """Throw half-filled answers away; the caller commits."""
    session.delete(draft)
    session.flush()


_draft = table(LaunchDraft)
_take = (
    sa.delete(_draft)
    .where(
        _draft.c.id == sa.bindparam("b_id"),
        _draft.c.workspace_id == sa.bindparam("b_workspace_id"),
        _draft.c.user_id == sa.bindparam("b_user_id"),
        _draft.c.template_slug == sa.bindparam("b_slug"),
    )
    .returning(_draft.c.answers)
)


def _take_draft(
    session: Session, workspace_id: str, user_id: str, slug: str, draft_id: str
) -> dict[str, Any] | None:
    """Take a filled form away and return its answers; None when it is gone. A second press waits for the first."""
    wanted = {"b_id": draft_id, "b_workspace_id": workspace_id, "b_user_id": user_id, "b_slug": slug}
    return session.execute(_take, wanted).scalar_one_or_none() if is_id(draft_id) else None


def _start(
    session: Session,
    workspace_id: str,
    template: Template,
    raw_inputs: Mapping[str, Any],
    actor: runs.Actor,
    **options: Any,
) -> Run:
    workflow = _workflow_for(session, workspace_id, template, actor_id=actor.user_id)
    return runs.start(
        session,
        workspace_id=workspace_id,
        workflow=workflow,
        inputs=dict(raw_inputs),
        actor=actor,
        label=template.label,
        **options,
    )


def _workflow_for(
    session: Session, workspace_id: str, template: Template, *, actor_id: str | None
) -> Workflow:
    """Return the workspace's workflow that follows *template*; two first launches at one moment make one workflow."""
    found = workflow_queries.for_template(session, workspace_id, template.slug)
    if found is not None and (found.template_version or 0) >= template.version:
        return found
    session.execute(sa.select(Template.id).where(Template.id == template.id).with_for_update())
    found = workflow_queries.for_template(session, workspace_id, template.slug)
    if found is None:
        return workflows.create(
            session,
            workspace_id=workspace_id,
            name=template.name,
            definition=template.definition,
            actor_id=actor_id,
            template_slug=template.slug,
            template_version=template.version,
            category=template.category,
            description=template.summary,
        )
    session.refresh(found)
    if (found.template_version or 0) < template.version:
        note = f"The template’s version {template.version}"
        workflows.publish(session, found, template.definition, actor_id=actor_id, note=note)
        found.template_version = template.version
        session.flush()
    return found


def _take_over(template: Template, file: library.TemplateFile) -> None:
    template.version = file.version
    template.name = file.name
    template.summary = file.summary
    template.category = file.category.value
    template.tags = list(file.tags)
    template.gets = list(file.gets)
    template.label = file.label
    template.sample_inputs = dict(file.sample_inputs)
    template.estimate = file.estimate.model_dump(mode="json")
    template.definition = file.definition
    template.updated_at = clock.now()
