"""Files in and out: uploads that are read, and the archive."""

import csv
import io
import zipfile

import docx
import pytest
from sqlalchemy.orm import Session

from app.core.errors import Invalid, NotFound
from app.features.files import service, uploads
from tests.features.files.conftest import TINY, Shelf


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


class Pipe(io.RawIOBase):
    """A stream that can only be written to, like a response."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        self.content += memoryview(part)  # type: ignore[arg-type]
        return len(memoryview(part))  # type: ignore[arg-type]


def test_the_archive_holds_texts_pictures_and_a_manifest(shelf: Shelf, session: Session) -> None:
    one = shelf.document(session, title="=HYPERLINK(1) Grüße/..\\", body="+49 call us", position=1)
    two = shelf.document(session, title="Plain", body='Say "hi",\nsoon', position=2)
    shared, own = shelf.images(session, 2)
    service.attach(session, one.id, [shared])
    service.attach(session, two.id, [own, shared])
    service.set_primary(session, shelf.workspace_id, two.id, shared)
    pipe = Pipe()
    service.zip_documents(session, shelf.workspace_id, [one, two], pipe)
    with zipfile.ZipFile(io.BytesIO(bytes(pipe.content))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            "01-hyperlink-1-grue.txt", "02-plain.txt", "manifest.csv",
            "pictures/picture-01.png", "pictures/picture-02.png",
        ]  # fmt: skip
        assert archive.read("pictures/picture-01.png") == TINY
        assert archive.read("02-plain.txt").decode() == 'Plain\n\nSay "hi",\nsoon\n'
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"), newline="")))
    assert [row["title"] for row in rows] == ["'=HYPERLINK(1) Grüße/..\\", "Plain"]
    assert [row["text"] for row in rows] == ["'+49 call us", 'Say "hi",\nsoon']
    assert [row["primary_picture"] for row in rows] == ["pictures/picture-01.png", "pictures/picture-01.png"]
    assert rows[1]["pictures"] == "pictures/picture-02.png pictures/picture-01.png"


def test_a_strangers_document_is_in_no_archive(shelf: Shelf, session: Session) -> None:
    theirs = shelf.document(session, workspace_id=shelf.stranger_id)
    pipe = Pipe()
    with pytest.raises(NotFound):
        service.zip_documents(session, shelf.workspace_id, [shelf.document(session), theirs], pipe)
    assert not pipe.content
