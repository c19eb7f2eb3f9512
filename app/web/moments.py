"""Moments as a browser's field for date and time has them: in the workspace's zone, and without it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.core.clock import iso
from app.web.visitor import visitor

_LOCAL = "%Y-%m-%dT%H:%M"


def zone_named(name: str | None = None) -> ZoneInfo:
    """Return a time zone, without a name the visitor's; UTC for a stranger and for a name that is none."""
    if name is None:
        who = visitor()
        name = who.timezone if who else "UTC"
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def local(text: str, zone: ZoneInfo) -> str:
    """Return a stored moment as the browser's field wants it; what is no moment stays as it was typed."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone).strftime(_LOCAL)
    except (ValueError, OverflowError):
        return text


def with_zone(text: str, zone: ZoneInfo) -> str:
    """Return what was typed as a moment of the zone; what says its own zone, or is no moment, stays as it was typed."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if moment.tzinfo or len(text) <= len("2026-11-30") else moment.replace(tzinfo=zone).isoformat()


def in_utc(text: str, zone: ZoneInfo) -> str:
    """Return what was typed as a moment is kept, in UTC; what is no moment stays as it was typed."""
    try:
        return iso(datetime.fromisoformat(with_zone(text, zone))) or text
    except (ValueError, OverflowError):
        return text
