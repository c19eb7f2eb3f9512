"""Writes of the gallery: seeding templates, keeping half-filled answers, and launching."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db, glance, reading, table
from app.core.errors import Conflict, FieldError, Invalid, NotFound
from app.core.ids import is_id, new_id
from app.definition import launch_form
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid, Problem
from app.definition.schema import MAX_DEPTH, MAX_JSON_BYTES, Definition, Input, InputType
from app.definition.shape import check_shape
from app.engine.models import Run
from app.features.accounts.service import Actor
from app.features.files import queries as files
from app.features.files import service as file_service
from app.features.gallery import library, queries, rules
from app.features.gallery.models import LaunchDraft, Template
from app.features.gallery.uploads import Upload
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


def make_workflow(
    session: Session,
    *,
    workspace_id: str,
    slug: str,
    name: str,
    fixed_inputs: Mapping[str, Any],
    actor_id: str | None,
) -> Workflow:
    """Make a workflow of a template whose *fixed_inputs* are never asked; the caller commits.

    It is the workspace's own: a newer version of the template does not touch it. Raises NotFound, and Invalid with a
    problem at ``/inputs/<key>`` for every answer that cannot be fixed.
    """
    template = queries.template(session, workspace_id, slug)
    questions = template.definition.get("inputs", [])
    known = {question["key"]: Input.model_validate(question) for question in questions}
    problems = [
        FieldError(f"/inputs/{key}", "unknown_key", f"“{key[:80]}” is not asked.", "Leave it out.")
        for key in fixed_inputs
        if key not in known
    ]
    fixed = {
        key: Input.model_validate({**known[key].model_dump(), "required": True, "default": None})
        for key in fixed_inputs
        if key in known
    }
    answers: dict[str, Any] = {}
    try:
        answers = clean_inputs(Definition(inputs=list(fixed.values())), {key: fixed_inputs[key] for key in fixed})
    except InputsInvalid as invalid:
        problems += [_unfixed(problem, fixed[problem.path.rsplit("/", 1)[-1]]) for problem in invalid.problems]
    wrong = {problem.path for problem in problems}
    gone = handed_problems(session, workspace_id, list(fixed.values()), fixed_inputs)
    problems += [problem for problem in gone if problem.path not in wrong]
    changed = [
        {**question, "default": answers[question["key"]], "fixed": True} if question["key"] in answers else question
        for question in questions
    ]
    definition = {**template.definition, "inputs": changed}
    problems += _too_large(definition, answers)
    if problems:
        raise Invalid("Some of what should always be used needs another look.", problems, fix=problems[0].fix)
    return workflows.create(
        session,
        workspace_id=workspace_id,
        name=name,
        definition=definition,
        actor_id=actor_id,
        category=template.category,
        description=template.summary,
    )


def _unfixed(problem: Problem, question: Input) -> FieldError:
    if problem.code == "required":
        message = f"“{question.label}” needs an answer that is always used."
        return FieldError(problem.path, problem.code, message, "Answer it, or ask it every time.")
    return FieldError(problem.path, problem.code, problem.message, problem.fix)


def _too_large(definition: Mapping[str, Any], answers: Mapping[str, Any]) -> list[FieldError]:
    """Return that the largest of the fixed answers makes the definition larger than a workflow may be."""
    sizes = {key: len(json.dumps(value)) for key, value in answers.items()}
    faults = check_shape(dict(definition), most_bytes=MAX_JSON_BYTES, most_depth=MAX_DEPTH)
    if not sizes or not any(fault.code == "too_large" for fault in faults):
        return []
    message = f"This is too large to stand in a workflow, which may have {MAX_JSON_BYTES // 1024} KB."
    return [FieldError(f"/inputs/{max(sizes, key=sizes.__getitem__)}", "too_large", message, "Ask it every time.")]


def read_file(filename: str, stream: BinaryIO) -> str:
    """Return the text of a YAML or JSON file of at most 1 MB. Raises Invalid."""
    if not filename.lower().endswith((".yaml", ".yml", ".json", ".txt")):
        raise Invalid(f"“{filename[:80]}” is no template’s file.", fix="Use a .yaml or .json file.")
    return file_service.read_table(filename, stream)


def keep_answers(
    session: Session,
    *,
    workspace_id: str,
    user_id: str,
    answers: Mapping[str, Any],
    over: LaunchDraft | None,
    slug: str = "",
    workflow_id: str = "",
) -> LaunchDraft:
    """Keep half-filled answers as they were typed, added to those of *over* where there is one; the caller commits.

    They belong to a template (*slug*) or to a workflow (*workflow_id*). What another tab kept or started meanwhile is
    neither lost nor in the way.
    """
    if over is not None:
        again = sa.select(LaunchDraft).where(LaunchDraft.id == over.id).with_for_update()
        over = session.scalars(again.execution_options(populate_existing=True)).one_or_none()
    if over is None:
        over = LaunchDraft(
            id=new_id(),
            workspace_id=workspace_id,
            user_id=user_id,
            template_slug=slug or None,
            workflow_id=workflow_id or None,
            answers={},
        )
        session.add(over)
    over.answers = {**over.answers, **answers}
    over.updated_at = clock.now()
    session.flush()
    return over


def keep_uploads(
    session: Session, handed: Sequence[Upload], *, question: Input, answer: Any, workspace_id: str, by: str
) -> Any:
    """Return the answer to a question with the files that were handed in for it; the caller commits.

    Documents and pictures are kept in the workspace at once, so that a wrong answer elsewhere loses none of them.
    """
    if question.type is InputType.LONG_TEXT:
        return "\n\n".join(part for part in (str(answer or "").strip(), *(each.text for each in handed)) if part)
    if question.type is InputType.CSV:
        return handed[-1].text
    ids = [_keep_upload(session, each, workspace_id=workspace_id, by=by) for each in handed]
    if question.type in (InputType.DOCUMENT, InputType.IMAGE):
        return ids[-1]
    return [*(answer if isinstance(answer, list) else []), *ids]


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


def start_at_once(
    *, workspace_id: str, draft_id: str, actor: Actor, slug: str = "", workflow_id: str = "", seen: str = ""
) -> str | None:
    """Start the run of a filled form in two statements, committed, and return its id; the caller hints.

    None, and nothing is done, where it is not as simple: use :func:`start_draft`. Pressed twice it is one run: the one
    that takes the form away. Needs an application context; raises as :func:`start_draft`.
    """
    place, user_id = queries.Place(slug, workflow_id), str(actor.user_id)
    with glance() as connection:
        filled = queries.filled(connection, workspace_id, user_id, place, draft_id)
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
        _claim(workspace_id, user_id, place, draft_id),
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


def forget_answers(session: Session, draft: LaunchDraft) -> None:
    """Throw half-filled answers away; the caller commits."""
    session.delete(draft)
    session.flush()


_draft = table(LaunchDraft)
_take = sa.delete(_draft).where(
    _draft.c.id == sa.bindparam("b_id"),
    _draft.c.workspace_id == sa.bindparam("b_workspace_id"),
    _draft.c.user_id == sa.bindparam("b_user_id"),
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


def handed_problems(
    session: Session, workspace_id: str, questions: Sequence[Input], answers: Mapping[str, Any]
) -> list[FieldError]:
    """Return which answers name a document or a picture that the workspace does not have. One statement, or none.

    What a fixed question always uses counts as its answer; that problem has the code ``fixed_gone``.
    """
    named = {
        question.key: ids
        for question in questions
        if (ids := launch_form.handed_ids(question, question.default if question.fixed else answers.get(question.key)))
    }
    if not named:
        return []
    known = files.titles(session, workspace_id, {each for ids in named.values() for each in ids})
    return [
        _gone(question)
        for question in questions
        if question.key in named and not known.keys() >= set(named[question.key])
    ]


def _gone(question: Input) -> FieldError:
    path = f"/inputs/{question.key}"
    if question.fixed:
        message = f"“{question.label}” always uses something that no longer exists."
        return FieldError(path, rules.FIXED_GONE, message, "Choose another in the builder, under its questions.")
    return FieldError(path, "gone", "One of what was chosen no longer exists.", "Choose again.")


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


def _keep_upload(session: Session, upload: Upload, *, workspace_id: str, by: str) -> str:
    if upload.picture is not None:
        return file_service.store_image(
            session, workspace_id=workspace_id, run_id=None, step_run_id=None, position=1,
            prompt=upload.title, model="Handed in", prepared=upload.picture,
        ).id  # fmt: skip
    return file_service.create_document(
        session, workspace_id=workspace_id, run_id=None, step_run_id=None, title=upload.title, body=upload.text,
        fields={}, status="draft", position=1, written_by=by, test=False,
    ).id  # fmt: skip


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
