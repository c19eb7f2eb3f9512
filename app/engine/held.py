"""What a worker holds under a lease: a run, or a step of one. And what tells that it holds it no more."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from app.core import clock
from app.engine.enums import RunStatus

ALIKE = timedelta(seconds=1)  # two clocks that differ by less


class Fenced(Exception):
    """What this thread was doing is no longer its own to write: roll back and stop."""


class SendingHeld(Fenced):
    """The workspace sends nothing now: the step goes back in line with the answers that it has."""


@dataclass(frozen=True, slots=True)
class HeldRun:
    """A run under our lease: what the planner needs of it."""

    id: str
    workspace_id: str
    version_id: str
    number: int
    label: str
    test: bool
    trigger_kind: str
    status: RunStatus
    revision: int
    epoch: int
    inputs: Mapping[str, Any]
    facts: Mapping[str, Any]
    now: datetime
    is_suspect: bool = False  # whoever had it last died, perhaps of its next step
    work_from: datetime | None = None  # since when its working time counts
    has_steps: bool = True  # whether anything can be recorded of its steps
    read_at: float = field(default_factory=time.monotonic)  # when *now* was read

    @property
    def is_untouched(self) -> bool:
        """Whether nobody had the run before us and it came without steps: nothing is recorded."""
        return self.epoch == 1 and not self.has_steps

    def clock(self) -> datetime:
        """Return the time: by this machine's clock, by the database's where the two are more than a second apart."""
        ours, theirs = clock.now(), self.now + timedelta(seconds=time.monotonic() - self.read_at)
        return ours if abs(ours - theirs) < ALIKE else theirs

    def moved_to(self, revision: int, status: RunStatus = RunStatus.RUNNING) -> "HeldRun":
        """Return the run as it is after a write of ours."""
        return replace(self, revision=revision, status=status, has_steps=True)


@dataclass(frozen=True, slots=True)
class HeldStep:
    """A step run under our lease."""

    id: str
    workspace_id: str
    run_id: str
    step_id: str
    item: int
    type: str
    fence: int
    attempts: int
    crashes: int
    started_at: datetime
    answer: str | None = None  # what a person said when the step asked
    is_counted: bool = False  # by a limit: its place is somebody else's when it ends
