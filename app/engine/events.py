"""What the engine tells the features above it, in the transaction in which it happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class WaitStarted:
    """A step began to wait: the listener for its *kind* writes what people see of it."""

    wait_id: str
    workspace_id: str
    run_id: str
    step_run_id: str
    step_id: str
    kind: str
    detail: Mapping[str, Any]
    until: datetime | None
    on_until: str


@dataclass(frozen=True, slots=True)
class WaitEnded:
    """A wait ended without a decision: *why* is ``expired`` or ``withdrawn``."""

    wait_id: str
    workspace_id: str
    run_id: str
    kind: str
    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class PartEnded:
    """A run that is part of another came to its end: *status* is ``completed``, ``failed`` or ``stopped``."""

    run_id: str
    workspace_id: str
    status: str


@dataclass(frozen=True, slots=True)
class RunsRemoved:
    """Runs that ended *before* a moment were removed for good, with their documents where *documents* says so."""

    workspace_id: str
    number: int
    before: datetime
    documents: bool


@dataclass(frozen=True, slots=True)
class RunsNotRemoved:
    """Old runs of a workspace could not be removed, by a fault of ours; it is tried again in some hours."""

    workspace_id: str
