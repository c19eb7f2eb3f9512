"""A step that takes its process with it: it aborts, needs more memory than there is, or freezes where it is alone."""

import os
import resource
import signal
import threading
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from app.engine.contract import Context, Done, Effect, StepType


class Config(BaseModel):
    by: Literal["abort", "memory", "frost"] = "abort"


def run(config: Config, ctx: Context) -> Done:
    if config.by != "abort":
        if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does to whoever has most when there is no more
        if config.by == "frost":
            os.kill(os.getpid(), signal.SIGSTOP)
            threading.Event().wait()  # on a busy machine another thread is stopped first
        return Done({"size": len(bytearray(4 * 1024**3))})
    os.abort()


def summary(config: Mapping[str, Any]) -> str:
    return "Doom"


STEP = StepType(
    type="doom", label="Doom", icon="bolt", group="Test", effect=Effect.NONE, config=Config, summary=summary, run=run,
    output_fields=frozenset({"size"}),
)  # fmt: skip
