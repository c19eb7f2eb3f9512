"""The Now card of a run's page: one sentence that says what it does, how far it is, and the buttons."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.engine.enums import RunStatus, StepStatus
from app.engine.line import Place
from app.engine.models import Run, WaitRow
from app.features.runs import pace, wait_words
from app.features.runs.arriving import Arriving
from app.features.runs.beside import Standing
from app.features.runs.chips import CHIPS, HELD, HELD_NOTE, UNKNOWN_NOTE, Chip, chip_of, in_line
from app.features.runs.pace import Estimate
from app.features.runs.queries import Below
from app.features.runs.sent import Sent
from app.features.runs.trace import Entry
from app.features.runs.words import clipped, ended, listed, moment
from app.web.filters import duration, money, plural

_PAUSES = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.NEEDS_ATTENTION})
_RESUMES = frozenset({RunStatus.PAUSING, RunStatus.PAUSED})
_STOPS = _PAUSES | _RESUMES
_WORKS = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.STOPPING})


@dataclass(frozen=True, slots=True)
class Now:
    """The Now card. *percent* is 0–100, *asks* the waits that people must answer, *since* when it began to work.

    *is_glad* tells that the run is ready and nobody said no; *ways* how those stand that go on at the same time.
    """

    chip: Chip
    sentence: str
    more: str
    percent: int
    bar: str
    meter: tuple[tuple[str, str], ...]
    can_pause: bool
    can_resume: bool
    can_stop: bool
    sent: str
    is_glad: bool
    ways: str = ""
    late: str = ""
    asks: tuple[WaitRow, ...] = ()
    ask_names: tuple[str, ...] = ()  # the words on the buttons of several requests
    ask_steps: tuple[str, ...] = ()  # the steps that they belong to
    undoable: tuple[WaitRow, ...] = ()  # decided, not in effect yet
    trying: tuple[Entry, ...] = ()  # steps between two tries
    asking: Entry | None = None  # the step, or the item of one, that needs an answer
    since: datetime | None = None


def now_card(
    run: Run,
    entries: Sequence[Entry],
    below: Mapping[str, Below],
    is_unanswered: bool,
    arrived: Arriving,
    sent: Sent,
    left: Estimate | None,
    place: Place | None,
    ways: Standing | None,
    zone: str,
    now: datetime,
) -> Now:
    """Say what the run does now, what has left the house, and what can be done about it."""
    status = RunStatus(run.status)
    asking = [
        entry
        for entry in _each(entries)
        if status in _STOPS
        and entry.wait
        and entry.status is StepStatus.WAITING
        and entry.wait.kind == "approval"
    ]
    open_asks = [(entry, entry.wait) for entry in asking if entry.wait and not _is_undoable(entry.wait, now)]
    chip, sentence, more = _said(run, entries, below, is_unanswered, arrived, left, place, zone, now)
    began = run.started_at or run.created_at
    worked = duration(((run.finished_at or now) - began).total_seconds()) if run.started_at else "Not yet"
    took = ("it took in all" if not run.is_open else "so far") if run.started_at else "begun"
    spent = "spent so far" if run.is_open else "spent"
    limit = f"of at most {money(run.budget_microusd)}" if run.budget_microusd else spent
    done = run.steps_total if status is RunStatus.COMPLETED else run.steps_done
    bold, rest = sent.fact
    return Now(
        chip=chip,
        sentence=sentence,
        more=more,
        percent=_percent(run, entries),
        is_glad=status is RunStatus.COMPLETED and chip.kind == "go",
        bar={"go": "go", "wait": "wait"}.get(chip.kind, ""),
        meter=(
            (f"{done} of {run.steps_total}", "steps done"),
            *([(ways.said, "at the same time")] if ways else []),
            (worked, took),
            (money(run.cost_microusd), limit),
            (bold, rest if run.is_open else rest.removesuffix(" yet")),
        ),
        ways=ways.said if ways else "",
        late=_late(left, entries) if status is RunStatus.RUNNING else "",
        can_pause=status in _PAUSES,
        can_resume=status in _RESUMES and not run.is_paused_above,
        can_stop=status in _STOPS,
        sent=sent.sentence,
        asks=tuple(wait for _, wait in open_asks),
        ask_names=_ask_names(open_asks),
        ask_steps=tuple(entry.id for entry, _ in open_asks),
        undoable=tuple(entry.wait for entry in asking if entry.wait and _is_undoable(entry.wait, now)),
        asking=_asking(entries),
        trying=tuple(trying(entries)) if status in _PAUSES else (),
        since=run.started_at if status in (RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.STOPPING) else None,
    )


def trying(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the steps between two tries, items too."""
    for entry in entries:
        if entry.status is StepStatus.RETRYING and not entry.items:
            yield entry
        yield from trying(entry.items)


def poll_s(run: Run, entries: Sequence[Entry]) -> int:
    """Return how often the page asks: often while a machine works, seldom while a person has it."""
    is_taken_up = run.status == RunStatus.NEEDS_ATTENTION and _asking(entries) is None
    if run.status in _WORKS or is_taken_up:
        return 2
    return 5 if run.is_open else 0


def _ask_names(asks: Sequence[tuple[Entry, WaitRow]]) -> tuple[str, ...]:
    """Name the requests by what they ask; those that ask alike by their steps and items."""
    if len(asks) == 1:
        return ("Open the request",)
    titles = [clipped(str(wait.detail.get("title") or entry.name), 48) for entry, wait in asks]
    are_told_apart = len(set(titles)) == len(titles)
    return tuple(
        f"Open “{title if are_told_apart else clipped(entry.name, 48)}”"
        for title, (entry, _) in zip(titles, asks, strict=True)
    )


def _is_undoable(wait: WaitRow, now: datetime) -> bool:
    return wait.effective_at is not None and wait.effective_at > now


def _percent(run: Run, entries: Sequence[Entry]) -> int:
    """Count settled steps whole and those under way by their parts; in a run that was stopped, what was done."""
    if run.status in (RunStatus.COMPLETED, RunStatus.STOPPED) or not entries:
        return round(100 * run.progress)
    parts = sum(entry.done / entry.total for entry in entries if entry.status is StepStatus.RUNNING and entry.total)
    settled = sum(entry.status.is_settled for entry in entries)
    return min(99, round(100 * (settled + parts) / len(entries)))


def _said(
    run: Run,
    entries: Sequence[Entry],
    below: Mapping[str, Below],
    is_unanswered: bool,
    arrived: Arriving,
    left: Estimate | None,
    place: Place | None,
    zone: str,
    now: datetime,
) -> tuple[Chip, str, str]:
    """Return the chip, the sentence and the line below it."""
    status, chip = RunStatus(run.status), chip_of(run)
    made = f"There {'is' if arrived.is_one else 'are'} {listed(arrived.things)}." if arrived.things else ""
    match status:
        case RunStatus.QUEUED:
            said = "In line. It starts as soon as a worker is free."
            return *((chip, said) if place is None else in_line(place)), _next(entries, left)
        case RunStatus.RUNNING:
            return _running(chip, entries, left, place)
        case RunStatus.WAITING:
            return _waiting(entries, below, left, run.label, zone, now)
        case RunStatus.NEEDS_ATTENTION:
            first = _asking(entries)
            if first is None:  # answered, and nobody has taken the run up since
                return CHIPS[RunStatus.RUNNING], "Your answer is noted. The run goes on in a moment.", ""
            error = first.error or {}
            said = f"“{first.name}” needs an answer."
            which = f" ({first.about})" if first.about else ""
            asks = f"It is “{first.name}”{which} that asks." if error.get("message") else ""
            return chip, str(error.get("message") or said), f"{asks} {error.get('fix') or ''}".strip()
        case RunStatus.PAUSING if any(entry.is_under_way for entry in entries):
            return chip, "Pausing: what is under way is finished first.", _working(entries)
        case RunStatus.PAUSING | RunStatus.PAUSED:
            word = "Pausing" if status is RunStatus.PAUSING else "Paused"
            if run.is_paused_above:
                return chip, f"{word} with the run that it belongs to, and goes on with it.", made
            return chip, f"{word}. Nothing new begins until you resume it.", made
        case RunStatus.STOPPING:
            return chip, "Stopping what is under way.", ""
        case RunStatus.COMPLETED:
            return _finished(run, entries, is_unanswered, listed(arrived.things), made)
        case RunStatus.STOPPED:
            return chip, "Stopped. What was finished is kept, nothing more will happen.", made
        case _:
            return chip, "This run failed.", made


def _asking(entries: Sequence[Entry]) -> Entry | None:
    return next((entry for entry in _each(entries) if entry.status is StepStatus.NEEDS_ATTENTION), None)


def _finished(
    run: Run, entries: Sequence[Entry], is_unanswered: bool, ready: str, made: str
) -> tuple[Chip, str, str]:
    """Say what is ready, or that nobody said yes to it and why."""
    chip = chip_of(run)
    if not run.last_no:
        lacking = [f"“{entry.name}”: {entry.lacking}." for entry in entries if entry.lacking]
        said = f"Ready: {ready}." if ready else "Done: every step has finished."
        return chip, said, " ".join([*lacking, *([_decided(entries)] if _decided(entries) else [])])
    if not is_unanswered:
        return chip, f"Finished without a yes. {made}".rstrip(), _decided(entries)
    counts = "That counts as rejected." if run.last_no == "rejected" else ""
    return chip, f"Nobody answered in time, so it finished without a yes. {made}".rstrip(), counts


def _running(
    chip: Chip, entries: Sequence[Entry], left: Estimate | None, place: Place | None
) -> tuple[Chip, str, str]:
    """Say what is being done, or what keeps it from being done."""
    held = next((entry for entry in entries if entry.note == HELD_NOTE), None)
    unknown = next((entry for entry in _each(entries) if entry.note == UNKNOWN_NOTE), None)
    if any(entry.is_under_way for entry in entries):
        chip = Chip("run", "rotate-clockwise", "Trying again") if _tries_alone(entries) else chip
        return chip, _working(entries), _next(entries, left)
    if unknown is not None:  # an old program beside a new one, or a package that was taken away
        said = f"“{unknown.name}” cannot begin: {UNKNOWN_NOTE} (“{unknown.type}”)."
        return unknown.chip, said, "It begins by itself as soon as one does: after an update, or with its package."
    if held is None and place is not None:
        return *in_line(place), "It begins by itself as soon as there is a place."
    if held is not None:
        said = f"{HELD.word}: {HELD_NOTE}."
        return held.chip, said, "It goes on by itself when an owner switches sending on again."
    return chip, _working(entries), _next(entries, left)


def _tries_alone(entries: Sequence[Entry]) -> bool:
    """Tell whether all that is under way are steps between two tries; each has a line that says when."""
    busy = [entry for entry in entries if entry.is_under_way]
    return bool(busy) and all(entry.status is StepStatus.RETRYING and not entry.doing for entry in busy)


def _working(entries: Sequence[Entry]) -> str:
    """Say what is being done: the steps' own sentences, else their names."""
    busy = [entry for entry in entries if entry.is_under_way]
    told = [ended(entry.doing) for entry in busy if entry.doing]
    if told:
        return " ".join(told[:2])
    if not busy:
        return "Getting the next step ready."
    if _tries_alone(entries):
        return f"“{busy[0].name}” did not work yet."
    names = [f"“{entry.name}”" for entry in busy if entry.status is StepStatus.RUNNING]
    return f"Working on {listed(names[:3])}."


def _next(entries: Sequence[Entry], left: Estimate | None) -> str:
    """Say how much work is left, and whom it will ask then; without an estimate, only whom."""
    if left is not None:
        name = next((entry.name for entry in entries if entry.id == left.stop), "")
        usually = f" (usually answered in {pace.rough(left.stop_wait_s)})" if left.stop_wait_s else ""
        return f"{left.left} of work left{f', then “{name}”{usually}' if name else ''}."
    ahead = (entry for entry in entries if entry.type == "review" and entry.step_run_id is None)
    review = next(ahead, None)
    return f"Then “{review.name}”: a person decides." if review else "You can close this page meanwhile."


def _late(left: Estimate | None, entries: Sequence[Entry]) -> str:
    """Say what takes longer than usual, and before that what a worker stopped under."""
    again = [entry.name for entry in _each(entries) if entry.is_begun_again]
    if again:
        names = listed([f"“{name}”" for name in again[:3]])
        return f"A worker stopped; {names} {'is' if len(again) == 1 else 'are'} begun again."
    if left is None or left.late is None:
        return ""
    late = left.late
    name = next((entry.name for entry in entries if entry.id == late.step_id), "")
    return f"“{name}”: {late.said[0].lower()}{late.said[1:]}."


def _each(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield every step, and of one that is done for several items each of them."""
    for entry in entries:
        yield entry
        yield from entry.items


def _waiting(
    entries: Sequence[Entry],
    below: Mapping[str, Below],
    left: Estimate | None,
    label: str,
    zone: str,
    now: datetime,
) -> tuple[Chip, str, str]:
    waiting = [entry for entry in _each(entries) if entry.status is StepStatus.WAITING]
    first = next((e for e in waiting if e.wait and e.wait.kind == "approval"), waiting[0] if waiting else None)
    if first is None or first.wait is None:
        return CHIPS[RunStatus.WAITING], "Waiting.", ""
    wait = first.wait
    if wait.kind == "time":
        until = f" until {moment(wait.until, zone, now)}" if wait.until else ""
        return Chip("wait", first.chip.icon, first.word), f"“{first.name}” waits{until}.", "It goes on by itself."
    if wait.kind == "sub_run":
        return _waiting_for_run(waiting, below)
    if wait.kind != "approval":
        said = f"“{first.name}” waits for {first.waits_for}."
        return Chip("wait", first.chip.icon, first.word), said, "It goes on by itself when that one answers."
    if wait.decided_at is not None and wait.effective_at is not None and wait.effective_at > now:
        then = moment(wait.effective_at, zone, now)
        chip = Chip("wait", "clock", "Decided")
        return chip, f"Decided. The next step starts {then}.", "Nothing begins until then."
    title = str(wait.detail.get("title") or first.name)
    who = first.word.removeprefix("Waiting for ")
    more = f"Asked {_since(wait.created_at, zone, now)}."
    if wait.until:
        more += f" The answer is due {moment(wait.until, zone, now)}."
    if left and left.stop == first.id and left.stop_wait_s:
        more += f" Usually answered in {pace.rough(left.stop_wait_s)}."
    verb = "decide" if who == wait_words.YOU or who.endswith("others") else "decides"
    what = f": “{title}”."
    if wait_words.says_again(title, label):
        number = len(wait.detail.get("documents") or ())
        what = f" about {plural(number, 'text')}." if number else "."
    subject = who if "@" in who.split(" ")[0] else f"{who[:1].upper()}{who[1:]}"  # an address is written as it is
    return Chip("wait", first.chip.icon, first.word), f"{subject} {verb}{what}", more


_BY_ITSELF = "It goes on by itself when that one is finished."
_HOW = {
    RunStatus.NEEDS_ATTENTION: "It needs an answer: open it to give one.",
    RunStatus.PAUSED: "It is paused: this one goes on when somebody resumes it.",
    RunStatus.WAITING: "It waits, too: open it to see for whom or what.",
}


def _waiting_for_run(waiting: Sequence[Entry], below: Mapping[str, Below]) -> tuple[Chip, str, str]:
    """Say for which run a run waits, one that needs a person before others, and how that stands."""
    runs = [(entry, below[str(entry.step_run_id)]) for entry in waiting if str(entry.step_run_id) in below]
    order = [*_HOW, *(status for status in RunStatus if status not in _HOW)]
    first, run = min(runs, key=lambda each: order.index(each[1].status), default=(waiting[0], None))
    chip = Chip("wait", first.chip.icon, first.word)
    if run is None:
        return chip, f"“{first.name}” waits for another run.", _BY_ITSELF
    return chip, f"“{first.name}” waits for run {run.number}.", _HOW.get(run.status, _BY_ITSELF)


def _since(at: datetime, zone: str, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    if seconds < 60:
        return "just now"
    return f"{duration(seconds // 60 * 60)} ago" if seconds < 3600 else moment(at, zone, now)


def _decided(entries: Sequence[Entry]) -> str:
    """Say who approved, where somebody did."""
    reviews = [entry for entry in entries if entry.type == "review" and entry.status is StepStatus.COMPLETED]
    said = [entry.came_out[0].rstrip(".") for entry in reviews if entry.came_out]
    return f"{'. '.join(said[:2])}." if said else ""
