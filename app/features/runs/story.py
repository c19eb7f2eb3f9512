"""A run as its page tells it: what it does now, what has arrived, the diagram, every step. Read once, put in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import outbox
from app.definition.lanes import Layout
from app.definition.schema import Definition
from app.engine import line
from app.engine.enums import Effect, RunStatus, StepStatus
from app.engine.line import Place
from app.engine.models import Call, Run, StepRun, WaitRow
from app.features.runs import arriving, beside, diagram, failure, pace, queries, trace
from app.features.runs.arriving import Arriving, Made
from app.features.runs.beside import Standing
from app.features.runs.diagram import Diagram
from app.features.runs.failure import Failure
from app.features.runs.pace import Estimate
from app.features.runs.queries import VersionFacts
from app.features.runs.trace import Chip, Entry
from app.features.runs.words import by_schedule, listed, moment
from app.features.workflows import queries as workflows
from app.web.filters import duration, money, ordinal, plural

__all__ = ["Layout", "Now", "Story", "chip_of", "etag", "tell"]

TRY_SAID_AGAIN_S = 5
LINE_SAID_AGAIN_S = 30  # far back in line; the nearer the sooner
WAIT_SAID_AGAIN_S = 60
_PAUSES = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.NEEDS_ATTENTION})
_RESUMES = frozenset({RunStatus.PAUSING, RunStatus.PAUSED})
_STOPS = _PAUSES | _RESUMES


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
    undoable: tuple[WaitRow, ...] = ()  # decided, not in effect yet
    trying: tuple[Entry, ...] = ()  # steps between two tries
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """All that the run page shows."""

    run: Run
    etag: str
    version: VersionFacts
    starter: str
    schedule: str  # in a sentence, which one started it; "" where none did
    now: Now
    failure: Failure | None
    arriving: Arriving
    diagram: Diagram
    entries: Sequence[Entry]
    poll_s: int
    made: Mapping[str, Made]  # by step: what it wrote and drew
    started: Mapping[str, tuple[str, int]]  # by step: id and number of the run that it started
    continues: tuple[str, int] | None  # id and number of the run that it follows, taking over or starting over
    continued_by: tuple[str, int] | None  # and of the last one that follows it
    say_again_at: datetime | None = None  # when what it says is old though nothing has changed


def etag(changed_at: datetime, status: str) -> str:
    """Return what a reader has seen of a run: it changes with everything the page shows."""
    return f"{status}-{changed_at.timestamp():.6f}"


def tell(session: Session, run: Run, *, zone: str, now: datetime, me: str = "") -> Story:
    """Read a run and put it in words; the number of statements does not depend on how much there is.

    *me* is the reader's address: the page says "you" where it would say their name.
    """
    definition = workflows.load_definition(session, run.version_id)
    rows = queries.step_runs(session, run.id)
    is_untouched = run.status == RunStatus.QUEUED and not rows  # then nothing hangs on it either
    calls = [] if is_untouched else queries.calls(session, run.id)
    waits = [] if is_untouched else queries.waits(session, run.id)
    people = trace.called(queries.names_by_email(session, run.workspace_id, trace.people_of(waits)), me)
    is_held = any(row.status == StepStatus.PENDING and row.effect == Effect.SENDS for row in rows) and bool(
        session.scalar(sa.select(outbox.is_held(run.workspace_id)))
    )
    place = _place(session, run, rows)
    stands = ordinal(place.number) if place else ""
    recorded = trace.Recorded(
        definition, run.inputs, run.facts, rows, calls, waits, people, zone, is_held, stands
    )
    entries = _with_ways(definition, trace.trace(recorded, now))
    ways = beside.to_tell(definition, _statuses(entries), is_open=run.is_open)
    has_things = not is_untouched or run.continues_run_id is not None
    documents = queries.arrived_documents(session, run) if has_things else []
    pictures = queries.arrived_pictures(session, run) if has_things else []
    arrived = arriving.arriving(
        entries,
        documents=documents,
        pictures=pictures,
        title=_heading(run),
        has_ended=not run.is_open,
    )
    sent = _sent(rows, calls, [] if is_untouched else queries.outbox_counts(session, run.id))
    left = _left(session, run, definition, entries, now)
    continues, continued_by = queries.continued(session, run)
    failed = (
        failure.failure(entries, arrived.things, sent.sentence, (run.error or {}).get("step"))
        if run.status == RunStatus.FAILED
        else None
    )
    return Story(
        run=run,
        etag=etag(run.changed_at, run.status),
        version=queries.version_facts(session, run),
        starter=str((run.facts.get("started_by") or {}).get("name") or "Greenlight"),
        schedule=by_schedule(run.facts, run.started_at or run.created_at),
        now=_now(run, entries, _is_unanswered(rows), arrived, sent, left, place, ways, zone, now),
        failure=failed,
        arriving=arrived,
        diagram=diagram.diagram(definition, run.version_id, entries),
        entries=entries,
        poll_s=_poll_s(run, entries),
        made=arriving.made(entries, documents, pictures),
        started=_started(session, entries),
        continues=continues,
        continued_by=continued_by,
        say_again_at=_say_again_at(run, entries, left, place, now),
    )


def _say_again_at(
    run: Run, entries: Sequence[Entry], left: Estimate | None, place: Place | None, now: datetime
) -> datetime | None:
    """Return when what is said of the time is old: of what is left, and sooner of the next try and the place in line.

    Other runs leave the line, and minutes pass since somebody was asked, without a change of this run.
    """
    if run.status == RunStatus.WAITING:
        return now + timedelta(seconds=WAIT_SAID_AGAIN_S)
    if run.status not in (RunStatus.QUEUED, RunStatus.RUNNING):
        return None
    moments = [left.say_again_at] if left else []
    if any(_trying(entries)):
        moments.append(now + timedelta(seconds=TRY_SAID_AGAIN_S))
    if place is not None:
        moments.append(now + timedelta(seconds=min(max(place.number, TRY_SAID_AGAIN_S), LINE_SAID_AGAIN_S)))
    return min(moments, default=None)


def _statuses(entries: Sequence[Entry]) -> dict[str, StepStatus]:
    return {entry.id: entry.status for entry in entries if entry.step_run_id}


def _with_ways(definition: Definition, entries: Sequence[Entry]) -> list[Entry]:
    """Let a step that only begins several ways say how they stand."""
    statuses = _statuses(entries)
    stand = {fork.source: beside.standing(definition, fork, statuses) for fork in beside.forks(definition)}
    return [
        replace(entry, word=ways.said, note=ways.said)
        if entry.type == "parallel" and (ways := stand.get(entry.id)) and entry.status is StepStatus.COMPLETED
        else entry
        for entry in entries
    ]


def _started(session: Session, entries: Sequence[Entry]) -> dict[str, tuple[str, int]]:
    """Return the runs that steps of this one have started; no such steps, no read."""
    step_of = {step_run: e.id for e in entries if e.type == "run_workflow" for step_run in e.step_run_ids}
    return {step_of[of]: (run_id, number) for of, run_id, number in queries.runs_of_steps(session, list(step_of))}


def _place(session: Session, run: Run, rows: Sequence[StepRun]) -> Place | None:
    """Return where the run stands in line; reads nothing for a run that does not."""
    if run.status == RunStatus.QUEUED and not rows:
        return line.place_of_queued(session, run.id, run.created_at)
    if run.status != RunStatus.RUNNING or not any(line.stands(row.status, row.effect) for row in rows):
        return None
    return line.places(session, run.workspace_id, [run.id]).get(run.id)


def in_line(place: Place) -> tuple[Chip, str]:
    """Return the chip and the sentence of a run in line: "3rd in line, about 4 min"."""
    if place.number >= line.MOST:
        return Chip("idle", "clock", "In line"), f"In line, after at least {line.MOST - 1} others."
    number = ordinal(place.number)
    about = f", about {duration(max(60.0, place.wait_s // 60 * 60))}" if place.wait_s is not None else ""
    return Chip("idle", "clock", f"In line, {number}"), f"{number} in line{about}."


def _left(
    session: Session, run: Run, definition: Definition, entries: Sequence[Entry], now: datetime
) -> Estimate | None:
    if not run.is_open:
        return None
    states = {entry.id: pace.State(entry.status, entry.started_at) for entry in entries if entry.step_run_id}
    usual = pace.paces(session, [run.workflow_id]).get(run.workflow_id)
    return pace.estimate(definition, states, usual, now)


def chip_of(run: Run) -> Chip:
    """Return a run's status as icon, word and colour, for lists: without whom it waits for.

    A run that nobody said yes to is finished, but not ready.
    """
    if run.status == RunStatus.COMPLETED and run.last_no:
        return _NOES.get(run.last_no, _NO)
    return _CHIPS[RunStatus(run.status)]


# --- what it does now ---


@dataclass(frozen=True, slots=True)
class _Sent:
    number: int
    requests: int
    kept: int
    withdrawn: int

    @property
    def fact(self) -> tuple[str, str]:
        if self.number:
            rest = f", {self.withdrawn} withdrawn" if self.withdrawn else ""
            return plural(self.number, "message"), f"left the house{rest}"
        if self.withdrawn:
            also = "but the request for approval, " if self.requests else ""
            return "Nothing", f"left: {also}{plural(self.withdrawn, 'mail')} withdrawn"
        if self.requests:
            return plural(self.requests, "request"), "mailed, nothing else left"
        if self.kept:
            return "Nothing", f"left: {plural(self.kept, 'mail')} kept in the outbox"
        return "Nothing", "has left the house yet"

    @property
    def sentence(self) -> str:
        if self.number:
            verb = "was" if self.number == 1 else "were"
            return f"{plural(self.number, 'message')} {verb} already sent."
        if self.requests:
            return "Nothing was sent but the request for approval."
        return "Nothing was sent."


def _sent(
    rows: Sequence[StepRun], calls: Sequence[Call], outbox: Sequence[tuple[str | None, str, int]]
) -> _Sent:
    reviews = {row.id for row in rows if row.type == "review"}
    sends = {row.id for row in rows if row.effect == Effect.SENDS}
    number = sum(n for step_run_id, status, n in outbox if status == "sent" and step_run_id not in reviews)
    number += sum(call.step_run_id in sends and call.finished_at is not None and call.error is None for call in calls)
    requests = sum(n for step_run_id, status, n in outbox if status == "sent" and step_run_id in reviews)
    kept = sum(n for _, status, n in outbox if status == "kept")
    withdrawn = sum(n for _, status, n in outbox if status == "withdrawn")
    return _Sent(number, requests, kept, withdrawn)


def _now(
    run: Run,
    entries: Sequence[Entry],
    is_unanswered: bool,
    arrived: Arriving,
    sent: _Sent,
    left: Estimate | None,
    place: Place | None,
    ways: Standing | None,
    zone: str,
    now: datetime,
) -> Now:
    status = RunStatus(run.status)
    asks = tuple(
        entry.wait
        for entry in entries
        if status in _STOPS
        and entry.wait
        and entry.status is StepStatus.WAITING
        and entry.wait.kind == "approval"
    )
    chip, sentence, more = _said(run, entries, is_unanswered, arrived, left, place, zone, now)
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
        asks=tuple(wait for wait in asks if not _is_undoable(wait, now)),
        undoable=tuple(wait for wait in asks if _is_undoable(wait, now)),
        trying=tuple(_trying(entries)) if status in _PAUSES else (),
        since=run.started_at if status in (RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.STOPPING) else None,
    )


def _trying(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if entry.status is StepStatus.RETRYING and not entry.items:
            yield entry
        yield from _trying(entry.items)


def _is_undoable(wait: WaitRow, now: datetime) -> bool:
    return wait.effective_at is not None and wait.effective_at > now


def _percent(run: Run, entries: Sequence[Entry]) -> int:
    """Count settled steps whole and those under way by their parts; in a run that was stopped, what was done."""
    if run.status in (RunStatus.COMPLETED, RunStatus.STOPPED) or not entries:
        return round(100 * run.progress)
    parts = sum(entry.done / entry.total for entry in entries if entry.status is StepStatus.RUNNING and entry.total)
    settled = sum(entry.status.is_settled for entry in entries)
    return min(99, round(100 * (settled + parts) / len(entries)))


_CHIPS: dict[RunStatus, Chip] = {
    RunStatus.QUEUED: Chip("idle", "clock", "In line"),
    RunStatus.RUNNING: Chip("run", "loader-2", "Running"),
    RunStatus.WAITING: Chip("wait", "user-question", "Waiting"),
    RunStatus.NEEDS_ATTENTION: Chip("care", "alert-triangle", "Needs an answer"),
    RunStatus.PAUSING: Chip("idle", "player-pause", "Pausing after this step"),
    RunStatus.PAUSED: Chip("idle", "player-pause", "Paused"),
    RunStatus.STOPPING: Chip("idle", "player-stop", "Stopping"),
    RunStatus.COMPLETED: Chip("go", "circle-check", "Ready"),
    RunStatus.FAILED: Chip("bad", "circle-x", "Failed"),
    RunStatus.STOPPED: Chip("idle", "player-stop", "Stopped"),
}


# How a run ended whose last answer was no yes; the look of rejected and unanswered documents.
_NO = Chip("bad", "circle-x", "Rejected")
_NOES = {
    "rejected": _NO,
    "expired": Chip("care", "alert-triangle", "Nobody answered"),
}


def _said(
    run: Run,
    entries: Sequence[Entry],
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
            return _waiting(entries, left, zone, now)
        case RunStatus.NEEDS_ATTENTION:
            first = _asking(entries)
            if first is None:  # answered, and nobody has taken the run up since
                return _CHIPS[RunStatus.RUNNING], "Your answer is noted. The run goes on in a moment.", ""
            error = first.error or {}
            said = f"“{first.name}” needs an answer."
            return chip, str(error.get("message") or said), str(error.get("fix") or "")
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
    return next((entry for entry in entries if entry.status is StepStatus.NEEDS_ATTENTION), None)


def _poll_s(run: Run, entries: Sequence[Entry]) -> int:
    """Return how often the page asks: often while a machine works, seldom while a person has it."""
    is_taken_up = run.status == RunStatus.NEEDS_ATTENTION and _asking(entries) is None
    if run.status in (RunStatus.QUEUED, RunStatus.RUNNING) or is_taken_up:
        return 2
    return 5 if run.is_open else 0


def _finished(
    run: Run, entries: Sequence[Entry], is_unanswered: bool, ready: str, made: str
) -> tuple[Chip, str, str]:
    """Say what is ready, or that nobody said yes to it and why."""
    chip = chip_of(run)
    if not run.last_no:
        return chip, f"Ready: {ready}." if ready else "Done: every step has finished.", _decided(entries)
    if not is_unanswered:
        return chip, f"Finished without a yes. {made}".rstrip(), _decided(entries)
    counts = "That counts as rejected." if run.last_no == "rejected" else ""
    return chip, f"Nobody answered in time, so it finished without a yes. {made}".rstrip(), counts


def _running(
    chip: Chip, entries: Sequence[Entry], left: Estimate | None, place: Place | None
) -> tuple[Chip, str, str]:
    """Say what is being done, or what keeps it from being done."""
    held = next((entry for entry in entries if entry.note == trace.HELD_NOTE), None)
    if any(entry.is_under_way for entry in entries):
        chip = Chip("run", "rotate-clockwise", "Trying again") if _tries_alone(entries) else chip
        return chip, _working(entries), _next(entries, left)
    if held is None and place is not None:
        return *in_line(place), "It begins by itself as soon as there is a place."
    if held is not None:
        said = f"{trace.HELD}: {trace.HELD_NOTE}."
        return held.chip, said, "It goes on by itself when an owner switches sending on again."
    return chip, _working(entries), _next(entries, left)


def _tries_alone(entries: Sequence[Entry]) -> bool:
    """Tell whether all that is under way are steps between two tries; each has a line that says when."""
    busy = [entry for entry in entries if entry.is_under_way]
    return bool(busy) and all(entry.status is StepStatus.RETRYING and not entry.doing for entry in busy)


def _working(entries: Sequence[Entry]) -> str:
    """Say what is being done: the steps' own sentences, else their names."""
    busy = [entry for entry in entries if entry.is_under_way]
    told = [entry.doing.rstrip(".") for entry in busy if entry.doing]
    if told:
        return ". ".join(told[:2]) + "."
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
    again = [each.name for entry in entries for each in (entry, *entry.items) if each.is_begun_again]
    if again:
        names = listed([f"“{name}”" for name in again[:3]])
        return f"A worker stopped; {names} {'is' if len(again) == 1 else 'are'} begun again."
    if left is None or left.late is None:
        return ""
    late = left.late
    name = next((entry.name for entry in entries if entry.id == late.step_id), "")
    return f"“{name}”: {late.said[0].lower()}{late.said[1:]}."


def _waiting(
    entries: Sequence[Entry], left: Estimate | None, zone: str, now: datetime
) -> tuple[Chip, str, str]:
    waiting = [entry for entry in entries if entry.status is StepStatus.WAITING]
    first = next((e for e in waiting if e.wait and e.wait.kind == "approval"), waiting[0] if waiting else None)
    if first is None or first.wait is None:
        return _CHIPS[RunStatus.WAITING], "Waiting.", ""
    wait = first.wait
    if wait.kind == "time":
        until = f" until {moment(wait.until, zone, now)}" if wait.until else ""
        return Chip("wait", first.chip.icon, first.word), f"“{first.name}” waits{until}.", "It goes on by itself."
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
    verb = "decide" if who == trace.YOU else "decides"
    return Chip("wait", first.chip.icon, first.word), f"{who[:1].upper()}{who[1:]} {verb}: “{title}”.", more


def _since(at: datetime, zone: str, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    if seconds < 60:
        return "just now"
    return f"{duration(seconds // 60 * 60)} ago" if seconds < 3600 else moment(at, zone, now)


def _is_unanswered(rows: Sequence[StepRun]) -> bool:
    """Tell whether the last review ended by its time alone."""
    reviews = [(row.finished_at, row) for row in rows if row.type == "review" and row.finished_at and row.outcome]
    last = max(reviews, key=lambda each: each[0], default=None)
    return last is not None and queries.by_nobody(last[1].output)


def _heading(run: Run) -> str:
    """Say what the things of a run are: on their way, ready, or what became of them."""
    if run.status == RunStatus.COMPLETED:
        return "Not approved" if run.last_no == "expired" else chip_of(run).word
    return "Arriving" if run.is_open else "What is there"


def _decided(entries: Sequence[Entry]) -> str:
    """Say who approved, where somebody did."""
    reviews = [entry for entry in entries if entry.type == "review" and entry.status is StepStatus.COMPLETED]
    said = [entry.came_out[0].rstrip(".") for entry in reviews if entry.came_out]
    return f"{'. '.join(said[:2])}." if said else ""
