"""A run as bars over time: work, pauses between tries, and waiting, each with a look of its own.

Pure; ``runs/_timeline.html`` draws. Where nothing works for long, because a person has it, the axis is cut and says how
much is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from app.definition.text_width import cut_to_fit
from app.engine.enums import StepStatus
from app.engine.models import RunLog
from app.features.runs.trace import Entry
from app.features.runs.words import listed
from app.web.filters import duration

WIDTH, LABEL_W, PAD = 1000.0, 230.0, 12.0
ROW_H, BAR_H, TOP = 34.0, 16.0, 34.0
LEAST_W = 3.0
GAP_SHARE, GAP_W = 0.3, 64.0
LABEL_PX, NOTE_PX = 13.0, 12.5
LEAST_NOTE_W = 110.0
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
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
    """One step: its label, its bars, and a word where it has none.

    *work* says how long it worked, each of *waits* how long it waited and for what; *note* is drawn beside the bars.
    """

    id: str
    name: str
    label: str
    y: float
    bars: tuple[Bar, ...]
    word: str
    began: datetime | None
    work: str
    waits: tuple[str, ...]
    note: "Note | None"

    @property
    def said(self) -> str:
        """The row in words: "2 s of work, 2 h of waiting for Bob Approver"."""
        return self.word or ", ".join([*([f"{self.work} of work"] if self.work else []), *self.waits])


@dataclass(frozen=True, slots=True)
class Note:
    """A few words beside the bars, cut to fit; *is_before* where they end at *x*."""

    x: float
    text: str
    is_before: bool = False


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

    @property
    def left(self) -> float:
        """Where the time begins, right of the labels."""
        return LABEL_W + PAD

    @property
    def room(self) -> float:
        """How wide the time is, from its beginning to its end."""
        return self.width - self.left - PAD

    @property
    def has_pauses(self) -> bool:
        """Whether a step waited between two of its tries."""
        return any(bar.kind == "pause" for row in self.rows for bar in row.bars)


Span = tuple[datetime, datetime]


def timeline(
    entries: Sequence[Entry], began: datetime, now: datetime, retries: Mapping[str, Sequence[RunLog]]
) -> Timeline:
    """Lay out the steps of a run; what is under way ends *now*. *retries* has the log's lines of failed tries."""
    stretches = [_stretches(entry, retries.get(entry.id, ()), now) for entry in entries]
    works = [span for each in stretches for span in each.works]
    pauses = [pause.span for each in stretches for pause in each.pauses]
    waits = [span for each in stretches for span in each.waits]
    ends = [end for _, end in (*works, *pauses, *waits)]
    axis = _Axis(began, max(ends, default=began + timedelta(seconds=1)), works)
    rows = tuple(
        _row(entry, each, place, axis, now) for place, (entry, each) in enumerate(zip(entries, stretches, strict=True))
    )
    said = [f"{_length(works) or duration(0)} of work"]
    said += [f"{length} between tries"] if (length := _length(pauses)) else []
    said += [f"{length} of waiting"] if (length := _length(waits)) else []
    return Timeline(WIDTH, TOP + ROW_H * len(rows) + 8, rows, tuple(axis.marks()), f"{', '.join(said)}.")


@dataclass(frozen=True, slots=True)
class _Pause:
    """Between a try that failed and the next one."""

    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class _Stretches:
    """What a step did when."""

    works: Sequence[Span]
    pauses: Sequence[_Pause]
    waits: Sequence[Span]


def _stretches(entry: Entry, retries: Sequence[RunLog], now: datetime) -> _Stretches:
    if entry.items:  # what they did, not from the first one's beginning to the last one's end
        each = [_stretches(item, (), now) for item in entry.items]
        works = _merged(span for one in each for span in one.works)
        waits = _merged(span for one in each for span in one.waits)
        return _Stretches(works, (), list(_without(waits, works)))
    pauses = list(_pauses(entry, retries, now))
    waits = []
    if entry.wait is not None:
        waits.append((entry.wait.created_at, max(entry.wait.created_at, entry.finished_at or now)))
    return _Stretches(list(_works(entry, pauses, now)), pauses, waits)


def _pauses(entry: Entry, retries: Sequence[RunLog], now: datetime) -> Iterable[_Pause]:
    """Yield the pauses of a step: as long as was planned, or until something shows that the next try began before."""
    seen = [line.at for line in retries] + [call.started_at for call in entry.calls]
    last = retries[-1].at if retries and entry.status is StepStatus.RETRYING else None
    for line in retries:
        planned = line.at + timedelta(seconds=float((line.detail or {}).get("pause_s") or 0))
        ends = [now if line.at == last else planned, now, *(at for at in seen if at > line.at)]
        until = min([*ends, entry.finished_at] if entry.finished_at else ends)
        if until > line.at:
            yield _Pause((line.at, until), line.message.partition(" Trying again in ")[0])


def _works(entry: Entry, pauses: Iterable[_Pause], now: datetime) -> Iterable[Span]:
    """Yield when a step worked: until its wait, if it has one, else until its end; not between two tries."""
    if entry.started_at is None or entry.status in (StepStatus.SKIPPED, StepStatus.PENDING):
        return
    begin = entry.started_at
    for pause in pauses:
        yield begin, max(begin, pause.span[0])
        begin = pause.span[1]
    until = entry.wait.created_at if entry.wait else entry.finished_at or now
    if entry.status is not StepStatus.RETRYING or begin == entry.started_at:
        yield begin, max(begin, until)


def _row(entry: Entry, each: _Stretches, place: int, axis: "_Axis", now: datetime) -> Row:
    y = TOP + ROW_H * place
    top = y + (ROW_H - BAR_H) / 2
    kind = _KINDS.get(entry.status, "idle")
    bars = [axis.bar(span, top, BAR_H, kind, f"{entry.name}: worked") for span in each.works]
    bars += [
        axis.bar(pause.span, top, BAR_H, "pause", f"{entry.name}: {pause.reason} Waited for the next try")
        for pause in each.pauses
    ]
    waits_for = f"{entry.name}: waited for {_waited_for(entry)}"
    bars += [axis.bar(span, top, BAR_H, "wait", waits_for) for span in each.waits]
    for call in entry.calls:
        span = (call.started_at, call.finished_at or now)
        bars.append(axis.bar(span, top + BAR_H - 4, 4, "call", call.about or call.name))
    waits = tuple(_waits(entry, each))
    return Row(
        id=entry.id,
        name=entry.name,
        label=cut_to_fit(entry.name, LABEL_W - 2 * PAD, LABEL_PX),
        y=y,
        bars=tuple(bars),
        word="" if bars else entry.word,
        began=entry.started_at,
        work=_length(each.works),
        waits=waits,
        note=_note(bars, ", ".join(waits)) if bars else Note(LABEL_W + PAD, _fitting(entry.word, WIDTH - LABEL_W)),
    )


def _waits(entry: Entry, each: _Stretches) -> Iterable[str]:
    """Yield how long a step waited and for what: "2 h of waiting for Bob Approver"."""
    for reason in dict.fromkeys(pause.reason for pause in each.pauses):
        spans = [pause.span for pause in each.pauses if pause.reason == reason]
        tries = "the next try" if len(spans) == 1 else f"the next {len(spans)} tries"
        yield f"{_length(spans)} until {tries}: {reason}"
    if each.waits:
        yield f"{_length(each.waits) or duration(0)} of waiting for {_waited_for(entry)}"


def _waited_for(entry: Entry) -> str:
    """Say whom or what a step waited for, or its items did."""
    found = dict.fromkeys(one.waits_for for one in (entry, *entry.items) if one.waits_for)
    return listed(list(found)[:3]) if found else "an answer"


def _note(bars: Sequence[Bar], text: str) -> Note | None:
    """Return where the words have room: after the bars, else before them."""
    begin, end = min(bar.x for bar in bars), max(bar.x + bar.w for bar in bars)
    after, before = WIDTH - end - 2 * PAD, begin - LABEL_W - 2 * PAD
    if not text or max(after, before) < LEAST_NOTE_W:
        return None
    if after >= LEAST_NOTE_W:
        return Note(round(end + PAD, 1), _fitting(text, after))
    return Note(round(begin - PAD, 1), _fitting(text, before), is_before=True)


def _fitting(text: str, width: float) -> str:
    return cut_to_fit(text, width, NOTE_PX)


def _length(spans: Iterable[Span]) -> str:
    found = sum((end - begin).total_seconds() for begin, end in _merged(spans))
    return duration(found) if found else ""


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _without(spans: Sequence[Span], taken: Sequence[Span]) -> Iterable[Span]:
    """Yield what is left of *spans* outside of *taken*; each of them in order and apart."""
    for begin, end in spans:
        for other_begin, other_end in taken:
            if other_begin < end and other_end > begin:
                if other_begin > begin:
                    yield begin, other_begin
                begin = max(begin, other_end)
        if begin < end:
            yield begin, end


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
