"""Words for moments, lists and long texts, as people say them; the filters of ``app.web`` say the rest."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.web.filters import by_distance

NBSP = "\u00a0"


def listed(words: Iterable[str], last: str = "and") -> str:
    """Join words as in a sentence: "a, b and c"."""
    *first, end = list(words) or [""]
    return f"{', '.join(first)} {last} {end}" if first else end


def moment(at: datetime, zone: str, now: datetime) -> str:
    """Say when, in the workspace's zone, as every page does: "today, 17:00", "Mon, 09:00", "12 Nov, 10:04"."""
    return by_distance(at, zone, now)


def named_now(label: str, workflow: str, former_names: Sequence[str]) -> str:
    """Say a run's name with its workflow's name of now, where it was made of one that the workflow had before."""
    for former in sorted((_plain(name) for name in former_names), key=len, reverse=True):
        if label == former or label.startswith(f"{former}: "):
            is_so_now = label == (now := _plain(workflow)) or label.startswith(f"{now}: ")
            return label if is_so_now else now + label[len(former) :]
    return label


def _plain(name: str) -> str:
    """Write a workflow's name as a run's name has it: no value can be put in there."""
    return " ".join(name.replace("{", "(").replace("}", ")").split())


def by_schedule(facts: Mapping[str, Any], ran_at: datetime) -> str:
    """Say that a schedule started a run: "… started it: due 09:15, ran 12:02", in its workspace's zone; else ""."""
    trigger = facts.get("trigger") or {}
    if trigger.get("kind") != "schedule" or not trigger.get("due_at"):
        return ""
    zone = ZoneInfo((facts.get("workspace") or {}).get("timezone") or "UTC")
    due, ran = datetime.fromisoformat(trigger["due_at"]).astimezone(zone), ran_at.astimezone(zone)
    form = "%H:%M" if due.date() == ran.date() else f"%a %-d{NBSP}%b %H:%M"
    return f"The schedule “{trigger.get('name', '')}” started it: due {due:{form}}, ran {ran:{form}}."


def ended(text: str) -> str:
    """End a text as a sentence: with a full stop, or with the ellipsis of one that was cut."""
    return text if text.endswith("…") else f"{text.rstrip('.')}."


def clipped(text: str, most: int) -> str:
    """Cut a text to *most* characters, on a word where one ends near."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > most * 0.7 else cut).rstrip(" ,.;:") + "…"
