"""What a plan writes: the rows of steps that begin or are skipped, and what the run says that it does."""

from typing import Any

from app.core.ids import new_id
from app.definition.schema import Definition
from app.engine import catalog
from app.engine.contract import Effect
from app.engine.enums import RunStatus, StepStatus
from app.engine.held import HeldRun
from app.engine.planner import Do, Plan
from app.engine.store import Recorded


def pending_row(definition: Definition, held: HeldRun, do: Do) -> dict[str, Any]:
    """Return the row of a step that is to be done, as it stands in line."""
    step = definition.step(do.step)
    step_type = catalog.step_type(step.type)
    effect = step_type.effect if step_type else Effect.SENDS  # as far as a step may reach, for all that we know
    return {
        "id": new_id(), "workspace_id": held.workspace_id, "run_id": held.id, "step_id": step.id, "item": do.item,
        "type": step.type, "effect": effect.value, "status": StepStatus.PENDING.value, "hinted_at": held.now,
        "created_at": held.now,  # its place in line
        "is_suspect": held.is_suspect and effect is Effect.NONE,  # what was done under the dead lease was pure
    }  # fmt: skip


def skip_rows(definition: Definition, held: HeldRun, todo: Plan) -> list[dict[str, Any]]:
    """Return the rows of the steps that are skipped."""
    at = held.clock()
    return [
        {
            "id": new_id(), "workspace_id": held.workspace_id, "run_id": held.id, "step_id": skip.step,
            "type": definition.step(skip.step).type, "status": StepStatus.SKIPPED.value, "reason": skip.reason,
            "hinted_at": None, "finished_at": at,
        }
        for skip in todo.skip
    ]  # fmt: skip


def doing(definition: Definition, recorded: Recorded, todo: Plan) -> str:
    """Return the names of the steps that begin or are under way; nothing of a run that rests or ends."""
    if todo.is_end or todo.status in (RunStatus.PAUSED, RunStatus.WAITING):
        return ""
    names = [definition.step(do.step).name or do.step for do in todo.do]
    names += [
        definition.step(step).name or step
        for (step, _), result in recorded.results.items()
        if result.status is StepStatus.RUNNING
    ]
    return ", ".join(dict.fromkeys(names))
