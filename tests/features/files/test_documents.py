"""Documents: versions, statuses, lists, and what steps may read."""

import pytest
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.features.files import queries, service
from tests.features.files.conftest import Shelf


def test_a_new_document_is_version_one_with_its_revision(shelf: Shelf, session: Session) -> None:
    document = shelf.document(session)
    [revision] = queries.revisions(session, document.id)
    assert (document.version, revision.version, revision.body) == (1, 1, "Drive now.")
    assert revision.written_by == "gpt-5-mini"


@pytest.mark.parametrize(
    ("title", "body", "shown"),
    [
        ("", "Drive now.\nSecond line", "Drive now."),
        ("  ", "", "Text 4"),
        (
            "",
            "word " * 40,
            "word " * 14 + "word…",
        ),
        ("A" * 400, "b", "A" * 300),
    ],
)
def test_a_document_always_has_a_title(
    shelf: Shelf, session: Session, title: str, body: str, shown: str
) -> None:
    assert shelf.document(session, title=title, body=body, position=4).title == shown


def test_an_edit_is_a_new_version_and_the_old_one_stays(shelf: Shelf, session: Session) -> None:
    document = shelf.document(session)
    service.edit_document(
        session, document, title=" Summer  lease ", body=" Drive later. ", written_by="Maria"
    )
    assert (document.title, document.body, document.version, document.written_by) == (
        "Summer lease", "Drive later.", 2, "Maria"
    )  # fmt: skip
    assert [(revision.version, revision.title) for revision in queries.revisions(session, document.id)] == [
        (2, "Summer lease"), (1, "Spring lease")
    ]  # fmt: skip


def test_an_edit_that_changes_nothing_is_no_version(shelf: Shelf, session: Session) -> None:
    document = shelf.document(session)
    service.edit_document(session, document, title="Spring lease", body="Drive now.", written_by="Maria")
    assert (document.version, document.written_by) == (1, "gpt-5-mini")


def test_an_edit_of_an_outdated_page_is_refused(shelf: Shelf, session: Session) -> None:
    document = shelf.document(session)
    service.edit_document(session, document, title="B", body="b", written_by="Maria", expected_version=1)
    with pytest.raises(Conflict, match="it is at version 2"):
        service.edit_document(session, document, title="C", body="c", written_by="Bob", expected_version=1)
    assert document.title == "B"


def test_all_that_is_wrong_with_an_edit_is_told_at_once(shelf: Shelf, session: Session) -> None:
    document = shelf.document(session)
    with pytest.raises(Invalid) as raised:
        service.edit_document(session, document, title="A" * 301, body="  ", written_by="Maria")
    assert [problem.path for problem in raised.value.problems] == ["/title", "/body"]
    assert document.version == 1


def test_characters_that_no_database_keeps_are_refused_by_name(shelf: Shelf, session: Session) -> None:
    document = shelf.document(session)
    with pytest.raises(Invalid) as raised:
        service.edit_document(session, document, title="A\x00", body="b\x00😀", written_by="Maria")
    assert [problem.path for problem in raised.value.problems] == ["/title", "/body"]
    service.edit_document(session, document, title="A 👩‍🔧", body="שלום\u202e \u00a0😀", written_by="Maria")
    assert document.body == "שלום\u202e \u00a0😀"


def test_approval_keeps_by_whom_and_rejection_forgets_it(shelf: Shelf, session: Session) -> None:
    document = shelf.document(session)
    service.set_status(session, [document.id], "approved", by="maria@example.com")
    session.refresh(document)
    assert (document.status, document.approved_by) == ("approved", "maria@example.com")
    assert document.approved_at is not None
    service.set_status(session, [document.id], "rejected", by="bob@example.com")
    session.refresh(document)
    assert (document.status, document.approved_by, document.approved_at) == ("rejected", "", None)


def test_an_unknown_status_is_refused(shelf: Shelf, session: Session) -> None:
    with pytest.raises(ValueError, match="perfect"):
        service.set_status(session, [shelf.document(session).id], "perfect", by="maria")


def test_lists_are_newest_first_and_page_by_the_last_id(shelf: Shelf, session: Session) -> None:
    made = [shelf.document(session, title=f"Ad {number}").id for number in range(5)]
    shelf.document(session, workspace_id=shelf.stranger_id)
    first = queries.documents(session, shelf.workspace_id, limit=2)
    second = queries.documents(session, shelf.workspace_id, limit=9, before=first[-1].id)
    assert [document.id for document in [*first, *second]] == made[::-1]
    service.set_status(session, made[:1], "approved", by="x")
    approved = queries.documents(session, shelf.workspace_id, status="approved")
    assert [document.id for document in approved] == made[:1]


def test_a_strangers_document_does_not_exist(shelf: Shelf, session: Session) -> None:
    theirs = shelf.document(session, workspace_id=shelf.stranger_id)
    with pytest.raises(NotFound):
        queries.document(session, shelf.workspace_id, theirs.id)
    with pytest.raises(NotFound):
        service.read_documents(session, shelf.workspace_id, [theirs.id])
    with pytest.raises(NotFound):
        queries.documents(session, shelf.workspace_id, before=theirs.id)
    service.set_status(session, [theirs.id], "approved", by="x", workspace_id=shelf.workspace_id)
    session.refresh(theirs)
    assert theirs.status == "draft"


def test_steps_read_documents_in_the_order_asked(shelf: Shelf, session: Session) -> None:
    one, two = shelf.document(session, title="One"), shelf.document(session, title="Two")
    images = shelf.images(session, 2)
    service.attach(session, one.id, images)
    facts = service.read_documents(session, shelf.workspace_id, [two.id, one.id])
    assert [fact.title for fact in facts] == ["Two", "One"]
    assert (facts[0].image_ids, facts[1].image_ids) == ((), tuple(images))
    with pytest.raises(NotFound):
        service.read_documents(session, shelf.workspace_id, [one.id, new_id()])
    assert service.read_documents(session, shelf.workspace_id, []) == []
