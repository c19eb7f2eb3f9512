"""Which column of a table is which one that a question asks for: guessed, chosen, applied. Pure functions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.definition import tables
from app.definition.schema import Input
from app.features.gallery import search

SHOWN_ROWS = 3
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is asked for, and the heading that it is taken from; nothing while nobody knows."""

    number: int
    name: str
    heading: str

    @property
    def label(self) -> str:
        """The column in words."""
        words = self.name.replace("_", " ")
        return words.upper() if len(words) <= 3 else words.capitalize()


@dataclass(frozen=True, slots=True)
class Look:
    """A table as a question sees it; *is_settled* when its columns are those that are asked for."""

    columns: tuple[Column, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    count: int
    is_settled: bool
    remarks: tuple[str, ...] = ()


def look(question: Input, text: str) -> Look | None:
    """Return what a question sees of a table; None where there is none that can be read."""
    try:
        table = tables.read(text)
    except tables.TableInvalid:
        return None
    guessed = guess(question.columns, table.headings)
    columns = tuple(Column(place, name, guessed[name]) for place, name in enumerate(question.columns))
    settled = set(question.columns) <= set(table.headings)
    remarks = tuple(_remarks(table)) if settled else ()
    return Look(columns, table.headings, table.rows[:SHOWN_ROWS], len(table.rows), settled, remarks)


def guess(columns: Sequence[str], headings: Sequence[str]) -> dict[str, str]:
    """Return the likeliest heading of each column, each heading once; "" where none is likely."""
    found: dict[str, str] = {}
    for strength in (_is_same, _is_known, _is_alike):
        for column in columns:
            if column not in found:
                free = (heading for heading in headings if heading and heading not in found.values())
                heading = next((each for each in free if strength(column, each)), None)
                if heading is not None:
                    found[column] = heading
    return {column: found.get(column, "") for column in columns}


def settle(question: Input, text: str, chosen: Mapping[int, str] | None = None) -> str:
    """Return a table with the columns that are asked for: as *chosen* by their number, else where it is beyond doubt.

    What is no table, or leaves a doubt, stays as it is: whoever checks the answer says so.
    """
    if not question.columns:
        return text
    try:
        table = tables.read(text)
    except tables.TableInvalid:
        return text
    if chosen is None:
        same = {name: next((each for each in table.headings if _is_same(name, each)), "") for name in question.columns}
        if not all(same.values()) or list(same) == list(same.values()):
            return text
        picked = same
    else:
        picked = {
            name: heading if (heading := chosen.get(place, "")) in table.headings else ""
            for place, name in enumerate(question.columns)
        }
        if not any(picked.values()):
            return text
    settled = tables.renamed(table, picked)
    return tables.write(settled.headings, settled.rows)


def _remarks(table: tables.Table) -> Iterator[str]:
    """Say what is missing in the rows: people without an address cannot be written to."""
    for name in ("email", "vin"):
        if name not in table.headings:
            continue
        place = table.headings.index(name)
        wrong = [
            number for number, row in enumerate(table.rows, 1)
            if not (_EMAIL.fullmatch(row[place]) if name == "email" else len(row[place]) == 17)
        ]  # fmt: skip
        if wrong:
            what = "e-mail address" if name == "email" else "VIN of 17 characters"
            listed = ", ".join(map(str, wrong[:8])) + (" …" if len(wrong) > 8 else "")
            yield f"{len(wrong)} of {len(table.rows)} rows have no {what}: row {listed}."


def _is_same(column: str, heading: str) -> bool:
    return tables.plain(column) == tables.plain(heading)


def _is_known(column: str, heading: str) -> bool:
    return tables.plain(heading) in tables.HEADINGS.get(column, "").split()


def _is_alike(column: str, heading: str) -> bool:
    one, other = tables.plain(column), tables.plain(heading)
    return len(other) > 3 and (search.distance(one, other, 2) <= 2 or (len(one) > 4 and one in other))
