"""Make new values out of answers and earlier results, by the filters of ``{{ … }}``."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, JsonValue, StringConstraints

from app.engine.contract import Context, Done, Effect, StepType
from app.steps.words import Settings, listed

MOST_VALUES = 100
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class Config(Settings):
    """The values by name."""

    set: dict[Name, JsonValue] = Field(
        title="Values",
        description="Each has a name and what it is; later steps use it by that name.",
        min_length=1,
        max_length=MOST_VALUES,
        json_schema_extra={"widget": "values"},
    )


def run(config: Config, ctx: Context) -> Done:
    """Return the values, worked out before this was called."""
    return Done(dict(config.set))


def _outputs(config: Mapping[str, Any]) -> frozenset[str] | None:
    values = config.get("set")
    return frozenset(str(name) for name in values) if isinstance(values, dict) else None


def _summary(config: Mapping[str, Any]) -> str:
    values = config.get("set")
    names = [name.replace("_", " ") for name in values] if isinstance(values, dict) else []
    return f"Work out **{listed(names) or 'nothing yet'}**"


STEP = StepType(
    type="transform",
    label="Work out values",
    icon="transform",
    group="Data",
    effect=Effect.NONE,
    config=Config,
    summary=_summary,
    run=run,
    output_fields=None,
    outputs_of=_outputs,
    description="Makes new values out of answers and earlier results.",
    typical_s=0.01,
)
