"""A step that puts one message into the outbox: it sends, but never from the step itself."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from app.core import outbox
from app.engine.contract import Context, Done, Effect, StepType


class Config(BaseModel):
    to: str


def run(config: Config, ctx: Context) -> Done:
    key = f"{ctx.step.step_run_id}-0-{config.to}-0"
    ctx.in_result(
        lambda session: outbox.post(
            session, channel="email", recipient=config.to, subject="Ready", content={}, dedupe_key=key,
            workspace_id=ctx.run.workspace_id, run_id=ctx.run.id, step_run_id=ctx.step.step_run_id,
        )
        and None
    )  # fmt: skip
    return Done({"sent": 1})


def summary(config: Mapping[str, Any]) -> str:
    return "Post"


STEP = StepType(
    type="post", label="Post", icon="mail", group="Test", effect=Effect.SENDS, config=Config, summary=summary, run=run,
    output_fields=frozenset({"sent"}),
)  # fmt: skip
