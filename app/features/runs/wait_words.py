"""What a wait waits for, in words: a person, a time, another run or system."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from app.engine.models import WaitRow
from app.features.runs.chips import Chip
from app.features.runs.words import listed, moment
from app.web.filters import plural

YOU = "you"
LONG = 40  # characters of two names that stand in a chip side by side


def people_of(waits: Iterable[WaitRow]) -> set[str]:
    """Return the addresses of all who are asked by these waits, in lower case."""
    return {str(email).lower() for wait in waits for email in wait.detail.get("approvers") or ()}


def called(people: Mapping[str, str], me: str) -> dict[str, str]:
    """Return the names by address, the reader's own (*me*) as "you"."""
    return {**people, me.lower(): YOU} if me else dict(people)


def wait_words(
    wait: WaitRow | None, people: Mapping[str, str], zone: str, now: datetime
) -> tuple[Chip, str]:
    """Return a short chip for a wait, and in a few words for whom or for what it waits."""
    if wait is not None and wait.effective_at is not None and wait.effective_at > now:
        return Chip("wait", "clock", "Decided"), f"Decided, goes on {moment(wait.effective_at, zone, now)}"
    if wait is None or wait.kind == "approval":
        names = _names(wait, people)
        return Chip("wait", "user-question", "Waiting"), f"Waiting for {names or 'an answer'}"
    if wait.kind == "time":
        until = f" until {moment(wait.until, zone, now)}" if wait.until else ""
        return Chip("wait", "calendar-time", "Waits"), f"Waits{until}"
    if wait.kind == "sub_run":
        return Chip("wait", "route", "Waiting"), "Waiting for another run"
    return Chip("wait", "plug-connected", "Waiting"), "Waiting for another system"


def waits_for(wait: WaitRow, people: Mapping[str, str]) -> str:
    """Return whom or what a wait is for: "Bob Approver or Ann Ames", "its time", "another run"."""
    if wait.kind == "approval":
        return _names(wait, people) or "an answer"
    return {"time": "its time", "sub_run": "another run"}.get(wait.kind, "another system")


def says_again(title: str, label: str) -> bool:
    """Tell if a request's title is little more than the run's name, beside which it is shown."""
    name = label.rstrip("….").casefold()
    return name in title.casefold() and 2 * len(name) >= len(title)


def _names(wait: WaitRow | None, people: Mapping[str, str]) -> str:
    """Name two, the reader first, or one where two are too long, and count the others."""
    emails = list(dict.fromkeys(str(email) for email in (wait.detail.get("approvers") or ()))) if wait else []
    names = sorted((people.get(email.lower(), email) for email in emails), key=lambda name: name != YOU)
    shown = names[:2] if sum(map(len, names[:2])) <= LONG else names[:1]
    if len(names) > len(shown):
        shown.append(plural(len(names) - len(shown), "other"))
    last = "and" if wait and wait.detail.get("policy") == "all" else "or"
    return listed(shown, last) if shown else ""
