"""Pictures at documents: in order, at most twenty, one primary always."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.features.files import queries, service
from app.features.files.models import Attachment, Document, Image
from tests.features.files.conftest import Shelf


def pictures(session: Session, document: Document) -> list[str]:
    """Write the pictures of a document as ``image`` or ``*image`` for the primary one, in order."""
    facts = queries.attachments(session, [document.id])[document.id]
    assert [fact.position for fact in facts] == list(range(1, len(facts) + 1))
    assert sum(fact.is_primary for fact in facts) == min(1, len(facts))
    return [("*" if fact.is_primary else "") + fact.image_id for fact in facts]


def test_the_first_becomes_primary_and_the_order_is_kept(shelf: Shelf, session: Session) -> None:
    document, (a, b, c) = shelf.document(session), shelf.images(session, 3)
    service.attach(session, document.id, [c, a])
    service.attach(session, document.id, [b])
    assert pictures(session, document) == [f"*{c}", a, b]


def test_attaching_twice_changes_nothing(shelf: Shelf, session: Session) -> None:
    document, (a, b) = shelf.document(session), shelf.images(session, 2)
    service.attach(session, document.id, [a, b, a])
    service.attach(session, document.id, [b, a])
    assert pictures(session, document) == [f"*{a}", b]


def test_twenty_fit_and_the_twenty_first_is_refused(shelf: Shelf, session: Session) -> None:
    document, images = shelf.document(session), shelf.images(session, 21)
    service.attach(session, document.id, images[:20])
    with pytest.raises(Conflict, match=r"at most 20 pictures: “Spring lease” has 20, and 1 more do not fit"):
        service.attach(session, document.id, images)
    assert len(pictures(session, document)) == 20
    with pytest.raises(IntegrityError):  # whoever goes round the service meets the database
        session.execute(
            sa.insert(Attachment).values(document_id=document.id, image_id=images[20], position=21)
        )


def test_detaching_the_primary_promotes_the_next(shelf: Shelf, session: Session) -> None:
    document, (a, b, c) = shelf.document(session), shelf.images(session, 3)
    service.attach(session, document.id, [a, b, c])
    service.set_primary(session, shelf.workspace_id, document.id, b)
    service.detach(session, shelf.workspace_id, document.id, b)
    assert pictures(session, document) == [a, f"*{c}"]
    service.detach(session, shelf.workspace_id, document.id, c)
    assert pictures(session, document) == [f"*{a}"]
    service.detach(session, shelf.workspace_id, document.id, a)
    assert pictures(session, document) == []
    assert session.get(Image, a) is not None


def test_detaching_another_keeps_the_primary(shelf: Shelf, session: Session) -> None:
    document, (a, b) = shelf.document(session), shelf.images(session, 2)
    service.attach(session, document.id, [a, b])
    service.detach(session, shelf.workspace_id, document.id, b)
    assert pictures(session, document) == [f"*{a}"]
    service.attach(session, document.id, [b])
    assert pictures(session, document) == [f"*{a}", b]


def test_the_primary_can_be_chosen(shelf: Shelf, session: Session) -> None:
    document, (a, b) = shelf.document(session), shelf.images(session, 2)
    service.attach(session, document.id, [a, b])
    service.set_primary(session, shelf.workspace_id, document.id, b)
    service.set_primary(session, shelf.workspace_id, document.id, b)
    assert pictures(session, document) == [a, f"*{b}"]


def test_strangers_pictures_and_documents_do_not_exist(shelf: Shelf, session: Session) -> None:
    mine, theirs = shelf.document(session), shelf.document(session, workspace_id=shelf.stranger_id)
    picture = shelf.image(session, workspace_id=shelf.stranger_id)
    own = shelf.image(session)
    with pytest.raises(NotFound):
        service.attach(session, mine.id, [own.id, picture.id])
    assert pictures(session, mine) == []
    service.attach(session, theirs.id, [picture.id])
    with pytest.raises(NotFound):
        service.set_primary(session, shelf.workspace_id, theirs.id, picture.id)
    with pytest.raises(NotFound):
        service.detach(session, shelf.workspace_id, theirs.id, picture.id)
    with pytest.raises(NotFound):
        queries.image(session, shelf.workspace_id, picture.id)
    with pytest.raises(NotFound):
        service.attach(session, new_id(), [own.id])


def test_what_is_not_attached_cannot_be_primary_or_taken_off(shelf: Shelf, session: Session) -> None:
    document, (a, b) = shelf.document(session), shelf.images(session, 2)
    service.attach(session, document.id, [a])
    for act in (service.set_primary, service.detach):
        with pytest.raises(NotFound):
            act(session, shelf.workspace_id, document.id, b)
    assert pictures(session, document) == [f"*{a}"]


def test_many_documents_take_one_query(shelf: Shelf, session: Session) -> None:
    images = shelf.images(session, 2)
    made = [shelf.document(session).id for _ in range(3)]
    for document_id in made[:2]:
        service.attach(session, document_id, images)
    seen: list[str] = []

    @sa.event.listens_for(shelf.engine, "before_cursor_execute")
    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    found = queries.attachments(session, made)
    assert [len(found[document_id]) for document_id in made] == [2, 2, 0]
    assert len([statement for statement in seen if "SELECT" in statement]) == 1
