"""Files handed in with a launch form: read and looked at before the database is asked anything."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO

from app.core.errors import FieldError, Invalid
from app.definition.problems import listed
from app.definition.schema import InputType
from app.features.files import service as files
from app.features.files.service import PreparedImage

MAX_BYTES = 11 * 1024 * 1024  # more than may be used: the reader says that it is too large
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".heic", ".heif")
TABLES = (".csv", ".tsv")
WORDS = (".txt", ".md", ".docx")
TAKES = {
    InputType.LONG_TEXT: ",".join(WORDS),
    InputType.CSV: ".csv,.tsv,.txt",
    InputType.DOCUMENT: ",".join(WORDS),
    InputType.DOCUMENTS: ",".join(WORDS),
    InputType.IMAGE: ",".join(PICTURES),
    InputType.IMAGES: ",".join(PICTURES),
}


@dataclass(frozen=True, slots=True)
class Upload:
    """One file: the key of its question, its name, and what is in it: a text, or a picture."""

    key: str
    name: str
    text: str = ""
    picture: PreparedImage | None = None

    @property
    def title(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem[:200] or "File"

    @property
    def ending(self) -> str:
        """The ending that says what kind of file it is: ".csv"."""
        return PurePosixPath(self.name.lower()).suffix


def read(sent: Iterable[tuple[str, str, BinaryIO]]) -> tuple[list[Upload], list[FieldError]]:
    """Return the files of a form (name of the field, name of the file, bytes) and what is wrong with the others."""
    found: list[Upload] = []
    faults: list[FieldError] = []
    for field, filename, stream in sent:
        if not field.startswith("f_") or not filename:
            continue
        key, name = field.removeprefix("f_"), PurePosixPath(filename.replace("\\", "/")).name
        try:
            found.append(_upload(key, name, BytesIO(stream.read(MAX_BYTES))))
        except Invalid as invalid:
            faults.append(FieldError(f"/inputs/{key}", "file", invalid.message, invalid.fix))
    return found, faults


def fault_of(upload: Upload, kind: InputType) -> FieldError | None:
    """Return what is wrong with a file for its question: it is of a kind that the question does not take."""
    takes = TAKES.get(kind, "").split(",")
    if upload.ending in takes:
        return None
    message = f"“{upload.name[:80]}” does not fit this question."
    fix = "Save the table as .csv first." if kind is InputType.CSV else f"Use {listed(takes, 'or')}."
    return FieldError(f"/inputs/{upload.key}", "file", message, fix)


def _upload(key: str, name: str, stream: BytesIO) -> Upload:
    """Return a file with what is in it; one of a kind that no question takes is not opened."""
    upload = Upload(key, name)
    if upload.ending in PICTURES:
        return replace(upload, picture=files.read_picture(name, stream))
    if upload.ending in TABLES:
        return replace(upload, text=files.read_table(name, stream))
    if upload.ending in WORDS:
        return replace(upload, text=files.read_upload(name, stream))
    return upload
