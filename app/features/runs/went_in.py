"""What went into a step: its settings with their values, and where each of them is from."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from app.definition.expressions import Constant, Expression, Filtered, Named, Part, ValueInvalid, parse_value
from app.definition.parts import Definition, Step, in_words
from app.definition.values import MissingValue, UnusableValue, as_text, resolve
from app.engine import catalog
from app.engine.models import StepRun
from app.features.runs import output_words
from app.features.runs.words import clipped

_CHOICE = re.compile(r"[a-z]+(_[a-z]+)+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of what went in. *origin*: ``answer``, ``earlier``, ``wrong``, or "" for the workflow's own words."""

    text: str
    origin: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting of a step, with its value in pieces."""

    label: str
    pieces: tuple[Piece, ...]


class Reading:
    """Reads settings with what is known of a run: *scope* is what values name in it."""

    def __init__(self, definition: Definition, scope: Mapping[str, object]) -> None:
        self._definition, self._scope = definition, scope

    def lines(self, step: Step, row: StepRun) -> tuple[Line, ...]:
        """Return the settings of a step that say something, in the order of its form."""
        step_type = catalog.step_type(step.type)
        refs = step_type.step_refs if step_type else ()
        raw = step_type.raw_fields if step_type else ()
        scope = dict(self._scope)
        if isinstance(row.went_in, dict) and "item" in row.went_in:
            scope["item"] = row.went_in["item"]
        lines = []
        for key, value in step.config.items():
            if value in (None, "", [], {}) or key in raw:
                continue
            pieces = self._ref(value) if key in refs else tuple(self._pieces(value, scope))
            if pieces:
                unit = _unit(step.type, key)
                unit = unit.removesuffix("s") if [piece.text for piece in pieces] == ["1"] else unit
                lines.append(Line(_label(step.type, key), (*pieces, Piece(f"\u00a0{unit}")) if unit else pieces))
        return tuple(lines)

    def _ref(self, value: object) -> tuple[Piece, ...]:
        ids = value if isinstance(value, list) else [value]
        definition = self._definition
        names = [definition.step(str(i)).name if definition.has_step(str(i)) else str(i) for i in ids]
        return tuple(Piece(f"from “{name}”", "earlier") for name in names)

    def _pieces(self, value: object, scope: Mapping[str, object]) -> Iterable[Piece]:
        if isinstance(value, str):
            yield from self._text(value, scope)
        elif isinstance(value, list) and all(isinstance(part, str | int | float | bool) for part in value):
            for place, part in enumerate(value):
                if place:
                    yield Piece(", ")
                yield from self._pieces(part, scope)
        elif isinstance(value, dict):
            for place, (key, part) in enumerate(value.items()):
                yield Piece((", " if place else "") + f"{in_words(str(key))}: ")
                yield from self._pieces(part, scope)
        elif isinstance(value, bool):
            yield Piece("yes" if value else "no")
        else:
            yield Piece(clipped(as_text(value), output_words.MOST_CHARS))

    def _text(self, text: str, scope: Mapping[str, object]) -> Iterable[Piece]:
        try:
            value = parse_value(text)
        except ValueInvalid:
            yield Piece(clipped(text, output_words.MOST_CHARS), "wrong")
            return
        left = output_words.MOST_CHARS * 4
        for piece in value.pieces:
            if left <= 0:
                yield Piece(" … the rest is in the technical details")
                return
            made = Piece(_plain(clipped(piece, left))) if isinstance(piece, str) else self._value(piece, scope)
            left -= len(made.text)
            yield made

    def _value(self, expression: Expression, scope: Mapping[str, object]) -> Piece:
        path = _path(expression)
        if path is None:
            return Piece(as_text(resolve(expression, scope)))
        title = self._title(path)
        if path[0] == "item" and "item" not in scope:  # of all items together: each has its own
            return Piece(title[0].lower() + title[1:], "earlier", "Each item has its own")
        origin = "answer" if path[0] == "inputs" else "earlier"
        try:
            value = resolve(expression, scope)
        except (MissingValue, UnusableValue) as wrong:
            with suppress(MissingValue):  # it may be there, and a filter can make nothing of it
                there = output_words.shown(resolve(Named(path), scope), path)
                return Piece(there or "nothing", "wrong", str(wrong))
            return Piece(f"missing: {title[0].lower() + title[1:]}", "wrong", str(wrong))
        if value is None or value == "":
            return Piece("nothing", origin, f"{title} was left empty")
        return Piece(output_words.shown(value, path), origin, title)

    def _title(self, path: tuple[str | int, ...]) -> str:
        definition = self._definition
        if path[0] == "inputs" and len(path) > 1:
            question = next((q for q in definition.inputs if q.key == path[1]), None)
            part = "".join(f", {in_words(str(each)).lower()}" for each in path[2:])
            return f"Answer to “{question.label if question else path[1]}”{part}"
        if path[0] == "steps" and len(path) > 1:
            name = definition.step(str(path[1])).name if definition.has_step(str(path[1])) else path[1]
            return f"From “{name}”"
        if path[0] == "item":
            return "The item" + "".join(f", {in_words(str(each)).lower()}" for each in path[1:])
        return f"The run’s {' '.join(str(part).replace('_', ' ') for part in path[1:])}"


def _label(type_name: str, key: str) -> str:
    step_type = catalog.step_type(type_name)
    field = step_type.config.model_fields.get(key) if step_type else None
    return (field.title if field else None) or in_words(key)


def _unit(type_name: str, key: str) -> str:
    """Return what a number in this setting counts: "characters"; "" where nothing is counted."""
    step_type = catalog.step_type(type_name)
    field = step_type.config.model_fields.get(key) if step_type else None
    extra = field.json_schema_extra if field else None
    return str(extra.get("unit") or "") if isinstance(extra, dict) else ""


def _plain(text: str) -> str:
    """Write a choice as words: ``one_each`` becomes "one each"; any other text stays."""
    return text.replace("_", " ") if _CHOICE.fullmatch(text) else text


def _path(expression: Expression) -> tuple[str | int, ...] | None:
    match expression:
        case Named(path):
            return path
        case Part(of, _) | Filtered(of, _, _):
            return _path(of)
        case Constant():
            return None
