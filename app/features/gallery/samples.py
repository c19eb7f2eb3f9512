"""Finished runs to look at before one answers anything: the whole of one, and the covers of many."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.engine.enums import RunStatus
from app.engine.models import RUN_OTHER, RUN_SAMPLE, Run
from app.features.files.models import Attachment, Document, Image
from app.features.workflows.models import Workflow

COVER_IMAGES = 3
COVER_CHARS = 240


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
    """A finished run."""

    run_id: str
    number: int
    finished_at: datetime
    documents: tuple[SampleDocument, ...] = ()
    image_ids: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Cover:
    """What a card shows of a finished run: up to three pictures, or the beginning of its first text."""

    title: str = ""
    excerpt: str = ""
    image_ids: tuple[str, ...] = ()


def sample(session: Session, workspace_id: str, slug: str) -> Sample | None:
    """Return a finished run of a template with all it made: a seeded one first, else the newest. Three statements."""
    for run in _runs(session, workspace_id, [slug]).values():
        documents = tuple(_documents(session, workspace_id, run.id))
        images = _images(session, workspace_id, [run.id], most=100)
        return Sample(run.id, run.number, run.finished_at, documents, tuple(images[run.id]))
    return None


def covers(session: Session, workspace_id: str, slugs: Sequence[str]) -> Mapping[str, Cover]:
    """Return the cover of each template that has a finished run. Three statements, however many templates."""
    runs = _runs(session, workspace_id, slugs)
    ids = [run.id for run in runs.values()]
    images = _images(session, workspace_id, ids, most=COVER_IMAGES)
    firsts = _firsts(session, workspace_id, ids)
    return {
        slug: Cover(*firsts.get(run.id, ("", "")), image_ids=tuple(images[run.id])) for slug, run in runs.items()
    }


def _runs(session: Session, workspace_id: str, slugs: Sequence[str]) -> dict[str, Any]:
    """Return one run of each template that ended well, by slug: a seeded one before the newest of the others.

    However many runs there are: seeded ones have an index, and the newest of a workflow is the end of its index.
    """
    each = aliased(Run)
    newest = (
        sa.select(each.id)
        .where(
            each.workflow_id == Workflow.id,
            each.status == RunStatus.COMPLETED,
            each.last_no.is_(None),
            each.test.is_(False),
        )
        .order_by(each.created_at.desc(), each.id.desc())
        .limit(1)
        .correlate(Workflow)
    )
    columns = (Run.id, Run.number, Run.finished_at, Run.status, Run.last_no)
    rows: sa.CompoundSelect[Any] = sa.union_all(
        sa.select(Workflow.id.label("workflow_id"), Workflow.template_slug, sa.literal(0).label("is_seeded"), *columns)
        .outerjoin(Run, Run.id == newest.scalar_subquery())
        .where(Workflow.workspace_id == workspace_id, Workflow.template_slug.in_(list(slugs))),
        sa.select(Run.workflow_id, sa.literal(""), sa.literal(1), *columns)
        .where(Run.workspace_id == workspace_id, RUN_OTHER, RUN_SAMPLE),
    )  # fmt: skip
    ranked = sorted(session.execute(rows), key=lambda row: (row.is_seeded, row.number or 0))
    slug_of = {row.workflow_id: row.template_slug for row in ranked if not row.is_seeded}
    return {
        slug_of[row.workflow_id]: row
        for row in ranked
        if row.status == RunStatus.COMPLETED and row.last_no is None and row.workflow_id in slug_of
    }


def _documents(session: Session, workspace_id: str, run_id: str) -> Iterable[SampleDocument]:
    rows = session.execute(
        sa.select(Document.id, Document.title, Document.body, Attachment.image_id, Image.alt)
        .outerjoin(Attachment, sa.and_(Attachment.document_id == Document.id, Attachment.is_primary))
        .outerjoin(Image, Image.id == Attachment.image_id)
        .where(Document.workspace_id == workspace_id, Document.run_id == run_id)
        .order_by(Attachment.image_id.is_(None), Document.step_run_id, Document.position, Document.id)
        .limit(100)
    )
    for document_id, title, body, image_id, alt in rows:
        yield SampleDocument(document_id, title, body, image_id, alt or "")


def _firsts(session: Session, workspace_id: str, run_ids: list[str]) -> dict[str, tuple[str, str]]:
    """Return title and beginning of each run's first text."""
    place = sa.func.row_number().over(
        partition_by=Document.run_id, order_by=(Document.step_run_id, Document.position, Document.id)
    )
    ranked = (
        sa.select(
            Document.run_id,
            Document.title,
            sa.func.substr(Document.body, 1, COVER_CHARS).label("body"),
            place.label("place"),
        )
        .where(Document.workspace_id == workspace_id, Document.run_id.in_(run_ids))
        .subquery()
    )
    rows = session.execute(sa.select(ranked).where(ranked.c.place == 1))
    return {row.run_id: (row.title, row.body) for row in rows}


def _images(session: Session, workspace_id: str, run_ids: list[str], *, most: int) -> dict[str, list[str]]:
    place = sa.func.row_number().over(partition_by=Image.run_id, order_by=(Image.position, Image.id))
    ranked = (
        sa.select(Image.run_id, Image.id, place.label("place"))
        .where(Image.workspace_id == workspace_id, Image.run_id.in_(run_ids))
        .subquery()
    )
    rows = session.execute(
        sa.select(ranked.c.run_id, ranked.c.id).where(ranked.c.place <= most).order_by(ranked.c.run_id, ranked.c.place)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for run_id, image_id in rows:
        found[str(run_id)].append(image_id)
    return found
