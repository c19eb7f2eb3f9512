"""What a run that continues another one takes over from it, and what it does again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.core import clock, outbox
from app.core.ids import new_id
from app.definition.graph import edges, following, topological_order
from app.definition.schema import Definition, Step
from app.definition.values import names_in
from app.engine import catalog, store
from app.engine.enums import Effect, StepStatus
from app.engine.models import Run, StepRun

_COPIED = "step_id item type effect status outcome reason went_in output error done total".split()


@dataclass(frozen=True, slots=True)
class Reuse:
    """The steps by id, in the order in which they are done: taken over as they are, and done again."""

    kept: tuple[str, ...]
    again: tuple[str, ...]


def plan(definition: Definition, finished: Iterable[str], step_id: str, changed: Iterable[str]) -> Reuse:
    """Say what can be taken over when a run continues at *step_id* with the answers *changed* (their keys).

    Kept is every finished step that neither comes after the chosen one nor names, directly or through what it names,
    a changed answer. A step behind another outcome than *done* of a step that is done again is done again too: the
    way may not be taken this time.
    """
    kept, keys = set(finished), set(changed)
    again = {step_id} | following(definition, {step_id})
    ways: dict[str, set[str]] = {}
    for edge in edges(definition):
        if edge.outcome != "done":
            ways.setdefault(edge.target, set()).add(edge.source)
    order = topological_order(definition)
    for name in order:
        answers, steps = _names(definition.step(name))
        if (
            name not in kept
            or answers & keys
            or ("" in answers and keys)
            or (steps | ways.get(name, set())) & again
        ):
            again.add(name)
    return Reuse(
        tuple(name for name in order if name not in again), tuple(name for name in order if name in again)
    )


def take_over(session: Session, of: Run, into: Run, kept: Iterable[str]) -> None:
    """Write the kept steps of one run, and their items, into the run that continues it: done, and for nothing.

    What steps that send have written and not sent yet is sent by it, where the other run is stopped by this.
    """
    wanted = sa.select(StepRun).where(StepRun.run_id == of.id, StepRun.step_id.in_(list(kept)))
    if of.is_open:  # this stops it
        sends = wanted.with_only_columns(StepRun.id).where(StepRun.effect == Effect.SENDS.value)
        outbox.hand_over(session, of.id, into.id, sends)
    now = clock.now()
    count = 0
    types: dict[str, str] = {}
    answers: dict[str, dict[int, str | None]] = {}  # by step and item, in the order in which the steps began
    for row in session.scalars(wanted.order_by(StepRun.created_at, StepRun.item)):
        count += row.item < 0
        copied = {name: getattr(row, name) for name in _COPIED}
        session.add(
            StepRun(
                id=new_id(),
                workspace_id=into.workspace_id,
                run_id=into.id,
                reused_from=row.reused_from or row.id,
                created_at=now,
                started_at=now,
                finished_at=now,
                **copied,
            )
        )
        if row.status == StepStatus.COMPLETED:
            answers.setdefault(row.step_id, {})[row.item] = row.outcome
        types[row.step_id] = row.type
    session.flush()
    for step_id, of_items in answers.items():
        outcomes = [outcome for item, outcome in of_items.items() if item >= 0] or list(of_items.values())
        store.note_answer(session, into.id, types[step_id], outcomes)
    into.steps_done = count
    session.flush()


def finished(session: Session, run: Run) -> list[str]:
    """Return the steps of a run that came to a result; not one that sends whose messages were withdrawn."""
    sender = aliased(StepRun)
    unsent = sa.select(sender.step_id).where(
        sender.run_id == run.id,
        sender.effect == Effect.SENDS.value,
        sa.func.coalesce(sender.reused_from, sender.id).in_(outbox.withdrawn(run.id)),
    )
    wanted = sa.select(StepRun.step_id).where(
        StepRun.run_id == run.id,
        StepRun.item < 0,
        StepRun.status == StepStatus.COMPLETED,
        StepRun.step_id.not_in(unsent),
    )
    return list(session.scalars(wanted))


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the keys of the answers that differ."""
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _names(step: Step) -> tuple[set[str], set[str]]:
    """Return the answers and the steps that a step names in its values; all answers at once are ""."""
    answers: set[str] = set()
    steps: set[str] = set()
    items = step.for_each.items if step.for_each else None
    for name in names_in([step.config, step.when, items]):
        first = str(name.path[0]) if name.path else ""
        if name.root == "inputs":
            answers.add(first)
        elif name.root == "steps":
            steps.add(first)
    step_type = catalog.step_type(step.type)
    for field in step_type.step_refs if step_type else ():
        value = step.config.get(field)
        steps.update(str(one) for one in (value if isinstance(value, list) else [value]) if one)
    return answers, steps
