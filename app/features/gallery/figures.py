"""What a workspace's own runs say of its templates: how often used, how long, how dear, how often finished."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.engine.enums import RUN_ENDS, RUN_OPEN, RunStatus
from app.engine.models import RUN_REAL, Run, WaitRow
from app.features.gallery import queries, rules
from app.features.gallery.models import Template
from app.features.workflows.models import Workflow

RECENT = 200
_READY, _NO = RunStatus.COMPLETED.value, "no"
_OPEN = [status.value for status in sorted(RUN_OPEN)]
_ENDED: dict[str, tuple[Any, ...]] = {
    **{status.value: (status.value,) for status in sorted(RUN_ENDS)},
    _READY: (_READY, Run.last_no.is_(None)),
    _NO: (_READY, Run.last_no.is_not(None)),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """One template's real runs: tests and seeded samples are left out. The medians are None before one was ready.

    *ready* counts what finished and got no no: a rejected run is finished, but nobody has anything of it.
    *minutes* is work, *waited_minutes* what ready runs waited for people and moments besides.
    """

    used: int = 0
    ended: int = 0
    ready: int = 0
    minutes: float | None = None
    waited_minutes: float | None = None
    cost_microusd: int | None = None

    @property
    def is_real(self) -> bool:
        """Whether enough runs ended to speak of them."""
        return self.ended >= rules.REAL_RUNS and self.minutes is not None


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says: from real runs once there are five that ended, else the template's own sample figures.

    *minutes* is work without waiting for people; *waited_minutes* that waiting, None before there are real runs;
    *finished_share* is 0 to 1, None before anything ended: who was rejected, failed or was stopped is not in it.
    """

    steps: int
    approvals: int
    minutes: float
    cost_microusd: int
    used: int
    finished_share: float | None
    is_sample: bool
    waited_minutes: float | None = None


NONE = Figures()


def facts(session: Session, workspace_id: str, slugs: Sequence[str]) -> dict[str, CardFacts]:
    """Return what the cards of these templates say. Three statements, however many templates."""
    known = read(session, workspace_id)
    chosen = queries.chosen(session, workspace_id, slugs)
    return {template.slug: facts_of(template, known.get(template.slug, NONE)) for template in chosen}


def read(session: Session, workspace_id: str) -> Mapping[str, Figures]:
    """Return the figures of every template that was ever used here, by slug. Two statements."""
    key, used = Workflow.template_slug, Workflow.template_slug.is_not(None)
    working = _working(session, workspace_id, key, used)
    return {
        slug: Figures(count.used, count.ended, count.ready, *_medians(working[slug]))
        for slug, count in _counted(session, workspace_id, key, used).items()
    }


def of_workflow(session: Session, workspace_id: str, workflow_id: str) -> Figures:
    """Return the figures of one workflow's own runs. Two statements."""
    its = Workflow.id == workflow_id
    count = _counted(session, workspace_id, Workflow.id, its).get(workflow_id, _Count())
    working = _working(session, workspace_id, Workflow.id, its)[workflow_id]
    return Figures(count.used, count.ended, count.ready, *_medians(working))


def facts_of(template: Template, known: Figures) -> CardFacts:
    """Return what a template's card says; the template must have been read whole."""
    steps = template.definition.get("steps", [])
    return CardFacts(
        steps=len(steps),
        approvals=rules.approvals_usual(steps),
        minutes=minutes_of(template, known),
        cost_microusd=(known.cost_microusd if known.is_real else 0) or int(template.estimate.get("cost_microusd", 0)),
        used=known.used,
        finished_share=known.ready / known.ended if known.ended else None,
        is_sample=not known.is_real,
        waited_minutes=known.waited_minutes if known.is_real else None,
    )


def minutes_of(template: Template, known: Figures) -> float:
    """Return how long a run works: really, or by the template's own sample figure."""
    return float(known.minutes if known.is_real and known.minutes is not None else template.estimate.get("minutes", 1))


@dataclass(slots=True)
class _Count:
    used: int = 0
    ended: int = 0
    ready: int = 0


@dataclass(frozen=True, slots=True)
class _Work:
    """One run that is ready: minutes of work, minutes waited, cost."""

    minutes: float
    waited_minutes: float
    cost_microusd: int


def _medians(runs: Sequence[_Work]) -> tuple[float | None, float | None, int | None]:
    if not runs:
        return None, None, None
    return (
        median(run.minutes for run in runs),
        median(run.waited_minutes for run in runs),
        int(median(run.cost_microusd for run in runs)),
    )


Key = sa.orm.InstrumentedAttribute[Any]


def _real(workspace_id: str, those: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Keep to runs that somebody wanted: neither tests nor the seeded samples."""
    return sa.and_(Run.workspace_id == workspace_id, RUN_REAL, those)


def _counted(
    session: Session, workspace_id: str, key: Key, those: sa.ColumnElement[bool]
) -> dict[str, _Count]:
    """Count the runs, by *key*: those that ended in their index alone, without reading one; those under way, by status.

    Each status is asked for by itself: of several at once SQLite goes through all runs. What finished and got no yes
    comes under "no".
    """
    mine = sa.and_(Workflow.workspace_id == workspace_id, those)
    going = (
        sa.select(key, sa.literal(status), sa.func.count())
        .join(Run, Workflow.id == Run.workflow_id)
        .where(Run.status == status, _real(workspace_id, those))
        .group_by(key)
        for status in _OPEN
    )
    ended = (sa.select(key, sa.literal(word), _ended(*how)).where(mine) for word, how in _ENDED.items())
    found: dict[str, _Count] = defaultdict(_Count)
    for slug, status, count in session.execute(sa.union_all(*going, *ended)):
        one = found[str(slug)]
        one.used += count
        one.ended += count if status in _ENDED else 0
        one.ready += count if status == _READY else 0
    return {slug: count for slug, count in found.items() if count.used}


def _ended(status: str, *how: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    those = sa.and_(Run.workflow_id == Workflow.id, Run.status == status, Run.finished_at.is_not(None), RUN_REAL, *how)
    return sa.select(sa.func.count()).select_from(Run).where(those).correlate(Workflow).scalar_subquery()


def _working(
    session: Session, workspace_id: str, key: Key, those: sa.ColumnElement[bool]
) -> dict[str, list[_Work]]:
    """Return the work of the last runs that are ready, by *key*."""
    waited = (
        sa.select(WaitRow.run_id, WaitRow.created_at, WaitRow.decided_at)
        .where(WaitRow.workspace_id == workspace_id, WaitRow.decided_at.is_not(None))
        .subquery()
    )
    recent = (
        sa.select(Run.id, key, Run.started_at, Run.finished_at, Run.cost_microusd)
        .join(Workflow, Workflow.id == Run.workflow_id)
        .where(
            _real(workspace_id, those),
            Run.status == RunStatus.COMPLETED,
            Run.last_no.is_(None),
            Run.started_at.is_not(None),
        )
        .order_by(Run.created_at.desc())
        .limit(RECENT)
        .subquery()
    )
    rows = session.execute(
        sa.select(recent, waited.c.created_at, waited.c.decided_at).outerjoin(waited, waited.c.run_id == recent.c.id)
    ).all()
    runs: dict[str, tuple[str, datetime, datetime, int]] = {}
    waits: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for run_id, slug, started_at, finished_at, cost, from_, until in rows:
        runs[run_id] = (slug, started_at, finished_at, cost)
        if from_ is not None:
            waits[run_id].append((from_, until))
    found: dict[str, list[_Work]] = defaultdict(list)
    for run_id, (slug, started_at, finished_at, cost) in runs.items():
        found[slug].append(_work(started_at, finished_at, waits[run_id], cost))
    return found


def _work(start: datetime, end: datetime, waits: Iterable[tuple[datetime, datetime]], cost: int) -> _Work:
    waited_s = rules.seconds_covered(waits)
    return _Work(max((end - start).total_seconds() - waited_s, 0.0) / 60, waited_s / 60, cost)
