"""Statements as the driver takes them: built once, and then done past SQLAlchemy, whose own part costs more.

For those in whose way all threads of a process stand (``together``). Values and rows go through SQLAlchemy's types.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect, result_tuple

from app.core.together import Statement


class Prepared:
    """A statement's text, what its values have to be made into, and what a row it reads."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        expanded = compiled.construct_expanded_state(dict(compiled.params))  # lists of constants: "IN (…)"
        self.text = expanded.statement
        self._order = expanded.positiontup if compiled.positional else None
        given = {name for parameter, name in compiled.bind_names.items() if parameter.required}
        constants = {**compiled.params, **expanded.additional_parameters}
        self._constants = {name: value for name, value in constants.items() if name not in given}
        makers = {
            name: parameter.type.dialect_impl(dialect).bind_processor(dialect)
            for parameter, name in compiled.bind_names.items()
        }
        self._makers = {name: make for name, make in makers.items() if make is not None}
        returned = statement.exported_columns
        self.returns_rows = len(returned) > 0
        self._row = result_tuple([str(name) for name in returned.keys()])  # noqa: SIM118 (no mapping)
        self._readers = [_reader(column.type, dialect) for column in returned]

    def bound(self, values: Mapping[str, Any]) -> Any:
        """Return *values* as the driver takes them: by name, or in order where it knows no names."""
        given = {**self._constants, **values}
        for name, make in self._makers.items():
            given[name] = make(given[name])
        return given if self._order is None else [given[name] for name in self._order]

    def execute(self, driver: Any, bound: Any) -> Any:
        """Have a connection of the driver's execute it with values as :meth:`bound` gives them; return the cursor."""
        return driver.execute(self.text, bound)

    def execute_each(self, driver: Any, bound: Sequence[Any]) -> Any:
        """As :meth:`execute`, once for each of several values."""
        return driver.executemany(self.text, bound)

    def row(self, given: Sequence[Any]) -> Any:
        """Return a row of the driver's as SQLAlchemy would give it."""
        return self._row([read(value) if read else value for read, value in zip(self._readers, given, strict=True)])


@lru_cache(maxsize=64)
def prepared(statement: Statement, dialect: Dialect) -> Prepared:
    """Return *statement*, which is built once, as the driver of *dialect* takes it."""
    return Prepared(statement, dialect)


def _reader(type_: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    if isinstance(type_, sa.Numeric):
        return None  # numbers are as the driver gives them; SQLAlchemy would ask for the column's type in the database
    reader: Callable[[Any], Any] | None = type_.dialect_impl(dialect).result_processor(dialect, None)
    return reader
