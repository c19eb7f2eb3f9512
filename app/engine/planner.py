"""The planner: a pure function from what is recorded of a run to what must happen next.

It sees the definition and the results; it touches no database, no queue, no web. Whoever calls it twice with the same
results gets the same commands, and results may arrive in any order: the end is the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from app.definition.graph import Edge, incoming, topological_order
from app.definition.schema import Definition, ForEach, Step
from app.engine.enums import RunStatus, StepStatus

HINT_AGAIN_S = 10.0
NO_ITEM = -1
UNDER_WAY = frozenset({StepStatus.PENDING, StepStatus.RUNNING, StepStatus.RETRYING})

Key = tuple[str, int]
Control = Literal["go", "pause", "stop"]


@dataclass(frozen=True, slots=True)
class Result:
    """What is recorded of one step run. *due* is when something is due for it: a retry, a lease's end, a wait's end."""

    status: StepStatus
    outcome: str | None = None
    due: datetime | None = None
    total: int = 0  # of a step that is done for every item: how many items it has
    holds: bool = False  # waits for a run of ours that works, or has not paused yet: as good as under way


@dataclass(frozen=True, slots=True)
class Do:
    """Do a step: never begun, or begun and due again (a retry, a dead lease, a hint that was lost)."""

    step: str
    item: int = NO_ITEM
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class Open:
    """Find the items of a step that is done for every item, once; they are stored with it."""

    step: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Close a step whose last item has ended."""

    step: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Skip a step, and why in words."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class EndWait:
    """A wait's time has come: its decision takes effect, or it expires."""

    step: str
    item: int = NO_ITEM


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel what has not ended, because the run is stopping."""

    step: str
    item: int = NO_ITEM


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now; if nothing, the *status* of the run and when to look again (None: a person will wake it).

    *settled* counts the steps of which nothing more comes; of a run that failed or was stopped, those that were done.
    """

    do: tuple[Do, ...] = ()
    opens: tuple[Open, ...] = ()
    settles: tuple[Settle, ...] = ()
    skip: tuple[Skip, ...] = ()
    end_waits: tuple[EndWait, ...] = ()
    cancel: tuple[Cancel, ...] = ()
    status: RunStatus = RunStatus.RUNNING
    sleep_until: datetime | None = None
    settled: int = 0

    @property
    def is_end(self) -> bool:
        """Whether the run ends with this plan."""
        return not self.status.is_open


@dataclass(slots=True)
class _View:
    definition: Definition
    results: dict[Key, Result]
    skipped: dict[str, str] = field(default_factory=dict)
    hint_again_s: float = HINT_AGAIN_S
    each: dict[str, ForEach] = field(default_factory=dict)  # the steps that are done for every item
    kept_back: set[Key] = field(default_factory=set)  # items that were taken up again and are not hinted yet

    def is_frame(self, key: Key) -> bool:
        """Whether this is the row that only holds a step's items."""
        return key[1] == NO_ITEM and key[0] in self.each

    def items(self, step: str) -> dict[int, Result]:
        return {item: result for (of, item), result in self.results.items() if of == step and item != NO_ITEM}

    def open_results(self) -> list[Result]:
        """Return what has not ended; the frame of items is no work of its own."""
        return [
            result
            for key, result in self.results.items()
            if not result.status.is_settled and not (result.status in UNDER_WAY and self.is_frame(key))
        ]

    def status(self, step: str) -> StepStatus | None:
        if step in self.skipped:
            return StepStatus.SKIPPED
        result = self.results.get((step, NO_ITEM))
        return result.status if result else None

    def is_settled(self, step: str) -> bool:
        status = self.status(step)
        return status is not None and status.is_settled


def plan(
    definition: Definition,
    results: Mapping[Key, Result],
    now: datetime,
    control: Control = "go",
    hint_again_s: float = HINT_AGAIN_S,
) -> Plan:
    """Say what must happen next in a run. A hint that shows nothing is given again after *hint_again_s*.

    ``go`` does all that is ready, ``pause`` begins nothing, ``stop`` cancels everything that has not ended.
    """
    each = {step.id: step.for_each for step in definition.steps if step.for_each is not None}
    view = _View(definition, dict(results), hint_again_s=hint_again_s, each=each)
    if control == "stop":
        return _stop(view)
    leading = incoming(definition)
    fresh: list[Do] = []
    opens: list[Open] = []
    for step_id in topological_order(definition):
        if view.status(step_id) is not None:
            continue
        before = leading.get(step_id, ())
        if not all(view.is_settled(edge.source) for edge in before):
            continue
        reason = _why_not(view, definition.step(step_id), before)
        if reason is not None:
            view.skipped[step_id] = reason
        elif step_id in each:
            opens.append(Open(step_id))
        else:
            fresh.append(Do(step_id))
    settles: list[Settle] = []
    for step_id in each:
        _plan_items(view, step_id, fresh, opens, settles)
    return _result(view, tuple(fresh), tuple(opens), tuple(settles), now, control)


def _plan_items(view: _View, step: str, fresh: list[Do], opens: list[Open], settles: list[Settle]) -> None:
    """Plan the next items of an open frame, *parallel* at a time; waits for people and the clock do not count.

    Nor does the wait for another run that itself only waits for those.
    """
    frame = view.results.get((step, NO_ITEM))
    if frame is not None and frame.status is StepStatus.PENDING:  # a person said that it shall be done
        opens.append(Open(step))
    if frame is None or frame.status is not StepStatus.RUNNING:
        return
    items = view.items(step)
    unhinted = sorted(item for item, of in items.items() if of.status is StepStatus.PENDING and of.due is None)
    busy = sum(result.status in UNDER_WAY or result.holds for result in items.values()) - len(unhinted)
    free = max(0, view.each[step].parallel - busy)
    view.kept_back.update((step, item) for item in unhinted[free:])
    unbegun = [item for item in range(frame.total) if item not in items]
    fresh.extend(Do(step, item) for item in unbegun[: max(0, free - len(unhinted))])
    if not unbegun and all(result.status.is_settled for result in items.values()):
        settles.append(Settle(step))


def _result(
    view: _View,
    fresh: tuple[Do, ...],
    opens: tuple[Open, ...],
    settles: tuple[Settle, ...],
    now: datetime,
    control: Control,
) -> Plan:
    skips = tuple(Skip(step, reason) for step, reason in view.skipped.items())
    settled = sum(view.is_settled(step.id) for step in view.definition.steps)
    if settled == len(view.definition.steps):
        end = _end(view)
        return Plan(skip=skips, status=end, settled=settled if end is RunStatus.COMPLETED else _done(view))
    waits = tuple(
        EndWait(step, item)
        for (step, item), result in view.results.items()
        if result.status is StepStatus.WAITING and result.due is not None and result.due <= now
    )
    open_results = view.open_results()
    if control == "pause":
        again = now + timedelta(seconds=view.hint_again_s)
        under_way = [r.due for r in open_results if r.status is StepStatus.RUNNING and r.due and r.due > now]
        under_way += [again for r in open_results if r.holds]
        until = min(under_way, default=None)
        status = RunStatus.PAUSING if under_way else RunStatus.PAUSED
        return Plan(skip=skips, status=status, sleep_until=until, settled=settled)
    return Plan(
        do=fresh + tuple(_due_again(view, now)),
        opens=opens,
        settles=settles,
        skip=skips,
        end_waits=waits,
        status=_status(open_results, bool(fresh or opens or settles)),
        sleep_until=_sleep_until(open_results, bool(fresh), now + timedelta(seconds=view.hint_again_s), now),
        settled=settled,
    )


def _is_taken(view: _View, edge: Edge) -> bool:
    status = view.status(edge.source)
    if status is StepStatus.COMPLETED:
        return view.results[edge.source, NO_ITEM].outcome == edge.outcome
    if status is StepStatus.FAILED:
        return edge.outcome == "failed" and view.definition.step(edge.source).on_failure == "continue"
    return False


def _why_not(view: _View, step: Step, before: Sequence[Edge]) -> str | None:
    """Return why the step must be skipped; None when it is to be done."""
    if not before:
        return None
    missed = [edge for edge in before if not _is_taken(view, edge)]
    if step.join == "any" and len(missed) < len(before):
        return None
    return _reason(view, missed[0]) if missed else None


def _reason(view: _View, edge: Edge) -> str:
    name = view.definition.step(edge.source).name or edge.source
    status = view.status(edge.source)
    if status is StepStatus.FAILED:
        return f"“{name}” failed"
    if status is StepStatus.SKIPPED:
        return f"“{name}” was skipped"
    if status is StepStatus.CANCELLED:
        return f"“{name}” was cancelled"
    outcome = view.results[edge.source, NO_ITEM].outcome
    return f"“{name}” ended with “{outcome}”, not “{edge.outcome}”"


def _due_again(view: _View, now: datetime) -> Iterator[Do]:
    """Yield what was begun and must be hinted again: lost hints, dead leases, retries whose time has come."""
    for key, result in view.results.items():
        is_due = result.due is None or result.due <= now
        if result.status in UNDER_WAY and is_due and key not in view.kept_back and not view.is_frame(key):
            yield Do(*key, is_new=False)


def _status(open_results: list[Result], has_fresh: bool) -> RunStatus:
    statuses = {result.status for result in open_results}
    if has_fresh or statuses & UNDER_WAY:
        return RunStatus.RUNNING
    if StepStatus.NEEDS_ATTENTION in statuses:
        return RunStatus.NEEDS_ATTENTION
    return RunStatus.WAITING


def _sleep_until(
    open_results: list[Result], has_fresh: bool, again: datetime, now: datetime
) -> datetime | None:
    dues = [again] if has_fresh else []
    for result in open_results:
        if result.due is not None:
            dues.append(max(result.due, again) if result.due <= now else result.due)
        elif result.status in UNDER_WAY:
            dues.append(again)
    return min(dues, default=None)


def _end(view: _View) -> RunStatus:
    for step in view.definition.steps:
        if view.status(step.id) is StepStatus.FAILED and step.on_failure == "stop":
            return RunStatus.FAILED
    return RunStatus.COMPLETED


def _done(view: _View) -> int:
    """Count the steps that were done, for a run that ends before its end: the others were not, nor will be."""
    return sum(view.status(step.id) is StepStatus.COMPLETED for step in view.definition.steps)


def _stop(view: _View) -> Plan:
    cancels = tuple(Cancel(step, item) for (step, item), r in view.results.items() if not r.status.is_settled)
    begun = {step for step, _ in view.results}
    never = tuple(
        Skip(step.id, "the run was stopped") for step in view.definition.steps if step.id not in begun
    )
    return Plan(cancel=cancels, skip=never, status=RunStatus.STOPPED, settled=_done(view))
