"""Writes of runs: starting, pausing, resuming, stopping. The caller commits, then calls :func:`hint`."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import write_small
from app.core.errors import Conflict, FieldError, Invalid, NotFound
from app.core.ids import new_id
from app.core.together import carry_out
from app.definition.inputs import clean_inputs, names_today
from app.definition.problems import InputsInvalid, listed
from app.definition.schema import Definition
from app.engine import answers, control, jobs
from app.engine.answers import Reply
from app.engine.enums import SEED, RunStatus
from app.engine.models import Run, RunLog
from app.features.accounts import service as accounts
from app.features.accounts.models import Workspace
from app.features.accounts.service import Actor
from app.features.files.removal import given_words
from app.features.runs import making, naming, places, reuse, search
from app.features.workflows import queries as workflows
from app.features.workflows.models import Version, Workflow

_ENDS_OF_EARTH = (timezone(timedelta(hours=-12)), timezone(timedelta(hours=14)))
_base_url = ""


@dataclass(frozen=True, slots=True)
class Parent:
    """The step that a run is started by, and all runs that it is a part of, the nearest first."""

    run_id: str
    step_run_id: str
    part_of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pinned:
    """The workflow and its version that a run is of."""

    workflow_id: str
    workflow_name: str
    is_enabled: bool
    version_id: str
    version_number: int

    @classmethod
    def to(cls, workflow: Workflow, version: Version) -> "Pinned":
        """Return what a run of *version* needs of both."""
        return cls(workflow.id, workflow.name, workflow.is_enabled, version.id, version.number)


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
    trigger: Mapping[str, Any] | None = None,
    dedupe_key: str | None = None,
    test: bool = False,
    parent: Parent | None = None,
) -> Run:
    """Write a run in line and its audit entry; the worker picks it up after the caller's commit and :func:`hint`.

    *inputs* are raw answers, *label* may hold ``{{ inputs.x }}``, *trigger* is what ``{{ run.trigger }}`` gives beside
    its kind and id. The same *dedupe_key* gives the run that exists, so this may be called twice.

    Raises Invalid with a problem for every wrong answer, Conflict when the workflow is switched off, NotFound when
    nothing is published.
    """
    pinned = Pinned.to(workflow, version or workflows.current_version(session, workflow))
    definition = workflows.load_definition(session, pinned.version_id)
    if not test and trigger_kind != SEED:
        check_days(session, workspace_id, definition, inputs)
    number = making.take_number(session, workspace_id) if naming.names_number(label) else None
    new = _new(
        workspace_id=workspace_id,
        pinned=pinned,
        definition=definition,
        inputs=inputs,
        actor=actor,
        label=label,
        trigger_kind=trigger_kind,
        trigger_id=trigger_id,
        trigger=trigger,
        dedupe_key=dedupe_key,
        test=test,
        parent=parent,
        number=number,
    )
    written = carry_out(session, making.write(session.get_bind().dialect.name, new))
    if written is None or not written.is_new:
        making.give_number_back(session, workspace_id)
        return _same(session, workspace_id, str(dedupe_key))
    return making.as_read(session, written)


def start_claimed(
    engine: Engine,
    claim: making.Claim,
    *,
    workspace_id: str,
    pinned: Pinned,
    definition: Definition,
    inputs: Mapping[str, Any],
    actor: Actor,
    label: str,
    dedupe_key: str,
) -> str | None:
    """Start a run as :func:`start` does, committed: one round trip on PostgreSQL, a shared commit on SQLite.

    Hold no connection when calling it: a process has few. Takes away what *claim* names with it. Returns the run's id;
    None, and nothing is started, where that is gone, the key is taken, or the run's name holds its number. Raises as
    :func:`start`.
    """
    if naming.names_number(label):
        return None
    new = _new(
        workspace_id=workspace_id,
        pinned=pinned,
        definition=definition,
        inputs=inputs,
        actor=actor,
        label=label,
        dedupe_key=dedupe_key,
    )
    write = functools.partial(making.write, engine.dialect.name, new, claim)
    written = write_small(engine, write, locks=workspace_id)
    return str(new.row["id"]) if written is not None and written.is_new else None


def _new(
    *,
    workspace_id: str,
    pinned: Pinned,
    definition: Definition,
    inputs: Mapping[str, Any],
    actor: Actor,
    label: str,
    trigger_kind: str = "person",
    trigger_id: str | None = None,
    trigger: Mapping[str, Any] | None = None,
    dedupe_key: str | None = None,
    test: bool = False,
    parent: Parent | None = None,
    number: int | None = None,
) -> making.New:
    if not pinned.is_enabled and not test:
        raise Conflict(f"“{pinned.workflow_name}” is switched off.", fix="Switch it on, then start again.")
    answers = checked_answers(definition, inputs)
    created_at = clock.now()
    row: dict[str, Any] = {
        "id": new_id(),
        "workspace_id": workspace_id,
        "workflow_id": pinned.workflow_id,
        "version_id": pinned.version_id,
        "label": naming.filled(label, answers, number) or pinned.workflow_name,
        "test": test,
        "inputs": answers,
        "started_by": actor.user_id,
        "trigger_kind": trigger_kind,
        "trigger_id": trigger_id,
        "dedupe_key": dedupe_key,
        "parent_step_run_id": parent and parent.step_run_id,
        "parent_run_id": parent and parent.run_id,
        "steps_total": len(definition.steps),
        "budget_microusd": _microusd(definition.limits.cost_usd),
        "at_once": definition.limits.at_once,
        "created_at": created_at,
        "changed_at": created_at,
    }
    row["facts"] = _facts(row, pinned, actor)
    row["facts"]["trigger"] |= trigger or {}
    if parent is not None:
        row["facts"]["part_of"] = list(parent.part_of)
    detail = {"label": row["label"], "trigger": trigger_kind, "test": test}
    entry = accounts.entry(
        workspace_id=workspace_id, actor=actor.name, actor_id=actor.user_id, action="run.started", subject_kind="run",
        subject_id=row["id"], detail=detail,
    )  # fmt: skip
    words = [*search.words_of(row["label"], definition, answers), *given_words(answers)]
    return making.New(row, entry, words, number)


def pause(session: Session, run: Run, *, actor: Actor) -> None:
    """Ask the run to pause after what is under way. Raises Conflict where it cannot."""
    control.pause(session, run.id)
    _note(session, run, actor, "run.paused", "paused the run")


def resume(session: Session, run: Run, *, actor: Actor) -> None:
    """Let a pausing or paused run go on. Raises Conflict where it cannot."""
    control.resume(session, run.id)
    _note(session, run, actor, "run.resumed", "let the run go on")


def stop(session: Session, run: Run, *, actor: Actor) -> None:
    """Stop the run for good: what has not started is cancelled, results that come late are refused. Raises Conflict."""
    control.stop(session, run.id)
    _note(session, run, actor, "run.stopped", "stopped the run")


def answer(session: Session, run: Run, step_run_id: str, reply: Reply, *, actor: Actor) -> None:
    """Take a person's answer to a step that asks. Raises NotFound, and Conflict when it was answered before."""
    answers.answer(session, run.id, step_run_id, reply, by=actor.name)
    accounts.audit_of(session, run, actor, "run.answered", number=run.number, reply=reply.value)


def try_now(session: Session, run: Run, step_run_id: str, *, actor: Actor) -> None:
    """Try a step again now instead of when its time has come. Raises Conflict."""
    control.try_now(session, run.id, step_run_id)
    _note(session, run, actor, "run.tried_now", "let it be tried now")


def stop_trying(session: Session, run: Run, step_run_id: str, *, actor: Actor) -> None:
    """Let a step that would be tried again fail. Raises Conflict."""
    control.stop_trying(session, run.id, step_run_id)
    _note(session, run, actor, "run.stopped_trying", "stopped the tries")


def go_now(session: Session, run: Run, step_run_id: str, *, actor: Actor) -> None:
    """End a step's wait for a time now. Raises Conflict when it does not wait for one any more."""
    control.go_now(session, run.id, step_run_id, by=actor.name)
    accounts.audit_of(session, run, actor, "run.went_on", number=run.number)


def call_off(session: Session, run: Run, step_run_id: str, *, actor: Actor) -> None:
    """Skip a step that waits for a time, and so what comes after it alone. Raises Conflict."""
    control.call_off(session, run.id, step_run_id, by=actor.name)
    accounts.audit_of(session, run, actor, "run.wait_cancelled", number=run.number)


def try_again(session: Session, run: Run, *, actor: Actor) -> None:
    """Take up a failed run where it failed; what was finished and paid for stays. Raises Conflict."""
    control.try_again(session, run.id)
    _note(session, run, actor, "run.tried_again", "took the run up again")


def continue_from(
    session: Session,
    run: Run,
    step_id: str,
    inputs: Mapping[str, Any],
    *,
    actor: Actor,
    labels: Sequence[str] = (),
    dedupe_key: str | None = None,
) -> Run:
    """Start a run that takes over what *run* finished and goes on at *step_id* with other answers; see :mod:`reuse`.

    It is of the same version, and named after its own answers where one of *labels* named *run*. A run that waits for
    an answer of this kind is stopped by it. Raises Invalid for wrong answers, NotFound for an unknown step, Conflict
    while *run* is still under way.
    """
    definition = workflows.load_definition(session, run.version_id)
    if not definition.has_step(step_id):
        raise NotFound("This step does not exist.")
    places.lock(session, run)
    if not can_continue(run):
        raise Conflict(f"Run {run.number} is still under way.", fix="Stop it first.")
    label = naming.label_of(run, labels)
    following = _start_like(session, run, inputs, label=label, actor=actor, dedupe_key=dedupe_key)
    if following.continues_run_id is None:
        if run.is_open:
            _say_what_stops(session, run, following)
            control.stop_asking(session, run.id)
            _note(session, run, actor, "run.stopped", "stopped the run")
        planned = reuse.plan(
            definition, reuse.finished(session, run), step_id, reuse.changed(run.inputs, following.inputs)
        )
        _follow(session, run, following)
        reuse.take_over(session, run, following, planned.kept)
    return following


def _say_what_stops(session: Session, run: Run, following: Run) -> None:
    """Write into the log of a run which runs are stopped for it: the one that it follows, and what that waits for."""
    wanted = sa.select(Run.number).where(Run.parent_run_id == run.id, Run.finished_at.is_(None)).order_by(Run.number)
    below = [f"run {number}" for number in session.scalars(wanted)]
    also = f", and with it {listed(below)}, which it had started" if below else ""
    _log(session, following, "run.follows", f"Run {run.number} was stopped for this one{also}.")


def _note(session: Session, run: Run, actor: Actor, action: str, said: str) -> None:
    """Write down who steered the run, also in its log."""
    accounts.audit_of(session, run, actor, action, number=run.number)
    _log(session, run, action, f"{actor.name} {said}.")


def _log(session: Session, run: Run, event: str, message: str) -> None:
    session.add(RunLog(workspace_id=run.workspace_id, run_id=run.id, event=event, message=message, at=clock.now()))


def can_continue(run: Run) -> bool:
    """Tell whether another run may take over what this one finished: it has ended, or it waits for an answer."""
    return not run.is_open or run.status == RunStatus.NEEDS_ATTENTION


def start_over(session: Session, run: Run, *, actor: Actor, dedupe_key: str | None = None) -> Run:
    """Start a run with the answers of *run*, of the version published now; all is done again. Raises as start.

    A test of a draft is done once more as it was.
    """
    places.lock(session, run)
    following = _start_like(
        session, run, run.inputs, label=run.label, actor=actor, dedupe_key=dedupe_key, newest=True
    )
    if following.continues_run_id is None:
        _follow(session, run, following)
    return following


def _follow(session: Session, run: Run, following: Run) -> None:
    """Link a new run to the one that it follows; below another run it takes that one's place."""
    following.continues_run_id = run.id
    session.flush()
    if places.hand_on(session, run, following):
        above = session.scalar(sa.select(Run.number).where(Run.id == run.parent_run_id))
        _log(session, following, "run.follows", f"It takes the place of run {run.number} in run {above}.")


def _start_like(
    session: Session,
    run: Run,
    inputs: Mapping[str, Any],
    *,
    label: str,
    actor: Actor,
    dedupe_key: str | None,
    newest: bool = False,
) -> Run:
    version = session.get_one(Version, run.version_id)
    begun_by = run.facts.get("trigger") or {}  # steps may name what a schedule gave: its name, when it was due
    return start(
        session,
        workspace_id=run.workspace_id,
        workflow=workflows.workflow(session, run.workspace_id, run.workflow_id),
        inputs=inputs,
        actor=actor,
        version=None if newest and version.number > 0 else version,
        label=label,
        trigger_kind=run.trigger_kind if run.test else "person",  # a sample of a step stays one
        trigger={name: value for name, value in begun_by.items() if name not in ("kind", "id")},
        dedupe_key=dedupe_key,
        test=run.test,
    )


def hint(run_id: str) -> None:
    """Tell the workers that a run wants attention, after the commit. Never raises: a lost hint costs seconds."""
    jobs.hint_soon(run_id)


def checked_answers(
    definition: Definition, raw: Mapping[str, Any], now: datetime | None = None
) -> dict[str, Any]:
    """Return the answers as a run keeps them. Raises Invalid with a problem for every wrong one.

    *now* is the moment in the workspace's zone; without it no answer is too early or too late for today.
    """
    try:
        return clean_inputs(definition, raw, now)
    except InputsInvalid as invalid:
        problems = invalid.problems
        count = "One answer needs" if len(problems) == 1 else f"{len(problems)} answers need"
        faults = [FieldError(p.path, p.code, p.message, p.fix) for p in problems]
        raise Invalid(f"{count} another look.", faults, fix=problems[0].fix, code="inputs") from invalid


def check_days(session: Session, workspace_id: str, definition: Definition, raw: Mapping[str, Any]) -> None:
    """Hold answers to today. Raises Invalid; one statement where some place on earth would refuse one of them."""
    if not names_today(definition):
        return
    now = clock.now()
    try:
        for zone in _ENDS_OF_EARTH:
            clean_inputs(definition, raw, now.astimezone(zone))
    except InputsInvalid:
        zone_name = session.get_one(Workspace, workspace_id).timezone
        checked_answers(definition, raw, now.astimezone(ZoneInfo(zone_name)))


def _same(session: Session, workspace_id: str, dedupe_key: str) -> Run:
    wanted = sa.select(Run).where(Run.workspace_id == workspace_id, Run.dedupe_key == dedupe_key)
    return session.scalars(wanted).one()


def _microusd(dollars: Decimal | None) -> int | None:
    return None if dollars is None else int(dollars * 1_000_000)


def _facts(row: Mapping[str, Any], pinned: Pinned, actor: Actor) -> dict[str, Any]:
    """Return what ``{{ run.* }}`` gives, but for the number and the workspace: they are added when it is written."""
    return {
        "id": row["id"],
        "label": row["label"],
        "test": row["test"],
        "url": f"{_base_url}/runs/{row['id']}",
        "started_by": {"name": actor.name, "email": actor.email},
        "created_at": clock.iso(row["created_at"]),
        "started_at": clock.iso(row["created_at"]),
        "workflow": {"id": pinned.workflow_id, "name": pinned.workflow_name},
        "version": max(pinned.version_number, 0),  # 0: a draft under test
        "trigger": {"kind": row["trigger_kind"], "id": row["trigger_id"]},
    }


