"""How approvals speak: times as people say them in the workspace's zone, and what happens after an answer."""

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from app.features.approvals.enums import ApprovalStatus
from app.web.filters import by_distance

_NEAR = ("today", "tomorrow", "yesterday")
_VERB = re.compile(r"\s*(?:please[\s,]+)?approve\b(?!['’-])\s*(?P<colon>:?)", re.IGNORECASE)
REASONS = (
    "Wrong price or terms",
    "Wrong product or pictures",
    "Not our tone",
    "Bad timing",
    "Something else",
)


def when(moment: datetime, zone: str, now: datetime) -> str:
    """Say a moment as every page does: ``today, 17:00``, ``Fri, 09:00``, ``20 Nov, 17:00``."""
    return by_distance(moment, zone, now)


def exactly(moment: datetime, zone: str) -> str:
    """Say a moment for somebody who reads it later: ``Friday 20 November, 17:00 EST``."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%B}, {local:%H:%M} {local.tzname()}"


def things(count: int) -> str:
    """Say how many texts there are to decide on."""
    return {0: "it", 1: "it"}.get(count, f"all {count}")


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does: ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part) if names else ""


def please_approve(title: str) -> str:
    """Ask for it in a mail's subject: a title that begins with the verb does not hear it twice."""
    asked = _VERB.match(title)
    rest = title[asked.end() :].strip() if asked else title
    if asked is None or not rest:
        return "Please approve" if asked else f"Please approve: {title}"
    return f"Please approve{asked['colon']} {rest}"


def after_yes(steps: Sequence[str], *, is_of_items: bool = False, is_part: bool = False) -> str:
    """Say what comes after an approval, from the names of the steps that follow it.

    *is_of_items*: others are asked about the other items of its step; *is_part*: another run waits for this one.
    """
    then = "when each of the others has its answer, too" if is_of_items else ""
    if not steps:
        ends = "the run that it belongs to goes on" if is_part else "Nothing more happens by itself"
        return f"The run is finished{f' {then}' if then else ''}{': ' if is_part else '. '}{ends}."
    quoted = listed([f"“{name}”" for name in steps[:3]] + ([f"{len(steps) - 3} more"] if len(steps) > 3 else []))
    return f"{quoted} {'comes' if len(steps) == 1 else 'come'} next{f', {then}' if then else ''}."


def without_answer(on_expiry: str, expires: str) -> str:
    """Say what happens when nobody answers; *expires* is the moment in words, empty when it never ends."""
    if not expires:
        return "It stays open until somebody answers."
    ends = {
        "reject": "it counts as rejected",
        "approve": "it goes on as if approved, and the texts say that nobody looked",
        "keep": "it stays open",
    }
    moment = f"{expires[:1].upper()}{expires[1:]}," if expires.startswith(_NEAR) else f"On {expires}"
    return f"{moment} {ends.get(on_expiry, 'the request ends without a decision')}."


def uncounted(status: str, *, has_answered: bool) -> str:
    """Say to somebody who pressed a button too late why that changes nothing; *status* is the request's."""
    reasons = {
        ApprovalStatus.APPROVED: "somebody else was faster",
        ApprovalStatus.REJECTED: "somebody else was faster",
        ApprovalStatus.WITHDRAWN: "the run had been stopped",
    }
    over = reasons.get(ApprovalStatus(status), "the time to answer was over")
    return f"Your answer was not counted: {'you had answered already' if has_answered else over}."


def outcome(status: str, *, by: str, moment: str, undecided: str = "") -> str:
    """Say what became of a request in one sentence."""
    sentences = {
        ApprovalStatus.APPROVED: f"{by} approved this {moment}.",
        ApprovalStatus.REJECTED: f"{by} rejected this {moment}.",
        ApprovalStatus.EXPIRED: f"Nobody answered in time. The request ended {moment}.",
        ApprovalStatus.WITHDRAWN: f"The run was stopped {moment}, so there is nothing to decide any more.",
        ApprovalStatus.OPEN: f"You approved this {moment}. It still waits for {undecided}.",
    }
    return sentences[ApprovalStatus(status)]


def takes_effect(effective_at: datetime, zone: str, now: datetime) -> str:
    """Say when what follows a decision begins: ``The next step starts at 10:14.``"""
    said = when(effective_at, zone, now)
    return f"The next step starts {said.replace('today, ', 'at ')}."
