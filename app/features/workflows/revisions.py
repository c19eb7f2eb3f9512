"""The chain of a draft's revisions, along which undo goes back and redo forth; the caller commits."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.ids import new_id
from app.definition.shape import is_same, places
from app.features.workflows import queries
from app.features.workflows.models import DraftRevision, Workflow
from app.features.workflows.queries import Draft

KEPT_REVISIONS = 200
KEPT_NAMES = 20  # that a workflow had
ONE_STEP = timedelta(minutes=1)  # saves of a form by itself that are one undo step, if they change the same place
DETAILS = ("name", "description", "category", "tags", "icon")  # of the workflow itself, used at once


def add(
    session: Session,
    workflow: Workflow,
    data: dict[str, Any],
    before: Draft,
    *,
    actor_id: str | None,
    summary: str,
    parent: int | None = None,
) -> None:
    """Add a revision after *before*; the first one is preceded by what the draft was before anybody edited it.

    Undo leads from it to *parent*, without one to *before*.
    """
    if not before.revision:
        before = begun(session, workflow)
    is_base = workflow.draft_base == before.revision and is_same(data, before.definition)
    _write(session, workflow, data, actor_id=actor_id, summary=summary, parent=parent)
    if is_base:
        workflow.draft_base = workflow.draft_number


def begun(session: Session, workflow: Workflow) -> Draft:
    """Return the draft as a revision: nobody has edited it yet where it is none."""
    if not workflow.draft_number:
        started = f"Version {workflow.published_number}" if workflow.published_number else "Empty"
        data = queries.draft_of(session, workflow).definition
        _write(session, workflow, data, actor_id=None, summary=started)
        workflow.draft_base = workflow.draft_number if workflow.published_number else 0
    return queries.draft_of(session, workflow)


def _write(
    session: Session,
    workflow: Workflow,
    data: dict[str, Any],
    *,
    actor_id: str | None,
    summary: str,
    parent: int | None = None,
) -> None:
    number = workflow.draft_last + 1
    session.add(
        DraftRevision(
            id=new_id(),
            workspace_id=workflow.workspace_id,
            workflow_id=workflow.id,
            number=number,
            parent=parent or workflow.draft_number or None,
            definition=data,
            details={column: getattr(workflow, column) for column in DETAILS},
            summary=summary[:300],
            saved_by=actor_id,
            saved_at=clock.now(),
        )
    )
    workflow.draft_number = workflow.draft_last = number
    workflow.updated_at = clock.now()
    session.flush()


def begun_at(
    session: Session, workflow: Workflow, data: dict[str, Any], now: Draft, actor_id: str | None
) -> int | None:
    """Return the revision that somebody is still changing in the one place that differs in *data* again; else None.

    What was published, what another made, and what an undo came back to each stay a step of their own.
    """
    here = queries.revision(session, workflow, now.revision)
    if here is None or here.parent is None or here.saved_by != actor_id or now.can_redo:
        return None
    before = queries.revision(session, workflow, here.parent)
    if before is None or here.number == workflow.draft_base or before.details != here.details:
        return None
    since = queries.first_made_from(session, workflow, before.number)
    is_same = places(before.definition, now.definition) == places(now.definition, data)
    return before.number if since and is_same and clock.now() - since <= ONE_STEP else None


def prune(session: Session, workflow: Workflow) -> None:
    """Drop revisions that nobody will go back to: beyond the newest 200."""
    session.execute(
        sa.delete(DraftRevision).where(
            DraftRevision.workflow_id == workflow.id,
            DraftRevision.number <= workflow.draft_last - KEPT_REVISIONS,
        )
    )


def move_to(session: Session, workflow: Workflow, number: int) -> Draft:
    """Go to a revision, with what the workflow was called there where that is another thing than here."""
    here, there = (queries.revision(session, workflow, each) for each in (workflow.draft_number, number))
    assert here is not None
    assert there is not None
    if here.details["name"] != there.details["name"]:
        keep_name(workflow, there.details["name"])
    for column in DETAILS:
        if here.details[column] != there.details[column]:
            setattr(workflow, column, there.details[column])
    if workflow.draft_base == here.number and is_same(here.definition, there.definition):
        workflow.draft_base = number
    workflow.draft_number = number
    workflow.updated_at = clock.now()
    session.flush()
    return queries.draft_of(session, workflow)


def keep_name(workflow: Workflow, new: str) -> None:
    """Keep what a workflow is called before it is called something else: steps elsewhere may name it so."""
    once: dict[str, str] = {}
    for name in (workflow.name, *workflow.former_names):
        if name.lower() != new.lower():
            once.setdefault(name.lower(), name)
    workflow.former_names = list(once.values())[:KEPT_NAMES]
