"""A run as its page tells it: what it does now, what has arrived, the diagram, every step. Read once, put in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import outbox
from app.definition.schema import Definition
from app.engine import line
from app.engine.enums import Effect, RunStatus, StepStatus
from app.engine.line import Place
from app.engine.models import Run, StepRun
from app.features.runs import (
    arriving,
    beside,
    diagram,
    failure,
    now_card,
    pace,
    queries,
    sent,
    trace,
    wait_words,
)
from app.features.runs.arriving import Arriving, Made
from app.features.runs.chips import chip_of
from app.features.runs.diagram import Diagram
from app.features.runs.failure import Failure
from app.features.runs.now_card import Now
from app.features.runs.pace import Estimate
from app.features.runs.queries import Below, VersionFacts
from app.features.runs.trace import Entry
from app.features.runs.words import by_schedule
from app.features.workflows import queries as workflows
from app.web.filters import ordinal

TRY_SAID_AGAIN_S = 5
LINE_SAID_AGAIN_S = 30  # far back in line; the nearer the sooner
WAIT_SAID_AGAIN_S = 60
@dataclass(frozen=True, slots=True)
class Story:
    """All that the run page shows."""

    run: Run
    name: str  # with its workflow's name of now
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
    started: Mapping[str, tuple[str, int]]  # by step run: id and number of the run that it started
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
    goes_out = any(row.effect != Effect.NONE for row in rows)  # no other step makes calls or mails
    calls = queries.calls(session, run.id) if goes_out else []
    waits = [] if is_untouched else queries.waits(session, run.id)
    people = wait_words.called(queries.names_by_email(session, run.workspace_id, wait_words.people_of(waits)), me)
    may_be_held = not run.test and any(row.status == StepStatus.PENDING and row.effect == Effect.SENDS for row in rows)
    is_held = may_be_held and bool(session.scalar(sa.select(outbox.is_held(run.workspace_id))))
    place = _place(session, run, rows)
    stands = ordinal(place.number) if place else ""
    recorded = trace.Recorded(
        definition, run.inputs, run.facts, rows, calls, waits, people, zone, is_held, stands,
        is_paused=run.status == RunStatus.PAUSED,
    )  # fmt: skip
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
    left_house = sent.sent(rows, calls, queries.outbox_counts(session, run.id) if goes_out else [])
    left = _left(session, run, definition, entries, now)
    below = _below(session, entries)
    continues, continued_by = queries.continued(session, run)
    failed = (
        failure.failure(entries, arrived.things, left_house.sentence, (run.error or {}).get("step"))
        if run.status == RunStatus.FAILED
        else None
    )
    version = queries.version_facts(session, run)
    return Story(
        run=run,
        name=version.run_name(run),
        etag=etag(run.changed_at, run.status),
        version=version,
        starter=str((run.facts.get("started_by") or {}).get("name") or "Greenlight"),
        schedule=by_schedule(run.facts, run.started_at or run.created_at),
        now=now_card.now_card(
            run, entries, below, _is_unanswered(rows), arrived, left_house, left, place, ways, zone, now
        ),
        failure=failed,
        arriving=arrived,
        diagram=diagram.diagram(definition, run.version_id, entries),
        entries=entries,
        poll_s=now_card.poll_s(run, entries),
        made=arriving.made(entries, documents, pictures),
        started={of: (each.id, each.number) for of, each in below.items()},
        continues=continues,
        continued_by=continued_by,
        say_again_at=_say_again_at(run, rows, entries, left, place, now),
    )


def _say_again_at(
    run: Run,
    rows: Sequence[StepRun],
    entries: Sequence[Entry],
    left: Estimate | None,
    place: Place | None,
    now: datetime,
) -> datetime | None:
    """Return when what is said of the time is old: of what is left, and sooner of the next try and the place in line.

    Other runs leave the line, and minutes pass since somebody was asked, without a change of this run.
    """
    if run.status == RunStatus.WAITING:
        return now + timedelta(seconds=WAIT_SAID_AGAIN_S)
    if run.status not in (RunStatus.QUEUED, RunStatus.RUNNING):
        return None
    moments = [left.say_again_at] if left else []
    if any(now_card.trying(entries)) or (place is None and _may_stand(rows)):
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


def _below(session: Session, entries: Sequence[Entry]) -> dict[str, Below]:
    """Return the runs that steps of this one have started, by their step runs; no such steps, no read."""
    of = [step_run_id for entry in entries if entry.type == "run_workflow" for step_run_id in entry.step_run_ids]
    return {each.step_run_id: each for each in queries.runs_of_steps(session, of)}


def _place(session: Session, run: Run, rows: Sequence[StepRun]) -> Place | None:
    """Return where the run stands in line; reads nothing for a run that does not."""
    if run.status == RunStatus.QUEUED and not rows:
        return line.place_of_queued(session, run.id, run.created_at)
    if run.status != RunStatus.RUNNING or not _may_stand(rows):
        return None
    return line.places(session, run.workspace_id, [run.id]).get(run.id)


def _may_stand(rows: Sequence[StepRun]) -> bool:
    return any(line.stands(row.status, row.effect) for row in rows)


def _left(
    session: Session, run: Run, definition: Definition, entries: Sequence[Entry], now: datetime
) -> Estimate | None:
    if not run.is_open:
        return None
    states = {
        entry.id: pace.State(entry.status, entry.started_at, _part(entry)) for entry in entries if entry.step_run_id
    }
    usual = pace.paces(session, [run.workflow_id]).get(run.workflow_id)
    return pace.estimate(definition, states, usual, now)


def _part(entry: Entry) -> float:
    return pace.part(sum(item.status.is_settled for item in entry.items), entry.total)


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


