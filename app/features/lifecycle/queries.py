"""Reads of a workflow's life, always within one workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.core import clock, outbox
from app.core.errors import Conflict, NotFound
from app.core.outbox import OutboxRow
from app.definition import launch_form
from app.definition.diff import Change, changes
from app.definition.schema import Definition
from app.definition.sketch import sketch
from app.engine import catalog
from app.engine.enums import RUN_OPEN, StepStatus
from app.engine.models import Run, RunLog, StepRun
from app.features.accounts.models import Membership, User
from app.features.files import queries as files
from app.features.lifecycle import rules
from app.features.lifecycle.enums import KEPT_DAYS
from app.features.lifecycle.rules import Need
from app.features.runs import queries as run_queries
from app.features.workflows import queries as workflows
from app.features.workflows.models import Version, Workflow

SAMPLE = "sample"  # what started a run of one step alone
PAGE = 20
_OPEN = [status.value for status in RUN_OPEN]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version in the history: who published it when, and what it changed."""

    version: Version
    author: str
    changes: list[Change]
    is_current: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deleted workflow, and until when it can be brought back."""

    workflow: Workflow
    until: datetime


def version(session: Session, workflow: Workflow, number: int) -> Version:
    """Return the published version of that number. Raises NotFound."""
    wanted = sa.select(Version).where(
        Version.workflow_id == workflow.id, Version.number == number, Version.number > 0
    )
    found = session.execute(wanted).scalar_one_or_none()
    if found is None:
        raise NotFound("This version does not exist.")
    return found


def history(session: Session, workflow: Workflow, *, before: int | None = None, most: int = PAGE) -> list[Entry]:
    """Return the newest versions first, each with what it changed against the one before. Two statements.

    *before* is the number of the last one already seen.
    """
    wanted = sa.select(Version).where(Version.workflow_id == workflow.id, Version.number > 0)
    if before is not None:
        wanted = wanted.where(Version.number < before)
    listed = session.scalars(wanted.order_by(Version.number.desc()).limit(most + 1)).all()
    names = workflows.publishers(session, listed)
    read = [Definition.model_validate(one.definition) for one in listed]
    entries = []
    for place, one in enumerate(listed[:most]):
        is_first = place + 1 == len(listed)
        changed = [] if is_first else changes(read[place + 1], read[place], catalog.facts())
        author = names.get(one.published_by or "", "the system")
        entries.append(Entry(one, author, changed, one.number == workflow.published_number))
    return entries


def compare(before: Version, after: Version) -> list[Change]:
    """Tell what *after* does differently from *before*."""
    old, new = (Definition.model_validate(one.definition) for one in (before, after))
    return changes(old, new, catalog.facts())


def draft_changes(session: Session, workflow: Workflow, definition: dict[str, Any]) -> list[Change]:
    """Tell what a draft without problems does differently from the current version; from nothing, all is new."""
    before = Definition()
    if workflow.published_number:
        current = workflows.current_version(session, workflow)
        before = workflows.load_definition(session, current.id)
    return changes(before, Definition.model_validate(definition), catalog.facts())


def going(session: Session, workflow: Workflow) -> int:
    """Return how many runs of a workflow are under way, tests aside."""
    return int(session.execute(sa.select(sa.func.count()).select_from(_going(workflow).subquery())).scalar_one())


def going_runs(session: Session, workflow: Workflow) -> Sequence[Run]:
    """Return the runs of a workflow that are under way, tests aside."""
    return session.execute(_going(workflow)).scalars().all()


def deleted(session: Session, workspace_id: str) -> list[Deleted]:
    """Return the workflows that can still be brought back, the last deleted first."""
    since = clock.now() - timedelta(days=KEPT_DAYS)
    wanted = (
        sa.select(Workflow)
        .where(Workflow.workspace_id == workspace_id, Workflow.deleted_at > since)
        .order_by(Workflow.deleted_at.desc())
        .limit(200)
    )
    return [
        Deleted(one, one.deleted_at + timedelta(days=KEPT_DAYS))
        for one in session.execute(wanted).scalars()
        if one.deleted_at
    ]


def deleted_workflow(session: Session, workspace_id: str, workflow_id: str) -> Workflow:
    """Return one that can still be brought back. Raises NotFound."""
    found = next((one.workflow for one in deleted(session, workspace_id) if one.workflow.id == workflow_id), None)
    if found is None:
        raise NotFound("This workflow is not among the deleted ones.", fix="After 30 days it is gone for good.")
    return found


def needs(session: Session, workflow: Workflow) -> list[Need]:
    """Return what of an imported workflow nobody has looked at yet.

    What neither its draft nor what is published of it still has, counts no more.
    """
    if not workflow.unchecked:
        return []
    return [need for need in all_needs(session, workflow) if need.key in workflow.unchecked]


def all_needs(session: Session, workflow: Workflow) -> list[Need]:
    """Return everything in a workflow's draft, and in what runs of it, that another workspace would have to look at."""
    draft = workflows.draft_of(session, workflow)
    definitions = [_as_read(draft.definition)]
    if workflow.published_number and draft.has_changes:
        definitions.append(workflows.load_definition(session, workflows.current_version(session, workflow).id))
    people = session.execute(
        sa.select(User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == workflow.workspace_id)
    )
    types = catalog.facts()
    pairs = [rules.references(each, types) for each in definitions]
    named, handed = (set[str]().union(*found) for found in zip(*pairs, strict=True))
    known = rules.Known(
        people={email.lower() for email in people.scalars()},
        workflows={each for each in named if _is_here(session, workflow.workspace_id, each)},
        files=files.titles(session, workflow.workspace_id, handed) if handed else (),
    )
    found = [need for each in definitions for need in rules.needs(each, types, known)]
    return list({need.key: need for need in reversed(found)}.values())[::-1]


def _as_read(data: dict[str, Any]) -> Definition:
    """Return a draft, as far as it can be read where it has problems."""
    try:
        return Definition.model_validate(data)
    except ValidationError:
        return sketch(data).model_copy(update={"inputs": launch_form.sketched(data).inputs})


def _is_here(session: Session, workspace_id: str, reference: str) -> bool:
    """Tell whether a step that names a workflow so finds one to run."""
    try:
        workflows.named(session, workspace_id, reference)
    except (NotFound, Conflict):
        return False
    return True


def last_answers(session: Session, workflow: Workflow) -> Mapping[str, Any]:
    """Return the answers of the newest run of a workflow; empty before the first."""
    wanted = (
        sa.select(Run.inputs)
        .where(Run.workflow_id == workflow.id, Run.trigger_kind != SAMPLE)
        .order_by(Run.created_at.desc())
        .limit(1)
    )
    return session.execute(wanted).scalar_one_or_none() or {}


def last_outputs(session: Session, workflow: Workflow) -> dict[str, dict[str, Any]]:
    """Return what each step gave when it was last done in a run of this workflow, by step id."""
    newest = (
        sa.select(Run.id)
        .where(Run.workflow_id == workflow.id, Run.trigger_kind != SAMPLE)
        .order_by(Run.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(StepRun.step_id, StepRun.output).where(
            StepRun.run_id == newest, StepRun.item == -1, StepRun.status == StepStatus.COMPLETED.value
        )
    )
    return {row.step_id: row.output for row in rows if isinstance(row.output, dict)}


def would_have(session: Session, run: Run) -> list[str]:
    """Return what a test would have done outside, in sentences: mails by what they say, then everything else."""
    runs = [run.id, *_parts(session, run.id)]
    mails: dict[str, list[str]] = {}
    rows = session.execute(
        sa.select(OutboxRow.subject, OutboxRow.recipient)
        .where(OutboxRow.run_id.in_(runs), OutboxRow.status == outbox.TEST)
        .order_by(OutboxRow.created_at, OutboxRow.id)
    )
    for row in rows:
        mails.setdefault(row.subject, []).append(row.recipient)
    noted = session.execute(
        sa.select(RunLog.message)
        .where(RunLog.run_id.in_(runs), RunLog.event.startswith("test."))
        .order_by(RunLog.at, RunLog.id)
    )
    return [_mailed(subject, people) for subject, people in mails.items()] + list(noted.scalars())


def _parts(session: Session, run_id: str) -> list[str]:
    """Return the runs that a run's steps started, and theirs."""
    found: list[str] = []
    level = [run_id]
    while level:
        steps = sa.select(StepRun.id).where(StepRun.run_id.in_(level), StepRun.type == "run_workflow")
        level = list(session.scalars(sa.select(Run.id).where(Run.parent_step_run_id.in_(steps))))
        found += level
    return found


def _mailed(subject: str, people: list[str]) -> str:
    who = people[0] if len(people) == 1 else f"{len(people)} people: {', '.join(people)}"
    return f"Would e-mail {who}. “{subject}”"


def _going(workflow: Workflow) -> sa.Select[Run]:
    """Read them by the index of statuses: open runs are few, those of a workflow can be many."""
    home = run_queries.without_index(Run.workflow_id) == workflow.id
    return sa.select(Run).where(
        Run.workspace_id == workflow.workspace_id, home, Run.status.in_(_OPEN), Run.test.is_(False)
    )
