"""A pure step during which something happens to its run: an act of the test, or a write that is refused."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.engine.contract import Context, Done, Effect, StepType

happens: dict[str, Callable[[str], None]] = {}


class Config(BaseModel):
    what: str = ""
    write: str = ""


def run(config: Config, ctx: Context) -> Done:
    if config.what:
        happens[config.what](ctx.run.id)
    if config.write:
        ctx.in_result(lambda session: _refuse(session, config.write))
    return Done({"said": "it happened"})


def _refuse(session: Session, how: str) -> None:
    if how == "missing":
        raise NotFound("The picture is gone.", fix="Choose another.")
    raise ValueError("a fault of ours")


def summary(config: Mapping[str, Any]) -> str:
    return "Let something happen"


STEP = StepType(
    type="meanwhile", label="Meanwhile", icon="transform", group="Test", effect=Effect.NONE, config=Config,
    summary=summary, run=run, output_fields=frozenset({"said"}),
)  # fmt: skip
