"""Writes of schedules by people. The caller commits; what the clock writes stands in :mod:`turn`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import moment, moment_once
from app.core.errors import FieldError, Invalid
from app.definition.problems import suggest
from app.definition.shape import text_fault
from app.features.accounts import queries as accounts_queries
from app.features.accounts import service as accounts
from app.features.accounts.enums import Permission
from app.features.accounts.models import Workspace
from app.features.accounts.rules import may
from app.features.accounts.service import Actor
from app.features.runs import service as runs
from app.features.triggers import phrases, rules
from app.features.triggers.enums import Missed, Overlap, SlotStatus
from app.features.triggers.models import Schedule, ScheduleSlot
from app.features.triggers.rules import Rule
from app.features.workflows import queries as workflows
from app.features.workflows.models import Workflow

NAME_CHARS = 120
KEPT_DAYS = 90  # for so long a due time without a run is kept


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of a schedule. *when* is a sentence or a cron rule; "" for *timezone*: the workspace's."""

    when: str
    name: str = ""
    timezone: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    overlap: str = Overlap.SKIP.value
    missed: str = Missed.ONCE.value


def create(session: Session, workflow: Workflow, wish: Wish, *, actor: Actor) -> Schedule:
    """Make a schedule that starts runs in *actor*'s name from its next due time on.

    Raises Invalid with everything that is wrong, answers included; NotFound while nothing is published.
    """
    if actor.user_id is None:
        raise Invalid("A schedule starts runs in somebody’s name.", fix="Say in whose.")
    now = clock.now()
    schedule = Schedule(
        workspace_id=workflow.workspace_id, workflow_id=workflow.id, made_by=actor.user_id, is_enabled=True,
        problem="", created_at=now,
    )  # fmt: skip
    _fill(session, schedule, workflow, wish)
    session.add(schedule)
    session.flush()
    accounts.audit_of(session, schedule, actor, "schedule.created", name=schedule.name)
    return schedule


def change(session: Session, schedule: Schedule, wish: Wish, *, actor: Actor) -> None:
    """Make a schedule what somebody wants now; it is due next by the new rule. Raises as :func:`create`."""
    _lock(session, schedule)
    _fill(session, schedule, workflows.workflow(session, schedule.workspace_id, schedule.workflow_id), wish)
    session.flush()
    accounts.audit_of(session, schedule, actor, "schedule.changed", name=schedule.name)


def enable(session: Session, schedule: Schedule, *, actor: Actor) -> None:
    """Switch a schedule on, from its next due time on. Twice is once.

    Where its maker may start runs no more, it goes on in *actor*'s name.
    """
    _lock(session, schedule)
    if schedule.is_enabled:
        return
    maker = accounts_queries.member(session, schedule.workspace_id, schedule.made_by or "")
    if actor.user_id is not None and (maker is None or not maker.is_active or not may(maker.role, Permission.LAUNCH)):
        schedule.made_by = actor.user_id
    schedule.is_enabled = True
    schedule.problem, schedule.problem_at = "", None
    _set_next(schedule, rule_of(schedule), database_now(session))
    session.flush()
    accounts.audit_of(session, schedule, actor, "schedule.enabled", name=schedule.name)


def disable(session: Session, schedule: Schedule, *, actor: Actor) -> None:
    """Switch a schedule off; what waits for the run before is left out. Twice is once."""
    _lock(session, schedule)
    if schedule.is_enabled:
        switch_off(session, schedule)
        accounts.audit_of(session, schedule, actor, "schedule.disabled", name=schedule.name)


def delete(session: Session, schedule: Schedule, *, actor: Actor) -> None:
    """Delete a schedule and what is kept of its due times. The runs that it started stay."""
    accounts.audit_of(session, schedule, actor, "schedule.deleted", name=schedule.name)
    session.delete(schedule)
    session.flush()


def switch_off(session: Session, schedule: Schedule) -> None:
    """Let a schedule be due no more, whoever says so."""
    schedule.is_enabled = False
    schedule.next_due_at = schedule.look_at = None
    schedule.updated_at = clock.now()
    session.flush()
    session.execute(
        sa.update(ScheduleSlot)
        .where(ScheduleSlot.schedule_id == schedule.id, ScheduleSlot.status == SlotStatus.WAITING.value)
        .values(status=SlotStatus.SKIPPED.value, note="The schedule was switched off.")
    )


def remove_old(session: Session, most: int) -> int:
    """Forget due times of 90 days ago that started no run, in all workspaces; the others go with their runs.

    Returns how many; may run twice.
    """
    key = (ScheduleSlot.schedule_id, ScheduleSlot.due_at)
    old = sa.select(*key).where(ScheduleSlot.due_at < moment_once(-KEPT_DAYS * 86_400.0), ScheduleSlot.run_id.is_(None))
    slots = session.execute(old.limit(most).with_for_update(skip_locked=True)).all()
    session.execute(sa.delete(ScheduleSlot).where(sa.tuple_(*key).in_(slots)))
    return len(slots)


def rule_of(schedule: Schedule) -> Rule:
    """Return when a schedule is due."""
    return Rule(schedule.timezone, schedule.cron, schedule.every_minutes or 0, schedule.anchor_at)


def database_now(session: Session) -> datetime:
    """Return the time by the database's clock, which decides what is due."""
    return session.execute(sa.select(moment())).scalar_one()


def _fill(session: Session, schedule: Schedule, workflow: Workflow, wish: Wish) -> None:
    now = database_now(session)
    timezone = wish.timezone.strip() or session.get_one(Workspace, schedule.workspace_id).timezone
    rule, problems = phrases.read(wish.when, timezone, now)
    problems += _check_words(wish) + _check_answers(session, workflow, wish.inputs)
    rules.refuse(problems)
    assert rule is not None
    schedule.name = " ".join((wish.name.strip() or workflow.name)[:NAME_CHARS].split())
    schedule.timezone, schedule.cron = rule.timezone, rule.cron
    schedule.every_minutes, schedule.anchor_at = rule.every_minutes or None, rule.anchor_at
    schedule.inputs = dict(wish.inputs)
    schedule.overlap, schedule.missed = Overlap(wish.overlap).value, Missed(wish.missed).value
    schedule.updated_at = clock.now()
    if schedule.is_enabled:
        _set_next(schedule, rule, now)


def _set_next(schedule: Schedule, rule: Rule, now: datetime) -> None:
    schedule.next_due_at = schedule.look_at = rules.following(rule, now)


def _check_words(wish: Wish) -> list[FieldError]:
    problems = []
    if len(wish.name) > NAME_CHARS:
        problems.append(
            FieldError("name", "too_long", f"The name is longer than {NAME_CHARS} characters.", "Make it shorter.")
        )
    elif fault := text_fault(wish.name):
        problems.append(FieldError("name", "bad_value", f"The name holds {fault}.", "Type it again."))
    for path, value, known in (("overlap", wish.overlap, Overlap), ("missed", wish.missed, Missed)):
        words = [str(one) for one in known]
        if value not in words:
            fix = suggest(value, words, f"Choose {', '.join(words[:-1])} or {words[-1]}.")
            problems.append(FieldError(path, "bad_value", f"“{value[:60]}” is no choice here.", fix))
    return problems


def _check_answers(session: Session, workflow: Workflow, inputs: Mapping[str, Any]) -> list[FieldError]:
    definition = workflows.load_definition(session, workflows.current_version(session, workflow).id)
    try:
        runs.checked_answers(definition, inputs)
    except Invalid as invalid:
        return list(invalid.problems)
    return []


def _lock(session: Session, schedule: Schedule) -> None:
    """Wait for the clock where it is at this schedule, and see what it left."""
    session.flush()
    session.refresh(schedule, with_for_update=True)

