"""When a schedule is due, as people write it: "every Monday at 8:00", "every 15 minutes", or a cron rule."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.core.errors import FieldError
from app.features.triggers import rules
from app.features.triggers.rules import Rule

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
EXAMPLES = "Write it like “every Monday at 8:00”, “every 15 minutes”, or as a cron rule like “0 8 * * 1”."

_OFTEN = re.compile(r"(?:every (?:(?P<number>\d{1,6}) )?(?P<unit>minute|hour)s?|(?P<hourly>hourly))")
_AT = re.compile(
    r"(?P<days>.*?),?(?: at)? ?(?:(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))? ?(?P<half>[ap]m)?|(?P<named>noon|midnight))"
)
_OF_MONTH = re.compile(
    r"(?:(?:month|monthly) )?(?:on )?(?:the )?(?P<day>\d{1,2}(?:st|nd|rd|th)|last day)(?: of (?:the|each|every) month)?"
)
_BETWEEN = re.compile(r",? and |, ?| ")


def read(text: str, timezone: str, now: datetime) -> tuple[Rule | None, list[FieldError]]:
    """Return the rule that *text* says, or everything that is wrong. Minutes are counted from today's midnight."""
    wanted = " ".join(text.lower().split())
    if faults := rules.zone(timezone):
        return None, faults + read(text, "UTC", now)[1]
    if re.match(r"[\d*]", wanted) and " at " not in wanted:
        rule: Rule | None = Rule(timezone, cron=wanted.upper())
    elif often := _OFTEN.fullmatch(wanted):
        minutes = int(often["number"] or 1) * (1 if often["unit"] == "minute" else 60)
        midnight = now.astimezone(ZoneInfo(timezone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        rule = Rule(timezone, every_minutes=minutes, anchor_at=midnight.astimezone(UTC))
    else:
        rule = _on_days(wanted, timezone)
    if rule is None:
        return None, [_not_understood(text, wanted)]
    faults = rules.check(rule, now)
    return (None if faults else rule), faults


def _on_days(wanted: str, timezone: str) -> Rule | None:
    found = _AT.fullmatch(wanted)
    days = _days(found["days"]) if found else None
    if found is None or days is None:
        return None
    hour, minute = _clock(found)
    return Rule(timezone, cron=f"{minute} {hour} {days}") if hour < 24 and minute < 60 else None


def _clock(found: re.Match[str]) -> tuple[int, int]:
    """Return hour and minute; hour 99 where there is no such hour."""
    if found["named"]:
        return (12 if found["named"] == "noon" else 0), 0
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if found["half"]:
        hour = hour % 12 + (12 if found["half"] == "pm" else 0) if 1 <= hour <= 12 else 99
    return hour, minute


def _days(words: str) -> str | None:
    """Return the last three parts of the cron rule for the days; None for what are none."""
    words = re.sub(r"^(?:every|each|on) ", "", words.strip())
    if of_month := _OF_MONTH.fullmatch(words):
        return f"{'L' if of_month['day'] == 'last day' else int(of_month['day'][:-2])} * *"
    numbers = [_weekdays(word) for word in _BETWEEN.split(words)]
    if not words or None in numbers:
        return None
    named = sorted({number for found in numbers for number in found or ()})
    return "* * *" if len(named) == len(DAYS) else f"* * {','.join(map(str, named))}"


def _weekdays(word: str) -> tuple[int, ...] | None:
    one = word.removesuffix("s") if word not in DAYS else word
    if one in ("day", "daily"):
        return tuple(range(7))
    if one in ("weekday", "workday"):
        return tuple(range(1, 6))
    if one == "weekend":
        return (0, 6)
    return next(((number,) for number, day in enumerate(DAYS) if len(one) > 2 and day.startswith(one)), None)


def _not_understood(text: str, wanted: str) -> FieldError:
    if _days(wanted) is not None:
        return FieldError("when", "no_time", f"“{text[:60]}” says no time of day.", f"Write “{wanted[:60]} at 9:00”.")
    return FieldError("when", "not_understood", f"“{text[:60]}” is no rule that we understand.", EXAMPLES)
