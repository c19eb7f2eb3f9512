"""Closed sets of approvals."""

from enum import StrEnum


class ApprovalStatus(StrEnum):
    """What became of a request."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Decision(StrEnum):
    """What a person may say."""

    APPROVED = "approved"
    REJECTED = "rejected"
