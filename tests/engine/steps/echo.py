"""A pure step: gives back what it was given, or fails as asked."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from app.engine.contract import Category, Context, Done, Effect, StepError, StepType


class Config(BaseModel):
    say: Any = None
    fail: str = ""
    outcome: str = "done"


def run(config: Config, ctx: Context) -> Done:
    if config.fail:
        raise StepError(Category(config.fail), "It was asked to fail.")
    return Done({"said": config.say}, config.outcome)


def summary(config: Mapping[str, Any]) -> str:
    return "Say it again"


STEP = StepType(
    type="echo", label="Echo", icon="transform", group="Test", effect=Effect.NONE, config=Config, summary=summary,
    run=run, outcomes=("done", "yes", "no"), output_fields=frozenset({"said"}),
)  # fmt: skip
