"""Numbers as sentences say them: with their unit, as a time, counted."""

from decimal import Decimal


def amount(number: int | float | Decimal, unit: str) -> str:
    """Return "5 texts", "1 text", or the number alone where there is no unit."""
    said = f"{int(number) if number == int(number) else number:,}"
    if not unit:
        return said
    return f"{said} {unit.removesuffix('s') if number == 1 else unit}"


def count(number: int, noun: str) -> str:
    """Return "1 word", "2 words"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    """Return "once", "twice", "3 times"."""
    return "once" if number == 1 else "twice" if number == 2 else f"{number} times"


def duration(seconds: float) -> str:
    """Return seconds in the largest unit that fits exactly: "2 minutes", "90 seconds"."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return count(int(seconds // size), unit)
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


def dollars(value: Decimal) -> str:
    """Return "$5.00"."""
    return f"${value:,.2f}"
