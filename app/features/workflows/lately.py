"""What a condition would have said in a workflow's last runs, from what they recorded."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.definition.conditions import ConditionUnclear, check_condition, evaluate_condition
from app.definition.values import names_in
from app.engine.enums import SEED, StepStatus
from app.engine.models import Run, StepRun
from app.features.workflows.models import Workflow

MOST_RUNS = 5


def said(session: Session, workflow: Workflow, conditions: Mapping[str, Any]) -> dict[str, str]:
    """Return for each condition that can be asked in how many of the last runs it was true, by the same keys.

    Two statements at most, whatever there is. Nothing where there was no run, or where no run can tell.
    """
    complete = {
        key: tree for key, tree in conditions.items() if isinstance(tree, dict) and not check_condition(tree)
    }
    scopes = _scopes(session, workflow, _steps_of(complete.values())) if complete else []
    found = {key: _in_words(tree, scopes) for key, tree in complete.items()}
    return {key: words for key, words in found.items() if words}


def _in_words(tree: dict[str, Any], scopes: list[dict[str, object]]) -> str:
    verdicts = [_verdict(tree, scope) for scope in scopes]
    told = [verdict for verdict in verdicts if verdict is not None]
    if not told:
        return ""
    count, unclear = len(verdicts), len(verdicts) - len(told)
    if count == 1:
        return "True in your last run." if told[0] else "Not true in your last run."
    words = f"True in {sum(told)} of your last {count} runs."
    return words + (f" In {unclear} of them it could not be told." if unclear else "")


def _verdict(tree: dict[str, Any], scope: Mapping[str, object]) -> bool | None:
    try:
        return evaluate_condition(tree, scope).value
    except ConditionUnclear:
        return None


def _steps_of(trees: Iterable[dict[str, Any]]) -> set[str]:
    return {
        str(name.path[0]) for tree in trees for name in names_in(tree) if name.root == "steps" and name.path
    }


def _scopes(session: Session, workflow: Workflow, step_ids: set[str]) -> list[dict[str, object]]:
    """Return what values gave in the newest runs that somebody wanted: answers, facts, and what these steps made."""
    runs = session.execute(
        sa.select(Run.id, Run.inputs, Run.facts)
        .where(Run.workflow_id == workflow.id, Run.test.is_(False), Run.trigger_kind != SEED)
        .order_by(Run.created_at.desc())
        .limit(MOST_RUNS)
    ).all()
    outputs: dict[str, dict[str, Any]] = {run.id: {} for run in runs}
    if runs and step_ids:
        rows = session.execute(
            sa.select(StepRun.run_id, StepRun.step_id, StepRun.output).where(
                StepRun.run_id.in_(list(outputs)), StepRun.step_id.in_(sorted(step_ids)), StepRun.item == -1,
                StepRun.status == StepStatus.COMPLETED.value,
            )
        )  # fmt: skip
        for row in rows:
            outputs[row.run_id][row.step_id] = row.output or {}
    return [{"inputs": run.inputs, "steps": outputs[run.id], "run": run.facts} for run in runs]
