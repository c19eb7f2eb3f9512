"""Run another workflow and go on when it has ended: its results are this step's."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from app.engine.contract import Context, Effect, StepType, Wait
from app.steps.words import Settings, said

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Config(Settings):
    """Which workflow, and its answers."""

    workflow: str = Field(
        title="Workflow",
        description="Which of yours to run. It is found by its name, also when it was renamed since.",
        min_length=1,
        max_length=200,
        json_schema_extra={"widget": "workflow"},
    )
    inputs: dict[str, Any] = Field(
        default={},
        title="Its answers",
        description="What that workflow asks. What is left empty is as that workflow has it.",
        json_schema_extra={"widget": "answers"},
    )


def run(config: Config, ctx: Context) -> Wait:
    """Return the wait; the run is written with it, so there is one, however often this comes."""
    return Wait(kind="sub_run", detail={"workflow": config.workflow, "inputs": config.inputs})


def _summary(config: Mapping[str, Any]) -> str:
    name = said(config.get("workflow"), "another workflow")
    return f"Run **{'another workflow' if _ID.fullmatch(name) else name}** and wait for its end"


STEP = StepType(
    type="run_workflow",
    label="Run another workflow",
    icon="route",
    group="Flow",
    effect=Effect.NONE,
    config=Config,
    summary=_summary,
    run=run,
    output_fields=frozenset({"run", "number", "outputs"}),
    output_kinds={"run": "text", "number": "number", "outputs": "record"},
    description="Starts another workflow of yours and goes on when it is finished. If that one fails, this step fails.",
    typical_s=60.0,
)
