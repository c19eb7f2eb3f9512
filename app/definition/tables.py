"""Tables as people hand them in: CSV with commas, semicolons or tabs, read into headings and rows. Pure functions."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

MAX_ROWS = 20_000
MAX_COLUMNS = 200
_MARKS = (",", ";", "\t", "|")
# What people call the columns that the trade's tables have, as plain() says them.
HEADINGS: Mapping[str, str] = {
    "email": "email mail emailaddress mailaddress correo",
    "first_name": "firstname first givenname forename vorname",
    "name": "name fullname customer customername owner ownername contact",
    "consent": "consent optin permission agreed subscribed marketingconsent",
    "mobile": "mobile cell cellphone mobilephone phone phonenumber tel telephone",
    "phone": "phone phonenumber tel telephone mobile cell",
    "vin": "vin vinnumber vehicleidentificationnumber chassis",
    "last_visit": "lastvisit lastservice lastservicedate lastseen",
    "stock": "stock stocknumber stockno stocknr stk stockid",
    "vehicle": "vehicle car unit model description yearmakemodel",
    "days": "days age daysonlot dol daysinstock daysinstock",
    "price": "price listprice askingprice internetprice retail",
    "cost": "cost unitcost acv purchaseprice",
    "market": "market marketprice marketvalue averageprice",
    "photos": "photos photocount pictures images photo",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Headings, and rows of as many cells each; every cell is text without space at its ends."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def records(self) -> list[dict[str, str]]:
        """Return each row by its headings."""
        return [dict(zip(self.headings, row, strict=True)) for row in self.rows]


class TableInvalid(ValueError):
    """Say in staff words why a text is no table."""


def read(text: str) -> Table:
    """Return the table that *text* holds; its first line that is not empty is the headings. Raises TableInvalid."""
    lines = _lines(text)
    headings = tuple(next(lines, ()))
    if not any(headings):
        raise TableInvalid("It is empty: the first line must name the columns.")
    if len(headings) > MAX_COLUMNS:
        raise TableInvalid(f"It has more than {MAX_COLUMNS} columns.")
    if len({name.casefold() for name in headings if name}) < len([name for name in headings if name]):
        raise TableInvalid("Two columns have the same name.")
    rows: list[tuple[str, ...]] = []
    for cells in lines:
        if len(rows) == MAX_ROWS:
            raise TableInvalid(f"It has more than {MAX_ROWS:,} rows.")
        rows.append(tuple(cells[: len(headings)]) + ("",) * (len(headings) - len(cells)))
    return Table(headings, tuple(rows))


def write(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as CSV with commas."""
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([headings, *rows])
    return text.getvalue()


def renamed(table: Table, chosen: Mapping[str, str]) -> Table:
    """Return the table with the columns of *chosen* (new name → heading, "" for an empty column) first, the rest after.

    A heading of the rest that a new name takes away is left out.
    """
    place = {name: number for number, name in enumerate(table.headings)}
    taken = {name.casefold() for name in chosen} | {heading.casefold() for heading in chosen.values()}
    rest = [number for number, name in enumerate(table.headings) if name and name.casefold() not in taken]
    first = [place.get(heading) for heading in chosen.values()]
    rows = tuple(
        (*("" if number is None else row[number] for number in first), *(row[number] for number in rest))
        for row in table.rows
    )
    return Table((*chosen, *(table.headings[number] for number in rest)), rows)


def plain(heading: str) -> str:
    """Return a heading without what people write it differently by: "E-Mail Address" as "emailaddress"."""
    return re.sub(r"[^a-z0-9]", "", heading.casefold())


def _lines(text: str) -> Iterator[list[str]]:
    """Yield the cells of every line that is not empty."""
    plain = text.removeprefix("\ufeff")
    first = next((line for line in plain.splitlines() if line.strip()), "")
    mark = max(_MARKS, key=first.count)
    try:
        for line in csv.reader(StringIO(plain, newline=""), delimiter=mark, skipinitialspace=True):
            cells = [cell.strip() for cell in line]
            if any(cells):
                yield cells
    except csv.Error as error:
        raise TableInvalid("It cannot be read as a table.") from error
