"""Closed sets of the gallery."""

from enum import StrEnum


class Sort(StrEnum):
    """The orders that the gallery can stand in."""

    USED = "used"
    NEWEST = "newest"
    FASTEST = "fastest"
    NAME = "name"

    @property
    def label(self) -> str:
        """The order in words."""
        return {
            Sort.USED: "Most used here",
            Sort.NEWEST: "Newest",
            Sort.FASTEST: "Fastest",
            Sort.NAME: "Name",
        }[self]


class Whose(StrEnum):
    """Who made a template: Greenlight, or somebody of the workspace."""

    OURS = "greenlight"
    OWN = "own"


class View(StrEnum):
    """How the gallery shows templates."""

    GRID = "grid"
    LIST = "list"
