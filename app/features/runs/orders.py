"""The orders that runs are listed in. Each has an index, so that a page is read by its key."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from app.engine.models import RUN_NAME, RUN_TOOK_S, Run


class Sort(StrEnum):
    """In which order runs are listed."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LONGEST = "longest"
    SHORTEST = "shortest"
    NAME = "name"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class Order:
    """One order: its name, what the page says of it, what leads to its next page, and how it is read."""

    name: str
    said: str
    further: str
    by: Any
    is_up: bool = False
    conditions: tuple[sa.ColumnElement[bool], ...] = ()

    @property
    def is_by_time(self) -> bool:
        """Whether it is the order in which runs were started, which has an index with most filters."""
        return self.by is Run.created_at

    @property
    def is_by_name(self) -> bool:
        """Whether it is the order of names: runs with the same word stand together, and its index has their numbers."""
        return self.by is RUN_NAME


_has_taken = (Run.finished_at.is_not(None), Run.started_at.is_not(None))
ORDERS = {
    Sort.NEWEST: Order("Newest first", "Everything that was started, the newest first.", "Older runs", Run.created_at),
    Sort.OLDEST: Order(
        "Oldest first", "Everything that was started, the oldest first.", "Newer runs", Run.created_at, is_up=True
    ),
    Sort.LONGEST: Order(
        "Longest first", "What has ended, the longest first; waiting counts.", "Shorter runs", RUN_TOOK_S,
        conditions=_has_taken,
    ),
    Sort.SHORTEST: Order(
        "Shortest first", "What has ended, the shortest first; waiting counts.", "Longer runs", RUN_TOOK_S, is_up=True,
        conditions=_has_taken,
    ),
    Sort.NAME: Order("Name, A to Z", "Everything that was started, by name.", "Further names", RUN_NAME, is_up=True),
    Sort.COST: Order(
        "Most expensive first", "Everything that was started, the most expensive first.", "Less expensive runs",
        Run.cost_microusd,
    ),
}  # fmt: skip
