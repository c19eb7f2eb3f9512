"""Writes ``docs/steps.md`` from the step types alone, so that it cannot say what is not so."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.engine.contract import Effect, StepType

_EFFECTS = {
    Effect.NONE: "changes our own database only; its result is recorded exactly once",
    Effect.SPENDS: "costs money; every request is in the ledger and is not paid twice",
    Effect.SENDS: "leaves the house",
}


def markdown(types: Iterable[StepType]) -> str:
    """Return the page: a chapter a step type, in the order of groups and labels."""
    lines = [
        "# Steps",
        "",
        "Generated from the step types. Every setting may hold values such as `{{ inputs.offer }}`.",
        "",
    ]
    for step in sorted(types, key=lambda step: (step.group, step.label)):
        lines += _chapter(step)
    return "\n".join(lines).rstrip() + "\n"


def _chapter(step: StepType) -> Iterator[str]:
    yield f"## {step.label} (`{step.type}`)"
    yield ""
    yield step.description
    yield ""
    yield f"- Effect: `{step.effect.value}`, {_EFFECTS[step.effect]}."
    yield f"- Leaves by: {', '.join(f'`{outcome}`' for outcome in step.outcomes)}; `failed` when it cannot be done."
    if step.output_fields:
        yield f"- Gives: {', '.join(f'`{name}`' for name in sorted(step.output_fields))}."
    elif step.output_fields is None:
        yield "- Gives: what its settings name."
    yield ""
    yield from _settings(step.config.model_json_schema())


def _settings(schema: Mapping[str, Any]) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not properties:
        yield "Nothing to set."
        yield ""
        return
    required = set(schema.get("required", ()))
    yield "| setting | what it is | may be | if absent |"
    yield "| --- | --- | --- | --- |"
    for name, part in properties.items():
        said = " ".join(_ended(str(text)) for text in (part.get("title"), part.get("description")) if text)
        absent = "required" if name in required else _shown(part.get("default"))
        yield f"| `{name}` | {said} | {_kind(part)} | {absent} |".replace("\n", " ")
    yield ""


def _kind(part: Mapping[str, Any]) -> str:
    if "anyOf" in part:
        kinds = (_kind(choice) for choice in part["anyOf"] if choice.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in part:
        return ", ".join(f"`{choice}`" for choice in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    kind = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "yes or no",
        "array": "list",
        "object": "values by name",
    }.get(str(part.get("type")), "anything")
    low, high = part.get("minimum", part.get("exclusiveMinimum")), part.get("maximum")
    limits = f" {low:g}–{high:g}" if low is not None and high is not None else ""
    unit = f" {part['unit']}" if part.get("unit") else ""
    return f"{kind}{limits}{unit}"


def _ended(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _shown(value: Any) -> str:
    if value is None or value in ("", []):
        return "nothing"
    return f"`{value}`"
