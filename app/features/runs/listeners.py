"""Runs that belong to a step of another run: started, ended and stopped in the transaction in which that happens."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import events
from app.core.errors import Conflict, Invalid
from app.core.words import words
from app.engine import control, jobs, store
from app.engine.enums import RunStatus, StepStatus, WaitStatus
from app.engine.events import PartEnded, WaitEnded, WaitStarted
from app.engine.models import Run, StepRun, WaitRow
from app.features.accounts.service import Actor
from app.features.runs import places, search, service
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow

DEEPEST = 5
MOST_BYTES = 200 * 1024
COUNTED = "counted_microusd"  # in a wait: what its step was charged before for the run that it waits for


def register() -> None:
    """Listen to the engine; twice is once."""
    events.listen(WaitStarted, wait_started)
    events.listen(WaitEnded, wait_ended)
    events.listen(PartEnded, part_ended)


def wait_started(session: Session, event: WaitStarted) -> None:
    """Start the run that a step waits for, once; where the step is tried again, the one that it waited for goes on.

    Whom a step asks, the run is found by. Raises Conflict when a workflow would run itself, or runs go too deep;
    NotFound; Invalid for wrong answers.
    """
    if event.kind != store.SUB_RUN:
        _keep_people(session, event)
        return
    parent = session.get_one(Run, event.run_id)
    child = _child(session, event.step_run_id, lock=True)
    if child is None or child.status in (RunStatus.STOPPING, RunStatus.STOPPED):
        if child is not None:
            child.parent_step_run_id = None  # it was stopped: this step gets another
            session.flush()
        child = _start(session, parent, event)
    else:
        _wait_again(session, event, child)
    _hint_later(session, child.id)


def _wait_again(session: Session, event: WaitStarted, child: Run) -> None:
    """Take up the run that failed below; where somebody did that already, wait for it, or take what it brought."""
    counted = session.execute(sa.select(StepRun.cost_microusd).where(StepRun.id == event.step_run_id)).scalar_one()
    wait = session.get_one(WaitRow, event.wait_id)
    wait.detail = {**wait.detail, COUNTED: min(counted, _cost(child))}
    session.flush()
    if child.status == RunStatus.FAILED:
        control.try_again(session, child.id)
    elif child.status == RunStatus.COMPLETED:
        _settle(session, wait, child, child.status)


def wait_ended(session: Session, event: WaitEnded) -> None:
    """Stop the run of a step that is cancelled."""
    if event.kind != store.SUB_RUN or event.why != "withdrawn":
        return
    wait = session.get_one(WaitRow, event.wait_id)
    child = _child(session, wait.step_run_id)
    if child is not None and child.is_open:
        control.stop(session, child.id)
        _hint_later(session, child.id)


def part_ended(session: Session, event: PartEnded) -> None:
    """Settle the step that waits for this run, if one does."""
    child = session.get_one(Run, event.run_id, populate_existing=True)
    if child.parent_step_run_id is None:
        return
    wait = session.scalar(
        sa.select(WaitRow).where(
            WaitRow.step_run_id == child.parent_step_run_id, WaitRow.status == WaitStatus.WAITING.value
        )
    )
    if wait is not None:
        _settle(session, wait, child, event.status)


def _settle(session: Session, wait: WaitRow, child: Run, status: str) -> None:
    """End the wait for a run with what it brought, and charge the step what is not counted there yet."""
    error = None if status == RunStatus.COMPLETED else _error(child, status)
    cost_microusd = _cost(child) - int(wait.detail.get(COUNTED, 0))
    if control.finish(session, wait.id, output=_output(session, child), error=error, cost_microusd=cost_microusd):
        _hint_later(session, wait.run_id)


def _cost(child: Run) -> int:
    """Return what a run cost, and those that had its place before."""
    return child.cost_microusd + int(child.facts.get(places.BEFORE, 0))


def _keep_people(session: Session, event: WaitStarted) -> None:
    people = event.detail.get("approvers") or ()
    found = [word for email in people if isinstance(email, str) for word in words(email)]
    if found:
        number = session.execute(sa.select(Run.number).where(Run.id == event.run_id)).scalar_one()
        search.add(session, event.workspace_id, number, found[: search.MOST_WORDS])


def _start(session: Session, parent: Run, event: WaitStarted) -> Run:
    workflow = workflows.named(session, parent.workspace_id, str(event.detail.get("workflow", "")))
    above = _above(session, parent)
    if workflow.id in {run.workflow_id for run in above}:
        raise Conflict(f"“{workflow.name}” would run itself.", fix="Let this step run another workflow.")
    if len(above) >= DEEPEST:
        raise Conflict(f"Workflows may run each other {DEEPEST} deep at most.", fix="Take one of them out.")
    try:
        return _started(session, parent, workflow, event, above)
    except Invalid as invalid:
        said = "; ".join(fault.message for fault in invalid.problems[:3])
        raise Invalid(f"“{workflow.name}” does not take these answers: {said}", fix=invalid.fix) from invalid


def _started(session: Session, parent: Run, workflow: Workflow, event: WaitStarted, above: list[Run]) -> Run:
    by = parent.facts.get("started_by") or {}
    inputs = event.detail.get("inputs")
    return service.start(
        session,
        workspace_id=parent.workspace_id,
        workflow=workflow,
        inputs=inputs if isinstance(inputs, Mapping) else {},
        actor=Actor(parent.started_by, str(by.get("name", "")), str(by.get("email", ""))),
        label=f"{workflow.name}, for {parent.label}",
        trigger_kind="run",
        trigger_id=parent.id,
        test=parent.test,
        parent=service.Parent(parent.id, event.step_run_id, tuple(run.id for run in above)),
    )


def _above(session: Session, run: Run) -> list[Run]:
    """Return a run and those that it was started by, the nearest first; one that nobody keeps any more is left out."""
    above = [run]
    while len(above) <= DEEPEST and (parent := session.get(Run, above[-1].parent_run_id or "")) is not None:
        above.append(parent)
    return above


def _child(session: Session, step_run_id: str, *, lock: bool = False) -> Run | None:
    """Return the run that a step waits for; with *lock* it does not end before the caller's transaction."""
    wanted = sa.select(Run).where(Run.parent_step_run_id == step_run_id)
    if lock:
        wanted = wanted.with_for_update(key_share=True)
    return session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()


def _output(session: Session, child: Run) -> dict[str, Any]:
    """Return what the run brought, by step; without the results where they are too large to hand on."""
    rows = session.execute(
        sa.select(StepRun.step_id, StepRun.output).where(
            StepRun.run_id == child.id, StepRun.item < 0, StepRun.status == StepStatus.COMPLETED.value
        )
    )
    outputs = {row.step_id: row.output for row in rows}
    size = len(json.dumps(outputs, ensure_ascii=False, default=str).encode())
    return {"run": child.id, "number": child.number, "outputs": outputs if size <= MOST_BYTES else {}}


def _error(child: Run, status: str) -> dict[str, Any]:
    known = child.error or {}
    said = str(known.get("message") or ("It was stopped." if status == RunStatus.STOPPED else "It failed."))
    return {
        "category": known.get("category") or "input",
        "code": known.get("code") or "sub_run",
        "message": f"Run {child.number} did not get to its end. {said}",
        "fix": f"Open run {child.number} to see why; trying this step again takes it up.",
    }


def _hint_later(session: Session, run_id: str) -> None:
    """Hint a run once the transaction is committed; the clock finds it without."""
    sa.event.listen(session, "after_commit", lambda _session: jobs.hint_run(run_id), once=True)
