"""What a workspace's own runs say of its templates: how often used, how long, how dear, how often finished."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.core.db import elapsed
from app.engine.enums import RUN_ENDS, SEED, RunStatus
from app.engine.models import RUN_REAL, RUN_TOOK_S, Run, WaitRow
from app.features.gallery import queries, rules
from app.features.gallery.models import Template
from app.features.workflows.models import Workflow

RECENT = 10  # of each workflow: what a template takes now, whatever else is busy
_READY, _NO, _GOING = RunStatus.COMPLETED.value, "no", "going"
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
    known = measured(session, workspace_id, counted(session, workspace_id, slugs), slugs)
    chosen = queries.chosen(session, workspace_id, slugs)
    return {template.slug: facts_of(template, known.get(template.slug, NONE)) for template in chosen}


def counted(session: Session, workspace_id: str, slugs: Sequence[str] | None = None) -> Mapping[str, Figures]:
    """Return how often templates were used here, by slug: of all, or of *slugs*. No medians. One statement."""
    found = _counted(session, workspace_id, Workflow.template_slug, _of_templates(slugs))
    return {slug: Figures(count.used, count.ended, count.ready) for slug, count in found.items()}


def measured(
    session: Session, workspace_id: str, known: Mapping[str, Figures], slugs: Sequence[str] | None = None
) -> Mapping[str, Figures]:
    """Return *known* with the medians of all templates, or of *slugs*. One statement; the more templates the dearer."""
    working = _working(session, workspace_id, Workflow.template_slug, _of_templates(slugs))
    return {
        slug: Figures(count.used, count.ended, count.ready, *_medians(working[slug])) if slug in working else count
        for slug, count in known.items()
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


def _of_templates(slugs: Sequence[str] | None) -> sa.ColumnElement[bool]:
    return Workflow.template_slug.is_not(None) if slugs is None else Workflow.template_slug.in_(list(slugs))


def _counted(
    session: Session, workspace_id: str, key: Key, those: sa.ColumnElement[bool]
) -> dict[str, _Count]:
    """Count the runs, by *key*: those that ended and those under way, each in their index alone, without reading one.

    What finished and got no yes comes under "no".
    """
    mine = sa.and_(Workflow.workspace_id == workspace_id, those)
    going = sa.select(key, sa.literal(_GOING), _number(Run.finished_at.is_(None))).where(mine)
    ended = (sa.select(key, sa.literal(word), _ended(*how)).where(mine) for word, how in _ENDED.items())
    found: dict[str, _Count] = defaultdict(_Count)
    for slug, status, count in session.execute(sa.union_all(going, *ended)):
        one = found[str(slug)]
        one.used += count
        one.ended += count if status in _ENDED else 0
        one.ready += count if status == _READY else 0
    return {slug: count for slug, count in found.items() if count.used}


def _ended(status: str, *how: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return _number(Run.status == status, Run.finished_at.is_not(None), *how)


def _number(*those: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    """Count the workflow's runs that somebody wanted, neither tests nor the seeded samples."""
    those = (Run.workflow_id == Workflow.id, RUN_REAL, *those)
    return sa.select(sa.func.count()).select_from(Run).where(*those).correlate(Workflow).scalar_subquery()


def _working(
    session: Session, workspace_id: str, key: Key, those: sa.ColumnElement[bool]
) -> dict[str, list[_Work]]:
    """Return the work of the last runs of each workflow that are ready, by *key*."""
    waited = (
        sa.select(WaitRow.run_id, WaitRow.created_at, WaitRow.decided_at)
        .where(WaitRow.workspace_id == workspace_id, WaitRow.decided_at.is_not(None))
        .subquery()
    )
    since, until = (elapsed(Run.started_at, at) for at in (waited.c.created_at, waited.c.decided_at))
    columns: tuple[Any, ...] = (Run.id, key, RUN_TOOK_S, Run.cost_microusd, since, until)
    rows = session.execute(
        _with_recent(session, sa.select(*columns).select_from(Workflow))
        .outerjoin(waited, waited.c.run_id == Run.id)
        .where(Workflow.workspace_id == workspace_id, those)
    )
    runs: dict[str, tuple[str, float, int]] = {}
    waits: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for run_id, slug, took_s, cost, from_s, until_s in rows:
        runs[run_id] = (slug, took_s, cost)
        if from_s is not None:
            waits[run_id].append((from_s, until_s))
    found: dict[str, list[_Work]] = defaultdict(list)
    for run_id, (slug, took_s, cost) in runs.items():
        waited_s = rules.seconds_covered(waits[run_id]) if run_id in waits else 0.0
        found[slug].append(_Work(max(took_s - waited_s, 0.0) / 60, waited_s / 60, cost))
    return found


def _with_recent(session: Session, wanted: sa.Select[Any]) -> sa.Select[Any]:
    """Join each workflow's last runs that are ready, by its index alone: each database has a way of its own to it."""
    run = aliased(Run)
    recent = (
        sa.select(run.id)
        .where(
            run.workflow_id == Workflow.id,
            run.status == RunStatus.COMPLETED,
            run.last_no.is_(None),
            run.started_at.is_not(None),
            run.test.is_(False),
            run.trigger_kind != SEED,
        )
        .order_by(run.created_at.desc())
        .limit(RECENT)
        .correlate(Workflow)
    )
    if session.get_bind().dialect.name == "postgresql":
        each = recent.lateral()
        return wanted.join(each, sa.true()).join(Run, Run.id == each.c.id)
    return wanted.join(Run, Run.id.in_(recent))
