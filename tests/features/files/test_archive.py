"""The archive to take away."""

import csv
import io
import zipfile

import pytest
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.features.files import archive, service
from tests.features.files.conftest import TINY, Shelf


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
    archive.write(session, shelf.workspace_id, [one, two], pipe)
    with zipfile.ZipFile(io.BytesIO(bytes(pipe.content))) as opened:
        assert opened.testzip() is None
        assert sorted(opened.namelist()) == [
            "01-hyperlink-1-grue.txt", "02-plain.txt", "manifest.csv",
            "pictures/picture-01.png", "pictures/picture-02.png",
        ]  # fmt: skip
        assert opened.read("pictures/picture-01.png") == TINY
        assert opened.read("02-plain.txt").decode() == 'Plain\n\nSay "hi",\nsoon\n'
        rows = list(csv.DictReader(io.StringIO(opened.read("manifest.csv").decode("utf-8-sig"), newline="")))
    assert [row["title"] for row in rows] == ["'=HYPERLINK(1) Grüße/..\\", "Plain"]
    assert [row["text"] for row in rows] == ["'+49 call us", 'Say "hi",\nsoon']
    assert [row["primary_picture"] for row in rows] == ["pictures/picture-01.png", "pictures/picture-01.png"]
    assert rows[1]["pictures"] == "pictures/picture-02.png pictures/picture-01.png"


def test_a_strangers_document_is_in_no_archive(shelf: Shelf, session: Session) -> None:
    theirs = shelf.document(session, workspace_id=shelf.stranger_id)
    pipe = Pipe()
    with pytest.raises(NotFound):
        archive.write(session, shelf.workspace_id, [shelf.document(session), theirs], pipe)
    assert not pipe.content
