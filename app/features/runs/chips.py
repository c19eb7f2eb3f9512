"""How a run's status looks, in lists and on its page: icon, word and colour."""

from dataclasses import dataclass

from app.engine import line
from app.engine.enums import RunStatus
from app.engine.line import Place
from app.engine.models import Run
from app.web.filters import duration, ordinal


@dataclass(frozen=True, slots=True)
class Chip:
    """A status as colour (*kind*), *icon* and *word*."""

    kind: str
    icon: str
    word: str


CHIPS: dict[RunStatus, Chip] = {
    RunStatus.QUEUED: Chip("idle", "clock", "In line"),
    RunStatus.RUNNING: Chip("run", "loader-2", "Running"),
    RunStatus.WAITING: Chip("wait", "user-question", "Waiting"),
    RunStatus.NEEDS_ATTENTION: Chip("care", "alert-triangle", "Needs an answer"),
    RunStatus.PAUSING: Chip("idle", "player-pause", "Pausing after this step"),
    RunStatus.PAUSED: Chip("idle", "player-pause", "Paused"),
    RunStatus.STOPPING: Chip("idle", "player-stop", "Stopping"),
    RunStatus.COMPLETED: Chip("go", "circle-check", "Ready"),
    RunStatus.FAILED: Chip("bad", "circle-x", "Failed"),
    RunStatus.STOPPED: Chip("idle", "player-stop", "Stopped"),
}
HELD, HELD_NOTE = Chip("idle", "player-pause", "Held"), "sending is switched off for this workspace"
UNKNOWN, UNKNOWN_NOTE = Chip("idle", "puzzle", "Not known here"), "no program here knows this kind of step"


def chip_of(run: Run) -> Chip:
    """Return a run's status as icon, word and colour, for lists: without whom it waits for.

    A run that nobody said yes to is finished, but not ready.
    """
    if run.status == RunStatus.COMPLETED and run.last_no:
        return _NOES.get(run.last_no, _NO)
    return CHIPS[RunStatus(run.status)]


def in_line(place: Place) -> tuple[Chip, str]:
    """Return the chip and the sentence of a run in line: "3rd in line, about 4 min"."""
    if place.number >= line.MOST:
        return Chip("idle", "clock", "In line"), f"In line, after at least {line.MOST - 1} others."
    number = ordinal(place.number)
    about = f", about {duration(max(60.0, place.wait_s // 60 * 60))}" if place.wait_s is not None else ""
    return Chip("idle", "clock", f"In line, {number}"), f"{number} in line{about}."


# How a run ended whose last answer was no yes; the look of rejected and unanswered documents.
_NO = Chip("bad", "circle-x", "Rejected")
_NOES = {
    "rejected": _NO,
    "expired": Chip("care", "alert-triangle", "Nobody answered"),
}
