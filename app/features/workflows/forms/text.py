"""A workflow as text that people write: YAML or JSON, read with each fault at its line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core import yaml
from app.definition import schema
from app.definition.parts import TypeFacts

MOST_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a pasted text, and in which *line* (from 1; 0 where it cannot be told)."""

    line: int
    path: str
    message: str
    fix: str


def as_text(data: Mapping[str, Any], kind: str) -> str:
    """Write a definition as people do: YAML, or JSON, without what holds anyway."""
    short = schema.compact(data)
    return json.dumps(short, ensure_ascii=False, indent=2) + "\n" if kind == "json" else yaml.dump(short)


def read_text(
    text: str, before: Mapping[str, Any], types: Mapping[str, TypeFacts]
) -> tuple[dict[str, Any] | None, list[Fault]]:
    """Return the definition that *text* holds, and what is wrong with it, each fault at its line.

    What was wrong *before* in the same way does not count: a draft in the making can be changed as text too.
    """
    if len(text) > MOST_CHARACTERS:
        return None, [
            Fault(
                0, "", f"The text has {len(text):,} characters.", f"At most {MOST_CHARACTERS:,} can be read."
            )
        ]
    try:
        data = yaml.load(text)
    except yaml.YamlInvalid as invalid:
        return None, [Fault(invalid.line, "", f"This cannot be read: {invalid.why}.", "Mend the text there.")]
    if not isinstance(data, dict):
        return None, [Fault(1, "", "This is no workflow.", "Begin with “schema: 1” and “steps:”.")]
    inner = data.get("definition")
    data = inner if isinstance(inner, dict) else data
    known = {(problem.path, problem.code) for problem in schema.check(before, types)}
    found = [problem for problem in schema.check(data, types) if (problem.path, problem.code) not in known]
    prefix = "/definition" if inner is data else ""
    lines = yaml.lines_of(text, [prefix + problem.path for problem in found])
    faults = [
        Fault(line, problem.path, problem.message, problem.fix)
        for line, problem in zip(lines, found, strict=True)
    ]
    return data, sorted(faults, key=lambda fault: fault.line)
