"""``greenlight docs``: the pages of the documentation that are made from the program itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

import click

from app.cli import output
from app.cli.options import json_option

if TYPE_CHECKING:
    from app.engine.contract import StepType

EFFECTS = {
    "none": "It stays in the house.",
    "spends": "It costs money.",
    "sends": "It reaches outside the house.",
}
KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "yes or no",
    "array": "list",
    "object": "keys and values",
}
BOUNDS = (
    ("minimum", "from {}"), ("exclusiveMinimum", "more than {}"), ("maximum", "at most {}"),
    ("minLength", ""), ("maxLength", "at most {} characters"), ("maxItems", "at most {} of them"),
    ("maxProperties", "at most {} of them"),
)  # fmt: skip


@click.group("docs")
def command() -> None:
    """Print the pages of the documentation that are made from the program."""


@command.command("settings")
@json_option
def settings_(as_json: bool) -> None:
    """Print docs/settings.md; with --json the settings with default and help."""
    found = settings_facts()
    if as_json:
        output.show_list(found)
    else:
        click.echo(settings_page(found), nl=False)


@command.command("steps")
@json_option
def steps(as_json: bool) -> None:
    """Print docs/steps.md; with --json each step type with the schema of its settings."""
    found = _step_types()
    if as_json:
        output.show_list([_step_json(step) for step in found])
    else:
        click.echo(steps_page(found), nl=False)


# --- settings ---


def settings_facts() -> list[dict[str, Any]]:
    """Return every setting: the variable's name, its default, its help, whether its value is a secret."""
    from app.core.settings import Settings, variable

    return [
        {
            "name": variable(spec.name),
            "default": spec.default,
            "help": spec.metadata["help"],
            "secret": spec.metadata["secret"],
        }
        for spec in fields(Settings)
        if spec.default is not MISSING
    ]


def settings_page(found: Sequence[Mapping[str, Any]]) -> str:
    """Return ``docs/settings.md``."""
    rows = [
        f"| `{one['name']}`{' 🔒' if one['secret'] else ''} | {_default(one['default'])} | {_cell(one['help'])} |"
        for one in found
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "<!-- Made by `bin/greenlight docs settings > docs/settings.md` from app/core/settings.py. -->",
            "",
            "Greenlight is set up by environment variables and by nothing else. An empty one counts as not set.",
            "One that cannot be read stops the start with one sentence. 🔒 marks what nobody else may see.",
            "",
            "| setting | default | what it does |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = f"{value:g}"
    return f"`{value}`" if value != "" else ""


# --- step types ---


def _step_types() -> list["StepType"]:
    """Return the step types of this installation, packages' included, by group and name."""
    from app import create_app
    from app.core.settings import Settings
    from app.engine import catalog

    create_app(Settings.from_env({"GREENLIGHT_ENV": "test", "SECRET_KEY": "-", "LOG_LEVEL": "error"}))
    return sorted(catalog.step_types().values(), key=lambda step: (step.group, step.type))


def _step_json(step: "StepType") -> dict[str, Any]:
    return {
        "type": step.type,
        "label": step.label,
        "group": step.group,
        "description": step.description,
        "effect": step.effect.value,
        "outcomes": list(step.outcomes),
        "output": None if step.output_fields is None else sorted(step.output_fields),
        "config": step.config.model_json_schema(),
    }


def steps_page(found: Sequence["StepType"]) -> str:
    """Return ``docs/steps.md``."""
    lines = [
        "# Step types",
        "",
        "<!-- Made by `bin/greenlight docs steps > docs/steps.md` from the step types themselves. -->",
        "",
        "What a step of a workflow can do. Each type is one file; [writing a step](guides/writing-a-step.md) tells how",
        "to add one. Words are explained in [concepts](concepts.md).",
        "",
        *_common(),
    ]
    group = None
    for step in found:
        if step.group != group:
            group = step.group
            lines += [f"## {group}", ""]
        lines += _step_lines(step)
    return "\n".join(lines).rstrip() + "\n"


def _common() -> Iterator[str]:
    from app.definition.schema import Step

    sentences = {
        "id": "Its name in the definition. Other steps and values point to it.",
        "type": "One of the types below.",
        "name": "What people read. Left out: made from the id.",
        "after": "What it comes after: `ads`, or one outcome of it: `check:approved`. Nothing: it starts at once.",
        "config": "The settings of its type.",
        "when": "A condition. If it does not hold, the step is skipped, and the page says why.",
        "join": "`all`: every way before it must have been taken; `any`: one is enough.",
        "retry": "How often to try again, and when: `attempts`, `backoff`, `delay_s`, `max_delay_s`.",
        "timeout_s": "Seconds that one try may take, at most 3600. One that got on before it ran out does not count.",
        "on_failure": "`stop`: the run fails; `continue`: the way `failed` is taken and the run goes on.",
    }
    yield "## What every step has"
    yield ""
    yield "| key | default | what it does |"
    yield "| --- | --- | --- |"
    for key, field in Step.model_fields.items():
        if key in sentences:
            yield f"| `{key}` | {'needed' if field.is_required() else _shown(field.default)} | {sentences[key]} |"
    yield ""
    yield "Any text in a `config` may hold values: `{{ inputs.offer }}`, `{{ steps.ads.texts }}`, `{{ run.number }}`."
    yield "A text that is one value and nothing else keeps the value’s type."
    yield ""


def _step_lines(step: "StepType") -> Iterator[str]:
    yield f"### {step.label}: `{step.type}`"
    yield ""
    yield f"{step.description} {EFFECTS[step.effect.value]}"
    yield ""
    yield f"Leaves by: {_codes(step.outcomes)}. Gives: {_gives(step)}."
    yield ""
    schema = step.config.model_json_schema(by_alias=True)
    properties = schema.get("properties", {})
    if not properties:
        yield "It has no settings."
        yield ""
        return
    required = set(schema.get("required", ()))
    yield "| setting | kind | default | what it is |"
    yield "| --- | --- | --- | --- |"
    for key, part in properties.items():
        default = "needed" if key in required else _shown(part.get("default"))
        about = " ".join(filter(None, (_sentence(part.get("title", "")), part.get("description", ""))))
        yield f"| `{key}` | {_cell(_kind(part))} | {default} | {_cell(about)} |"
    yield ""


def _gives(step: "StepType") -> str:
    if step.output_fields is None:
        return "what its settings name"
    return _codes(sorted(step.output_fields)) if step.output_fields else "nothing"


def _codes(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _kind(part: Mapping[str, Any]) -> str:
    """Write a part of a JSON schema in words: "whole number, from 1, at most 50"."""
    choices = part.get("enum") or ([part["const"]] if "const" in part else None)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if "anyOf" in part:
        return " or ".join(_kind(one) for one in part["anyOf"] if one.get("type") != "null")
    words = KINDS.get(str(part.get("type")), "condition" if "$ref" in part else "anything")
    if part.get("type") == "array":
        words = f"list of {_plural(KINDS.get(str(part.get('items', {}).get('type')), 'anything'))}"
    bounds = [words_of.format(part[key]) for key, words_of in BOUNDS if key in part and words_of]
    unit = part.get("unit")
    return ", ".join([f"{words} ({unit})" if unit else words, *bounds])


def _plural(words: str) -> str:
    return words if words == "anything" else f"{words}s"


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _sentence(title: str) -> str:
    return title if title[-1:] in ("", "?", ".") else f"{title}."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
