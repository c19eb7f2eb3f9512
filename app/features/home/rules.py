"""The sentences of the first page."""

from datetime import datetime
from zoneinfo import ZoneInfo

from app.features.approvals.queries import MOST_WAITING
from app.features.runs.standing import MOST_HELD
from app.web.filters import spelled


def greeting(moment: datetime, timezone: str, name: str) -> str:
    """Greet by the hour in *timezone* and by first name: ``Good morning, Alice``."""
    hour = moment.astimezone(ZoneInfo(timezone)).hour
    part = "morning" if 5 <= hour < 12 else "afternoon" if 12 <= hour < 18 else "evening"
    first = name.partition(" ")[0]
    return f"Good {part}, {first}" if first else f"Good {part}"


def summary(*, waiting: int, runs_working: int, runs_in_line: int, runs_waiting: int, failed_today: int) -> str:
    """Say in two sentences how things stand: what waits for the reader, what the runs do.

    What waits is counted up to a number, and said to be more from there.
    """
    mine = "Nothing waits for you."
    if waiting:
        things = _counted(waiting, "thing", MOST_WAITING)
        mine = f"{things[0].upper()}{things[1:]} {'waits' if waiting == 1 else 'wait'} for you."
    facts = [f"{spelled(runs_working, 'run')} {'is' if runs_working == 1 else 'are'} working"]
    if runs_in_line:
        facts.append(f"{spelled(runs_in_line, 'run')} {'stands' if runs_in_line == 1 else 'stand'} in line")
    if runs_waiting:
        facts.append(
            f"{_counted(runs_waiting, 'run', MOST_HELD)} {'waits' if runs_waiting == 1 else 'wait'}"
            " for somebody or a time"
        )
    facts.append(
        "nothing failed today" if not failed_today else f"{spelled(failed_today, 'run')} failed today"
    )
    said = ", ".join(facts)
    return f"{mine} {said[0].upper()}{said[1:]}."


def _counted(number: int, noun: str, most: int) -> str:
    return spelled(number, noun) if number < most else f"more than {spelled(most - 1, noun)}"
