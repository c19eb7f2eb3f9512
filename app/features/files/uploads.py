"""Text out of a file that a person hands in as background: .txt, .md and .docx, at most 1 MB."""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from app.core.errors import Invalid

MAX_BYTES = 1024 * 1024
MAX_UNPACKED = 16 * 1024 * 1024
MAX_PARTS = 1000
KINDS = (".txt", ".md", ".docx")


def read(filename: str, stream: BinaryIO) -> str:
    """Return the file's text with plain line ends. Raises Invalid, saying what is wrong, for anything else."""
    kind = PurePosixPath(filename.replace("\\", "/").lower()).suffix
    if kind not in KINDS:
        raise Invalid(f"“{filename[:80]}” cannot be read: use a .txt, .md or .docx file.", code="wrong_type")
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Invalid(f"“{filename[:80]}” is larger than 1 MB.", code="too_large")
    text = _docx(filename, content) if kind == ".docx" else _plain(filename, content)
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise Invalid(f"“{filename[:80]}” holds no text.", code="empty")
    return text


def read_table(filename: str, stream: BinaryIO) -> str:
    """Return the text of a .csv or .tsv file. Raises Invalid when it is larger than 1 MB, empty or no text."""
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Invalid(f"“{filename[:80]}” is larger than 1 MB.", code="too_large", fix="Split the file.")
    text = _plain(filename, content).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Invalid(f"“{filename[:80]}” is empty.", code="empty", fix="Choose another file.")
    return text


def _plain(filename: str, content: bytes) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "\x00" in text:
        raise Invalid(f"“{filename[:80]}” is not a text file.", code="wrong_type")
    return text


def _docx(filename: str, content: bytes) -> str:
    broken = Invalid(f"“{filename[:80]}” is not a Word document that can be read.", code="wrong_type")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise broken from error
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise Invalid(f"“{filename[:80]}” unpacks to more than 16 MB.", code="too_large")
    from docx import Document
    from docx.opc.exceptions import PackageNotFoundError
    from lxml.etree import XMLSyntaxError  # type: ignore[import-untyped]  # lxml ships no types

    try:
        return "\n".join(_lines(Document(BytesIO(content))))
    except (PackageNotFoundError, XMLSyntaxError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise broken from error


def _lines(container: Any) -> Iterator[str]:
    """Yield paragraphs and table rows in reading order."""
    for block in container.iter_inner_content():
        if hasattr(block, "rows"):
            yield from ("\t".join(cell.text for cell in row.cells) for row in block.rows)
        else:
            yield block.text
