"""Writes of documents and pictures. Nothing here commits; the caller does, once.

Slow work (Pillow, reading uploads) is in :func:`prepare_image` and :func:`read_upload`, which take no session: do it
before the first statement, since on SQLite a writing session holds the only write lock until it commits.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import close_after_use
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.core.lookup import among
from app.engine.contract import Category, DocumentFacts, StepError
from app.engine.models import Call
from app.features.files import images, queries, rules, uploads
from app.features.files.enums import MAX_ATTACHMENTS, DocumentStatus
from app.features.files.images import PreparedImage
from app.features.files.models import Attachment, Document, DocumentRevision, Image, ImageBlob

__all__ = [
    "PreparedImage",
    "attach",
    "create_document",
    "detach",
    "edit_document",
    "prepare_image",
    "read_documents",
    "read_picture",
    "read_table",
    "read_upload",
    "set_primary",
    "set_status",
    "store_image",
]


class AnyPicture(Protocol):
    """A picture as the AI feature gives it; only its bytes are trusted, and those are looked at."""

    @property
    def png(self) -> bytes:
        """The picture's bytes as they came."""


# --- documents ---


def create_document(
    session: Session,
    *,
    workspace_id: str,
    run_id: str | None,
    step_run_id: str | None,
    title: str,
    body: str,
    fields: Mapping[str, Any],
    status: str,
    position: int,
    written_by: str,
    test: bool,
    document_id: str | None = None,
    written_at: datetime | None = None,
) -> Document:
    """Add a document and its first revision. An empty *written_by* means: the model that this step's calls name."""
    moment = written_at or clock.now()
    document = Document(
        id=document_id or new_id(),
        workspace_id=workspace_id,
        run_id=run_id,
        step_run_id=step_run_id,
        position=position,
        title=rules.shown_title(title, body, position),
        body=body,
        fields=dict(fields),
        status=DocumentStatus(status).value,
        version=1,
        written_by=written_by or _model_of(session, step_run_id),
        test=test,
        created_at=moment,
        updated_at=moment,
    )
    session.add(document)
    session.flush()
    _add_revision(session, document)
    return document


def edit_document(
    session: Session,
    document: Document,
    *,
    title: str,
    body: str,
    written_by: str,
    expected_version: int | None = None,
) -> Document:
    """Save a new version where anything changed. Raises Invalid, and Conflict when *expected_version* is outdated."""
    title, body = rules.checked_text(title, body)
    _lock(session, document)
    if expected_version is not None and document.version != expected_version:
        raise Conflict(
            f"“{document.title}” was changed meanwhile: it is at version {document.version}.",
            fix="Load it again.",
        )
    title = rules.shown_title(title, body, document.position)
    if (title, body) == (document.title, document.body):
        return document
    document.title, document.body = title, body
    document.version += 1
    document.written_by = written_by
    document.updated_at = clock.now()
    _add_revision(session, document)
    return document


def set_status(
    session: Session,
    document_ids: Sequence[str],
    status: str | DocumentStatus,
    *,
    by: str,
    workspace_id: str | None = None,
) -> None:
    """Move documents to a status; an approval keeps who gave it and when, any other status forgets that."""
    moment, chosen = clock.now(), DocumentStatus(status)
    approved = chosen is DocumentStatus.APPROVED
    statement = sa.update(Document).where(Document.id.in_(list(document_ids)))
    if workspace_id is not None:
        statement = statement.where(Document.workspace_id == workspace_id)
    session.execute(
        statement.values(
            status=chosen.value,
            approved_by=by if approved else "",
            approved_at=moment if approved else None,
            updated_at=moment,
        )
    )


def read_documents(session: Session, workspace_id: str, document_ids: Sequence[str]) -> list[DocumentFacts]:
    """Return what steps may know of documents, in the order asked. Raises NotFound for a missing or a stranger's id."""
    wanted = list(document_ids)
    statement = sa.select(Document).where(among(Document, workspace_id, wanted))
    found = {document.id: document for document in session.scalars(statement)}
    missing = [document_id for document_id in wanted if document_id not in found]
    if missing:
        raise NotFound(
            f"The document {missing[0][:40]} does not exist.", fix="Choose documents of this workspace."
        )
    pictures = queries.attachments(session, wanted)
    return [
        DocumentFacts(
            id=document_id,
            title=found[document_id].title,
            body=found[document_id].body,
            position=found[document_id].position,
            image_ids=tuple(picture.image_id for picture in pictures[document_id]),
        )
        for document_id in wanted
    ]


def read_upload(filename: str, stream: BinaryIO) -> str:
    """Return the text of a .txt, .md or .docx file of at most 1 MB. Raises Invalid."""
    return uploads.read(filename, stream)


def read_table(filename: str, stream: BinaryIO) -> str:
    """Return the text of a .csv or .tsv file of at most 1 MB. Raises Invalid."""
    return uploads.read_table(filename, stream)


# --- pictures ---


def read_picture(filename: str, stream: BinaryIO) -> PreparedImage:
    """Look at a picture that somebody hands in and scale it down; takes no session. Raises Invalid naming the file."""
    try:
        return images.prepare(stream.read(images.MAX_BYTES + 1))
    except Invalid as invalid:
        raise Invalid(f"“{filename[:80]}”: {invalid.message}", fix=invalid.fix, code=invalid.code) from invalid


def prepare_image(picture: AnyPicture) -> PreparedImage:
    """Look at a picture that the AI made and scale it down; takes no session. Raises StepError(ai_answer)."""
    try:
        return images.prepare(picture.png)
    except Invalid as invalid:
        message = f"The AI’s picture cannot be used. {invalid.message}"
        raise StepError(Category.AI_ANSWER, message, code=invalid.code, fix="Try this step again.") from invalid


def store_image(
    session: Session,
    *,
    workspace_id: str,
    run_id: str | None,
    step_run_id: str | None,
    position: int,
    prompt: str,
    model: str,
    prepared: PreparedImage | None = None,
    png: bytes | None = None,
    image_id: str | None = None,
) -> Image:
    """Keep a picture: the original and the small JPEG. Give *prepared*, or *png*, prepared before any statement."""
    if prepared is None:
        if png is None:
            raise TypeError("give prepared or png")
        prepared = images.prepare(png)
    image = Image(
        id=image_id or new_id(),
        workspace_id=workspace_id,
        run_id=run_id,
        step_run_id=step_run_id,
        position=position,
        prompt=prompt,
        alt=rules.alt_text(prompt),
        model=model[:80],
        media_type=prepared.media_type,
        width=prepared.width,
        height=prepared.height,
        size_bytes=len(prepared.original),
        sha256=prepared.sha256,
        created_at=clock.now(),
    )
    session.add(image)
    session.flush()
    original = {"variant": "original", "media_type": prepared.media_type, "content": prepared.original}
    small = {"variant": "small", "media_type": "image/jpeg", "content": prepared.small}
    session.execute(
        sa.insert(ImageBlob), [{"image_id": image.id, **original}, {"image_id": image.id, **small}]
    )
    close_after_use(session)
    return image


# --- pictures at documents ---


def attach(session: Session, document_id: str, image_ids: Sequence[str]) -> None:
    """Add pictures in the order given; those already there stay where they are. The first becomes primary if none is.

    Raises NotFound when the document or a picture of the same workspace does not exist, Conflict beyond 20.
    """
    document = session.scalar(sa.select(Document).where(Document.id == document_id).with_for_update())
    if document is None:
        raise NotFound("This document does not exist.")
    present = _attached(session, document_id)
    known = {attachment.image_id for attachment in present}
    new = [image_id for image_id in dict.fromkeys(image_ids) if image_id not in known]
    _check_images(session, document.workspace_id, new)
    if len(present) + len(new) > MAX_ATTACHMENTS:
        raise Conflict(
            f"A document holds at most {MAX_ATTACHMENTS} pictures: “{document.title}” has {len(present)}, "
            f"and {len(new)} more do not fit.",
            fix="Take a picture off first.",
        )
    has_primary = any(attachment.is_primary for attachment in present)
    for place, image_id in enumerate(new):
        session.add(
            Attachment(
                document_id=document_id,
                image_id=image_id,
                position=len(present) + place + 1,
                is_primary=not has_primary and place == 0,
            )
        )
    session.flush()


def detach(session: Session, workspace_id: str, document_id: str, image_id: str) -> None:
    """Take a picture off a document; the picture stays. Was it the primary one, the next takes its place."""
    document = queries.document(session, workspace_id, document_id)
    _lock(session, document)
    present = _attached(session, document_id)
    gone = next((attachment for attachment in present if attachment.image_id == image_id), None)
    if gone is None:
        raise NotFound("This picture is not at this document.")
    session.delete(gone)
    session.flush()
    rest = [attachment for attachment in present if attachment is not gone]
    for place, attachment in enumerate(rest):
        attachment.position = place + 1
        session.flush()  # one by one: two rows may never hold the same place
    if gone.is_primary and rest:
        heir = next((attachment for attachment in rest if attachment.position >= gone.position), rest[-1])
        heir.is_primary = True
        session.flush()


def set_primary(session: Session, workspace_id: str, document_id: str, image_id: str) -> None:
    """Make one picture the primary one. Raises NotFound when it is not at the document."""
    document = queries.document(session, workspace_id, document_id)
    _lock(session, document)
    present = _attached(session, document_id)
    chosen = next((attachment for attachment in present if attachment.image_id == image_id), None)
    if chosen is None:
        raise NotFound("This picture is not at this document.")
    for attachment in present:
        attachment.is_primary = False
    session.flush()
    chosen.is_primary = True
    session.flush()


# --- helpers ---


def _add_revision(session: Session, document: Document) -> None:
    session.add(
        DocumentRevision(
            document_id=document.id,
            version=document.version,
            title=document.title,
            body=document.body,
            written_by=document.written_by,
            at=document.updated_at,
        )
    )
    session.flush()


def _model_of(session: Session, step_run_id: str | None) -> str:
    if step_run_id is None:
        return ""
    statement = sa.select(Call.model).where(Call.step_run_id == step_run_id, Call.model != "").limit(1)
    return session.scalar(statement) or ""


def _lock(session: Session, document: Document) -> None:
    """Let one writer at a time change a document and its pictures; on SQLite there is only one writer anyway."""
    session.refresh(document, with_for_update=True)


def _attached(session: Session, document_id: str) -> list[Attachment]:
    statement = (
        sa.select(Attachment).where(Attachment.document_id == document_id).order_by(Attachment.position)
    )
    return list(session.scalars(statement))


def _check_images(session: Session, workspace_id: str, image_ids: list[str]) -> None:
    statement = sa.select(Image.id).where(among(Image, workspace_id, image_ids))
    missing = set(image_ids) - set(session.scalars(statement))
    if missing:
        raise NotFound("A picture that should be attached does not exist in this workspace.")
