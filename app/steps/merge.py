"""Bring ways together again: goes on when all that come before are done, or any (the step's ``join``)."""

from collections.abc import Mapping
from typing import Any

from app.engine.contract import Context, Done, Effect, StepType
from app.steps.words import Settings


class Config(Settings):
    """Nothing to set: ``join`` of the step says whether all ways or any one must be done."""


def run(config: Config, ctx: Context) -> Done:
    """Do nothing: the planner waited for what comes before."""
    return Done()


def _summary(config: Mapping[str, Any]) -> str:
    return "Go on when the ways before it are done"


STEP = StepType(
    type="merge",
    label="Bring together",
    icon="arrows-join-2",
    group="Flow",
    effect=Effect.NONE,
    config=Config,
    summary=_summary,
    run=run,
    description="Waits for the ways before it, all or any, and goes on once.",
    typical_s=0.01,
)
