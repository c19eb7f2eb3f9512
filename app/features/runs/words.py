"""Words for moments, lists and long texts, as people say them; the filters of ``app.web`` say the rest."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

NBSP = "\u00a0"


def listed(words: Iterable[str], last: str = "and") -> str:
    """Join words as in a sentence: "a, b and c"."""
    *first, end = list(words) or [""]
    return f"{', '.join(first)} {last} {end}" if first else end


def moment(at: datetime, zone: str, now: datetime) -> str:
    """Say when, in the workspace's zone: "today at 17:00", "Mon 09:00", "12 Nov, 10:04"."""
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    days = (local.date() - today.date()).days
    if days == 0:
        return f"today at {local:%H:%M}"
    if days == 1:
        return f"tomorrow at {local:%H:%M}"
    if days == -1:
        return f"yesterday at {local:%H:%M}"
    if 1 < days < 7:
        return f"{local:%a %H:%M}"
    return f"{local.day}{NBSP}{local:%b}, {local:%H:%M}"


def clipped(text: str, most: int) -> str:
    """Cut a text to *most* characters, on a word where one ends near."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > most * 0.7 else cut).rstrip(" ,.;:") + "…"
