"""Writes of runs: starting, pausing, resuming, stopping. The caller commits, then calls :func:`hint`."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import moment, table
from app.core.errors import Conflict, FieldError, Invalid, NotFound
from app.core.ids import new_id
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid
from app.definition.schema import Definition
from app.definition.values import MissingValue, UnusableValue, as_text, evaluate
from app.engine import answers, control, jobs
from app.engine.answers import Reply
from app.engine.enums import RunStatus
from app.engine.models import Run
from app.features.accounts import service as accounts
from app.features.accounts.models import Workspace
from app.features.runs import reuse, search
from app.features.workflows import queries as workflows
from app.features.workflows.models import Version, Workflow

ISOLATE, POP = "\u2068", "\u2069"
LABEL_CHARS = 160
_base_url = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: a person (with *user_id*), a link's holder or the system."""

    user_id: str | None
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Parent:
    """The step that a run is started by, and all runs that it is a part of, the nearest first."""

    run_id: str
    step_run_id: str
    part_of: tuple[str, ...]


def configure(*, base_url: str) -> None:
    """Set the address that ``{{ run.url }}`` begins with; may be called again."""
    global _base_url
    _base_url = base_url.rstrip("/")


def start(
    session: Session,
    *,
    workspace_id: str,
    workflow: Workflow,
    inputs: Mapping[str, Any],
    actor: Actor,
    version: Version | None = None,
    label: str = "",
    trigger_kind: str = "person",
    trigger_id: str | None = None,
    dedupe_key: str | None = None,
    test: bool = False,
    parent: Parent | None = None,
) -> Run:
    """Write a run in line and its audit entry; the worker picks it up after the caller's commit and :func:`hint`.

    *inputs* are raw answers, *label* may hold ``{{ inputs.x }}``. The same *dedupe_key* gives the run that exists,
    so this may be called twice. Raises Invalid with a problem for every wrong answer, Conflict when the workflow is
    switched off, NotFound when nothing is published.
    """
    if not workflow.is_enabled and not test:
        raise Conflict(f"“{workflow.name}” is switched off.", fix="Switch it on, then start again.")
    version = version or workflows.current_version(session, workflow)
    definition = workflows.load_definition(session, version.id)
    answers = _answers(definition, inputs)
    home = _take_number(session, workspace_id)
    if dedupe_key is not None and (found := _same(session, workspace_id, dedupe_key)):
        _give_number_back(session, workspace_id)
        return found
    run = Run(
        id=new_id(),
        workspace_id=workspace_id,
        number=home.number,
        workflow_id=workflow.id,
        version_id=version.id,
        test=test,
        status=RunStatus.QUEUED.value,
        inputs=answers,
        started_by=actor.user_id,
        trigger_kind=trigger_kind,
        trigger_id=trigger_id,
        dedupe_key=dedupe_key,
        revision=1,
        steps_total=len(definition.steps),
        budget_microusd=_microusd(definition.limits.cost_usd),
        at_once=definition.limits.at_once,
        created_at=clock.now(),
    )
    run.label = _label(label, run) or workflow.name
    run.changed_at = run.created_at
    run.due_at = moment()  # by the clock that it is asked for by: ours may be an hour off
    run.facts = _facts(run, home, workflow, version, actor)
    if parent is not None:
        run.parent_run_id, run.parent_step_run_id = parent.run_id, parent.step_run_id
        run.facts = {**run.facts, "part_of": list(parent.part_of)}
    session.add(run)
    _audit(session, run, actor, "run.started", number=run.number, label=run.label, trigger=trigger_kind, test=test)
    session.flush()
    search.keep(session, run, search.words_of(run.label, definition, answers))
    return run


def pause(session: Session, run: Run, *, actor: Actor) -> None:
    """Ask the run to pause after what is under way. Raises Conflict where it cannot."""
    control.pause(session, run.id)
    _audit(session, run, actor, "run.paused", number=run.number)


def resume(session: Session, run: Run, *, actor: Actor) -> None:
    """Let a pausing or paused run go on. Raises Conflict where it cannot."""
    control.resume(session, run.id)
    _audit(session, run, actor, "run.resumed", number=run.number)


def stop(session: Session, run: Run, *, actor: Actor) -> None:
    """Stop the run for good: what has not started is cancelled, results that come late are refused. Raises Conflict."""
    control.stop(session, run.id)
    _audit(session, run, actor, "run.stopped", number=run.number)


def answer(session: Session, run: Run, step_run_id: str, reply: Reply, *, actor: Actor) -> None:
    """Take a person's answer to a step that asks. Raises NotFound, and Conflict when it was answered before."""
    answers.answer(session, run.id, step_run_id, reply, by=actor.name)
    _audit(session, run, actor, "run.answered", number=run.number, reply=reply.value)


def try_now(session: Session, run: Run, step_run_id: str, *, actor: Actor) -> None:
    """Try a step again now instead of when its time has come. Raises Conflict."""
    control.try_now(session, run.id, step_run_id)
    _audit(session, run, actor, "run.tried_now", number=run.number)


def stop_trying(session: Session, run: Run, step_run_id: str, *, actor: Actor) -> None:
    """Let a step that would be tried again fail. Raises Conflict."""
    control.stop_trying(session, run.id, step_run_id)
    _audit(session, run, actor, "run.stopped_trying", number=run.number)


def try_again(session: Session, run: Run, *, actor: Actor) -> None:
    """Take up a failed run where it failed; what was finished and paid for stays. Raises Conflict."""
    control.try_again(session, run.id)
    _audit(session, run, actor, "run.tried_again", number=run.number)


def continue_from(
    session: Session, run: Run, step_id: str, inputs: Mapping[str, Any], *, actor: Actor, dedupe_key: str | None = None
) -> Run:
    """Start a run that takes over what *run* finished and goes on at *step_id* with other answers; see :mod:`reuse`.

    It is of the same version. A run that waits for an answer of this kind is stopped by it. Raises Invalid for wrong
    answers, NotFound for an unknown step, Conflict while *run* is still under way.
    """
    definition = workflows.load_definition(session, run.version_id)
    if not definition.has_step(step_id):
        raise NotFound("This step does not exist.")
    if not can_continue(run):
        raise Conflict(f"Run {run.number} is still under way.", fix="Stop it first.")
    following = _start_like(session, run, inputs, actor=actor, dedupe_key=dedupe_key)
    if following.continues_run_id is None:
        if run.is_open:
            stop(session, run, actor=actor)
        planned = reuse.plan(
            definition, reuse.finished(session, run), step_id, reuse.changed(run.inputs, following.inputs)
        )
        following.continues_run_id = run.id
        reuse.take_over(session, run, following, planned.kept)
    return following


def can_continue(run: Run) -> bool:
    """Tell whether another run may take over what this one finished: it has ended, or it waits for an answer."""
    return not run.is_open or run.status == RunStatus.NEEDS_ATTENTION


def start_over(session: Session, run: Run, *, actor: Actor, dedupe_key: str | None = None) -> Run:
    """Start a run with the answers of *run*, of the version published now; all is done again. Raises as start."""
    following = _start_like(session, run, run.inputs, actor=actor, dedupe_key=dedupe_key, newest=True)
    following.continues_run_id = run.id
    return following


def _start_like(
    session: Session,
    run: Run,
    inputs: Mapping[str, Any],
    *,
    actor: Actor,
    dedupe_key: str | None,
    newest: bool = False,
) -> Run:
    return start(
        session,
        workspace_id=run.workspace_id,
        workflow=workflows.workflow(session, run.workspace_id, run.workflow_id),
        inputs=inputs,
        actor=actor,
        version=None if newest else session.get_one(Version, run.version_id),
        label=run.label,
        dedupe_key=dedupe_key,
        test=run.test,
    )


def hint(run_id: str) -> None:
    """Tell the workers that a run wants attention, after the commit. Never raises: a lost hint costs seconds."""
    jobs.hint_run(run_id)


def _answers(definition: Definition, raw: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return clean_inputs(definition, raw)
    except InputsInvalid as invalid:
        problems = invalid.problems
        count = "One answer needs" if len(problems) == 1 else f"{len(problems)} answers need"
        faults = [FieldError(p.path, p.code, p.message, p.fix) for p in problems]
        raise Invalid(f"{count} another look.", faults, fix=problems[0].fix, code="inputs") from invalid


_run = table(Run)
_same_id = sa.select(_run.c.id).where(
    _run.c.workspace_id == sa.bindparam("b_workspace_id"), _run.c.dedupe_key == sa.bindparam("b_dedupe_key")
)


def _same(session: Session, workspace_id: str, dedupe_key: str) -> Run | None:
    wanted = {"b_workspace_id": workspace_id, "b_dedupe_key": dedupe_key}
    run_id = session.execute(_same_id, wanted).scalar_one_or_none()
    return None if run_id is None else session.get_one(Run, run_id)


@dataclass(frozen=True, slots=True)
class _Home:
    """What a run needs of its workspace: the number that is now its own, and what its texts may name."""

    number: int
    name: str
    timezone: str


_workspace = table(Workspace)
_take = (
    sa.update(_workspace)
    .where(_workspace.c.id == sa.bindparam("b_id"))
    .values(next_run_number=_workspace.c.next_run_number + 1)
    .returning(_workspace.c.next_run_number - 1, _workspace.c.name, _workspace.c.timezone)
)
_give_back = (
    sa.update(_workspace)
    .where(_workspace.c.id == sa.bindparam("b_id"))
    .values(next_run_number=_workspace.c.next_run_number - 1)
)


def _take_number(session: Session, workspace_id: str) -> _Home:
    """Take the next number; the workspace's row is locked until the caller commits, so nobody starts in between."""
    return _Home(*session.execute(_take, {"b_id": workspace_id}).one())


def _give_number_back(session: Session, workspace_id: str) -> None:
    session.execute(_give_back, {"b_id": workspace_id})


def _microusd(dollars: Decimal | None) -> int | None:
    return None if dollars is None else int(dollars * 1_000_000)


def _label(label: str, run: Run) -> str:
    """Fill the answers into a label and put it on one line; a label that cannot be filled stays as words."""
    try:
        answers = {key: _isolated(value) for key, value in run.inputs.items()}
        text = as_text(evaluate(label, {"inputs": answers, "run": {"number": run.number}}))
    except (MissingValue, UnusableValue):
        text = "" if "{{" in label else label
    text = " ".join(text.split())
    text = text if len(text) <= LABEL_CHARS else text[: LABEL_CHARS - 1].rstrip() + "…"
    return text + POP * (text.count(ISOLATE) - text.count(POP))


def _isolated(value: Any) -> Any:
    """Set a text that is written from right to left apart, so that it does not turn around what stands beside it.

    By the marks of Unicode's bidirectional algorithm (UAX 9), which mails and lists show right as well.
    """
    if isinstance(value, str) and any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in value):
        return f"{ISOLATE}{value}{POP}"
    return value


def _facts(run: Run, workspace: _Home, workflow: Workflow, version: Version, actor: Actor) -> dict[str, Any]:
    return {
        "id": run.id,
        "number": run.number,
        "label": run.label,
        "test": run.test,
        "url": f"{_base_url}/runs/{run.id}",
        "started_by": {"name": actor.name, "email": actor.email},
        "created_at": clock.iso(run.created_at),
        "workspace": {"name": workspace.name, "timezone": workspace.timezone},
        "workflow": {"id": workflow.id, "name": workflow.name},
        "version": max(version.number, 0),  # 0: a draft under test
        "trigger": {"kind": run.trigger_kind, "id": run.trigger_id},
    }


def _audit(session: Session, run: Run, actor: Actor, action: str, **detail: Any) -> None:
    accounts.audit(
        session,
        workspace_id=run.workspace_id,
        actor=actor.name,
        actor_id=actor.user_id,
        action=action,
        subject_kind="run",
        subject_id=run.id,
        **detail,
    )
