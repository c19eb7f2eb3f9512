"""Wait for a time: so many seconds, or until a moment. No worker is held meanwhile."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.core import clock
from app.definition.values import has_value
from app.engine.contract import Category, Context, Done, Effect, StepError, StepType, Wait
from app.steps.words import Settings, said

LONGEST_S = 366 * 24 * 3600


class Config(Settings):
    """How long, or until when."""

    seconds: float | None = Field(
        default=None,
        ge=0,
        le=LONGEST_S,
        title="How long",
        json_schema_extra={"unit": "seconds", "widget": "duration"},
    )
    until: str | None = Field(
        default=None,
        title="Until",
        description="A date (its first minute) or a date and time, in the workspace’s zone unless it says otherwise.",
        json_schema_extra={"widget": "datetime"},
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> "Config":
        if (self.seconds is None) == (self.until is None):
            raise PydanticCustomError("bad_value", "Say how long to wait or until when, one of the two.")
        if self.until is not None and not has_value(self.until):
            _moment(self.until, ZoneInfo("UTC"))
        return self


def run(config: Config, ctx: Context) -> Done | Wait:
    """Return the wait, or go on at once when its time has passed."""
    now = ctx.now()
    if config.seconds is not None:
        until = now + timedelta(seconds=config.seconds)
    else:
        until = _moment(config.until or "", _zone(ctx.run.facts.get("workspace")))
    if until > now + timedelta(seconds=LONGEST_S):
        raise StepError(
            Category.INPUT, "A wait lasts a year at most.", code="too_long", fix="Choose a nearer date."
        )
    if until <= now:
        return Done({"until": clock.iso(until)})
    return Wait(
        kind="time", until=until, on_until="done", detail={"on_until_output": {"until": clock.iso(until)}}
    )


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        if len(text.strip()) == len("2026-11-30"):
            moment = datetime.combine(date.fromisoformat(text.strip()), time(), zone)
        else:
            moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        message = "This is not a date: write it like 2026-11-30 or 2026-11-30T09:00."
        raise PydanticCustomError("bad_value", message) from None


def _zone(workspace: object) -> ZoneInfo:
    name = workspace.get("timezone") if isinstance(workspace, Mapping) else None
    try:
        return ZoneInfo(str(name or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _summary(config: Mapping[str, Any]) -> str:
    seconds = config.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return f"Wait **{_duration(float(seconds))}**"
    return f"Wait until **{said(config.get('until') or seconds, 'a date')}**"


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            number = int(seconds // size)
            return f"{number} {unit}" + ("" if number == 1 else "s")
    return f"{seconds:g} second" + ("" if seconds == 1 else "s")


STEP = StepType(
    type="delay",
    label="Wait",
    icon="clock-pause",
    group="Flow",
    effect=Effect.NONE,
    config=Config,
    summary=_summary,
    run=run,
    output_fields=frozenset({"until"}),
    output_kinds={"until": "text"},
    description="Waits some time, or until a date, and holds nothing meanwhile.",
    typical_s=0.01,
)
