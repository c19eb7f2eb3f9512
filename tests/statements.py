"""Which statements are sent to databases: through SQLAlchemy, and past it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.core.statements import Prepared


@contextmanager
def sent(*engines: Engine) -> Iterator[list[str]]:
    """Collect the statements that are sent through *engines* meanwhile, and all that go past SQLAlchemy; no BEGIN."""
    seen: list[str] = []
    before = "before_cursor_execute"

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.split(maxsplit=1)[0] not in ("BEGIN", "PRAGMA"):
            seen.append(statement)

    with pytest.MonkeyPatch.context() as patch, ExitStack() as undo:
        for engine in {id(engine): engine for engine in engines}.values():
            event.listen(engine, before, note)
            undo.callback(event.remove, engine, before, note)
        for name in ("execute", "execute_each"):
            patch.setattr(Prepared, name, _noted(getattr(Prepared, name), seen))
        yield seen


def _noted(execute: Any, seen: list[str]) -> Any:
    def noted(self: Prepared, driver: Any, bound: Any) -> Any:
        seen.append(self.text)
        return execute(self, driver, bound)

    return noted
