"""Answers in words, as people say them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.definition import launch_form, tables, vehicle
from app.definition.schema import Definition, Input, InputType
from app.definition.value_filters import FILTERS
from app.definition.values import as_text
from app.features.gallery import vins

LONG = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One answer in words, its pictures, and the page (from 1) where it can be changed."""

    key: str
    label: str
    text: str
    page: int
    is_answered: bool
    image_ids: tuple[str, ...] = ()


def rows(
    definition: Definition, inputs: Mapping[str, Any], zone: ZoneInfo, titles: Mapping[str, str] | None = None
) -> list[Row]:
    """Return all answers in words, in the order they were asked; *titles* names documents and pictures by their id."""
    return [
        _row(question, inputs.get(question.key), number, zone, titles or {})
        for number, (_, questions) in enumerate(launch_form.pages(definition), 1)
        for question in questions
    ]


def fixed_rows(definition: Definition, zone: ZoneInfo, titles: Mapping[str, str]) -> list[Row]:
    """Return what is never asked, and always the same, in words; such rows have page 0."""
    return [_row(question, question.default, 0, zone, titles) for question in launch_form.fixed(definition)]


def handed_ids(definition: Definition, inputs: Mapping[str, Any]) -> set[str]:
    """Return the ids of all documents and pictures that answers and fixed answers name."""
    return {
        each
        for question in definition.inputs
        for each in launch_form.handed_ids(question, question.default if question.fixed else inputs.get(question.key))
    }


def in_words(question: Input, value: Any, zone: ZoneInfo) -> str:
    """Write one answer as people say it; nothing for none. Long texts are cut."""
    if value is None or value in ("", []):
        return ""
    match question.type:
        case InputType.BOOLEAN:
            return "Yes" if value else "No"
        case InputType.MONEY:
            return str(FILTERS["money"].run(value))
        case InputType.PERCENT:
            return f"{as_text(value)}\u00a0%"
        case InputType.DATE:
            return _day(date.fromisoformat(str(value)))
        case InputType.DATETIME:
            local = datetime.fromisoformat(str(value)).astimezone(zone)
            return f"{_day(local)}, {local:%H:%M}"
        case InputType.INTEGER | InputType.NUMBER:
            return f"{value:,}"
        case InputType.CHOICE:
            return str(value)[:1].upper() + str(value)[1:]
        case InputType.VIN | InputType.VEHICLE:
            return _vehicle(value) if isinstance(value, dict) else _vin(str(value))
        case InputType.CSV:
            return _table(str(value))
        case InputType.JSON:
            return cut(str(FILTERS["json"].run(value)))
        case _:
            return cut(as_text(value))


def _row(question: Input, value: Any, page: int, zone: ZoneInfo, titles: Mapping[str, str]) -> Row:
    ids = launch_form.handed_ids(question, value)
    if question.type in launch_form.HANDED:
        text = ", ".join(titles.get(each, "one that is no longer there") for each in ids)
    else:
        text = in_words(question, value, zone)
    images = tuple(ids) if question.type in (InputType.IMAGE, InputType.IMAGES) else ()
    return Row(question.key, question.label, text, page, bool(text), images)


def _vin(value: str) -> str:
    facts = vins.describe(value)
    return f"{value} · {facts}" if facts else value


def _vehicle(value: Mapping[str, Any]) -> str:
    """Say a vehicle, its numbers after it, and where its VIN comes from."""
    made, vin = vins.made_in(str(value.get("vin") or "")), value.get("vin")
    numbers = (f"stock number {value['stock']}" if value.get("stock") else "", f"VIN {vin}" if vin else "", made)
    words = vehicle.in_words(value)
    return " · ".join([words, *(each for each in numbers if each and each not in words)])


def _table(text: str) -> str:
    try:
        table = tables.read(text)
    except tables.TableInvalid:
        return cut(text)
    rows_ = "1\u00a0row" if len(table.rows) == 1 else f"{len(table.rows):,}\u00a0rows"
    return f"{rows_}: {', '.join(table.headings)}"


def _day(value: date) -> str:
    return f"{value.day}\u00a0{value:%b %Y}"


def cut(text: str, most: int = LONG) -> str:
    """Cut a long text, so that it is read at a glance."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
