"""Workflows as files: written without secrets, read with every fault named."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.core import yaml
from app.core.errors import FieldError, Invalid
from app.definition.schema import Definition, compact
from app.definition.shape import text_fault
from app.features.lifecycle.enums import FileKind
from app.features.lifecycle.rules import without_secrets
from app.features.workflows.models import Workflow

MOST_CHARACTERS = 1_000_000
_ABOUT = ("name", "description", "category", "tags", "icon")


def written(workflow: Workflow, definition: dict[str, Any], kind: FileKind) -> str:
    """Write a workflow's file, without secrets. YAML is for people: what is usual is left out of it."""
    about = {key: getattr(workflow, key) for key in _ABOUT}
    try:
        read = Definition.model_validate(definition)
        whole = read.model_dump(mode="json", by_alias=True, exclude_defaults=kind is FileKind.YAML)
    except ValidationError:  # a draft with problems is written as it is
        whole = compact(definition)
    kept = {key: value for key, value in about.items() if value}
    return text_of({**kept, "definition": {"schema": 1, **without_secrets(whole)}}, kind)


def text_of(data: dict[str, Any], kind: FileKind) -> str:
    """Write plain data; :func:`read` gives the same again."""
    if kind is FileKind.JSON:
        return json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    return yaml.dump(data)


def read(text: str, source: str = "The file") -> dict[str, Any]:
    """Read YAML, of which JSON is a part; dates stay text. Raises Invalid with the line."""
    if len(text) > MOST_CHARACTERS:
        raise Invalid(f"{source} is larger than {MOST_CHARACTERS:,} characters.")
    try:
        data = yaml.load(text)
    except yaml.YamlInvalid as error:
        where = f"line {error.line}, column {error.column}" if error.line else "somewhere"
        fault = FieldError("", "bad_value", f"At {where}: {error.why}.", "Mend the file there.")
        raise Invalid(f"{source} is not YAML.", [fault]) from None
    if not isinstance(data, dict):
        fault = FieldError("", "wrong_type", "It is not a mapping.", "Begin with “schema: 1” and “steps:”.")
        raise Invalid(f"{source} holds no workflow.", [fault])
    return data


def parts(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a file says about its workflow, and the definition, which may have faults.

    The name and its like may stand above ``definition:`` or beside ``steps:``.
    """
    beside = {key: value for key, value in data.items() if key not in _ABOUT}
    definition = data.get("definition", beside)
    if not isinstance(definition, dict):
        fault = FieldError(
            "/definition", "wrong_type", "The definition holds no keys and values.", "Begin with “steps:”."
        )
        raise Invalid("The file holds no workflow.", [fault])
    about = {key: _plain(data.get(key)) for key in ("name", "description", "category", "icon")}
    tags = data.get("tags")
    parts = [part.strip()[:40] for tag in tags for part in _plain(tag).split(",")] if isinstance(tags, list) else []
    return {**about, "tags": [tag for tag in dict.fromkeys(parts) if tag][:20]}, definition


def lines(text: str, problems: Sequence[FieldError]) -> dict[str, int]:
    """Return in which line of a file that :func:`read` takes each problem of its definition is, by the path."""
    try:
        prefix = "/definition" if "definition" in read(text) else ""
    except Invalid:
        return {}
    found = yaml.found_lines(text, [prefix + problem.path for problem in problems])
    return {path.removeprefix(prefix): line for path, line in found.items()}


def _plain(value: Any) -> str:
    """Return a text without the characters that no database keeps; what is no text is none."""
    text = value if isinstance(value, str) else ""
    return "".join(mark for mark in text if mark == "\n" or not text_fault(mark))
