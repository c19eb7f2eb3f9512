"""A run as JSON: the resource that the command line shows, and whoever else is given one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.definition.schema import Definition, Step
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import Run, StepRun
from app.features.accounts.models import User
from app.features.files import queries as files
from app.features.files.models import Document
from app.features.runs import pace, queries
from app.features.workflows import queries as workflows


def as_json(session: Session, run: Run) -> dict[str, Any]:
    """Return the run as the contract's resource: what the API answers and ``--json`` prints."""
    definition = workflows.load_definition(session, run.version_id)
    facts = queries.version_facts(session, run)
    rows = queries.step_runs(session, run.id)
    by_step = _by_step(rows)
    steps = [_step_json(step, by_step.get(step.id, {})) for step in definition.steps]
    return {
        "id": run.id,
        "number": run.number,
        "label": run.label,
        "test": run.test,
        "status": run.status,
        "progress": round(run.progress, 4),
        "eta_s": _eta_s(session, run, definition, rows),
        "workflow": {"id": facts.workflow_id, "name": facts.name, "version": max(facts.number, 0)},
        "inputs": run.inputs,
        "steps": steps,
        "documents": _documents_json(session, run, definition),
        "outputs": _outputs(definition, by_step),
        "error": _error(run, definition, by_step),
        "cost_microusd": run.cost_microusd,
        "tokens": {"in": run.tokens_in, "out": run.tokens_out},
        "trigger": _trigger(run),
        "started_by": _person(session, run),
        "parent_run_id": run.parent_run_id,
        "created_at": clock.iso(run.created_at),
        "started_at": clock.iso(run.started_at),
        "finished_at": clock.iso(run.finished_at),
    }


def _trigger(run: Run) -> dict[str, Any]:
    due_at = (run.facts.get("trigger") or {}).get("due_at")
    return {"kind": run.trigger_kind, "id": run.trigger_id} | ({"due_at": due_at} if due_at else {})


def _eta_s(session: Session, run: Run, definition: Definition, rows: Sequence[StepRun]) -> int | None:
    """Return how many seconds of work are left, people's answers not counted; None where nobody can tell."""
    if not run.is_open:
        return None
    ended = Counter(row.step_id for row in rows if row.item >= 0 and StepStatus(row.status).is_settled)
    states = {
        row.step_id: pace.State(StepStatus(row.status), row.started_at, pace.part(ended[row.step_id], row.total))
        for row in rows
        if row.item < 0
    }
    usual = pace.paces(session, [run.workflow_id]).get(run.workflow_id)
    left = pace.estimate(definition, states, usual, clock.now())
    return round(left.work_s) if left else None


def _by_step(rows: Iterable[StepRun]) -> dict[str, dict[int, StepRun]]:
    by_step: dict[str, dict[int, StepRun]] = defaultdict(dict)
    for row in rows:
        by_step[row.step_id][row.item] = row
    return dict(by_step)


def _step_json(step: Step, rows: Mapping[int, StepRun]) -> dict[str, Any]:
    found = {
        "id": step.id,
        "type": step.type,
        "name": step.name,
        "status": StepStatus.PENDING.value,
        "outcome": None,
        "reason": "",
        "attempts": 0,
        "started_at": None,
        "finished_at": None,
        "duration_ms": None,
        "output": None,
        "error": None,
        "cost_microusd": 0,
    }
    whole = rows.get(-1)
    if whole is not None:
        found |= _row_json(whole)
    items = [{"item": item} | _row_json(rows[item]) for item in sorted(rows) if item >= 0]
    return found | {"items": items}


def _row_json(row: StepRun) -> dict[str, Any]:
    return {
        "status": row.status,
        "outcome": row.outcome,
        "reason": row.reason,
        "attempts": row.attempts,
        "started_at": clock.iso(row.started_at),
        "finished_at": clock.iso(row.finished_at),
        "duration_ms": _milliseconds(row),
        "output": row.output,
        "error": row.error,
        "cost_microusd": row.cost_microusd,
    }


def _milliseconds(row: StepRun) -> int | None:
    if row.started_at is None or row.finished_at is None:
        return None
    return max(0, round((row.finished_at - row.started_at).total_seconds() * 1000))


def _documents_json(session: Session, run: Run, definition: Definition) -> list[dict[str, Any]]:
    taken = files.taken_over(session, run.id) if run.continues_run_id else {}
    wanted = sa.select(Document.id, Document.title, Document.status).where(
        files.made_in(Document, run.id, taken), Document.workspace_id == run.workspace_id
    )
    return [dict(row._mapping) for row in session.execute(files.as_made(wanted, Document, definition))]


def _outputs(definition: Definition, by_step: Mapping[str, Mapping[int, StepRun]]) -> dict[str, Any]:
    """Return what the completed steps brought, by step id."""
    found = {}
    for step in definition.steps:
        row = by_step.get(step.id, {}).get(-1)
        if row is not None and row.status == StepStatus.COMPLETED:
            found[step.id] = row.output
    return found


def _error(
    run: Run, definition: Definition, by_step: Mapping[str, Mapping[int, StepRun]]
) -> dict[str, Any] | None:
    """Return why the run failed: its own error, else that of the first step which failed for good."""
    if run.error is not None or run.status != RunStatus.FAILED:
        return run.error
    for step in definition.steps:
        row = by_step.get(step.id, {}).get(-1)
        if row is not None and row.status == StepStatus.FAILED and step.on_failure == "stop":
            return {"category": "", "code": "", "message": "", "fix": "", **(row.error or {}), "step": step.id}
    return None


def _person(session: Session, run: Run) -> dict[str, Any] | None:
    """Return who started the run, from the facts kept with it; a run of the system has nobody."""
    kept = run.facts.get("started_by") or {}
    if run.started_by is None:
        return {"id": None, **kept} if kept else None
    if kept:
        return {"id": run.started_by, **kept}
    user = session.get(User, run.started_by)
    return None if user is None else {"id": user.id, "name": user.name, "email": user.email}
