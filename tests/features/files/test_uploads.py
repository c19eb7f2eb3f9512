"""Uploads that are read."""

import io
import zipfile

import docx
import pytest

from app.core.errors import Invalid
from app.features.files import service, uploads
from tests.features.files.conftest import TINY


def word(*paragraphs: str, table: list[list[str]] | None = None) -> bytes:
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if table:
        made = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(made.add_row().cells, row, strict=True):
                cell.text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def zipped(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("filename", "content", "text"),
    [
        ("notes.txt", b"Prices\r\nstay", "Prices\nstay"),
        ("NOTES.TXT", "\ufeffGrüße".encode(), "Grüße"),
        ("notes.md", "# Title\n\ntext\n".encode("utf-16"), "# Title\n\ntext"),
        ("old.txt", "Grüße".encode("cp1252"), "Grüße"),
        (
            "C:\\docs\\facts.docx",
            word("First", "Second", table=[["Trim", "EX-L"]]),
            "First\nSecond\nTrim\tEX-L",
        ),
    ],
)
def test_an_upload_becomes_text(filename: str, content: bytes, text: str) -> None:
    assert service.read_upload(filename, io.BytesIO(content)) == text


@pytest.mark.parametrize(
    ("filename", "content", "says"),
    [
        ("facts.pdf", b"%PDF", "use a .txt, .md or .docx"),
        ("facts", b"text", "use a .txt, .md or .docx"),
        ("big.txt", b"x" * (1024 * 1024 + 1), "larger than 1 MB"),
        ("empty.txt", b" \n ", "holds no text"),
        ("blank.docx", word(""), "holds no text"),
        ("picture.txt", TINY, "not a text file"),
        ("facts.docx", b"not a zip", "not a Word document"),
        ("facts.docx", zipped(hello=b"world"), "not a Word document"),
        ("facts.docx", word("x")[:500], "not a Word document"),
        (
            "bomb.docx",
            zipped(**{"word/document.xml": b"\0" * (17 * 1024 * 1024)}),
            "unpacks to more than 16 MB",
        ),
        ("many.docx", zipped(**{f"p{n}": b"" for n in range(1001)}), "unpacks to more than"),
    ],
)
def test_an_upload_that_cannot_be_read_says_why(filename: str, content: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        uploads.read(filename, io.BytesIO(content))


def test_an_entity_in_a_word_file_reads_no_file() -> None:
    whole = io.BytesIO(word("marker"))
    out = io.BytesIO()
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "word/document.xml":
                evil = b'?>\n<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
                content = content.replace(b"?>", evil, 1).replace(b"marker", b"marker &e;")
            target.writestr(name, content)
    try:
        text = uploads.read("evil.docx", io.BytesIO(out.getvalue()))
    except Invalid:
        return
    with open("/etc/hostname") as stream:
        assert stream.read().strip() not in text
