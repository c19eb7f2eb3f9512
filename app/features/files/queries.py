"""Reads of documents and pictures, always within one workspace: a stranger's id looks like one that never existed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, TypeVarTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from app.core.errors import NotFound
from app.core.lookup import among
from app.definition.schema import Definition
from app.engine.models import Run, StepRun
from app.engine.ports import bound
from app.features.files import search
from app.features.files.models import Attachment, Document, DocumentRevision, Image, ImageBlob

Variant = Literal["original", "small"]
_Columns = TypeVarTuple("_Columns")
_Made = TypeVar("_Made", Document, Image)


@dataclass(frozen=True, slots=True)
class AttachmentFacts:
    """One picture at a document: what a page needs to show it."""

    image_id: str
    alt: str
    is_primary: bool
    position: int
    width: int
    height: int


def documents(
    session: Session,
    workspace_id: str,
    *,
    run_id: str | None = None,
    status: str | None = None,
    text: str = "",
    limit: int = 50,
    before: str | None = None,
    skip: int = 0,
) -> list[Document]:
    """Return documents, newest first; those of one run in the order they were written. *before* is the last id seen.

    What a step wrote at one moment stands in its own order. Of one run the first *skip* may be left out.

    *text* is what a person typed: :mod:`search <app.features.files.search>` says what it finds.
    """
    statement = sa.select(Document).where(Document.workspace_id == workspace_id)
    if status:
        statement = statement.where(Document.status == status)
    if run_id:
        return _some_of_run(session, statement, Document, run_id, limit=limit, before=before, skip=skip)
    made_at: Any = Document.created_at
    if text:
        found = search.matching(session, workspace_id, text)
        statement = statement.where(found.condition)
        if found.is_narrow:  # few: they are looked up, then sorted
            made_at = sa.func.coalesce(made_at, made_at)
    if before:
        last = document(session, workspace_id, before)
        here = sa.tuple_(Document.position, Document.id) > sa.tuple_(sa.literal(last.position), sa.literal(last.id))
        older = sa.or_(made_at < last.created_at, sa.and_(made_at == last.created_at, here))
        statement = statement.where(made_at <= last.created_at, older)  # the first is what an index can answer
    in_order = (made_at.desc(), Document.position, Document.id)
    return list(session.scalars(statement.order_by(*in_order).limit(limit)))


def taken_over(session: Session, run_id: str) -> dict[str, str]:
    """Return the run's own step runs by those of an earlier run whose results they took over."""
    rows = session.execute(
        sa.select(StepRun.reused_from, StepRun.id).where(StepRun.run_id == run_id, StepRun.reused_from.is_not(None))
    )
    return {str(reused): own for reused, own in rows}


def made_in(
    model: type[Document] | type[Image], run_id: str, taken: Mapping[str, str]
) -> sa.ColumnElement[bool]:
    """Return what selects a run's documents or pictures: made in it, or taken over (see :func:`taken_over`)."""
    made_here = model.run_id == run_id
    return sa.or_(made_here, model.step_run_id.in_(list(taken))) if taken else made_here


def as_made(
    wanted: sa.Select[*_Columns], model: type[Document] | type[Image], definition: Definition
) -> sa.Select[*_Columns]:
    """Put a run's documents or pictures in the order of its steps, of a step's items, and of what each made."""
    places = {step.id: place for place, step in enumerate(definition.steps)}
    step = sa.case(places, value=StepRun.step_id, else_=len(places))
    return wanted.outerjoin(StepRun, StepRun.id == model.step_run_id).order_by(
        step, StepRun.item, model.position, model.id
    )


def of_run(
    session: Session, wanted: sa.Select[*_Columns], model: type[Document] | type[Image], run_id: str
) -> sa.Select[*_Columns]:
    """Narrow a statement to a run's documents or pictures, those taken over too, in the order they were made."""
    version_id = session.scalar(sa.select(Run.version_id).where(Run.id == run_id))
    definition = bound.load_definition(session, str(version_id)) if version_id else Definition()
    return as_made(wanted.where(made_in(model, run_id, taken_over(session, run_id))), model, definition)


def _some_of_run(
    session: Session,
    wanted: sa.Select[_Made],
    model: type[_Made],
    run_id: str,
    *,
    limit: int,
    before: str | None,
    skip: int,
) -> list[_Made]:
    ordered = of_run(session, wanted, model, run_id)
    if before is None:
        return list(session.scalars(ordered.offset(skip).limit(limit)))
    ids = list(session.scalars(ordered.with_only_columns(model.id, maintain_column_froms=True)))
    first = ids.index(before) + 1 if before in ids else 0
    places = {each: place for place, each in enumerate(ids[first : first + limit])}
    found = session.scalars(sa.select(model).where(model.id.in_(list(places))))
    return sorted(found, key=lambda each: places[each.id])


def made_by_run(session: Session, run_id: str) -> tuple[int, int]:
    """Count a run's documents and its pictures, those taken over too. Two statements."""
    taken = taken_over(session, run_id)
    counts = (
        sa.select(sa.func.count()).select_from(model).where(made_in(model, run_id, taken)).scalar_subquery()
        for model in (Document, Image)
    )
    documents, pictures = session.execute(sa.select(*counts)).one()
    return documents, pictures


def document(session: Session, workspace_id: str, document_id: str) -> Document:
    """Return one document. Raises NotFound."""
    found = session.scalar(
        sa.select(Document).where(Document.id == document_id, Document.workspace_id == workspace_id)
    )
    if found is None:
        raise NotFound("This document does not exist.")
    return found


def revisions(session: Session, document_id: str) -> list[DocumentRevision]:
    """Return what a document said at each version, newest first."""
    statement = sa.select(DocumentRevision).where(DocumentRevision.document_id == document_id)
    return list(session.scalars(statement.order_by(DocumentRevision.version.desc())))


def attachments(session: Session, document_ids: Sequence[str]) -> dict[str, list[AttachmentFacts]]:
    """Return the pictures of each document in their order, in one query; a document without any has an empty list."""
    found: dict[str, list[AttachmentFacts]] = {document_id: [] for document_id in document_ids}
    statement = (
        sa.select(
            Attachment.document_id,
            Attachment.image_id,
            Image.alt,
            Attachment.is_primary,
            Attachment.position,
            Image.width,
            Image.height,
        )
        .join(Image, Image.id == Attachment.image_id)
        .where(Attachment.document_id.in_(list(document_ids)))
        .order_by(Attachment.document_id, Attachment.position)
    )
    for row in session.execute(statement):
        found[row[0]].append(AttachmentFacts(*row[1:]))
    return found


def images(
    session: Session,
    workspace_id: str,
    *,
    run_id: str | None = None,
    limit: int = 60,
    before: str | None = None,
    skip: int = 0,
) -> list[Image]:
    """Return pictures, newest first; those of one run in the order they were made. *before* is the last id seen.

    Of one run the first *skip* may be left out.
    """
    statement = sa.select(Image).where(Image.workspace_id == workspace_id)
    if run_id:
        return _some_of_run(session, statement, Image, run_id, limit=limit, before=before, skip=skip)
    if before:
        last = image(session, workspace_id, before)
        place = sa.tuple_(Image.created_at, Image.id)
        statement = statement.where(place < sa.tuple_(sa.literal(last.created_at), sa.literal(last.id)))
    return list(session.scalars(statement.order_by(Image.created_at.desc(), Image.id.desc()).limit(limit)))


def titles(session: Session, workspace_id: str, ids: Collection[str]) -> dict[str, str]:
    """Return the titles of those of these ids that are documents or pictures of the workspace. One statement."""
    said = sa.func.coalesce(sa.func.nullif(Image.alt, ""), sa.func.nullif(Image.prompt, ""), "Picture")
    documents = sa.select(Document.id, Document.title).where(among(Document, workspace_id, ids))
    pictures = sa.select(Image.id, said).where(among(Image, workspace_id, ids))
    return {row[0]: row[1] for row in session.execute(sa.union_all(documents, pictures))}


def image(session: Session, workspace_id: str, image_id: str) -> Image:
    """Return one picture's facts, without its bytes. Raises NotFound."""
    found = session.scalar(sa.select(Image).where(Image.id == image_id, Image.workspace_id == workspace_id))
    if found is None:
        raise NotFound("This picture does not exist.")
    return found


def blob(session: Session, image_id: str, variant: Variant = "original") -> ImageBlob:
    """Return a picture's bytes. Look the picture up within its workspace first. Raises NotFound."""
    statement = sa.select(ImageBlob).where(ImageBlob.image_id == image_id, ImageBlob.variant == variant)
    found = session.scalar(statement.options(undefer(ImageBlob.content)))
    if found is None:
        raise NotFound("This picture does not exist.")
    return found
