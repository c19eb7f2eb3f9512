"""A run's log: what was noted while it ran, and what its records say, as lines in the order of time."""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.definition.schema import Definition
from app.engine.enums import RunStatus, StepStatus, WaitStatus
from app.engine.models import Call, Run, RunLog, StepRun, WaitRow
from app.features.runs import log_rows
from app.features.runs.failure import code_of
from app.features.runs.log_rows import CALL_REFUSED, EVERY, STEP_LEVELS, Kept, Rows
from app.features.runs.words import by_schedule, listed
from app.features.workflows import queries as workflows
from app.web.address import choice
from app.web.filters import duration, money

LEVELS = {"info": "Info", "warning": "Warning", "error": "Error"}
NAMES = {"level": "How serious", "step": "Step", "from": "From", "to": "To"}  # of filters, as the fields are called
LEAST = {"": "Everything", "warning": "Warnings and errors", "error": "Errors"}
SPANS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
PAGE = 100
LOOKED_AT = 1000  # so many of the last lines are read first for those that are wanted
LATE_S = 60  # how long after the time that it says a line may be committed, clocks that differ included
_SEVERITY = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_SAID_ELSEWHERE = frozenset({"trace", "pause_s"})
_ENDED = {"time": "Went on", "sub_run": "Ended"}  # how a wait of a kind ended; else it was answered
_WITHDRAWN = {"time": "The wait was cancelled", "approval": "The request was withdrawn"}
_SECOND = timedelta(seconds=1)
_KEY = re.compile(r"\d{10,11}\.\d{6}-[0-9a-z.-]{1,60}")
_MARK_CHARS = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One line. *key* sorts as the lines do; *detail* is for whoever opens the line."""

    at: datetime
    id: str
    level: str
    event: str
    message: str
    step_id: str = ""
    item: int = -1
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Where the line stands: later lines have greater keys."""
        return f"{_second(self.at)}-{self.id}"

    @property
    def anchor(self) -> str:
        """The line's id in the page; a line that says another time later is another one."""
        return f"line-{self.key.replace('.', '-')}"

    @property
    def mark(self) -> str:
        """A few letters of its own, for a poll's address: of 100 lines, two share them once in ten million times."""
        return urlsafe_b64encode(hashlib.blake2s(self.key.encode(), digest_size=5).digest())[:_MARK_CHARS].decode()

    @property
    def trace(self) -> str:
        """Where a fault of ours happened; for owners alone."""
        return str(self.detail.get("trace") or "")

    @property
    def facts(self) -> dict[str, str]:
        """What else is known of it."""
        shown = {key: value for key, value in self.detail.items() if key not in _SAID_ELSEWHERE}
        return {key: str(value) for key, value in shown.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which lines are wanted: from a level on, of a step, with these words, *since* and *until* a second in *zone*.

    *problems* has a sentence for each filter that could not be read.
    """

    level: str = ""
    step: str = ""
    q: str = ""
    since: datetime | None = None
    until: datetime | None = None
    zone: str = "UTC"
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> dict[str, str]:
        """As it stands in the address."""
        times = {"from": self.typed(self.since), "to": self.typed(self.until)}
        said = {"level": self.level, "step": self.step, "q": self.q, **times}
        return {key: value for key, value in said.items() if value}

    def typed(self, at: datetime | None) -> str:
        """Write a moment as the browser's field has it."""
        return f"{at.astimezone(ZoneInfo(self.zone)):%Y-%m-%dT%H:%M:%S}" if at else ""

    def but(self, since: datetime, until: datetime) -> dict[str, str]:
        """Return the address of the same lines of another time."""
        return replace(self, since=since, until=until).query

    @property
    def kept(self) -> Kept:
        """The rows that wanted lines are made of, and others."""
        levels = (level for level, at in _SEVERITY.items() if self.level and at >= _SEVERITY[self.level])
        return Kept(frozenset(levels), self.step)

    def keeps(self, line: Line, name: str) -> bool:
        """Tell whether a line is wanted; *name* is its step's."""
        if self.level and _SEVERITY.get(line.level, 1) < _SEVERITY[self.level]:
            return False
        if self.step and line.step_id != self.step:
            return False
        if (self.since and line.at < self.since) or (self.until and line.at >= self.until + _SECOND):
            return False
        said = f"{line.message} {name} {line.event} {' '.join(line.facts.values())}".casefold()
        return all(word in said for word in self.q.casefold().split())


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the run's time to choose: its first minute, its last hour."""

    word: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Last:
    """The last lines that were wanted, a page and more where there are more, the oldest first.

    *first* and *end* are the seconds of the first and of the last of all lines of the run.
    """

    found: Sequence[Line]
    first: datetime
    end: datetime

    @property
    def lines(self) -> Sequence[Line]:
        """The lines of the page."""
        return self.found[-PAGE:]

    @property
    def earlier(self) -> str:
        """The place of the page's first line where more come before it; else ""."""
        return self.lines[0].key if len(self.found) > PAGE else ""


@dataclass(frozen=True, slots=True)
class Known:
    """Which lines a page shows already: of those that stand at *since* or later, the ones with these *marks*.

    A line is committed after the time that it says, so the page knows all lines only up to some time ago.
    """

    since: str = ""
    marks: frozenset[str] = frozenset()

    @property
    def begun(self) -> datetime | None:
        """When the lines begin that may be new to the page."""
        return _at(self.since)

    @property
    def query(self) -> dict[str, str]:
        """As it stands in a poll's address."""
        return {"since": self.since, "known": "".join(sorted(self.marks))}

    def new(self, found: Iterable[Line]) -> list[tuple[str, list[Line]]]:
        """Return the lines that the page lacks, each group with the anchor of the line to stand before, or ""."""
        groups: list[tuple[str, list[Line]]] = []
        group: list[Line] = []
        for line in found:
            if line.key < self.since:
                continue
            if line.mark not in self.marks:
                group.append(line)
            elif group:
                groups.append((line.anchor, group))
                group = []
        return [*groups, ("", group)] if group else groups


def known(shown: Sequence[Line], now: datetime) -> Known:
    """Return what a page that shows these lines, read *now*, knows; not more lines than a page begins with."""
    since = max(f"{_second(now - timedelta(seconds=LATE_S))}-0", shown[-PAGE].key if len(shown) > PAGE else "")
    return Known(since, frozenset(line.mark for line in shown if line.key >= since))


def known_of(args: Mapping[str, str]) -> Known:
    """Read from a poll's address what its page knows; of what cannot be read, nothing."""
    said = args.get("known", "")[: (PAGE + 1) * _MARK_CHARS]
    marks = (said[at : at + _MARK_CHARS] for at in range(0, len(said), _MARK_CHARS))
    return Known(key(args, "since"), frozenset(marks))


def asked(args: Mapping[str, str], zone: str, steps: Collection[str]) -> Asked:
    """Read from the address which lines of a run of these *steps* are wanted; what is not understood is left out."""
    problems = dict[str, str]()
    level = choice(args, "level", LEAST.__contains__, problems)
    step = choice(args, "step", steps.__contains__, problems)
    # the hour that comes twice in autumn is wanted whole
    since, until = _time(args, "from", zone, problems, fold=0), _time(args, "to", zone, problems, fold=1)
    if since and until and since > until:
        problems["to"] = "This is before the first time. Choose a later one."
        until = None
    return Asked(
        level=level,
        step=step,
        q=" ".join(args.get("q", "").split())[:100],
        since=since,
        until=until,
        zone=zone,
        problems=problems,
    )


def spans(first: datetime, end: datetime) -> list[Span]:
    """Return the parts of an ended run that are worth a choice: those much shorter than itself."""
    return [
        span
        for word, length in SPANS.items()
        if end - first >= 2 * length
        for span in (
            Span(f"First {word}", first, first + length),
            Span(f"Last {word}", end - length, end),
        )
    ]


def key(args: Mapping[str, str], name: str) -> str:
    """Return the place in the log that *name* says in the address; "" for none."""
    said = args.get(name, "")
    return said if _KEY.fullmatch(said) else ""


def last(session: Session, run: Run, wanted: Asked, names: Mapping[str, str], before: str) -> Last:
    """Return the last lines that are wanted, those before the place *before*; *names* are the steps'.

    Reads the last lines there are, and those before where they have not a page of wanted ones: six statements, or
    eleven. No line is read twice, and of a level or a step no rows that cannot make one.
    """
    until = min((at for at in (_at(before), wanted.until and wanted.until + _SECOND) if at), default=None)
    times = log_rows.times(session, run.id, until, LOOKED_AT if wanted.query else PAGE)
    begun = wanted.since
    edges = [times.edge] if times.edge and (begun is None or times.edge > begun) else []
    found: list[Line] = []
    end: datetime | None = None
    for since in (*edges, begun):
        found[:0] = [
            line
            for line in read(session, run, since, end or until, wanted.kept)
            if (since is None or line.at >= since)
            and (end is None or line.at < end)
            and (not before or line.key < before)
            and wanted.keeps(line, names.get(line.step_id, ""))
        ]
        if len(found) > PAGE:
            break
        end = since
    known = [at for at in (times.first, times.last, run.created_at, run.started_at, run.finished_at) if at]
    return Last(found, min(known).replace(microsecond=0), max(known).replace(microsecond=0))


def read(
    session: Session, run: Run, since: datetime | None = None, until: datetime | None = None, kept: Kept = EVERY
) -> list[Line]:
    """Return the lines of a run, the oldest first; of a time, those at least that say one in it, both ends included.

    Of the rows that are not *kept* some lines may be there as well.

    Five statements, and none of what steps took in or gave out.
    """
    definition = workflows.load_definition(session, run.version_id)
    return lines(run, definition, log_rows.rows(session, run.id, since, until, kept))


def lines(run: Run, definition: Definition, rows: Rows) -> list[Line]:
    """Return all lines of a run, the oldest first."""
    names = {step.id: step.name for step in definition.steps}
    of_row = {row.id: row for row in rows.steps}
    found = [*_of_run(run), *(_noted(row) for row in rows.noted)]
    for row in rows.steps:
        found += _of_step(row, names.get(row.step_id, row.step_id))
    for wait in rows.waits:
        found += _of_wait(wait, of_row.get(wait.step_run_id))
    for call in rows.calls:
        found += _of_call(call, of_row.get(call.step_run_id))
    return sorted(found, key=lambda line: line.key)


def _at(place: str) -> datetime | None:
    """Return the time that a place in the log says."""
    return datetime.fromtimestamp(float(place.partition("-")[0]), UTC) if place else None


def _second(at: datetime) -> str:
    return f"{at.timestamp():017.6f}"


def _time(args: Mapping[str, str], name: str, zone: str, problems: dict[str, str], *, fold: int) -> datetime | None:
    said = args.get(name, "").strip()
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said).replace(microsecond=0)
        if not 2000 <= found.year <= 2200:
            raise ValueError
    except ValueError:
        problems[name] = "This is not a time. Choose one in the calendar, or write it like 2026-11-30T09:15."
        return None
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone), fold=fold)).astimezone(UTC)


def _noted(row: RunLog) -> Line:
    return Line(row.at, row.id, row.level, row.event, row.message, row.step_id or "", detail=row.detail or {})


def _of_run(run: Run) -> Iterator[Line]:
    starter = str((run.facts.get("started_by") or {}).get("name") or "Greenlight")
    said = by_schedule(run.facts, run.started_at or run.created_at) or f"{starter} started the run."
    yield Line(run.created_at, f"{run.id}.0", "info", "run.created", said)
    if run.started_at:
        waited_s = (run.started_at - run.created_at).total_seconds()
        said = f"The first step began {f'after {duration(waited_s)}' if waited_s >= 1 else 'at once'}."
        yield Line(run.started_at, f"{run.id}.1", "info", "run.begun", said)
    if run.finished_at:
        level = "error" if run.status == RunStatus.FAILED else "info"
        said = f"The run {_end(run)}. It cost {money(run.cost_microusd)}."
        yield Line(run.finished_at, f"{run.id}.9", level, "run.ended", said)


def _end(run: Run) -> str:
    if run.status == RunStatus.COMPLETED:
        return "finished without a yes" if run.last_no else "is ready"
    return "failed" if run.status == RunStatus.FAILED else "was stopped"


def _of_step(row: StepRun, name: str) -> Iterator[Line]:
    of = f"“{name}”" + (f", item {row.item + 1}," if row.item >= 0 else "")
    facts = {"step": row.step_id, "step run": row.id}
    if row.started_at:
        yield Line(row.started_at, f"{row.id}.1", "info", "step.begun", f"{of} began.", row.step_id, row.item, facts)
    at = row.finished_at or (row.created_at if row.status in (StepStatus.SKIPPED, StepStatus.CANCELLED) else None)
    if at is None:
        return
    took = f" after {duration((at - row.started_at).total_seconds())}" if row.started_at else ""
    detail = dict(facts)
    if row.attempts > 1:
        detail["tries"] = str(row.attempts)
    if row.cost_microusd:
        detail["cost"] = money(row.cost_microusd)
    match StepStatus(row.status):
        case StepStatus.COMPLETED:
            by = f" with “{row.outcome}”" if row.outcome not in (None, "done") else ""
            said, level = f"{of} finished{by}{took}.", "info"
        case StepStatus.SKIPPED:
            said, level = f"{of} was skipped: {row.reason or 'not needed'}.", "info"
        case StepStatus.CANCELLED:
            said, level = f"{of} was cancelled{': ' + row.reason if row.reason else ''}.", STEP_LEVELS[row.status]
        case StepStatus.FAILED:
            said, level = f"{of} failed{took}.", STEP_LEVELS[row.status]
            detail |= {"code": code_of(str((row.error or {}).get("code") or ""), row.id)}
        case _:
            return
    yield Line(at, f"{row.id}.8", level, f"step.{row.status}", said, row.step_id, row.item, detail)


def _of_wait(wait: WaitRow, row: StepRun | None) -> Iterator[Line]:
    step_id = row.step_id if row else ""
    people = listed(dict.fromkeys(str(email) for email in wait.detail.get("approvers") or ()))
    asked_of = f"Asked {people}." if wait.kind == "approval" and people else "Waits."
    ended = _ENDED.get(wait.kind, "Answered")
    if wait.status == WaitStatus.WITHDRAWN:
        ended = _WITHDRAWN.get(wait.kind, "It is not waited for any more")
    detail = {"wait": wait.id, "until": wait.until or ""}
    yield Line(wait.created_at, f"{wait.id}.2", "info", "wait.begun", asked_of, step_id, detail=detail)
    if wait.decided_at:
        output = wait.output if isinstance(wait.output, dict) else {}
        by = f" by {output['by']}" if output.get("by") else ""
        reason = f" “{output['reason']}”" if output.get("reason") else ""
        left_by = f": {wait.outcome}" if wait.outcome not in (None, "done") else ""
        said = f"{ended}{by}{left_by}.{reason}"
        yield Line(wait.decided_at, f"{wait.id}.3", "info", "wait.decided", said, step_id, detail=detail)


def _of_call(call: Call, row: StepRun | None) -> Iterator[Line]:
    step_id, item = (row.step_id, row.item) if row else ("", -1)
    detail = {"call": call.name, "key": call.key, "state": call.status, "model": call.model}
    if call.tries > 1:
        detail["tries"] = str(call.tries)
    at = call.finished_at or call.started_at
    took = f" in {duration((at - call.started_at).total_seconds())}" if call.finished_at else ""
    what = call.about or call.name
    if call.error:
        said, level = f"{what}: {call.error.get('message') or 'refused'}", CALL_REFUSED
    elif call.finished_at:
        said, level = f"{what}: answered{took}, {money(call.cost_microusd)}.", "info"
    else:
        said, level = f"{what}: asked, no answer yet.", "info"
    yield Line(at, f"{call.id}.4", level, f"call.{call.status}", said, step_id, item, detail)
