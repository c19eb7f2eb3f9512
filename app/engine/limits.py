"""Limits on what is under way at once: of the house, of a workspace, of a workflow, of the AI service.

A limit counts steps that spend or send; those that stay in the house take no time and stand in no line.
"""

import sqlalchemy as sa

from app.core.db import table
from app.core.settings import Settings
from app.engine.enums import Effect, StepStatus
from app.engine.models import Allowance, Run, StepRun

run, step_run, allowance = table(Run), table(StepRun), table(Allowance)
_house: int | None = None
_house_ai: int | None = None


def configure(settings: Settings) -> None:
    """Set how many steps that spend or send, and how many that ask AI, may be under way in the whole house."""
    global _house, _house_ai
    _house, _house_ai = settings.steps_at_once or None, settings.ai_steps_at_once or None


def house() -> int | None:
    """Return how many steps may be under way in the whole house; None: no limit."""
    return _house


def house_ai() -> int | None:
    """Return how many steps that ask AI may be under way in the whole house; None: no limit."""
    return _house_ai


def has_house() -> bool:
    """Tell whether there is a limit of the whole house."""
    return bool(_house or _house_ai)


def is_counted(step: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a limit counts a step which is to begin; one under a dead lease has its place."""
    of_run = sa.exists().where(run.c.id == step.c.run_id, run.c.at_once.is_not(None))
    of_workspace = sa.exists().where(
        allowance.c.workspace_id == step.c.workspace_id,
        sa.or_(allowance.c.steps_at_once.is_not(None), allowance.c.ai_at_once.is_not(None)),
    )
    in_house = sa.bindparam(
        "b_house_limit", callable_=has_house, type_=sa.Boolean(), unique=False
    )
    return sa.and_(
        step.c.effect != Effect.NONE.value,
        step.c.status != StepStatus.RUNNING.value,
        sa.or_(in_house, of_run, of_workspace),
    )


def has_room(step: sa.FromClause, of: sa.FromClause, own: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that every limit has room for a step, *of* its run and *own* its workspace's allowance."""
    asks_no_ai = step.c.effect != Effect.SPENDS.value
    most, most_ai = _most("b_house", house), _most("b_house_ai", house_ai)
    return sa.and_(
        sa.or_(own.c.steps_at_once.is_(None), _busy("workspace", step) < own.c.steps_at_once),
        sa.or_(own.c.ai_at_once.is_(None), asks_no_ai, _busy("workspace", step, ai=True) < own.c.ai_at_once),
        sa.or_(of.c.at_once.is_(None), _busy("workflow", of) < of.c.at_once),
        sa.or_(most.is_(None), _busy("house") < most),
        sa.or_(most_ai.is_(None), asks_no_ai, _busy("house", ai=True) < most_ai),
    )


def _most(name: str, value: object) -> sa.BindParameter[int]:
    return sa.bindparam(name, callable_=value, type_=sa.Integer(), unique=False)  # type: ignore[arg-type]  # () -> int


def _busy(scope: str, within: sa.FromClause | None = None, *, ai: bool = False) -> sa.ScalarSelect[int]:
    """Count what is under way in *scope*: leased steps; a row that only holds items has no lease."""
    other, other_run = step_run.alias(), run.alias()
    counted = sa.select(sa.func.count()).where(
        other.c.status == sa.literal_column("'running'"),  # as the index has it
        other.c.lease_owner.is_not(None),
        other.c.effect == Effect.SPENDS.value if ai else other.c.effect != Effect.NONE.value,
    )
    if scope == "workspace" and within is not None:
        counted = counted.where(other.c.workspace_id == within.c.workspace_id).correlate(within)
    elif scope == "workflow" and within is not None:
        counted = counted.where(
            other_run.c.id == other.c.run_id, other_run.c.workflow_id == within.c.workflow_id
        ).correlate(within)
    return counted.scalar_subquery()
