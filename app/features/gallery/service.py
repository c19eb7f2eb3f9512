"""Writes of the gallery: seeding templates, making workflows of them, keeping half-filled answers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import FieldError, Invalid
from app.core.ids import new_id
from app.definition import launch_form
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid, Problem
from app.definition.schema import MAX_DEPTH, MAX_JSON_BYTES, Definition, Input, InputType
from app.definition.shape import check_shape
from app.features.files import queries as files
from app.features.files import service as file_service
from app.features.gallery import library, queries, rules
from app.features.gallery.models import LaunchDraft, Template
from app.features.gallery.uploads import Upload
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
        problems += [_unfixed(problem, fixed[problem.path.split("/")[2]]) for problem in invalid.problems]
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


def forget_answers(session: Session, draft: LaunchDraft) -> None:
    """Throw half-filled answers away; the caller commits."""
    session.delete(draft)
    session.flush()


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
