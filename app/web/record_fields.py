"""A list of records as a setting: each record is a small form of its own, made from its model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wtforms.form import BaseForm

from app.core.cached import cached_property
from app.web.setting_fields import ABSENT, Json, Pairs, Posted, Setting, numbered, put

MOST_ROWS = 200


@dataclass(frozen=True)
class Row:
    """One record: *name* is what its pairs begin with, *fields* are its settings; one alone where it is no record."""

    name: str
    is_record: bool
    fields: list[Setting]

    def value(self, was: Any) -> Any:
        """Return the record as the fields have it; what nobody touched stays as it *was*."""
        if not self.is_record:
            return self.fields[0].data
        record = dict(was)
        for field in self.fields:
            if field.is_changed:
                put(record, field.name.removeprefix(f"{self.name}."), field.data)
        return record


class Records(Setting):
    """A list of records. Buttons (``act``) add, remove and move them, with or without script.

    *fields_of* makes the fields of one record, by names that begin with what it is given.
    """

    look = "records"

    def __init__(self, label: str, *, fields_of: Callable[[str], dict[str, Any]], **options: Any) -> None:
        super().__init__(label, **options)
        self._fields_of = fields_of

    @cached_property
    def rows(self) -> list[Row]:
        """The records that there are, each with its fields."""
        return [self._row(place, item) for place, item in enumerate(self._items)]

    @property
    def family(self) -> list[Setting]:
        """The field and those of its records."""
        return [self, *(each for row in self.rows for field in row.fields for each in field.family)]

    def pairs(self) -> Pairs:
        """Return the pairs of every record, each after one that says what it is."""
        return list(self._pairs())

    def take(self, posted: Posted) -> Any:
        """Return the records that were posted, changed as the pressed button says."""
        items = self._items
        found = []
        for name, kind in numbered(posted, self.name)[:MOST_ROWS]:
            place = int(name.rpartition("-")[2])
            was = items[place] if place < len(items) else {}
            if (kind == "record") is not isinstance(was, dict):
                was = {} if kind == "record" else None
            found.append((name, self._row(place, was, posted).value(was)))
        kept = _pressed(found, posted.get("act", ""), self.name)
        return ABSENT if not kept and self.usual in (ABSENT, None, []) else kept

    @property
    def _items(self) -> list[Any]:
        value = self.shown
        return value if isinstance(value, list) else [] if value in (ABSENT, None, "") else [value]

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for row in self.rows:
            yield row.name, "record" if row.is_record else "other"
            for field in row.fields:
                yield from field.pairs()

    def _row(self, place: int, item: Any, posted: Posted | None = None) -> Row:
        name = f"{self.name}-{place}"
        if not isinstance(item, dict):
            fields: dict[str, Any] = {f"{name}.": Json("Not a record")}
            data = {f"{name}.": item}
        else:
            fields = self._fields_of(f"{name}.")
            fields |= {f"{name}.{key}": Json(str(key)) for key in item if f"{name}.{key}" not in fields}
            data = {f"{name}.{key}": value for key, value in item.items()}
        made: Any = BaseForm(fields)
        made.process(posted, data=data)
        return Row(name, isinstance(item, dict), list(made._fields.values()))


class Record(Setting):
    """One record as a small form, such as a vehicle; absent while nothing of it is filled in.

    *fields_of* makes its fields, by names that begin with what it is given. What is stored must be a record of theirs.
    """

    look = "record"

    def __init__(self, label: str, *, fields_of: Callable[[str], dict[str, Any]], **options: Any) -> None:
        super().__init__(label, **options)
        self._fields_of = fields_of

    @cached_property
    def fields(self) -> list[Setting]:
        """Its settings as they are stored."""
        return self._made()

    @property
    def family(self) -> list[Setting]:
        """The field and its parts."""
        return [self, *self.fields]

    def pairs(self) -> Pairs:
        """Return the pairs of every part."""
        return [pair for field in self._made() for pair in field.pairs()]

    def take(self, posted: Posted) -> Any:
        """Return the record that was posted, without what was left empty."""
        row = Row(f"{self.name}", True, self._made(posted))
        found = {key: value for key, value in row.value(self._stored).items() if value not in (None, "", ABSENT)}
        return found or ABSENT

    @property
    def _stored(self) -> dict[str, Any]:
        return self.shown if isinstance(self.shown, dict) else {}

    def _made(self, posted: Posted | None = None) -> list[Setting]:
        made: Any = BaseForm(self._fields_of(f"{self.name}."))
        made.process(posted, data={f"{self.name}.{key}": value for key, value in self._stored.items()})
        return list(made._fields.values())


def _pressed(found: list[tuple[str, Any]], act: str, name: str) -> list[Any]:
    """Return the records after a button: one more, one less, or two that change places."""
    row, _, action = act.rpartition(":")
    places = {each: place for place, (each, _) in enumerate(found)}
    values = [value for _, value in found]
    if row == name and action == "add" and len(values) < MOST_ROWS:
        values.append({})
    if row in places:
        place = places[row]
        to = {"up": place - 1, "down": place + 1}.get(action)
        if action == "remove":
            del values[place]
        elif to is not None and 0 <= to < len(values):
            values.insert(to, values.pop(place))
    return values
