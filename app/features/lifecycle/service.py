"""Writes of a workflow's life. Nothing here commits; where runs are named in the answer, hint them after the commit."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.core import clock
from app.core.db import moment_once
from app.core.errors import Conflict, Invalid
from app.core.ids import is_id
from app.definition.alone import alone
from app.definition.schema import Definition
from app.definition.shape import is_same, text_fault
from app.engine import catalog
from app.engine.enums import RUN_OPEN
from app.engine.models import Run
from app.engine.ports import bound
from app.features.accounts import service as accounts
from app.features.accounts.service import Actor
from app.features.lifecycle import exchange, queries, samples
from app.features.lifecycle.enums import KEPT_DAYS, OpenRuns
from app.features.lifecycle.rules import Need
from app.features.runs import service as runs
from app.features.workflows import queries as workflows
from app.features.workflows import service
from app.features.workflows.models import DraftRevision, Version, Workflow
from app.features.workflows.queries import Draft
from app.features.workflows.service import DraftConflict

NOTE_CHARS = 500
SAMPLE_DAYS = 7
DAY_S = 24 * 3600.0


# --- versions ---


def publish_draft(session: Session, workflow: Workflow, *, revision: int, actor: Actor, note: str = "") -> Version:
    """Publish the draft as its *revision* left it. Runs under way keep their version.

    Of two who publish the same at once one gets the version, the other a Conflict that names it. Raises DraftConflict
    when somebody changed the draft meanwhile, Conflict when there is nothing to publish, Invalid with every problem.
    """
    session.refresh(workflow, with_for_update=True)
    draft = workflows.draft_of(session, workflow)
    if draft.revision != revision:
        raise DraftConflict(draft, revision, fix="Look at what it changes now, then publish it.")
    if workflow.published_number:
        current = workflows.current_version(session, workflow)
        if is_same(draft.definition, current.definition):
            who = workflows.publishers(session, [current]).get(current.published_by or "", "Somebody")
            raise Conflict(
                f"Nothing is new: {who} published version {current.number}, and nothing was changed since.",
                code="nothing_new",
            )
    _check_note(note)
    definition = service.validated_here(session, workflow, draft.definition)
    return service.publish(session, workflow, definition, actor_id=actor.user_id, note=note.strip())


def roll_back(session: Session, workflow: Workflow, *, number: int, actor: Actor) -> Version:
    """Publish what version *number* was as a new version. Runs under way keep theirs; the draft stays one undo away.

    Asked twice, it is gone back to once.

    Raises NotFound for an unknown number, Conflict where the current one does the same, Invalid for a step type that
    is gone.
    """
    old = queries.version(session, workflow, number)
    if number == workflow.published_number:
        raise Conflict(f"Version {number} is the current one already.")
    note = f"Back to version {number}"
    session.refresh(workflow, with_for_update=True)
    current = workflows.current_version(session, workflow)
    if is_same(current.definition, old.definition):
        if current.note == note and workflow.draft_number == workflow.draft_base:
            return current
        raise Conflict(
            f"Version {current.number}, the current one, does the same as version {number} already.",
            code="nothing_new",
        )
    definition = service.validated_here(session, workflow, old.definition)
    return service.publish(session, workflow, definition, actor_id=actor.user_id, note=note)


def take_up(session: Session, workflow: Workflow, *, number: int, actor: Actor) -> None:
    """Make the draft what version *number* was, to be mended there; what it was before stays one undo away."""
    old = queries.version(session, workflow, number)

    def change(_: Draft) -> tuple[dict[str, Any], str]:
        return old.definition, f"Took up version {number}"

    service.edit_draft(session, workflow, change, actor_id=actor.user_id)


def _check_note(note: str) -> None:
    if len(note) > NOTE_CHARS:
        raise Invalid(f"The note is longer than {NOTE_CHARS} characters.", fix="Make it shorter.")
    if fault := text_fault(note):
        raise Invalid(f"The note holds {fault}.", fix="Type it again.")


# --- tests ---


def start_test(
    session: Session, workflow: Workflow, *, inputs: Mapping[str, Any], actor: Actor, once: str = ""
) -> Run:
    """Start a test run of the draft: nothing is sent, nothing is spent. Raises Invalid with every problem.

    The same draft with the same answers and the same *once*, an id that the form holds, is the same run.
    """
    draft = workflows.draft_of(session, workflow)
    is_current = bool(workflow.published_number) and not draft.has_changes
    version = (
        workflows.current_version(session, workflow)
        if is_current
        else service.keep_for_test(session, workflow, draft.definition)
    )
    return runs.start(
        session,
        workspace_id=workflow.workspace_id,
        workflow=workflow,
        version=version,
        inputs=inputs,
        actor=actor,
        label=f"Test of {workflow.name}",
        dedupe_key=_once("test", once, version.id, json.dumps(inputs, sort_keys=True, default=str)),
        test=True,
    )


def start_sample(session: Session, workflow: Workflow, step_id: str, *, actor: Actor, once: str = "") -> Run:
    """Start a test that does one step of the draft alone, with the last run's values or with samples.

    The same step with the same *once*, an id that the form holds, is the same run while the draft stays as it is.
    What is wrong with steps and questions that it does not use does not matter. Raises Conflict when the draft has no
    such step any more, Invalid with the problems of what it uses.
    """
    data = workflows.draft_of(session, workflow).definition
    try:
        cut = alone(data, step_id, catalog.facts(), queries.last_outputs(session, workflow))
    except KeyError:
        raise Conflict("This step is not in the workflow any more.", fix="Load the page again.") from None
    definition = Definition.model_validate(service.validated(cut))
    answers = samples.answers(definition, queries.last_answers(session, workflow), tester=actor.email)
    questions = [one.model_copy(update={"required": False}) for one in definition.inputs]
    version = service.keep_for_test(session, workflow, definition.model_copy(update={"inputs": questions}))
    return runs.start(
        session,
        workspace_id=workflow.workspace_id,
        workflow=workflow,
        version=version,
        inputs=answers,
        actor=actor,
        label=f"Sample of {definition.step(step_id).name}",
        trigger_kind=queries.SAMPLE,
        dedupe_key=_once("sample", once, workflow.id, f"{workflow.draft_number} {step_id}"),
        test=True,
    )


def _once(what: str, once: str, *parts: str) -> str | None:
    """Make the key by which a second press finds the first one's run; None where the form brought no id."""
    told = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    return f"{what}-{once}-{told}" if is_id(once) else None


# --- on, off, gone ---


def switch_off(session: Session, workflow: Workflow, *, open_runs: OpenRuns, actor: Actor) -> list[str]:
    """Let nobody start it; runs under way finish, pause or stop. Twice is once. Returns the runs to hint."""
    if workflow.is_enabled:
        workflow.is_enabled = False
        workflow.updated_at = clock.now()
        accounts.audit_of(session, workflow, actor, "workflow.disabled", name=workflow.name, open_runs=open_runs.value)
    return _end_runs(session, workflow, open_runs, actor)


def switch_on(session: Session, workflow: Workflow, *, actor: Actor) -> None:
    """Let it be started. Twice is once.

    Raises Conflict while something imported is unchecked, and while nothing is published.
    """
    if left := queries.needs(session, workflow):
        raise Conflict(
            f"{len(left)} {'thing' if len(left) == 1 else 'things'} of “{workflow.name}” must be looked at first.",
            fix="Tick what you have looked at.",
            code="unchecked",
        )
    if not workflow.published_number:
        raise Conflict(f"“{workflow.name}” has not been published yet.", fix="Publish it; that switches it on.")
    if not workflow.is_enabled:
        workflow.is_enabled = True
        workflow.updated_at = clock.now()
        accounts.audit_of(session, workflow, actor, "workflow.enabled", name=workflow.name)


def take_over(session: Session, workflow: Workflow, *, actor: Actor) -> list[Need]:
    """Check off people and places for somebody who has the file at hand, and switch on what lacks nothing else.

    Returns what is left: what it cannot run without, such as secrets and other workflows.
    """
    found = queries.needs(session, workflow)
    check_off(session, workflow, [need.key for need in found if not need.is_missing], actor=actor)
    left = queries.needs(session, workflow)
    if not left and not workflow.is_enabled and workflow.published_number:
        switch_on(session, workflow, actor=actor)
    return left


def check_off(session: Session, workflow: Workflow, keys: Sequence[str], *, actor: Actor) -> None:
    """Note that somebody has looked at these needs of an imported workflow."""
    left = [key for key in workflow.unchecked if key not in keys]
    if left != workflow.unchecked:
        checked = len(workflow.unchecked) - len(left)
        accounts.audit_of(session, workflow, actor, "workflow.checked", name=workflow.name, checked=checked)
        workflow.unchecked = left
    if not workflow.published_number and not queries.needs(session, workflow):
        workflow.is_enabled = True  # what is published of it may be started at once


def copy(session: Session, workflow: Workflow, *, actor: Actor) -> Workflow:
    """Make a workflow of its own from the draft; it is published when somebody says so."""
    draft = workflows.draft_of(session, workflow)
    made = service.create_draft(
        session,
        workspace_id=workflow.workspace_id,
        name=f"Copy of {workflow.name}"[:200],
        actor_id=actor.user_id,
        definition=draft.definition,
        category=workflow.category,
        description=workflow.description,
        summary=f"Copied from {workflow.name}",
    )
    made.tags, made.icon = list(workflow.tags), workflow.icon
    made.unchecked = list(workflow.unchecked)
    made.is_enabled = not made.unchecked
    session.flush()
    return made


def delete(session: Session, workflow: Workflow, *, open_runs: OpenRuns, actor: Actor) -> list[str]:
    """Delete a workflow; for 30 days it can be brought back. Its runs stay. Returns the runs to hint."""
    workflow.deleted_at = clock.now()
    accounts.audit_of(session, workflow, actor, "workflow.deleted", name=workflow.name, open_runs=open_runs.value)
    remove_old(session, 20)
    return _end_runs(session, workflow, open_runs, actor)


def bring_back(session: Session, workflow: Workflow, *, actor: Actor) -> None:
    """Undo a deletion: all is as it was. Twice is once."""
    if workflow.deleted_at is not None:
        workflow.deleted_at = None
        workflow.updated_at = clock.now()
        accounts.audit_of(session, workflow, actor, "workflow.restored", name=workflow.name)


def remove_old(session: Session, most: int) -> int:
    """Remove for good what was deleted 30 days ago, in all workspaces; may run twice. Returns how many workflows.

    What has runs keeps its name and its versions, which those runs need.
    """
    old = sa.select(Workflow.id).where(Workflow.deleted_at < moment_once(-KEPT_DAYS * DAY_S))
    with_drafts = sa.exists().where(DraftRevision.workflow_id == Workflow.id)
    has_runs = sa.exists().where(Run.workflow_id == Workflow.id)
    few = old.where(sa.or_(with_drafts, ~has_runs)).limit(most).with_for_update(skip_locked=True)
    ids = session.scalars(few).all()
    session.execute(sa.delete(DraftRevision).where(DraftRevision.workflow_id.in_(ids)))
    session.execute(sa.delete(Workflow).where(Workflow.id.in_(ids), ~has_runs))
    return len(ids)


def remove_samples(session: Session, most: int) -> int:
    """Remove the runs of samples of a step a week after they ended, with what they made; may run twice.

    It is done in all workspaces. Returns how many runs.
    """
    old = sa.select(Run.workspace_id, Run.id).where(
        Run.version_id.in_(sa.select(Version.id).where(Version.number < 1)),
        Run.trigger_kind == queries.SAMPLE,
        Run.finished_at < moment_once(-SAMPLE_DAYS * DAY_S),
        Run.status.not_in([status.value for status in RUN_OPEN]),
    )
    ids: dict[str, list[str]] = defaultdict(list)
    for workspace_id, run_id in session.execute(old.limit(most).with_for_update(skip_locked=True)):
        ids[workspace_id].append(run_id)
    for of_one in ids.values():
        bound.remove_made_by(session, of_one)
        session.execute(sa.delete(Run).where(Run.id.in_(of_one)))
    return sum(map(len, ids.values()))


def remove_tested(session: Session, most: int) -> int:
    """Remove the definitions kept for a test that no run is of, in all workspaces; may run twice. Returns how many.

    A workflow's newest one stays: the next test may take it.
    """
    later = aliased(Version)
    is_newest = ~sa.exists().where(later.workflow_id == Version.workflow_id, later.number < Version.number)
    is_needed = sa.exists().where(Run.version_id == Version.id)
    free = sa.select(Version.id).where(Version.number < 1, ~is_needed, ~is_newest).limit(most)
    ids = session.scalars(free.with_for_update(skip_locked=True)).all()
    session.execute(sa.delete(Version).where(Version.id.in_(ids)))
    return len(ids)


# --- files ---


def bring_in(session: Session, text: str, *, workspace_id: str, name: str, actor: Actor, source: str) -> Workflow:
    """Make a workflow from a file's text. Where something must be looked at first, it is switched off until then.

    Raises Invalid with everything that is wrong with it; nothing is kept then.
    """
    about, definition = exchange.parts(exchange.read(text, source))
    made = service.create(
        session,
        workspace_id=workspace_id,
        name=name or str(about.get("name") or "") or _named(source),
        definition=definition,
        actor_id=actor.user_id,
        category=str(about.get("category") or "")[:40],
        description=str(about.get("description") or "")[:2000],
    )
    made.tags, made.icon = about.get("tags") or [], str(about.get("icon") or "")[:40]
    made.unchecked = [need.key for need in queries.all_needs(session, made)]
    made.is_enabled = not made.unchecked
    session.flush()
    return made


def _named(source: str) -> str:
    """Make a name of a file's."""
    name = source.rpartition("/")[2].rpartition(".")[0] or source
    return name.replace("-", " ").replace("_", " ").strip().capitalize()[:200] or "Imported workflow"


def _end_runs(session: Session, workflow: Workflow, open_runs: OpenRuns, actor: Actor) -> list[str]:
    if open_runs is OpenRuns.FINISH:
        return []
    end = runs.pause if open_runs is OpenRuns.PAUSE else runs.stop
    ended = []
    for run in queries.going_runs(session, workflow):
        try:
            end(session, run, actor=actor)
        except Conflict:
            continue  # it ended, or was paused, before we came
        ended.append(run.id)
    return ended

