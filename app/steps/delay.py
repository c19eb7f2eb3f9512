"""Wait for a time: so many seconds, until a moment or a day of the week, in opening hours. No worker is held."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.core import clock
from app.definition.values import has_value
from app.engine.contract import Category, Context, Done, Effect, StepError, StepType, Wait
from app.steps.words import Settings, said

LONGEST_S = 366 * 24 * 3600
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OPEN = {"five_days": 5, "six_days": 6, "seven_days": 7}  # how many days of a week, from Monday on
_OPEN_WORDS = {"five_days": "Monday to Friday", "six_days": "Monday to Saturday", "seven_days": "every day"}


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

    next: Literal[
        "not_used", "any_day", "working_day",
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    ] = Field(
        default="not_used", title="Until the next", description="A day of the week, at the time below.",
    )  # fmt: skip
    at: str = Field(default="09:00", max_length=100, title="At", description="The time of that day, such as 9:00.")
    open_days: Literal["always", "five_days", "six_days", "seven_days"] = Field(
        default="always",
        title="Go on only while you are open",
        description="Five days: Monday to Friday; six: with Saturday. Otherwise it goes on when you open next.",
    )
    opens: str = Field(default="09:00", max_length=100, title="You open at")
    closes: str = Field(default="18:00", max_length=100, title="You close at")

    @model_validator(mode="after")
    def _one_of_them(self) -> "Config":
        if (self.seconds is not None) + (self.until is not None) + (self.next != "not_used") != 1:
            raise PydanticCustomError(
                "bad_value", "Say how long to wait, until when, or until which day: one of them.",
                {"fix": "Fill in one and leave the others empty."},
            )  # fmt: skip
        if self.until is not None and not has_value(self.until):
            _moment(self.until, ZoneInfo("UTC"))
        times = [_time(each) for each in (self.at, self.opens, self.closes) if not has_value(each)]
        if len(times) == 3 and times[1] >= times[2]:
            raise PydanticCustomError("bad_value", "You close before you open. Change one of the two times.")
        return self


def run(config: Config, ctx: Context) -> Done | Wait:
    """Return the wait, or go on at once when its time has passed."""
    now, zone = ctx.now(), _zone(ctx.run.facts.get("workspace"))
    if config.seconds is not None:
        until = now + timedelta(seconds=config.seconds)
    elif config.until is not None:
        until = _moment(config.until, zone)
    else:
        until = _next(config, now.astimezone(zone))
    if config.open_days in _OPEN and until <= now + timedelta(seconds=LONGEST_S):
        until = _opening(config, max(until, now).astimezone(zone))
    if until > now + timedelta(seconds=LONGEST_S):
        raise StepError(
            Category.INPUT, "A wait lasts a year at most.", code="too_long", fix="Choose a nearer date."
        )
    if until <= now:
        return Done({"until": clock.iso(until)})
    return Wait(
        kind="time", until=until, on_until="done", detail={"on_until_output": {"until": clock.iso(until)}}
    )


def _next(config: Config, now: datetime) -> datetime:
    """Return the next moment after *now* (in its zone) that is the wanted day at the wanted time."""
    at = _time(config.at)
    days = {"any_day": _DAYS, "working_day": _DAYS[:5]}.get(config.next, (config.next,))
    coming = (datetime.combine(now.date() + timedelta(days=ahead), at, now.tzinfo) for ahead in range(8))
    return next(each for each in coming if _DAYS[each.weekday()] in days and each.astimezone(UTC) > now.astimezone(UTC))


def _opening(config: Config, moment: datetime) -> datetime:
    """Return *moment* (in its zone) where the house is open then, else when it opens next."""
    opens, closes = _time(config.opens), _time(config.closes)
    for ahead in range(8):
        day = moment.date() + timedelta(days=ahead)
        if day.weekday() >= _OPEN[config.open_days] or (not ahead and moment.time() >= closes):
            continue
        if ahead or moment.time() < opens:
            return datetime.combine(day, opens, moment.tzinfo).astimezone(UTC)
        break
    return moment.astimezone(UTC)


def _time(text: str) -> time:
    try:
        hour, minute = (int(part) for part in text.strip().split(":"))
        return time(hour, minute)
    except ValueError:
        raise PydanticCustomError("bad_value", "This is not a time of the day: write it like 9:00 or 17:30.") from None


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
    opening = _OPEN_WORDS.get(str(config.get("open_days")), "")
    hours = f"{_clock(config.get('opens'), '9:00')} to {_clock(config.get('closes'), '18:00')}"
    return _until(config) + (f", then until you are open (**{opening}, {hours}**)" if opening else "")


def _until(config: Mapping[str, Any]) -> str:
    seconds, day = config.get("seconds"), str(config.get("next") or "not_used")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return f"Wait **{_duration(float(seconds))}**"
    if day != "not_used" and not config.get("until"):
        name = day.capitalize() if day in _DAYS else said(day.replace("_", " ").removeprefix("any "))
        return f"Wait until the next **{name}, {_clock(config.get('at'), '9:00')}**"
    until = said(config.get("until") or seconds)
    return f"Wait until **{until}**" if until else "Choose how long to wait"


def _clock(value: object, usual: str) -> str:
    return said(value, usual).removeprefix("0")


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
    description="Waits some time, or until a date or a day of the week, and holds nothing meanwhile.",
    typical_s=0.01,
)
