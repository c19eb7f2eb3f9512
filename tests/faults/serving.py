"""The real ``greenlight serve`` that knows the tests' step types beside its own; run as a script."""

import sys
from importlib import import_module
from typing import Any

from app import supervisor, wiring
from app.core import outbox
from app.core.settings import Settings
from app.engine import catalog

TYPES = ("echo", "spend", "send", "post", "ask")

_connect = wiring.connect


def connect(settings: Settings) -> None:
    from tests.faults import mailsink

    _connect(settings)
    steps: dict[str, Any] = {name: import_module(f"tests.engine.steps.{name}").STEP for name in TYPES}
    catalog._types.update(steps)
    outbox.channel("email", mailsink.deliver)


if __name__ == "__main__":
    wiring.connect = connect
    sys.exit(supervisor.main())
