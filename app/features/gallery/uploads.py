"""Files handed in with a launch form: read and looked at before the database is asked anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO

from app.core.errors import FieldError, Invalid
from app.definition.schema import InputType
from app.features.files import service as files
from app.features.files.service import PreparedImage

MAX_BYTES = 11 * 1024 * 1024  # more than may be used: the reader says that it is too large
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".heic", ".heif")
TABLES = (".csv", ".tsv")
TAKES = {
    InputType.LONG_TEXT: ".txt,.md,.docx",
    InputType.CSV: ".csv,.tsv,.txt",
    InputType.DOCUMENT: ".txt,.md,.docx",
    InputType.DOCUMENTS: ".txt,.md,.docx",
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
    """Return what is wrong with a file for its question: a picture where words are asked, or words for a picture."""
    wants_picture = kind in (InputType.IMAGE, InputType.IMAGES)
    if kind in TAKES and wants_picture == (upload.picture is not None):
        return None
    takes = TAKES.get(kind, "").replace(",", ", ")
    message = f"“{upload.name[:80]}” does not fit this question."
    return FieldError(f"/inputs/{upload.key}", "file", message, f"Use {takes}." if takes else "Leave the file out.")


def _upload(key: str, name: str, stream: BytesIO) -> Upload:
    ending = PurePosixPath(name.lower()).suffix
    if ending in PICTURES:
        return Upload(key, name, picture=files.read_picture(name, stream))
    if ending in TABLES:
        return Upload(key, name, text=files.read_table(name, stream))
    return Upload(key, name, text=files.read_upload(name, stream))
