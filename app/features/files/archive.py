"""Documents and pictures as one archive, to take away."""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import BinaryIO

from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import NotFound
from app.features.files import images, queries, rules
from app.features.files.models import Document, Image

_COLUMNS = (
    "number",
    "file",
    "title",
    "text",
    "status",
    "primary_picture",
    "pictures",
    "written_by",
    "approved_by",
    "created_at",
)


def write(
    session: Session,
    workspace_id: str,
    documents: Iterable[Document],
    stream: BinaryIO,
    pictures_besides: Iterable[Image] = (),
    *,
    first: int = 1,
    note: str = "",
) -> None:
    """Write an archive to *stream* (need not seek): a text file each, every picture once, and ``manifest.csv``.

    *pictures_besides* may be at no document. The texts are numbered from *first* on. *note* is what whoever opens it
    must know. Pictures are read one at a time. Raises NotFound for what is a stranger's.
    """
    besides = list(pictures_besides)
    if any(picture.workspace_id != workspace_id for picture in besides):
        raise NotFound("This picture does not exist.")
    chosen = list(documents)
    if any(document.workspace_id != workspace_id for document in chosen):
        raise NotFound("This document does not exist.")
    pictures = queries.attachments(session, [document.id for document in chosen])
    names: dict[str, str] = {}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        rows = []
        if note:
            archive.writestr("Read this first.txt", note)
        for number, document in enumerate(chosen, start=first):
            name = f"{rules.archive_name(number, document.marked_title)}.txt"
            archive.writestr(_entry(name, document.updated_at), f"{document.marked_title}\n\n{document.body}\n")
            for picture in pictures[document.id]:
                image_id = picture.image_id
                if image_id not in names:
                    names[image_id] = _write_picture(session, archive, image_id, len(names) + 1, document.updated_at)
            rows.append(_manifest_row(number, name, document, pictures[document.id], names))
        for image in besides:
            if image.id not in names:
                names[image.id] = _write_picture(session, archive, image.id, len(names) + 1, image.created_at)
        if chosen:
            archive.writestr("manifest.csv", _manifest(rows))


def _manifest(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(_COLUMNS)
    writer.writerows([[rules.safe_cell(cell) for cell in row] for row in rows])
    return out.getvalue().encode("utf-8-sig")  # the mark makes spreadsheets read UTF-8


def _manifest_row(
    number: int,
    name: str,
    document: Document,
    pictures: list[queries.AttachmentFacts],
    names: Mapping[str, str],
) -> list[str]:
    primary = next((names[picture.image_id] for picture in pictures if picture.is_primary), "")
    return [
        str(number),
        name,
        document.marked_title,
        document.body,
        document.status,
        primary,
        " ".join(names[picture.image_id] for picture in pictures),
        document.written_by,
        document.approved_by,
        clock.iso(document.created_at) or "",
    ]


def _write_picture(
    session: Session, archive: zipfile.ZipFile, image_id: str, number: int, at: datetime
) -> str:
    blob = queries.blob(session, image_id)
    name = f"pictures/picture-{number:02d}.{images.EXTENSIONS.get(blob.media_type, 'bin')}"
    entry = _entry(name, at)
    entry.compress_type = zipfile.ZIP_STORED  # PNG and JPEG are packed already
    archive.writestr(entry, blob.content)
    session.expunge(blob)  # else a hundred pictures stay in memory until the session ends
    return name


def _entry(name: str, at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(at.year, at.month, at.day, at.hour, at.minute, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
