"""A run as bars over time: work, and waiting in another colour. Pure; ``runs/_timeline.html`` draws.

Where nothing works for long, because a person has it, the axis is cut and says how much is left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from app.definition.text_width import cut_to_fit
from app.engine.enums import StepStatus
from app.features.runs.trace import Entry
from app.web.filters import duration

WIDTH, LABEL_W, PAD = 1000.0, 230.0, 12.0
ROW_H, BAR_H, TOP = 34.0, 16.0, 34.0
LEAST_W = 3.0
GAP_SHARE, GAP_W = 0.3, 64.0
LABEL_PX = 13.0
_TICKS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
_KINDS = {
    StepStatus.COMPLETED: "go", StepStatus.FAILED: "bad", StepStatus.RUNNING: "run", StepStatus.RETRYING: "run",
    StepStatus.CANCELLED: "idle", StepStatus.NEEDS_ATTENTION: "care", StepStatus.WAITING: "go",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch: *kind* is its colour, *said* what it is, in words."""

    x: float
    y: float
    w: float
    h: float
    kind: str
    said: str


@dataclass(frozen=True, slots=True)
class Row:
    """One step: its label, its bars, and a word where it has none. *work* and *wait* say how long."""

    id: str
    name: str
    label: str
    y: float
    bars: tuple[Bar, ...]
    word: str
    began: datetime | None
    work: str
    wait: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line over all rows: a tick of the axis, or where it is cut (*is_cut*)."""

    x: float
    word: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole picture: what to draw, and one sentence that says it."""

    width: float
    height: float
    rows: tuple[Row, ...]
    marks: tuple[Mark, ...]
    sentence: str


Span = tuple[datetime, datetime]


def timeline(entries: Sequence[Entry], began: datetime, now: datetime) -> Timeline:
    """Lay out the steps of a run; what is under way ends *now*."""
    works = [span for entry in entries for span in _works(entry, now)]
    waits = [span for entry in entries for span in _waits(entry, now)]
    ends = [end for _, end in (*works, *waits)]
    axis = _Axis(began, max(ends, default=began + timedelta(seconds=1)), works)
    rows = tuple(_row(entry, place, axis, now) for place, entry in enumerate(entries))
    work_s = sum((end - begin).total_seconds() for begin, end in _merged(works))
    wait_s = sum((end - begin).total_seconds() for begin, end in _merged(waits))
    sentence = f"{duration(work_s)} of work" + (f", {duration(wait_s)} of waiting" if wait_s else "") + "."
    return Timeline(WIDTH, TOP + ROW_H * len(rows) + 8, rows, tuple(axis.marks()), sentence)


def _row(entry: Entry, place: int, axis: "_Axis", now: datetime) -> Row:
    y = TOP + ROW_H * place
    works, waits = _works(entry, now), _waits(entry, now)
    top = y + (ROW_H - BAR_H) / 2
    bars = [axis.bar(span, top, BAR_H, _KINDS.get(entry.status, "idle"), f"{entry.name}: worked") for span in works]
    bars += [axis.bar(span, top, BAR_H, "wait", f"{entry.name}: waited") for span in waits]
    for call in entry.calls:
        span = (call.started_at, call.finished_at or now)
        bars.append(axis.bar(span, top + BAR_H - 4, 4, "call", call.about or call.name))
    return Row(
        id=entry.id,
        name=entry.name,
        label=cut_to_fit(entry.name, LABEL_W - 2 * PAD, LABEL_PX),
        y=y,
        bars=tuple(bars),
        word="" if bars else entry.word,
        began=entry.started_at,
        work=_length(works),
        wait=_length(waits),
    )


def _works(entry: Entry, now: datetime) -> list[Span]:
    """Return when a step worked: until its wait, if it has one, else until its end."""
    if entry.started_at is None or entry.status in (StepStatus.SKIPPED, StepStatus.PENDING):
        return []
    until = entry.wait.created_at if entry.wait else entry.finished_at or now
    return [(entry.started_at, max(entry.started_at, until))]


def _waits(entry: Entry, now: datetime) -> list[Span]:
    if entry.wait is None:
        return []
    return [(entry.wait.created_at, max(entry.wait.created_at, entry.finished_at or now))]


def _length(spans: Iterable[Span]) -> str:
    found = sum((end - begin).total_seconds() for begin, end in spans)
    return duration(found) if found else ""


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


class _Axis:
    """Time from left to right, in pieces: worked time to scale, long stretches without work cut to one width."""

    def __init__(self, began: datetime, ended: datetime, works: Sequence[Span]) -> None:
        ended = max(ended, began + timedelta(seconds=0.1))
        busy = _merged([span for span in works if span[1] > began]) or [(began, ended)]
        work_s = sum((end - begin).total_seconds() for begin, end in busy)
        edges = [began, *(moment for span in busy for moment in span), ended]
        self._pieces: list[tuple[datetime, datetime, bool]] = []
        for place, (begin, end) in enumerate(pairwise(edges)):
            if end > begin:
                is_gap = place % 2 == 0 and (end - begin).total_seconds() > max(GAP_SHARE * work_s, 5.0)
                self._pieces.append((begin, end, is_gap))
        room = WIDTH - LABEL_W - 2 * PAD - GAP_W * sum(is_gap for *_, is_gap in self._pieces)
        scaled_s = sum((end - begin).total_seconds() for begin, end, is_gap in self._pieces if not is_gap)
        self._px_per_s = room / max(scaled_s, 0.1)
        self._began, self._scaled_s = began, scaled_s

    def x(self, moment: datetime) -> float:
        """Return where a moment is."""
        x = LABEL_W + PAD
        for begin, end, is_gap in self._pieces:
            if moment <= begin:
                break
            share = min(1.0, (moment - begin) / (end - begin))
            x += share * (GAP_W if is_gap else (end - begin).total_seconds() * self._px_per_s)
        return x

    def bar(self, span: Span, y: float, height: float, kind: str, said: str) -> Bar:
        """Return the bar of a stretch, wide enough to be seen."""
        begin, end = self.x(span[0]), self.x(span[1])
        took = duration((span[1] - span[0]).total_seconds())
        return Bar(round(begin, 1), y, round(max(LEAST_W, end - begin), 1), height, kind, f"{said}, {took}")

    def marks(self) -> Iterable[Mark]:
        """Yield the ticks, at round lengths since the beginning, and the cuts."""
        step_s = next((step for step in _TICKS_S if self._scaled_s / step <= 8), _TICKS_S[-1])
        last = -100.0
        for begin, end, is_gap in self._pieces:
            if is_gap:
                x = self.x(begin) + GAP_W / 2
                yield Mark(round(x, 1), duration((end - begin).total_seconds()), True)
                last = x
                continue
            first = -(-(begin - self._began).total_seconds() // step_s)
            while (at := self._began + timedelta(seconds=first * step_s)) <= end:
                x = self.x(at)
                if x - last >= 56:
                    yield Mark(round(x, 1), duration(first * step_s) if first else "0")
                    last = x
                first += 1
