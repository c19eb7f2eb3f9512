"""Tables of files."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, deferred, mapped_column

from app.core.db import Model
from app.core.ids import new_id
from app.features.files.enums import MAX_ATTACHMENTS, DocumentStatus

# The words of a document on PostgreSQL, where an index has them, so written in one way; FTS5 folds accents by itself.
DOCUMENT_WORDS = (
    "to_tsvector('simple'::regconfig, regexp_replace(translate("
    "lower(\"left\"((title::text || ' '::text) || body, 20000)), "
    "'áàâäãåéèêëíìîïóòôöõúùûüñçýÿ'::text, 'aaaaaaeeeeiiiiooooouuuuncyy'::text), "
    "'[^[:alnum:]]+'::text, ' '::text, 'g'::text))"
)


class Document(Model):
    """A finished or half-finished piece of writing, with where it came from."""

    __tablename__ = "document"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    run_id: Mapped[str | None] = mapped_column(sa.ForeignKey("run.id", ondelete="SET NULL"), index=True)
    step_run_id: Mapped[str | None] = mapped_column(sa.String(36), index=True)
    position: Mapped[int] = mapped_column(default=1)
    title: Mapped[str] = mapped_column(sa.String(300))
    body: Mapped[str]
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)  # max_chars, headline … what the channel preview shows
    status: Mapped[str] = mapped_column(sa.String(12), default=DocumentStatus.DRAFT.value)
    version: Mapped[int] = mapped_column(default=1)
    written_by: Mapped[str] = mapped_column(default="")  # "gpt-5-mini", "Sample writer", a person
    approved_by: Mapped[str] = mapped_column(default="")
    approved_at: Mapped[datetime | None]
    test: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        sa.Index("ix_document_workspace_id_created_at", "workspace_id", "created_at", "id"),
        sa.Index("ix_document_workspace_id_status", "workspace_id", "status", "created_at", "id"),
        sa.Index("ix_document_words", sa.text(DOCUMENT_WORDS), postgresql_using="gin"),
    )

    @property
    def marked_title(self) -> str:
        """The title where no tag can stand beside it, in files for instance: a test's says so itself."""
        return f"TEST: {self.title}" if self.test else self.title

    @property
    def as_text(self) -> str:
        """The words alone: no title where that is only how they begin, unless it says that this is a test's."""
        is_beginning = self.body.startswith(self.title.rstrip("…"))
        return self.body if is_beginning and not self.test else f"{self.marked_title}\n\n{self.body}"


class DocumentRevision(Model):
    """What a document said at one version, and who wrote that."""

    __tablename__ = "document_revision"

    document_id: Mapped[str] = mapped_column(sa.ForeignKey("document.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(300))
    body: Mapped[str]
    written_by: Mapped[str]
    at: Mapped[datetime]


class Image(Model):
    """A picture: what it shows and where it came from; its bytes are in :class:`ImageBlob`."""

    __tablename__ = "image"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    run_id: Mapped[str | None] = mapped_column(sa.ForeignKey("run.id", ondelete="SET NULL"), index=True)
    step_run_id: Mapped[str | None] = mapped_column(sa.String(36), index=True)
    position: Mapped[int] = mapped_column(default=1)
    prompt: Mapped[str] = mapped_column(default="")
    alt: Mapped[str] = mapped_column(default="")
    model: Mapped[str] = mapped_column(sa.String(80), default="")
    media_type: Mapped[str] = mapped_column(sa.String(40))
    width: Mapped[int]
    height: Mapped[int]
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]

    __table_args__ = (sa.Index("ix_image_workspace_id_created_at", "workspace_id", "created_at"),)


class ImageBlob(Model):
    """The bytes of a picture: ``original`` as it came, ``small`` a JPEG of at most 480 px."""

    __tablename__ = "image_blob"

    image_id: Mapped[str] = mapped_column(sa.ForeignKey("image.id", ondelete="CASCADE"), primary_key=True)
    variant: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    media_type: Mapped[str] = mapped_column(sa.String(40))
    content: Mapped[bytes] = deferred(mapped_column(sa.LargeBinary))


class Attachment(Model):
    """A picture at a document: one primary always, in order, at most 20."""

    __tablename__ = "attachment"

    document_id: Mapped[str] = mapped_column(sa.ForeignKey("document.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[str] = mapped_column(sa.ForeignKey("image.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int]
    is_primary: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        sa.UniqueConstraint("document_id", "position"),
        sa.CheckConstraint(f"position BETWEEN 1 AND {MAX_ATTACHMENTS}", name="at_most_20"),
        sa.Index("uq_attachment_primary", "document_id", unique=True, postgresql_where=sa.text("is_primary"),
                 sqlite_where=sa.text("is_primary")),
    )
