"""Closed sets of the gallery."""

from enum import StrEnum


class Category(StrEnum):
    """The job that a template does, as it stands in a URL; :attr:`label` is what people read."""

    SELL = "sell-this-car"
    SERVICE = "back-to-service"
    ADS = "paid-ads"
    SOCIAL = "social"
    BLOG = "blog"
    EMAIL = "e-mail"
    REPUTATION = "reputation"

    @property
    def label(self) -> str:
        """The category in words."""
        return _LABELS[self]


_LABELS = {
    Category.SELL: "Sell this car",
    Category.SERVICE: "Bring them back to service",
    Category.ADS: "Paid ads",
    Category.SOCIAL: "Social",
    Category.BLOG: "Blog",
    Category.EMAIL: "E-mail",
    Category.REPUTATION: "Reputation",
}


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
