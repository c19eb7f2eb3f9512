"""Statuses, the one table of transitions, and the other closed sets of the engine."""

from enum import StrEnum

SEED = "seed"  # what started a template's own sample run, which the gallery shows: nobody's run


class RunStatus(StrEnum):
    """What a run is doing. The last three are its ends."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    NEEDS_ATTENTION = "needs_attention"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return self not in RUN_ENDS


class StepStatus(StrEnum):
    """What a step run is doing. The last four are its ends."""

    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    NEEDS_ATTENTION = "needs_attention"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will come of it."""
        return self in STEP_ENDS


class CallStatus(StrEnum):
    """What is known of one outward request."""

    INTENDED = "intended"
    ANSWERED = "answered"
    REFUSED = "refused"
    UNSURE = "unsure"
    LATE = "late"


class WaitStatus(StrEnum):
    """Whether a wait still waits."""

    WAITING = "waiting"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


class Effect(StrEnum):
    """How far a step reaches: our own database only, money, or out of the house."""

    NONE = "none"
    SPENDS = "spends"
    SENDS = "sends"


class Category(StrEnum):
    """Why a step failed; decides the retries and what people are told."""

    INPUT = "input"
    PERMISSION = "permission"
    CONDITION = "condition"
    AI_ANSWER = "ai_answer"
    BUSY = "busy"
    NETWORK = "network"
    TIMEOUT = "timeout"
    OUTSIDE = "outside"
    BUDGET = "budget"
    UNSURE = "unsure"
    INTERNAL = "internal"


RUN_ENDS = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.STOPPED})
STEP_ENDS = frozenset({StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED})
RUN_OPEN = frozenset(RunStatus) - RUN_ENDS

_R, _S = RunStatus, StepStatus
_GOING = frozenset({_R.QUEUED, _R.RUNNING, _R.WAITING, _R.NEEDS_ATTENTION})
RUN_TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    **{
        status: (_GOING | RUN_ENDS | {_R.PAUSING, _R.STOPPING}) - {status, _R.QUEUED, _R.STOPPED}
        for status in _GOING
    },
    _R.PAUSING: frozenset({_R.PAUSED, _R.RUNNING, _R.STOPPING, _R.COMPLETED, _R.FAILED}),
    _R.PAUSED: frozenset({_R.RUNNING, _R.STOPPING}),
    _R.STOPPING: frozenset({_R.STOPPED}),
    _R.COMPLETED: frozenset(),
    _R.FAILED: frozenset({_R.RUNNING}),
    _R.STOPPED: frozenset(),
}
STEP_TRANSITIONS: dict[StepStatus, frozenset[StepStatus]] = {
    _S.PENDING: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED, _S.SKIPPED}),
    _S.RUNNING: frozenset(
        {_S.PENDING, _S.RETRYING, _S.WAITING, _S.NEEDS_ATTENTION, _S.COMPLETED, _S.FAILED, _S.CANCELLED}
    ),
    _S.RETRYING: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
    _S.WAITING: frozenset({_S.COMPLETED, _S.FAILED, _S.SKIPPED, _S.CANCELLED}),
    _S.NEEDS_ATTENTION: frozenset({_S.PENDING, _S.COMPLETED, _S.FAILED, _S.SKIPPED, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset({_S.PENDING}),
    _S.SKIPPED: frozenset({_S.PENDING}),
    _S.CANCELLED: frozenset(),
}
