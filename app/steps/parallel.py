"""Begin several ways at the same time: every step that comes after it starts at once."""

from collections.abc import Mapping
from typing import Any

from app.engine.contract import Context, Done, Effect, StepType
from app.steps.words import Settings


class Config(Settings):
    """Nothing to set: what comes after it says so itself."""


def run(config: Config, ctx: Context) -> Done:
    """Do nothing: the planner starts all that comes after."""
    return Done()


def _summary(config: Mapping[str, Any]) -> str:
    return "Do what follows at the same time"


STEP = StepType(
    type="parallel",
    label="At the same time",
    icon="git-fork",
    group="Flow",
    effect=Effect.NONE,
    config=Config,
    summary=_summary,
    run=run,
    description="Starts everything that follows it at once.",
    typical_s=0.01,
)
