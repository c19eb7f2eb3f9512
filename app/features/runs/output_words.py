"""What came out of a step, in words and tables; ids and what is nested are left to the technical details."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.ids import is_id
from app.definition.parts import in_words
from app.definition.values import as_text
from app.engine.enums import StepStatus
from app.engine.models import StepRun
from app.features.runs.words import clipped
from app.web.filters import plural

MOST_CHARS = 600
MOST_ROWS, MOST_COLUMNS = 20, 6
_ENDS = {"outcome", "error", "reason"}  # how each item of a step ended stands where they are listed one by one


@dataclass(frozen=True, slots=True)
class Table:
    """A list of alike things that came out, as a table: at most :data:`MOST_ROWS`, *more* are left out."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


def sentences(row: StepRun, status: StepStatus, word: str, part: str) -> Iterable[str]:
    """Yield what came out of a step in sentences; *word* is how it stands, *part* how far it is: "3 of 5"."""
    if status is StepStatus.SKIPPED:
        yield f"Nothing: {row.reason or 'it was skipped'}."
    elif status is StepStatus.CANCELLED:
        yield f"Nothing: {row.reason or 'it was cancelled'}."
    elif status is StepStatus.WAITING:
        yield f"Nothing yet. {word}."
    elif status in (StepStatus.RUNNING, StepStatus.RETRYING, StepStatus.PENDING):
        yield f"{part} so far." if part else "Nothing yet."
    else:
        if row.type == "run_workflow" and status is StepStatus.COMPLETED:
            yield "The other workflow has finished."
        yield from _output_words(told(row))
        if row.outcome not in (None, "done", "failed") and "decision" not in (row.output or {}):
            yield f"Went on by “{row.outcome}”."


def told(row: StepRun) -> Mapping[str, Any]:
    """Return what is told of an output here: of another run all stands on its own page, to which a link leads."""
    output = row.output if isinstance(row.output, dict) else {}
    left_out = {"run", "number", "outputs"} if row.type == "run_workflow" else set()
    return {key: value for key, value in output.items() if key not in left_out}


def tables(output: object) -> Iterable[Table]:
    """Yield the lists of alike things in an output; ids and what is nested are left to the technical details."""
    for key, value in output.items() if isinstance(output, dict) else ():
        if not _is_list_of_things(value):
            continue
        names = list(dict.fromkeys(name for each in value for name in each))
        plain = [name for name in names if not any(_is_nested(each.get(name)) for each in value)][:MOST_COLUMNS]
        if set(plain) - _ENDS:
            rows = (tuple(_cell(each.get(name)) for name in plain) for each in value[:MOST_ROWS])
            titles = tuple(in_words(str(name)) for name in plain)
            yield Table(in_words(str(key)), titles, tuple(rows), max(0, len(value) - MOST_ROWS))


def outcome_words(outcome: str | None) -> str:
    """Return an outcome as people say it; "" for one that says nothing."""
    return {"approved": "Approved", "rejected": "Rejected", "expired": "Nobody answered", "yes": "Yes", "no": "No"}.get(
        outcome or "", ""
    )


def shown(value: object, path: tuple[str | int, ...]) -> str:
    """Return a value in few words; *path* is where it stands: of ids it says what they are."""
    if isinstance(value, list) and value and all(is_id(part) for part in value):
        noun = str(path[-1]).replace("_", " ") if isinstance(path[-1], str) else "entries"
        return f"{len(value)} {noun}"
    if is_id(value):
        return "one document"
    return clipped(" ".join(as_text(value).split()), MOST_CHARS)


def in_few_words(item: object) -> str:
    """Name one of the items that a step is done for by its value, of a row by its first that says something; or ""."""
    values = item.values() if isinstance(item, dict) else [item]
    said = (" ".join(_cell(value).split()) for value in values if not _is_nested(value))
    return clipped(next(filter(None, said), ""), 60)


def _is_list_of_things(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _is_nested(value: object) -> bool:
    return isinstance(value, dict | list) or is_id(value)


def _cell(value: object) -> str:
    said = {None: "", True: "Yes", False: "No"}.get(value) if value is None or isinstance(value, bool) else None
    return clipped(str(value), 120) if said is None else said


def _output_words(output: Mapping[str, Any]) -> Iterable[str]:
    texts, documents, images = output.get("texts"), output.get("documents"), output.get("images")
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        yield f"{plural(len(texts), 'text')}, {_span([len(text) for text in texts])}."
    elif isinstance(documents, list) and documents:
        yield f"{plural(len(documents), 'document')}."
    if isinstance(images, list) and images:
        yield f"{plural(len(images), 'picture')}."
    if output.get("decision"):
        word, by, reason = (str(output.get(key) or "") for key in ("decision", "by", "reason"))
        word, reason = outcome_words(word) or word, clipped(reason, MOST_CHARS)
        if by or not reason:
            yield f"{word} by {by}." if by else f"{word}."
            yield from [f"“{reason}”"] if reason else []
        else:  # nobody did: the reason is the engine's own sentence
            yield f"{word}: {reason[0].lower()}{reason[1:].rstrip('.')}."
    said = {"texts", "titles", "documents", "images", "decision", "by", "reason"}
    rest = [(key, value) for key, value in output.items() if key not in said and _says_something(value)]
    for key, value in rest[:8]:
        yield f"{in_words(str(key))}: {shown(value, (str(key),))}"
    if len(rest) > 8:
        yield f"… and {plural(len(rest) - 8, 'more value', 'more values')}."


def _says_something(value: object) -> bool:
    """Tell whether a value means something in a line: not nothing, no table of ids, none that is shown as a table."""
    if _is_list_of_things(value):
        return False
    if isinstance(value, dict):
        return bool(value) and not all(is_id(key) for key in value)
    return value not in (None, "", [])


def _span(lengths: Sequence[int]) -> str:
    least, most = min(lengths), max(lengths)
    return plural(most, "character") if least == most else f"{least:,} to {plural(most, 'character')}"
