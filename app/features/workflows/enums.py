"""Closed sets of workflows."""

from enum import StrEnum


class Category(StrEnum):
    """The job that a workflow or a template does, as it stands in a URL; :attr:`label` is what people read."""

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
