"""Starting a run from the gallery: of a template or a workflow, with answers or with a filled form."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import db, reading, table
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import is_id
from app.definition import launch_form
from app.definition.schema import Input
from app.engine.models import Run
from app.features.accounts.service import Actor
from app.features.gallery import queries, rules
from app.features.gallery.models import LaunchDraft, Template
from app.features.gallery.queries import Filled
from app.features.gallery.service import handed_problems
from app.features.runs import service as runs
from app.features.runs.making import Claim
from app.features.workflows import queries as workflow_queries
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow


class Changed(Conflict):
    """The answers, or what they start, are not what was checked any more."""

    code = "changed"

    def __init__(self) -> None:
        super().__init__("This changed since you checked it.", fix="Look at it again, then press Start.")


def launch(
    session: Session,
    *,
    workspace_id: str,
    slug: str,
    raw_inputs: Mapping[str, Any],
    actor: Actor,
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


def launch_workflow(
    session: Session,
    *,
    workspace_id: str,
    workflow_id: str,
    raw_inputs: Mapping[str, Any],
    actor: Actor,
    dedupe_key: str | None = None,
    test: bool = False,
) -> Run:
    """Start a run of a workflow's published version; the caller commits and then hints. Raises as :func:`launch`."""
    workflow = workflow_queries.workflow(session, workspace_id, workflow_id)
    version = workflow_queries.current_version(session, workflow)
    definition = workflow_queries.load_definition(session, version.id)
    _check_handed(session, workspace_id, definition.inputs, raw_inputs)
    return runs.start(
        session,
        workspace_id=workspace_id,
        workflow=workflow,
        version=version,
        inputs=dict(raw_inputs),
        actor=actor,
        label=rules.label(workflow.name, definition),
        dedupe_key=dedupe_key,
        test=test,
    )


def labels(session: Session, run: Run) -> list[str]:
    """Return by what a run of its workflow is named at a start: the label of the template that it follows, its own."""
    workflow = workflow_queries.workflow(session, run.workspace_id, run.workflow_id)
    own = rules.label(workflow.name, workflow_queries.load_definition(session, run.version_id))
    if workflow.template_slug is None:
        return [own]
    with suppress(NotFound):
        return [queries.template(session, run.workspace_id, workflow.template_slug).label, own]
    return [own]


def start_at_once(
    filled: Filled | None, *, workspace_id: str, draft_id: str, actor: Actor, slug: str = "", workflow_id: str = "",
    seen: str = "",
) -> str | None:  # fmt: skip
    """Start the run of a *filled* form in one statement, committed, and return its id; the caller hints.

    None, and nothing is done, where it is not as simple: use :func:`start_draft`. Pressed twice it is one run: the one
    that takes the form away. Needs an application context; raises as :func:`start_draft`.
    """
    if filled is None:
        return None
    with reading() as session:
        definition = workflow_queries.load_definition(session, filled.pinned.version_id)
        given = _asked(definition.inputs, filled.answers, draft_id)
        _check_seen(seen, filled.made_of, given)
        _check_handed(session, workspace_id, definition.inputs, given)
        runs.check_days(session, workspace_id, definition, given)
    return runs.start_claimed(
        db.engine,
        _claim(workspace_id, str(actor.user_id), queries.Place(slug, workflow_id), draft_id),
        workspace_id=workspace_id,
        pinned=filled.pinned,
        definition=definition,
        inputs=given,
        actor=actor,
        label=filled.label or rules.label(filled.pinned.workflow_name, definition),
        dedupe_key=draft_id,
    )


def start_draft(
    session: Session,
    *,
    workspace_id: str,
    draft_id: str,
    actor: Actor,
    slug: str = "",
    workflow_id: str = "",
    seen: str = "",
    test: bool = False,
) -> Run:
    """Start the run of a filled form, once: pressed twice, also at the same moment, it is the same run.

    A test leaves the answers where they are: the run itself follows. The caller commits and hints. Raises NotFound for
    a stranger's draft, Changed where it is not what the mark *seen* names, and Invalid with every wrong answer.
    """
    user_id, place = str(actor.user_id), queries.Place(slug, workflow_id)
    if test:
        draft = queries.draft(session, workspace_id, user_id, place)
        answers = draft.answers if draft is not None and draft.id == draft_id else None
    else:
        answers = _take_draft(session, workspace_id, user_id, place, draft_id)
    if answers is None:
        started = queries.run_of_draft(session, workspace_id, user_id, draft_id)
        if started is not None:
            return started
    key = None if test else draft_id
    if slug:
        template = queries.template(session, workspace_id, slug)
        given = _asked([Input.model_validate(each) for each in template.definition["inputs"]], answers, draft_id)
        _check_seen(seen, str(template.version), given)
        return _start(session, workspace_id, template, given, actor, dedupe_key=key, test=test)
    workflow = workflow_queries.workflow(session, workspace_id, workflow_id)
    version = workflow_queries.current_version(session, workflow)
    given = _asked(workflow_queries.load_definition(session, version.id).inputs, answers, draft_id)
    _check_seen(seen, version.id, given)
    return launch_workflow(
        session,
        workspace_id=workspace_id,
        workflow_id=workflow_id,
        raw_inputs=given,
        actor=actor,
        dedupe_key=key,
        test=test,
    )


_draft = table(LaunchDraft)
_take = sa.delete(_draft).where(
    _draft.c.id == sa.bindparam("b_id"),
    _draft.c.workspace_id == sa.bindparam("b_workspace_id"),
    # no column of an index: PostgreSQL, which has no figures of a new table, looked through all forms of the person
    sa.func.coalesce(_draft.c.user_id, sa.literal_column("''")) == sa.bindparam("b_user_id"),
    # one of the two is empty, and then no row has it
    sa.or_(
        _draft.c.template_slug == sa.bindparam("b_slug"),
        _draft.c.workflow_id == sa.bindparam("b_workflow_id"),
    ),
)
_take_answers = _take.returning(_draft.c.answers)


def _claim(workspace_id: str, user_id: str, place: queries.Place, draft_id: str) -> Claim:
    """Return what takes a filled form away."""
    values = {
        "b_id": draft_id,
        "b_workspace_id": workspace_id,
        "b_user_id": user_id,
        "b_slug": place.slug,
        "b_workflow_id": place.workflow_id,
    }
    return Claim(_take, values)


def _take_draft(
    session: Session, workspace_id: str, user_id: str, place: queries.Place, draft_id: str
) -> dict[str, Any] | None:
    """Take a filled form away and return its answers; None when it is gone. A second press waits for the first."""
    if not is_id(draft_id):
        return None
    claim = _claim(workspace_id, user_id, place, draft_id)
    return session.execute(_take_answers, claim.values).scalar_one_or_none()


def _start(
    session: Session,
    workspace_id: str,
    template: Template,
    raw_inputs: Mapping[str, Any],
    actor: Actor,
    **options: Any,
) -> Run:
    listed = template.definition["inputs"]
    questions = [Input.model_validate(each) for each in listed if each.get("type") in launch_form.HANDED]
    _check_handed(session, workspace_id, questions, raw_inputs)
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


def _check_handed(
    session: Session, workspace_id: str, questions: Sequence[Input], answers: Mapping[str, Any]
) -> None:
    """Raise Invalid where an answer names a document or a picture that the workspace does not have."""
    if problems := handed_problems(session, workspace_id, questions, answers):
        raise Invalid("One answer needs another look.", problems, fix=problems[0].fix, code="inputs")


def _check_seen(seen: str, made_of: str, given: Mapping[str, Any]) -> None:
    if seen and seen != rules.mark(made_of, given):
        raise Changed


def _asked(questions: Sequence[Input], answers: Mapping[str, Any] | None, draft_id: str) -> dict[str, Any]:
    """Return the answers to what is asked now: a draft may be older than the version; no question needs none."""
    asked = {question.key for question in questions if not question.fixed}
    if answers is None and (asked or not is_id(draft_id)):
        raise NotFound("These answers are no longer kept.", fix="Fill in the form again.")
    return {key: value for key, value in (answers or {}).items() if key in asked}
