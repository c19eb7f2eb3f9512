"""What a schedule does when its runs meet, when nobody was there to start them, and what became of a due time."""

from enum import StrEnum


class Overlap(StrEnum):
    """What happens at a due time while the run before is still under way."""

    SKIP = "skip"  # leave this one out
    QUEUE = "queue"  # start when the one before has ended
    ALLOW = "allow"  # start beside it


class Missed(StrEnum):
    """What happens to due times that passed while the house was down."""

    SKIP = "skip"  # leave them out
    ONCE = "once"  # start one run, for the newest of them
    ALL = "all"  # start one for each, at most the newest ten


class SlotStatus(StrEnum):
    """What became of one due time of a schedule."""

    STARTED = "started"
    WAITING = "waiting"  # for the run before
    SKIPPED = "skipped"  # the run before was still under way
    MISSED = "missed"  # nobody was there
    REFUSED = "refused"  # the run could not be started; the note says why
