"""The words of step cards: values as people read them, and the base of every step's settings."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

_VALUE = re.compile(r"\{\{\s*([^{}|]+?)\s*(?:\|[^{}]*)?\}\}")


class Settings(BaseModel):
    """A step's settings: unknown keys are refused, so that a slip is found when saving."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


def said(value: object, otherwise: str = "") -> str:
    """Write a setting for a sentence: ``{{ inputs.approver }}`` becomes "the answer “approver”"."""
    if value is None or value == "":
        return otherwise
    text = " ".join(str(value).split())
    return _VALUE.sub(lambda found: _named(found.group(1)), text)


def counted(number: object, one: str, many: str) -> str:
    """Write a number with its noun, bold as cards show it: "**5** pictures", "**1** picture"."""
    if isinstance(number, int) and not isinstance(number, bool):
        return f"**{number}** {one if number == 1 else many}"
    return f"{many} (as many as {said(number, 'asked for')})"


def listed(values: object, most: int = 3, last: str = "and") -> str:
    """Write a list of settings: "a, b and 2 more"."""
    items = [
        said(value) for value in (values if isinstance(values, list | tuple) else [values]) if said(value)
    ]
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def shorten(text: str, most: int = 60) -> str:
    """Return the first words of *text*, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def ids_of(reference: str | Sequence[str] | None, field: str, output_of: Any) -> list[str]:
    """Return the ids that one or several earlier steps gave in *field*, in order, each once."""
    steps = [reference] if isinstance(reference, str) else list(reference or ())
    found: dict[str, None] = {}
    for step_id in steps:
        output: Mapping[str, Any] = output_of(step_id)
        found.update(dict.fromkeys(str(value) for value in output.get(field) or ()))
    return list(found)


def _named(path: str) -> str:
    parts = [part for part in path.replace("[", ".").replace("]", "").split(".") if part]
    if len(parts) > 1 and parts[0] == "inputs":
        return f"the answer “{parts[1].replace('_', ' ')}”"
    if parts[:2] == ["run", "started_by"]:
        return "whoever started the run"
    if len(parts) > 1 and parts[0] == "steps":
        return f"the result of “{parts[1].replace('_', ' ')}”"
    return f"“{parts[-1] if parts else path}”"
