"""Runs as lists and cards show them: a chip that says whom a run waits for, and one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.definition.schema import Definition
from app.engine import line
from app.engine.enums import RunStatus
from app.engine.models import Run, WaitRow
from app.features.runs import beside, chips, pace, queries, wait_words
from app.features.runs.chips import Chip
from app.features.runs.pace import State
from app.features.runs.words import clipped, ended, moment, named_now
from app.features.workflows import queries as workflows
from app.web.filters import duration


@dataclass(frozen=True, slots=True)
class Row:
    """A run in a list."""

    run: Run
    name: str  # with its workflow's name of now
    workflow: str
    chip: Chip
    sentence: str
    starter: str
    percent: int

    @property
    def id(self) -> str:
        """The run's id: what a list is paged by."""
        return self.run.id


@dataclass(frozen=True, slots=True)
class Filter:
    """A button above the list: its word, the statuses it keeps, and how many runs they have, counted up to *most*.

    *said_no* keeps the finished runs whose approval ended without a yes, or those alone that have none such.
    """

    key: str
    word: str
    statuses: tuple[str, ...]
    number: int = 0
    most: int = 0
    said_no: bool | None = None

    @property
    def said(self) -> str:
        """The number as the button says it: "12", "1,000+"."""
        return f"{self.most:,}+" if self.most and self.number >= self.most else str(self.number)


FILTERS = (
    Filter("", "All", ()),
    Filter("running", "Running or in line", ("queued", "running", "pausing", "stopping")),
    Filter("waiting", "Waiting", ("waiting", "needs_attention", "paused")),
    Filter("completed", "Ready", ("completed",), said_no=False),
    Filter("rejected", "Not approved", ("completed",), said_no=True),
    Filter("failed", "Failed", ("failed",)),
    Filter("stopped", "Stopped", ("stopped",)),
)


def rows(
    session: Session,
    workspace_id: str,
    runs: Sequence[Run],
    *,
    zone: str,
    now: datetime,
    me: str = "",
    is_sending_held: bool = False,
) -> list[Row]:
    """Put runs in words, *me* (the reader's address) as "you": in at most nine more statements."""
    if not runs:
        return []
    names = queries.workflow_names(session, workspace_id, runs)
    waits = queries.open_waits(session, [run.id for run in runs if run.status == RunStatus.WAITING])
    people = wait_words.called(queries.names_by_email(session, workspace_id, wait_words.people_of(waits.values())), me)
    errors = queries.why(session, runs)
    unanswered = queries.unanswered(session, runs)
    begun = _begun(session, [run for run in runs if run.is_open and run.status != RunStatus.QUEUED], now)
    running = [run.id for run in runs if run.status == RunStatus.RUNNING]
    places = line.places(session, workspace_id, running)
    held = queries.held(session, running if is_sending_held else ())
    return [
        _row(
            run, names.get(run.workflow_id, ("", ())), waits.get(run.id), people, errors.get(run.id, ""),
            run.id in unanswered, begun.get(run.id, ""), places.get(run.id), run.id in held, zone, now,
        )
        for run in runs
    ]  # fmt: skip


def _begun(session: Session, open_runs: Sequence[Run], now: datetime) -> dict[str, str]:
    """Say what is left of runs and how their ways stand, by run id: two statements beside the definitions, kept."""
    if not open_runs:
        return {}
    definitions = {run.id: workflows.load_definition(session, run.version_id) for run in open_runs}
    paces = pace.paces(session, {run.workflow_id for run in open_runs if run.status == RunStatus.RUNNING})
    asked = [run.id for run in open_runs if run.workflow_id in paces or beside.forks(definitions[run.id])]
    states = pace.states_of(session, asked)
    found = {}
    for run in open_runs:
        definition, known = definitions[run.id], states.get(run.id, {})
        usual = paces.get(run.workflow_id) if run.status == RunStatus.RUNNING else None
        found[run.id] = _left(definition, known, usual, now) + _ways(definition, known)
    return found


def _left(definition: Definition, states: Mapping[str, State], usual: pace.Pace | None, now: datetime) -> str:
    left = pace.estimate(definition, states, usual, now)
    if left is None:
        return ""
    stop = next((f", then “{step.name}”" for step in definition.steps if step.id == left.stop), "")
    return f" {left.late.said}." if left.late else f" {left.left} left{stop}."


def _ways(definition: Definition, states: Mapping[str, State]) -> str:
    ways = beside.to_tell(definition, {step: state.status for step, state in states.items()}, is_open=True)
    return f" At the same time: {ways.said}." if ways else ""


def _row(
    run: Run,
    workflow: tuple[str, Sequence[str]],
    wait: WaitRow | None,
    people: dict[str, str],
    error: str,
    is_unanswered: bool,
    begun: str,
    place: line.Place | None,
    is_held: bool,
    zone: str,
    now: datetime,
) -> Row:
    chip = chips.chip_of(run)
    sentence = _sentence(run, error, is_unanswered) + begun
    if place is not None:
        chip, sentence = chips.in_line(place)
    if is_held:
        chip, sentence = chips.HELD, f"{chips.HELD.word}: {chips.HELD_NOTE}."
    if wait is not None:
        kind, word = wait_words.wait_words(wait, people, zone, now)
        chip = Chip(kind.kind, kind.icon, word)
        sentence = _wait_sentence(wait, run.label, zone, now) + begun
    starter = str((run.facts.get("started_by") or {}).get("name") or "Greenlight")
    name = named_now(run.label, *workflow)
    return Row(run, name, workflow[0], chip, sentence.strip(), starter, round(100 * run.progress))


def _wait_sentence(wait: WaitRow, label: str, zone: str, now: datetime) -> str:
    if wait.kind == "sub_run":
        return "Goes on when that one has ended."
    if wait.kind != "approval":
        return "Goes on by itself."
    asked = f"asked {moment(wait.created_at, zone, now)}"
    if wait.decided_at is not None:
        asked = f"decided {moment(wait.decided_at, zone, now)}"
    title = str(wait.detail.get("title") or "An answer is needed")
    if wait_words.says_again(title, label):
        due = f", due {moment(wait.until, zone, now)}" if wait.until else ""
        return f"{asked.capitalize()}{due}."
    return f"“{clipped(title, 90)}”, {asked}."


def _sentence(run: Run, error: str, is_unanswered: bool) -> str:
    match RunStatus(run.status):
        case RunStatus.QUEUED:
            return "Starts as soon as a worker is free."
        case RunStatus.RUNNING:
            return ended(clipped(run.doing, 120)) if run.doing else "Getting the next step ready."
        case RunStatus.FAILED:
            return clipped(error, 160) or "Open it to see what was kept."
        case RunStatus.COMPLETED | RunStatus.STOPPED if run.started_at and run.finished_at:
            took = duration((run.finished_at - run.started_at).total_seconds())
            if run.status == RunStatus.STOPPED:
                return f"Stopped after {took}."
            return f"Nobody answered in time. Finished after {took}." if is_unanswered else f"Finished after {took}."
        case RunStatus.NEEDS_ATTENTION:
            return clipped(error, 160) or "A step cannot go on without an answer."
        case RunStatus.PAUSED:
            return "Nothing new begins until it is resumed."
        case _:
            return ""
