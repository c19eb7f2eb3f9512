"""How long a workflow's steps usually take, and so how long a run has left: work, and apart from it people's answers.

Medians of each step over the last :data:`SAMPLES` finished runs, none before there are :data:`FEWEST`; tests and
samples do not count. A range is the median and the 80th percentile. Of lanes beside each other the longest counts.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.definition.graph import incoming, topological_order
from app.definition.schema import Definition
from app.engine.enums import SEED, RunStatus, StepStatus
from app.engine.models import Run, StepRun, WaitRow
from app.web.filters import duration

SAMPLES = 20
FEWEST = 5
LOOKED_AT = 100  # so many of the newest runs are looked at to find finished ones
KEPT_S = 60.0
LATE_TIMES = 2
LATE_LEAST_S = 10.0
SAID_AGAIN_S = 15.0
_STEPS = ((20, 5), (55, 10), (3300, 60), (36_000, 1800), (math.inf, 3600))  # below so many seconds: rounded to
_STOPPED = frozenset({StepStatus.WAITING, StepStatus.NEEDS_ATTENTION})

_kept: dict[str, tuple[float, "Pace | None"]] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True)
class StepPace:
    """What a step usually takes: work by the median and the 80th percentile, and waiting. *share*: how often done."""

    work_s: float
    work_p80_s: float
    wait_s: float | None
    share: float

    @property
    def is_usual(self) -> bool:
        """Whether most runs do this step."""
        return self.share >= 0.5


Pace = Mapping[str, StepPace]


@dataclass(frozen=True, slots=True)
class State:
    """What a step is doing; *part* is how much of one that is done for each item has ended, 0 to 1."""

    status: StepStatus
    started_at: datetime | None
    part: float = 0.0


@dataclass(frozen=True, slots=True)
class Late:
    """A step that takes at least twice as long as usual."""

    step_id: str
    took_s: float
    usual_s: float

    @property
    def said(self) -> str:
        """Say so: "Taking longer than usual (8 min, usually 3 min)"."""
        return f"Taking longer than usual ({rough(self.took_s)}, usually {rough(self.usual_s)})"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is left of a run: *before_s* until it stops for a person or a time (*stop*, a step's id), *work_s* in all.

    *say_again_at* is when these words are old.
    """

    before_s: float
    before_p80_s: float
    work_s: float
    stop: str | None
    stop_wait_s: float | None
    late: Late | None
    say_again_at: datetime

    @property
    def left(self) -> str:
        """Say how much work is left until the run stops or ends: "About 50 s", "About 2 to 4 min"."""
        return _range(self.before_s, self.before_p80_s)


def paces(session: Session, workflow_ids: Iterable[str]) -> dict[str, Pace]:
    """Return the pace of those workflows that have enough runs: one statement, none within a minute of the last."""
    now, wanted = time.monotonic(), set(workflow_ids)
    with _lock:
        known = {key: kept for key, (until, kept) in _kept.items() if key in wanted and until > now}
    if missing := sorted(wanted - set(known)):
        read = _read(session, missing)
        known |= read
        with _lock:
            _kept.update({key: (now + KEPT_S, pace) for key, pace in read.items()})
            for key in [key for key, (until, _) in _kept.items() if until < now]:
                del _kept[key]
    return {key: pace for key, pace in known.items() if pace}


def forget() -> None:
    """Read all paces anew."""
    with _lock:
        _kept.clear()


def states_of(session: Session, run_ids: Sequence[str]) -> dict[str, dict[str, State]]:
    """Return what the steps of these runs are doing, by run and step. No runs, no read."""
    found: dict[str, dict[str, State]] = defaultdict(dict)
    if run_ids:
        item = aliased(StepRun)
        ended = (
            sa.select(sa.func.count())
            .where(
                item.run_id == StepRun.run_id, item.step_id == StepRun.step_id, item.item >= 0,
                item.status.in_([status.value for status in StepStatus if status.is_settled]),
            )
            .correlate(StepRun)
            .scalar_subquery()
        )  # fmt: skip
        has_items = sa.and_(StepRun.status == StepStatus.RUNNING.value, StepRun.total > 0)
        wanted = sa.select(
            StepRun.run_id, StepRun.step_id, StepRun.status, StepRun.started_at, StepRun.total,
            sa.case((has_items, ended), else_=0),
        ).where(StepRun.run_id.in_(run_ids), StepRun.item < 0)  # fmt: skip
        for run_id, step_id, status, started_at, total, number in session.execute(wanted):
            found[run_id][step_id] = State(StepStatus(status), started_at, part(number, total))
    return found


def part(ended: int, total: int) -> float:
    """Return how much of a step is done of which so many of all items have ended."""
    return min(1.0, ended / total) if total else 0.0


def estimate(definition: Definition, states: Mapping[str, State], pace: Pace | None, now: datetime) -> Estimate | None:
    """Return what is left of a run; None where a step that is still to be done has not been seen often enough."""
    if not pace:
        return None
    ahead = [step_id for step_id in topological_order(definition) if not _is_settled(states.get(step_id))]
    if any(step_id not in pace for step_id in ahead):
        return None
    ends: dict[str, tuple[float, float]] = {}  # work until a step's end: by the median, by the 80th percentile
    held: set[str] = set()  # steps before which the run stops
    stops: dict[str, float] = {}
    for step_id in ahead:
        state, usual = states.get(step_id), pace[step_id]
        before = [edge.source for edge in incoming(definition).get(step_id, ()) if edge.source in ends]
        if any(parent in held or parent in stops for parent in before):
            held.add(step_id)
        is_waiting = state is not None and state.status in _STOPPED
        is_expected = state is not None or usual.is_usual
        took = _took(state, now)
        works = (usual.work_s, usual.work_p80_s) if is_expected and not is_waiting else (0.0, 0.0)
        if state and state.part and usual.wait_s is None and not is_waiting:
            works = (took / state.part,) * 2  # the items of other runs were more, or fewer
        first, second = (
            max((ends[parent][place] for parent in before), default=0.0) + max(0.0, work - took)
            for place, work in enumerate(works)
        )
        ends[step_id] = first, second
        if step_id not in held and is_expected and (is_waiting or usual.wait_s is not None):
            stops[step_id] = first
    free = [end for step_id, end in ends.items() if step_id not in held] or [(0.0, 0.0)]
    stop = min(stops, key=lambda step_id: stops[step_id], default=None)
    late, late_at = _lateness(states, pace, now)
    again = now + timedelta(seconds=SAID_AGAIN_S)
    return Estimate(
        before_s=max(end for end, _ in free),
        before_p80_s=max(end for _, end in free),
        work_s=max((end for end, _ in ends.values()), default=0.0),
        stop=stop,
        stop_wait_s=pace[stop].wait_s if stop else None,
        late=late,
        say_again_at=min(again, late_at or again),
    )


def _is_settled(state: State | None) -> bool:
    return state is not None and state.status.is_settled


def _took(state: State | None, now: datetime) -> float:
    return (now - state.started_at).total_seconds() if state and state.started_at else 0.0


def _lateness(states: Mapping[str, State], pace: Pace, now: datetime) -> tuple[Late | None, datetime | None]:
    """Return the step that is late the most, and when the next one will be."""
    late: list[Late] = []
    soon: list[datetime] = []
    for step_id, state in states.items():
        if state.status is not StepStatus.RUNNING or state.started_at is None or step_id not in pace:
            continue
        if pace[step_id].wait_s is not None:  # of several items some may wait for people while others do not
            continue
        if state.part:  # it goes on, with as many items as it has
            continue
        usual_s = pace[step_id].work_s
        bound_s, took_s = max(LATE_TIMES * usual_s, usual_s + LATE_LEAST_S), _took(state, now)
        if took_s > bound_s:
            late.append(Late(step_id, took_s, usual_s))
        else:
            soon.append(state.started_at + timedelta(seconds=bound_s + 0.5))
    return max(late, key=lambda each: each.took_s - each.usual_s, default=None), min(soon, default=None)


def rough(seconds: float) -> str:
    """Write a length of time as an estimate is said: "a few seconds", "50 s", "3 min", "2 h"."""
    if seconds < 5:
        return "a few seconds"
    step = next(step for most, step in _STEPS if seconds < most)
    return duration(max(step, round(seconds / step) * step))


def _range(low: float, high: float) -> str:
    first, second = rough(low), rough(high)
    if high < low * 1.25 or first == second:
        return f"About {first}" if low >= 5 else "A few seconds"
    if low < 5:
        return f"Up to {second}"
    same = first.split("\u00a0")[-1] == second.split("\u00a0")[-1] and " " not in first + second
    return f"About {first.split(chr(160))[0] if same else first} to {second}"


def _read(session: Session, workflow_ids: Sequence[str]) -> dict[str, Pace | None]:
    recent = sa.union_all(*(_finished(workflow_id) for workflow_id in workflow_ids)).cte("recent")
    wait = sa.and_(
        WaitRow.step_run_id == StepRun.id, WaitRow.status != "withdrawn", WaitRow.kind != "sub_run"
    )  # another run works: its time is work
    item = aliased(StepRun)
    asked_of_items = (  # a step that is done for every item waits from the first item on that does
        sa.select(sa.func.min(WaitRow.created_at))
        .join(item, item.id == WaitRow.step_run_id)
        .where(
            WaitRow.run_id == StepRun.run_id, WaitRow.status != "withdrawn", WaitRow.kind != "sub_run",
            item.step_id == StepRun.step_id, item.item >= 0,
        )
        .correlate(StepRun)
        .scalar_subquery()
    )  # fmt: skip
    rows = session.execute(
        sa.select(
            recent.c.workflow_id,
            StepRun.run_id,
            StepRun.step_id,
            StepRun.status,
            StepRun.started_at,
            StepRun.finished_at,
            StepRun.reused_from,
            sa.func.coalesce(WaitRow.created_at, sa.case((StepRun.total > 0, asked_of_items))).label("created_at"),
        )
        .join(StepRun, StepRun.run_id == recent.c.id)
        .outerjoin(WaitRow, wait)
        .where(StepRun.item < 0)
    )
    by_workflow: dict[str, dict[str, list[Any]]] = {workflow_id: defaultdict(list) for workflow_id in workflow_ids}
    runs: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        by_workflow[row.workflow_id][row.step_id].append(row)
        runs[row.workflow_id].add(row.run_id)
    known = {workflow_id for workflow_id, seen in runs.items() if len(seen) >= FEWEST}
    return {
        workflow_id: {step: usual for step, seen in steps.items() if (usual := _of_step(seen))}
        if workflow_id in known
        else None
        for workflow_id, steps in by_workflow.items()
    }


def _finished(workflow_id: str) -> sa.Select[Any]:
    newest = (
        sa.select(Run.id, Run.workflow_id, Run.status, Run.test, Run.trigger_kind)
        .where(Run.workflow_id == workflow_id)
        .order_by(Run.created_at.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    wanted = (newest.c.status == RunStatus.COMPLETED.value, newest.c.test.is_(False), newest.c.trigger_kind != SEED)
    last = sa.select(newest.c.id, newest.c.workflow_id).where(*wanted).limit(SAMPLES).subquery()
    return sa.select(last)


def _of_step(seen: Sequence[Any]) -> StepPace | None:
    """Return the pace of a step; None where every result was taken over from another run, which takes no time."""
    seen = [row for row in seen if row.reused_from is None]
    if not seen:
        return None
    done = [row for row in seen if row.status == StepStatus.COMPLETED and row.started_at and row.finished_at]
    works = sorted(((row.created_at or row.finished_at) - row.started_at).total_seconds() for row in done)
    waits = [(row.finished_at - row.created_at).total_seconds() for row in done if row.created_at]
    if not works:
        return StepPace(0.0, 0.0, None, 0.0)
    p80 = works[math.ceil(0.8 * len(works)) - 1]
    return StepPace(median(works), max(p80, median(works)), median(waits) if waits else None, len(done) / len(seen))
