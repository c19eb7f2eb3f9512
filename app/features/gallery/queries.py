"""Reads of the gallery: templates, what their runs say about them, finished samples, half-filled answers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.core.ids import is_id
from app.engine.enums import RUN_ENDS, RunStatus
from app.engine.models import Run, WaitRow
from app.features.files.models import Attachment, Document, Image
from app.features.gallery import rules
from app.features.gallery.enums import Category, Sort
from app.features.gallery.models import LaunchDraft, Template
from app.features.workflows.models import Workflow

RECENT = 200
_ENDS = [status.value for status in RUN_ENDS]


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says: from real runs once there are five that ended, else the template's own sample figures.

    *minutes* is work without waiting for people; *finished_share* is 0 to 1, None before anything ended.
    """

    steps: int
    approvals: int
    minutes: float
    cost_microusd: int
    used: int
    finished_share: float | None
    is_sample: bool


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """A finished document of a sample run, with the picture that would be shown."""

    id: str
    title: str
    body: str
    image_id: str | None
    alt: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A finished run to look at before one answers anything."""

    run_id: str
    number: int
    finished_at: datetime
    documents: tuple[SampleDocument, ...] = ()
    image_ids: tuple[str, ...] = field(default=())


def templates(
    session: Session,
    workspace_id: str,
    *,
    text: str | None = None,
    category: str | None = None,
    sort: Sort = Sort.NAME,
) -> list[Template]:
    """Return ours and the workspace's own templates that fit; a search without *sort* by name stands best first.

    ``Sort.USED`` is settled by the caller, who has the facts: here it is the name's order.
    """
    found = [t for t in _all(session, workspace_id) if category is None or t.category == category]
    if sort is Sort.NEWEST:
        found.sort(key=lambda template: (template.updated_at, template.id), reverse=True)
    else:
        found.sort(key=lambda template: template.name.lower())
    if text and text.strip():
        scored = [(rules.match(template, text), template) for template in found]
        found = [template for score, template in sorted(scored, key=lambda pair: -pair[0]) if score > 0]
    return found


def category_counts(session: Session, workspace_id: str) -> dict[Category, int]:
    """Count the templates of every category that has one, in the categories' own order."""
    found = [template.category for template in _all(session, workspace_id)]
    return {category: found.count(category.value) for category in Category if category.value in found}


def template(session: Session, workspace_id: str, slug: str) -> Template:
    """Return one template, the workspace's own before ours of the same slug. Raises NotFound."""
    for found in _all(session, workspace_id, slug=slug) if "\x00" not in slug else ():
        return found
    raise NotFound("This template does not exist.", fix="Look for it in the gallery.")


def facts(session: Session, workspace_id: str, slugs: Sequence[str]) -> dict[str, CardFacts]:
    """Return what the cards of these templates say. Three statements, however many templates."""
    wanted = set(slugs)
    counted = _counted(session, workspace_id, wanted)
    working = _working(session, workspace_id, wanted)
    listed = [t for t in _all(session, workspace_id) if t.slug in wanted]
    return {t.slug: _facts(t, counted[t.slug], working[t.slug]) for t in listed}


def samples(session: Session, workspace_id: str, slugs: Sequence[str]) -> dict[str, Sample]:
    """Return a finished run of each template that has one: a seeded one first, else the newest. Three statements."""
    runs = {run.id: (slug, run) for slug, run in _sample_runs(session, workspace_id, slugs)}
    documents = _sample_documents(session, workspace_id, list(runs))
    images = _sample_images(session, workspace_id, list(runs))
    return {
        slug: Sample(run_id, run.number, run.finished_at, tuple(documents[run_id]), tuple(images[run_id]))
        for run_id, (slug, run) in runs.items()
    }


def last_inputs(session: Session, workspace_id: str, user_id: str, slug: str) -> Mapping[str, Any] | None:
    """Return the answers that this person gave to this template the last time; None when there was none."""
    wanted = (
        sa.select(Run.inputs)
        .join(Workflow, Workflow.id == Run.workflow_id)
        .where(
            Run.workspace_id == workspace_id,
            Run.started_by == user_id,
            Run.trigger_kind != rules.SEED,
            Workflow.template_slug == slug,
        )
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(1)
    )
    return session.execute(wanted).scalar_one_or_none()


def draft(session: Session, workspace_id: str, user_id: str, slug: str) -> LaunchDraft | None:
    """Return this person's half-filled answers to a template, the newest; None when there are none."""
    newest = _drafts(workspace_id, user_id, slug).order_by(
        LaunchDraft.updated_at.desc(), LaunchDraft.id.desc()
    )
    return session.execute(newest.limit(1)).scalars().first()


def draft_to_start(
    session: Session, workspace_id: str, user_id: str, slug: str, draft_id: str
) -> LaunchDraft | None:
    """Return one half-filled form, locked: a second press of Start waits for the first. None when it is gone."""
    if not is_id(draft_id):
        return None
    wanted = _drafts(workspace_id, user_id, slug).where(LaunchDraft.id == draft_id).with_for_update()
    return session.execute(wanted).scalar_one_or_none()


def run_of_draft(session: Session, workspace_id: str, user_id: str, draft_id: str) -> Run | None:
    """Return the run that these answers have already started; None when they have not."""
    if not is_id(draft_id):
        return None
    wanted = sa.select(Run).where(
        Run.workspace_id == workspace_id, Run.dedupe_key == draft_id, Run.started_by == user_id
    )
    return session.execute(wanted).scalar_one_or_none()


def _all(session: Session, workspace_id: str, *, slug: str | None = None) -> list[Template]:
    """Return the templates that a workspace sees; its own hides ours of the same slug."""
    wanted = sa.select(Template).where(
        sa.or_(Template.workspace_id.is_(None), Template.workspace_id == workspace_id)
    )
    if slug is not None:
        wanted = wanted.where(Template.slug == slug)
    by_slug: dict[str, Template] = {}
    for found in session.execute(wanted.limit(1000)).scalars():
        if found.slug not in by_slug or found.workspace_id is not None:
            by_slug[found.slug] = found
    return list(by_slug.values())


# --- facts ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Count:
    used: int = 0
    ended: int = 0
    completed: int = 0


def _real(workspace_id: str, slugs: Iterable[str]) -> sa.ColumnElement[bool]:
    """Keep to runs that somebody wanted: neither tests nor the seeded samples."""
    return sa.and_(
        Run.workspace_id == workspace_id,
        Run.test.is_(False),
        Run.trigger_kind != rules.SEED,
        Workflow.template_slug.in_(sorted(slugs)),
    )


def _counted(session: Session, workspace_id: str, slugs: Iterable[str]) -> dict[str, _Count]:
    rows = session.execute(
        sa.select(Workflow.template_slug, Run.status, sa.func.count())
        .join(Workflow, Workflow.id == Run.workflow_id)
        .where(_real(workspace_id, slugs))
        .group_by(Workflow.template_slug, Run.status)
    )
    found: dict[str, _Count] = defaultdict(_Count)
    for slug, status, count in rows:
        one = found[str(slug)]
        one.used += count
        one.ended += count if status in _ENDS else 0
        one.completed += count if status == RunStatus.COMPLETED else 0
    return found


def _working(session: Session, workspace_id: str, slugs: Iterable[str]) -> dict[str, list[tuple[float, int]]]:
    """Return the minutes of work and the cost of the last completed runs, by template."""
    waited = (
        sa.select(WaitRow.run_id, WaitRow.created_at, WaitRow.decided_at)
        .where(WaitRow.workspace_id == workspace_id, WaitRow.decided_at.is_not(None))
        .subquery()
    )
    recent = (
        sa.select(Run.id, Workflow.template_slug, Run.started_at, Run.finished_at, Run.cost_microusd)
        .join(Workflow, Workflow.id == Run.workflow_id)
        .where(_real(workspace_id, slugs), Run.status == RunStatus.COMPLETED, Run.started_at.is_not(None))
        .order_by(Run.created_at.desc())
        .limit(RECENT)
        .subquery()
    )
    rows = session.execute(
        sa.select(recent, waited.c.created_at, waited.c.decided_at).outerjoin(
            waited, waited.c.run_id == recent.c.id
        )
    ).all()
    runs: dict[str, tuple[str, datetime, datetime, int]] = {}
    waits: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for run_id, slug, started_at, finished_at, cost, from_, until in rows:
        runs[run_id] = (slug, started_at, finished_at, cost)
        if from_ is not None:
            waits[run_id].append((from_, until))
    found: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for run_id, (slug, started_at, finished_at, cost) in runs.items():
        working_s = (finished_at - started_at).total_seconds() - rules.seconds_covered(waits[run_id])
        found[slug].append((max(working_s, 0.0) / 60, cost))
    return found


def _facts(template: Template, counted: _Count, working: list[tuple[float, int]]) -> CardFacts:
    is_sample = counted.ended < rules.REAL_RUNS or not working
    estimate = template.estimate
    steps = template.definition.get("steps", [])
    return CardFacts(
        steps=len(steps),
        approvals=rules.approvals_usual(steps),
        minutes=float(estimate.get("minutes", 1)) if is_sample else median(minutes for minutes, _ in working),
        cost_microusd=int(
            estimate.get("cost_microusd", 0) if is_sample else median(cost for _, cost in working)
        ),
        used=counted.used,
        finished_share=counted.completed / counted.ended if counted.ended else None,
        is_sample=is_sample,
    )


# --- samples -------------------------------------------------------------------------------------------------------


def _sample_runs(session: Session, workspace_id: str, slugs: Sequence[str]) -> list[tuple[str, Any]]:
    place = (
        sa.func.row_number()
        .over(
            partition_by=Workflow.template_slug,
            order_by=(
                sa.case((Run.trigger_kind == rules.SEED, 0), else_=1),
                Run.created_at.desc(),
                Run.id.desc(),
            ),
        )
        .label("place")
    )
    ranked = (
        sa.select(Workflow.template_slug, Run.id, Run.number, Run.finished_at, place)
        .join(Workflow, Workflow.id == Run.workflow_id)
        .where(
            Run.workspace_id == workspace_id,
            Run.status == RunStatus.COMPLETED,
            Run.test.is_(False),
            Workflow.template_slug.in_(list(slugs)),
        )
        .subquery()
    )
    rows = session.execute(sa.select(ranked).where(ranked.c.place == 1)).all()
    return [(row.template_slug, row) for row in rows]


def _sample_documents(
    session: Session, workspace_id: str, run_ids: list[str]
) -> dict[str, list[SampleDocument]]:
    rows = session.execute(
        sa.select(Document.run_id, Document.id, Document.title, Document.body, Attachment.image_id, Image.alt)
        .outerjoin(Attachment, sa.and_(Attachment.document_id == Document.id, Attachment.is_primary))
        .outerjoin(Image, Image.id == Attachment.image_id)
        .where(Document.workspace_id == workspace_id, Document.run_id.in_(run_ids))
        .order_by(
            Document.run_id,
            Attachment.image_id.is_(None),
            Document.step_run_id,
            Document.position,
            Document.id,
        )
        .limit(400)
    )
    found: dict[str, list[SampleDocument]] = defaultdict(list)
    for run_id, document_id, title, body, image_id, alt in rows:
        found[str(run_id)].append(SampleDocument(document_id, title, body, image_id, alt or ""))
    return found


def _sample_images(session: Session, workspace_id: str, run_ids: list[str]) -> dict[str, list[str]]:
    rows = session.execute(
        sa.select(Image.run_id, Image.id)
        .where(Image.workspace_id == workspace_id, Image.run_id.in_(run_ids))
        .order_by(Image.run_id, Image.position, Image.id)
        .limit(400)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for run_id, image_id in rows:
        found[str(run_id)].append(image_id)
    return found


def _drafts(workspace_id: str, user_id: str, slug: str) -> sa.Select[LaunchDraft]:
    return sa.select(LaunchDraft).where(
        LaunchDraft.workspace_id == workspace_id,
        LaunchDraft.user_id == user_id,
        LaunchDraft.template_slug == slug,
    )
