"""A step that waits: for a decision, or for a moment."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from app.engine.contract import Context, Effect, StepType, Wait


class Config(BaseModel):
    kind: str = "callback"
    seconds: float = 0.0
    on_until: str = "expired"


def run(config: Config, ctx: Context) -> Wait:
    until = ctx.now() + timedelta(seconds=config.seconds) if config.seconds else None
    return Wait(config.kind, until=until, on_until=config.on_until, detail={"asked": ctx.step.name})


def summary(config: Mapping[str, Any]) -> str:
    return "Ask"


STEP = StepType(
    type="ask", label="Ask", icon="user-check", group="Test", effect=Effect.NONE, config=Config, summary=summary,
    run=run, outcomes=("approved", "rejected", "expired"), noes=("rejected", "expired"),
    output_fields=None,
)  # fmt: skip
