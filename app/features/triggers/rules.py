"""When a schedule is due, in its own zone. Pure: what is now is given.

By a cron rule, as Debian's cron reads it: what falls into the hour that is left out in spring comes right after it,
what falls into the hour that comes twice in autumn comes once. Or every so many minutes, whatever the clock shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim
from cronsim.cronsim import CronSimError, Field

from app.core.errors import FieldError, Invalid

LEAST_MINUTES, MOST_MINUTES = 5, 31 * 24 * 60
MOST_CHARS = 120
LATE = timedelta(seconds=60)  # what is looked at later than this was missed, as readiness has it of the clock
MOST_MISSED = 10
BROKEN = (CronSimError, AssertionError, ValueError, TypeError)  # what the library raises for a rule that is none

_TINY = timedelta(microseconds=1)
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_VALUES = (
    "0 to 59, * or */15", "0 to 23, * or */2", "1 to 31, * or L for the last", "1 to 12, JAN to DEC or *",
    "0 to 7 (0 and 7 are Sunday), SUN to SAT or *",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in a zone: *cron* of five fields, or *every_minutes* counted from *anchor_at*."""

    timezone: str
    cron: str = ""
    every_minutes: int = 0
    anchor_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)


def moments(rule: Rule, after: datetime) -> Iterator[datetime]:
    """Yield the due times after a moment, in UTC, each later than the one before."""
    if rule.every_minutes:
        step = timedelta(minutes=rule.every_minutes)
        at = rule.anchor_at + ((after - rule.anchor_at) // step + 1) * step
        while True:
            yield at
            at += step
    last = after
    for local in CronSim(rule.cron, after.astimezone(ZoneInfo(rule.timezone))):
        at = local.astimezone(UTC)
        if at > last:  # begun within the hour that comes twice, it would go back into the first of the two
            yield at
            last = at


def following(rule: Rule, after: datetime) -> datetime | None:
    """Return the next due time after a moment; None when there is none within 50 years."""
    return next(moments(rule, after), None)


def latest(rule: Rule, since: datetime, until: datetime, most: int = MOST_MISSED) -> list[datetime]:
    """Return the newest *most* due times from *since* to *until*, both included, the oldest first.

    However long that is: it looks back only as far as it must.
    """
    span = timedelta(hours=1)
    while True:
        begin = max(since, until - span)
        found = []
        for at in moments(rule, begin - _TINY):
            if at > until:
                break
            found.append(at)
        if len(found) >= most or begin == since:
            return found[-most:]
        span *= 8


def check(rule: Rule, now: datetime) -> list[FieldError]:
    """Return what is wrong with a rule, each fault with its field and what to write instead."""
    if rule.every_minutes:
        return _check_interval(rule.every_minutes)
    parts = rule.cron.split()
    if len(rule.cron) > MOST_CHARS:
        return [_fault("too_long", f"The rule is longer than {MOST_CHARS} characters.", "Make two schedules of it.")]
    if len(parts) != len(_FIELDS):
        seconds = " Seconds cannot be set." if len(parts) == len(_FIELDS) + 1 else ""
        message = f"A rule has five parts, {', '.join(_FIELDS[:-1])} and {_FIELDS[-1]}; this one has {len(parts)}."
        return [_fault("bad_cron", message + seconds, "Write it like “0 8 * * 1”: every Monday at 8:00.")]
    if faults := [fault for place, part in enumerate(parts) for fault in _check_field(place, part)]:
        return faults
    if (gap := _least_gap(parts)) < LEAST_MINUTES:
        message = f"Between two runs lie {LEAST_MINUTES} minutes at least; here it would be {gap}."
        return [_fault("too_often", message, "Write */5, */10, */15 or */30 for the minute, or one alone.")]
    try:
        is_ever = following(rule, now) is not None
    except BROKEN:
        is_ever = False
    if not is_ever:
        return [_fault("never", "That day never comes.", "Look at the day of the month and the month.")]
    return []


def zone(name: str) -> list[FieldError]:
    """Return what is wrong with the name of a time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there; no name at all; a folder
        message = f"“{name[:60]}” is not a time zone."
        return [FieldError("timezone", "timezone", message, "Write it like America/New_York.")]
    return []


def chosen(slots: Sequence[datetime], keep: int, now: datetime) -> set[datetime]:
    """Return which of the due times that have come get a run: the newest *keep*, and one that is on time always."""
    found = set(slots[len(slots) - keep :]) if keep else set()
    return found | {at for at in slots[-1:] if now - at <= LATE}


def said(rule: Rule) -> str:
    """Say a rule in words: "At 08:00 on Monday", "Every 90 minutes"."""
    if not rule.every_minutes:
        return CronSim(rule.cron, rule.anchor_at).explain()
    hours, minutes = divmod(rule.every_minutes, 60)
    if minutes:
        return f"Every {rule.every_minutes} minutes"
    return "Every hour" if hours == 1 else f"Every {hours} hours"


def _check_interval(minutes: int) -> list[FieldError]:
    if LEAST_MINUTES <= minutes <= MOST_MINUTES:
        return []
    message = f"Between two runs lie {LEAST_MINUTES} minutes at least, {MOST_MINUTES // 1440} days at most."
    return [_fault("out_of_range", message, f"Write {LEAST_MINUTES} to {MOST_MINUTES:,} minutes.")]


def _check_field(place: int, part: str) -> Iterator[FieldError]:
    try:
        Field(place + 1).parse(part.upper())
    except BROKEN:
        message = f"“{part}” is no {_FIELDS[place]}."
        yield _fault("bad_cron", message, f"Write {_VALUES[place]}.")


def _least_gap(parts: Sequence[str]) -> int:
    """Return how many minutes lie at least between two due times on days that are next to each other."""
    minutes = sorted(int(str(one)) for one in Field.MINUTE.parse(parts[0].upper()))
    hours = {int(str(one)) for one in Field.HOUR.parse(parts[1].upper())}
    gaps = [later - earlier for earlier, later in pairwise(minutes)]
    if any((hour + 1) % 24 in hours for hour in hours):
        gaps.append(minutes[0] + 60 - minutes[-1])
    return min(gaps, default=60)


def _fault(code: str, message: str, fix: str) -> FieldError:
    return FieldError("when", code, message, fix)


def refuse(problems: Sequence[FieldError]) -> None:
    """Raise Invalid where something is wrong with a schedule."""
    if problems:
        raise Invalid("The schedule cannot be kept like this.", problems, fix=problems[0].fix)
