"""Money: what runs spend is reserved before it is spent, against the run's limit and the workspace's for a day.

A reservation adds the estimate in one guarded statement, so that twenty calls at once cannot each see the last dollar.
Days are the workspace's own. Locks: the day's row before the run's, which is the last of all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import changed, moment, table
from app.core.settings import Settings
from app.engine import store
from app.engine.contract import StepError
from app.engine.enums import CallStatus, Category
from app.engine.held import HeldRun
from app.engine.models import Allowance, Call, Spending

RUN_CODE, DAY_CODE = "budget", "budget_day"
MORE_USD = 5  # what one press of "Add $5 and continue" adds

spending = table(Spending)
allowance = table(Allowance)
call = table(Call)
_unanswered = sa.select(call.c.id, call.c.started_at, call.c.estimate_microusd).where(
    call.c.run_id == sa.bindparam("b_run_id"),
    call.c.status.not_in([CallStatus.ANSWERED.value, CallStatus.REFUSED.value]),
    call.c.estimate_microusd > 0,
)
_most_a_day: int | None = None


def configure(settings: Settings) -> None:
    """Set what every workspace may spend a day at most, in micro-dollars; its own limit may be lower."""
    global _most_a_day
    _most_a_day = settings.ai_daily_budget_microusd


def most_a_day() -> int | None:
    """Return what every workspace may spend a day at most, in micro-dollars; None: no limit."""
    return _most_a_day


def day_of(at: datetime, zone: str) -> date:
    """Return the day that a moment belongs to in a workspace's zone."""
    try:
        return at.astimezone(ZoneInfo(zone)).date()
    except (ZoneInfoNotFoundError, ValueError):
        return at.date()


def zone_of(facts: Mapping[str, Any]) -> str:
    """Return the zone of the workspace that a run's facts name."""
    return str((facts.get("workspace") or {}).get("timezone") or "UTC")


def payers(run_id: str, facts: Mapping[str, Any]) -> list[str]:
    """Return the runs whose limits a call of this run must keep to: its own, and those that it is a part of."""
    return [run_id, *(str(above) for above in facts.get("part_of") or ())]


def reserve(session: Session, run_ids: Sequence[str], workspace_id: str, day: date, microusd: int) -> None:
    """Reserve an estimate with every payer; raises :class:`StepError` (``budget``) where it does not fit one of them.

    The caller rolls back then, so that nothing stays reserved.
    """
    if microusd and not _reserve_day(session, workspace_id, day, microusd):
        raise StepError(
            Category.BUDGET,
            "What this workspace may spend on AI in a day is used up.",
            code=DAY_CODE,
            fix="Go on tomorrow, or let an owner raise the limit under Settings, AI and budget.",
        )
    run = store.run
    fits = sa.or_(
        run.c.budget_microusd.is_(None),
        run.c.cost_microusd + run.c.reserved_microusd + microusd <= run.c.budget_microusd,
    )
    there = lock(session, run_ids)
    result = session.execute(
        sa.update(run)
        .where(run.c.id.in_(run_ids), fits)
        .values(reserved_microusd=run.c.reserved_microusd + microusd, changed_at=moment())
    )
    if changed(result) != there:
        raise StepError(
            Category.BUDGET,
            "The run’s money limit is reached.",
            code=RUN_CODE,
            fix=f"Add ${MORE_USD} and continue, or let it fail. What is finished is kept.",
        )


def lock(session: Session, run_ids: Sequence[str]) -> int:
    """Lock several payers in one order, so that two calls never wait for each other; return how many there still are.

    A run above may be gone: nobody keeps it any more, and somebody took its part up again.
    """
    if len(run_ids) == 1:
        return 1
    return len(store.lock_runs(session, store.run.c.id.in_(run_ids)))


def charge(session: Session, workspace_id: str, day: date, *, spent: int, freed: int) -> None:
    """Add what was spent to the day, in micro-dollars, and free what was reserved for it."""
    if not spent and not freed:
        return
    if spent:
        _begin_day(session, workspace_id, day)
    rest = spending.c.reserved_microusd - freed
    session.execute(
        _of(sa.update(spending), workspace_id, day).values(
            cost_microusd=spending.c.cost_microusd + spent, reserved_microusd=sa.case((rest > 0, rest), else_=0)
        )
    )


def free(session: Session, held: HeldRun) -> None:
    """Free what calls without an answer have still reserved of the days and the runs above; the run's row is the
    caller's to end, after this. A call that is made again afterwards reserves anew.
    """
    rows = session.execute(_unanswered.with_for_update(), {"b_run_id": held.id}).all()
    if rows:
        ids = [row.id for row in rows]
        session.execute(sa.update(call).where(call.c.id.in_(ids)).values(estimate_microusd=0))
        free_above(session, held.id, held.workspace_id, held.facts, rows)


def free_step(session: Session, run_id: str, workspace_id: str, step_run_id: str) -> int:
    """Free what calls of a step that has ended have still reserved: nobody waits for their answers any more.

    Returns how much of the run's own row that is, which is the caller's, after this.
    """
    of_step = _unanswered.where(call.c.step_run_id == step_run_id)
    rows = session.execute(of_step.with_for_update(), {"b_run_id": run_id}).all()
    if not rows:
        return 0
    session.execute(sa.update(call).where(call.c.id.in_([row.id for row in rows])).values(estimate_microusd=0))
    facts = session.scalar(sa.select(store.run.c.facts).where(store.run.c.id == run_id))
    return free_above(session, run_id, workspace_id, facts or {}, rows)


def free_above(
    session: Session, run_id: str, workspace_id: str, facts: Mapping[str, Any], calls: Sequence[Any]
) -> int:
    """Free what *calls* have reserved of the days and of the runs above theirs; return how much that is.

    *calls* are rows with ``started_at`` and ``estimate_microusd``; the run's own row is the caller's, after this.
    """
    zone, of_day = zone_of(facts), Counter[date]()
    for row in calls:
        of_day[day_of(row.started_at, zone)] += row.estimate_microusd
    for day in sorted(of_day):
        charge(session, workspace_id, day, spent=0, freed=of_day[day])
    own, *above = payers(run_id, facts)
    if above and of_day.total():
        lock(session, [own, *above])
        rest = store.run.c.reserved_microusd - of_day.total()
        session.execute(
            sa.update(store.run)
            .where(store.run.c.id.in_(above))
            .values(reserved_microusd=sa.case((rest > 0, rest), else_=0))
        )
    return of_day.total()


def add(session: Session, run_id: str) -> None:
    """Raise the limit of a run, and of those that it is a part of, by what a person adds at one press."""
    run = store.run
    facts = session.scalar(sa.select(run.c.facts).where(run.c.id == run_id))
    run_ids = payers(run_id, facts or {})
    lock(session, run_ids)
    session.execute(
        sa.update(run)
        .where(run.c.id.in_(run_ids), run.c.budget_microusd.is_not(None))
        .values(budget_microusd=run.c.budget_microusd + MORE_USD * 1_000_000)
    )


def _reserve_day(session: Session, workspace_id: str, day: date, microusd: int) -> bool:
    total = spending.c.cost_microusd + spending.c.reserved_microusd + microusd
    own = (
        sa.select(allowance.c.ai_daily_microusd)
        .where(allowance.c.workspace_id == workspace_id)
        .scalar_subquery()
    )
    fits = [sa.or_(own.is_(None), total <= own)]
    if _most_a_day is not None:
        fits.append(total <= _most_a_day)
    statement = (
        _of(sa.update(spending), workspace_id, day)
        .where(*fits)
        .values(reserved_microusd=spending.c.reserved_microusd + microusd)
    )
    if changed(session.execute(statement)) == 1:
        return True
    _begin_day(session, workspace_id, day)  # somebody else's first call of the day may have written it meanwhile
    return changed(session.execute(statement)) == 1


def _begin_day(session: Session, workspace_id: str, day: date) -> None:
    row = {"workspace_id": workspace_id, "day": day, "cost_microusd": 0, "reserved_microusd": 0}
    session.execute(store.insert_new(session, spending, ["workspace_id", "day"]), row)


def _of(statement: sa.Update, workspace_id: str, day: date) -> sa.Update:
    return statement.where(spending.c.workspace_id == workspace_id, spending.c.day == day)
