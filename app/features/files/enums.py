"""Closed sets of files."""

from enum import StrEnum


class DocumentStatus(StrEnum):
    """How far a document is."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    REJECTED = "rejected"


MAX_ATTACHMENTS = 20
