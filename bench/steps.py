"""Step types of the benchmark, found through the entry points that any package may use (``ground.extension``)."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from app.engine.contract import Context, Done, Effect, StepType

NOTES = "BENCH_NOTES"  # names the file that `note` writes to


class Nap(BaseModel):
    """How long the thread is busy."""

    milliseconds: float = 50


class Nothing(BaseModel):
    """No settings."""


def nap(config: Nap, ctx: Context) -> Done:
    time.sleep(config.milliseconds / 1000)
    return Done({"slept": config.milliseconds})


def note(config: Nothing, ctx: Context) -> Done:
    """Write down that this step began: so whatever came before it was acknowledged by the database."""
    line = f"{ctx.run.id} {ctx.step.id}\n".encode()
    descriptor = os.open(Path(os.environ[NOTES]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
    return Done({"noted": ctx.step.id})


def _summary(config: Mapping[str, Any]) -> str:
    return "Measure"


def _type(name: str, config: type[BaseModel], run: Any, effect: Effect = Effect.NONE) -> StepType:
    return StepType(
        type=name, label=name.title(), icon="clock", group="Data", effect=effect, config=config, summary=_summary,
        run=run, output_fields=None,
    )  # fmt: skip


NAP = _type("nap", Nap, nap)
CALL_NAP = _type("call_nap", Nap, nap, Effect.SPENDS)
NOTE = _type("note", Nothing, note)
