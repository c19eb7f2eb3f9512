"""The trace: every step of a run as people read it. Pure: what is recorded goes in, words come out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.definition.parts import Definition, Step
from app.definition.sentences import Names, settings_in_words
from app.engine import answers, catalog, retry
from app.engine.answers import Reply
from app.engine.attempt import WHEN_UNCLEAR
from app.engine.enums import Category, Effect, StepStatus
from app.engine.models import Call, StepRun, WaitRow
from app.engine.money import MORE_USD
from app.features.runs import output_words, went_in
from app.features.runs.chips import HELD, HELD_NOTE, UNKNOWN, UNKNOWN_NOTE, Chip
from app.features.runs.wait_words import wait_words, waits_for
from app.features.runs.went_in import Line
from app.features.runs.words import clipped, listed
from app.web.filters import duration

_SIDE_OUTCOMES = frozenset({"no", "rejected", "expired", "failed"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One step in the trace and in the diagram. *look* is its class in the diagram, *word* its second line there."""

    id: str
    name: str
    type: str
    icon: str
    status: StepStatus
    chip: Chip
    look: str
    word: str
    note: str = ""
    about: str = ""  # of one of several items: what it is, such as the car
    sentence: str = ""
    outcome: str | None = None
    went_in: tuple[Line, ...] = ()
    came_out: tuple[str, ...] = ()
    tables: tuple[output_words.Table, ...] = ()
    error: Mapping[str, Any] | None = None
    step_run_id: str | None = None
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None
    cost_microusd: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    calls: tuple[Call, ...] = ()
    items: tuple["Entry", ...] = ()
    wait: WaitRow | None = None
    waits_for: str = ""  # whom or what: "Bob Approver", "another run"
    done: int = 0
    total: int = 0
    doing: str = ""
    is_for_each: bool = False  # it only holds the items that the step is done for, each an entry of its own
    asks: tuple[tuple[str, str], ...] = ()  # what may be answered: the reply, and the words on its button
    is_paused: bool = False  # its next items wait until the run is resumed
    is_begun_again: bool = False  # the process that did it stopped
    is_reused: bool = False  # taken over from the run that this one continues

    @property
    def is_under_way(self) -> bool:
        """Whether a machine works on it now."""
        is_on = self.status in (StepStatus.RUNNING, StepStatus.RETRYING)
        return is_on and not self.is_paused and not (self.is_for_each and _is_held(self.items))

    @property
    def is_asking(self) -> bool:
        """Whether it needs an answer, or one of its items does."""
        return self.status is StepStatus.NEEDS_ATTENTION or any(item.is_asking for item in self.items)

    @property
    def is_waiting(self) -> bool:
        """Whether it waits; done for several items, whether all that is left of them does."""
        return self.status is StepStatus.WAITING or (
            self.status is StepStatus.RUNNING and bool(_waiting_items(self.items))
        )

    @property
    def items_said(self) -> str:
        """Say how its items stand: "7 of 10 done, 1 failed"; "" where it is done once."""
        if not self.items:
            return ""
        done = sum(item.status is StepStatus.COMPLETED for item in self.items)
        failed = sum(item.status is StepStatus.FAILED for item in self.items)
        return f"{done} of {max(self.total, len(self.items))} done" + (f", {failed} failed" if failed else "")

    @property
    def lacking(self) -> str:
        """Say how many of its items failed, where the others are done and the run went on: "2 of 6 failed"; else ""."""
        return _lacking(self.items) if self.status is StepStatus.COMPLETED else ""

    @property
    def step_run_ids(self) -> tuple[str, ...]:
        """Its own step run and those of its items: what documents and pictures point at."""
        return tuple(each.step_run_id for each in (self, *self.items) if each.step_run_id)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of a run, and what is needed to put it in words."""

    definition: Definition
    inputs: Mapping[str, Any]
    facts: Mapping[str, Any]
    rows: Sequence[StepRun]
    calls: Sequence[Call] = ()
    waits: Sequence[WaitRow] = ()
    people: Mapping[str, str] = ()  # type: ignore[assignment]  # e-mail → name; an empty tuple has no names
    zone: str = "UTC"
    is_sending_held: bool = False
    place: str = ""  # where the run stands in line: "3rd"
    is_paused: bool = False


def trace(recorded: Recorded, now: datetime) -> list[Entry]:
    """Return an entry for every step of the definition, in its order, begun or not."""
    by_step: dict[str, dict[int, StepRun]] = defaultdict(dict)
    for row in recorded.rows:
        by_step[row.step_id][row.item] = row
    calls: dict[str, list[Call]] = defaultdict(list)
    for call in recorded.calls:
        calls[call.step_run_id].append(call)
    waits = {wait.step_run_id: wait for wait in recorded.waits}
    outputs = {row.step_id: row.output or {} for row in recorded.rows if row.item < 0 and _is_done(row)}
    scope = {"inputs": recorded.inputs, "steps": outputs, "run": recorded.facts}
    reading = _Reading(recorded, scope, calls, waits, now)
    return [reading.entry(step, by_step.get(step.id, {})) for step in recorded.definition.steps]


_REPLIES = {
    Reply.SENT: "It was sent",
    Reply.SEND_AGAIN: "Send again",
    Reply.YES: "Take yes",
    Reply.NO: "Take no",
    Reply.AGAIN: "Try again",
    Reply.ADD_MONEY: f"Add ${MORE_USD} and continue",
    Reply.FAIL: "Let it fail",
}
_TO_DO = {Reply.YES: "Do this step", Reply.NO: "Skip it"}


def _asks(row: StepRun) -> tuple[tuple[str, str], ...]:
    """Return the answers that a step takes, with the words on their buttons."""
    words = {**_REPLIES, **_TO_DO} if (row.error or {}).get("code") == WHEN_UNCLEAR else _REPLIES
    return tuple((reply.value, words[reply]) for reply in answers.choices(row.type, row.error))


class _Reading:
    def __init__(
        self,
        recorded: Recorded,
        scope: Mapping[str, object],
        calls: Mapping[str, list[Call]],
        waits: Mapping[str, WaitRow],
        now: datetime,
    ) -> None:
        self._recorded, self._calls, self._waits, self._now = recorded, calls, waits, now
        self._settings = went_in.Reading(recorded.definition, scope)
        self._names = Names.of(recorded.definition)

    def entry(self, step: Step, rows: Mapping[int, StepRun]) -> Entry:
        row = rows.get(-1)
        if row is None:
            return self._not_begun(step)
        known = row.went_in.get("items") if step.for_each is not None and isinstance(row.went_in, dict) else None
        values = dict(enumerate(known)) if isinstance(known, list) else {}
        items = tuple(
            replace(
                self._of_row(step, rows[item], f"{step.name} {item + 1}"),
                about=output_words.in_few_words(values.get(item)),
            )
            for item in sorted(rows)
            if item >= 0
        )
        return self._of_row(step, row, step.name, items)

    def _sentence(self, step: Step, went_in: object) -> str:
        """Return the step type's own sentence about this step, with what is not worked out by its name."""
        step_type = catalog.step_type(step.type)
        if step_type is None:
            return ""
        settings = went_in if isinstance(went_in, dict) else step.config
        unknown = step_type.raw_fields if isinstance(went_in, dict) else settings
        words = {key: settings_in_words(value, self._names) for key, value in settings.items() if key in unknown}
        said = step_type.summary({**settings, **words}).replace("**", "")
        return "" if "{{" in said else clipped(said, 300)

    def _not_begun(self, step: Step) -> Entry:
        chip = Chip("idle", "circle-dashed", "Not started")
        outcomes = {entry.partition(":")[2] for entry in step.after}
        only = outcomes & _SIDE_OUTCOMES
        word = f"Only if {listed(sorted(only), 'or')}" if only and only == outcomes else chip.word
        return Entry(
            id=step.id,
            name=step.name,
            type=step.type,
            icon=_icon(step.type),
            status=StepStatus.PENDING,
            chip=chip,
            look="off pending",
            word=word,
            sentence=self._sentence(step, None),
        )

    def _of_row(self, step: Step, row: StepRun, name: str, items: tuple[Entry, ...] = ()) -> Entry:
        status = StepStatus(row.status)
        wait = self._waits.get(row.id)
        is_for_each = step.for_each is not None and row.item < 0
        done = sum(item.status is StepStatus.COMPLETED for item in items) if is_for_each else row.done
        part = f"{done} of {row.total}" if row.total else ""
        chip, word, note = self._words(step, row, status, wait, part)
        is_paused = False
        look, asked = _LOOKS[status], _waiting_items(items) if status is StepStatus.RUNNING else []
        if status is StepStatus.RUNNING and any(item.is_asking for item in items):
            look, chip = _LOOKS[StepStatus.NEEDS_ATTENTION], Chip(*_CHIPS[StepStatus.NEEDS_ATTENTION])
            word, note = f"{chip.word} · {part}", ""
        elif status is StepStatus.COMPLETED and (lacking := _lacking(items)):
            word, note = f"{chip.word} · {lacking}", lacking
        elif asked:
            look, (chip, word, note) = _LOOKS[StepStatus.WAITING], _waits(asked, part if done else "")
        elif is_paused := self._is_paused(status, items):
            look, chip = _LOOKS[StepStatus.PENDING], Chip("idle", "player-pause", part)
            word = f"Paused · {part}"
        calls = tuple(self._calls.get(row.id, ()))
        return Entry(
            id=step.id,
            name=name,
            type=step.type,
            icon=_icon(step.type),
            status=status,
            chip=chip,
            look=look,
            word=word,
            note=note,
            sentence=self._sentence(step, None if is_for_each else row.went_in),
            outcome=row.outcome,
            went_in=() if status is StepStatus.SKIPPED else self._settings.lines(step, row),
            came_out=tuple(output_words.sentences(row, status, word, part)),
            tables=tuple(output_words.tables(output_words.told(row))) if _is_done(row) else (),
            error=row.error if status in _WITH_ERROR else None,
            step_run_id=row.id,
            attempts=row.attempts,
            started_at=row.started_at,
            finished_at=row.finished_at,
            duration_s=self._duration_s(row, status),
            cost_microusd=row.cost_microusd + sum(item.cost_microusd for item in items),
            tokens_in=row.tokens_in + sum(item.tokens_in for item in items),
            tokens_out=row.tokens_out + sum(item.tokens_out for item in items),
            calls=calls,
            items=items,
            wait=wait,
            waits_for=waits_for(wait, self._recorded.people) if wait else "",
            done=done,
            total=row.total,
            doing=row.doing,
            is_for_each=is_for_each,
            is_paused=is_paused,
            asks=_asks(row) if status is StepStatus.NEEDS_ATTENTION else (),
            is_begun_again=row.is_suspect and status in (StepStatus.PENDING, StepStatus.RUNNING),
            is_reused=row.reused_from is not None,
        )

    def _is_paused(self, status: StepStatus, items: Sequence[Entry]) -> bool:
        """Tell whether a step's next items wait until the run is resumed, and none is under way."""
        goes_on = status is StepStatus.RUNNING and bool(items)
        return goes_on and self._recorded.is_paused and not any(item.is_under_way for item in items)

    def _words(
        self, step: Step, row: StepRun, status: StepStatus, wait: WaitRow | None, part: str
    ) -> tuple[Chip, str, str]:
        """Return the chip of the trace, the second line of the diagram, and a note beside the name."""
        kind, icon, word = _CHIPS[status]
        seconds = self._duration_s(row, status)
        match status:
            case StepStatus.COMPLETED:
                said = output_words.outcome_words(row.outcome) or word
                if row.reused_from is not None:
                    return Chip(kind, icon, word), f"{said} · reused", "reused, $0"
                return Chip(kind, icon, word), f"{said} · {duration(seconds)}" if seconds is not None else said, ""
            case StepStatus.RUNNING:
                return Chip(kind, icon, part or word), f"{word} · {part}" if part else word, ""
            case StepStatus.RETRYING:
                left = max(0.0, (row.not_before - self._now).total_seconds()) if row.not_before else 0.0
                tries = f"{row.attempts + 1} of {_tries(step, row)}"
                soon = f"in {duration(left)}" if left >= 1 else "now"
                return Chip(kind, icon, word), f"{word} {soon} ({tries})", f"try {tries} {soon}"
            case StepStatus.WAITING:
                chip, said = wait_words(wait, dict(self._recorded.people), self._recorded.zone, self._now)
                return chip, said, "" if said == chip.word else said[0].lower() + said[1:]
            case StepStatus.SKIPPED | StepStatus.CANCELLED:
                return Chip(kind, icon, word), f"{word}: {row.reason}" if row.reason else word, row.reason
            case StepStatus.PENDING if self._recorded.is_sending_held and row.effect == Effect.SENDS:
                return HELD, f"{HELD.word}: sending is off", HELD_NOTE
            case StepStatus.PENDING if catalog.step_type(row.type) is None:
                return UNKNOWN, UNKNOWN.word, UNKNOWN_NOTE
            case StepStatus.PENDING:
                said = f"In line, {self._recorded.place}" if self._recorded.place else "In line"
                return Chip(kind, icon, said), said, ""
            case _:
                return Chip(kind, icon, word), word, ""

    def _duration_s(self, row: StepRun, status: StepStatus) -> float | None:
        if row.started_at is None:
            return None
        end = row.finished_at or (self._now if not status.is_settled else None)
        return max(0.0, (end - row.started_at).total_seconds()) if end else None


def _lacking(items: Sequence[Entry]) -> str:
    failed = sum(item.status is StepStatus.FAILED for item in items)
    return f"{failed} of {len(items)} failed" if failed else ""


def _waiting_items(items: Sequence[Entry]) -> list[Entry]:
    """Return the items that wait, where there is nothing to do for any other before that."""
    return [item for item in items if item.status is StepStatus.WAITING] if _is_held(items) else []


def _is_held(items: Sequence[Entry]) -> bool:
    """Tell whether there is nothing to do for any item before one of them is answered, or its time comes."""
    held = (StepStatus.WAITING, StepStatus.NEEDS_ATTENTION)
    return any(item.status in held for item in items) and all(
        item.status in held or item.status.is_settled for item in items
    )


def _waits(items: Sequence[Entry], part: str) -> tuple[Chip, str, str]:
    """Say for whom or what a step waits that is done for several items, and how many of them are done."""
    people = listed(list(dict.fromkeys(item.waits_for for item in items if item.waits_for))[:3])
    said = f"{items[0].chip.word} for {people}" if people else items[0].word
    return items[0].chip, f"{said} · {part}" if part else said, f"{said[0].lower()}{said[1:]}" if people else ""


_CHIPS: dict[StepStatus, tuple[str, str, str]] = {
    StepStatus.PENDING: ("idle", "circle-dashed", "Not started"),
    StepStatus.RUNNING: ("run", "loader-2", "Running"),
    StepStatus.RETRYING: ("run", "rotate-clockwise", "Trying again"),
    StepStatus.WAITING: ("wait", "user-question", "Waiting"),
    StepStatus.NEEDS_ATTENTION: ("care", "alert-triangle", "Needs an answer"),
    StepStatus.COMPLETED: ("go", "circle-check", "Done"),
    StepStatus.FAILED: ("bad", "circle-x", "Failed"),
    StepStatus.SKIPPED: ("idle", "player-skip-forward", "Skipped"),
    StepStatus.CANCELLED: ("idle", "ban", "Cancelled"),
}
_LOOKS: dict[StepStatus, str] = {
    StepStatus.PENDING: "off pending",
    StepStatus.RUNNING: "running",
    StepStatus.RETRYING: "running",
    StepStatus.WAITING: "waiting",
    StepStatus.NEEDS_ATTENTION: "care",
    StepStatus.COMPLETED: "done",
    StepStatus.FAILED: "failed",
    StepStatus.SKIPPED: "off skipped",
    StepStatus.CANCELLED: "off skipped",
}
_WITH_ERROR = frozenset({StepStatus.FAILED, StepStatus.NEEDS_ATTENTION, StepStatus.RETRYING})


def _is_done(row: StepRun) -> bool:
    return row.status == StepStatus.COMPLETED


def _icon(type_name: str) -> str:
    step_type = catalog.step_type(type_name)
    return step_type.icon if step_type else "help-circle"


def _tries(step: Step, row: StepRun) -> int:
    category = (row.error or {}).get("category", "")
    known = category in {member.value for member in Category}
    return max(retry.tries_in_all(step, Category(category)), row.attempts + 1) if known else row.attempts + 1


