"""What becomes of runs that are going when their workflow ends, and in which form a workflow leaves."""

from enum import StrEnum

KEPT_DAYS = 30  # for so long a deleted workflow can be brought back


class OpenRuns(StrEnum):
    """What to do with runs under way."""

    FINISH = "finish"
    PAUSE = "pause"
    STOP = "stop"


class FileKind(StrEnum):
    """How a workflow is written into a file."""

    YAML = "yaml"
    JSON = "json"
