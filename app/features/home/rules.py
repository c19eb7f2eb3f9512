"""The sentences of the first page."""

from datetime import datetime
from zoneinfo import ZoneInfo

from app.web.filters import spelled


def greeting(moment: datetime, timezone: str, name: str) -> str:
    """Greet by the hour in *timezone* and by first name: ``Good morning, Alice``."""
    hour = moment.astimezone(ZoneInfo(timezone)).hour
    part = "morning" if 5 <= hour < 12 else "afternoon" if 12 <= hour < 18 else "evening"
    first = name.partition(" ")[0]
    return f"Good {part}, {first}" if first else f"Good {part}"


def summary(*, waiting: int, running: int, failed_today: int) -> str:
    """Say in two sentences how things stand."""
    waits = "Nothing waits for you."
    if waiting:
        waits = f"{spelled(waiting, 'thing')} {'waits' if waiting == 1 else 'wait'} for you.".capitalize()
    works = f"{spelled(running, 'run')} {'is' if running == 1 else 'are'} working"
    failed = "nothing failed today" if not failed_today else f"{spelled(failed_today, 'run')} failed today"
    return f"{waits} {works[0].upper()}{works[1:]}, {failed}."
