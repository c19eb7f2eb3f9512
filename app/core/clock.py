"""The one place that knows what time it is. Every time is aware and in UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, aware, UTC, with microseconds."""
    return datetime.now(UTC)


def iso(moment: datetime | None) -> str | None:
    """Write a moment as ISO 8601 in UTC with a trailing ``Z``; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
