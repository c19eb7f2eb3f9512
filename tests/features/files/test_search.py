"""Documents are found by their words and by the name of their run, on a database of each kind."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import transaction
from app.features.files import queries, search, service
from app.features.files import shelf as shelf_reads
from app.features.files.models import Document
from tests.features.files.conftest import Shelf


def _found(session: Session, shelf: Shelf, text: str, **more: Any) -> list[str]:
    return [each.title for each in queries.documents(session, shelf.workspace_id, text=text, **more)]


@pytest.mark.parametrize("rare", [0, 2000])
def test_words_of_title_and_text_find_a_document_in_any_order_of_their_number(
    shelf: Shelf, rare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RARE", rare)
    with transaction(shelf.engine) as session:
        first = shelf.document(session, title="Winter letter", body="Four winter tires, fitted: $1,240.")
        shelf.document(session, title="Spring lease", body="Drive now, in winter too.")
        stranger = shelf.document(session, title="Winter letter", body="Not ours.", workspace_id=shelf.stranger_id)
    with transaction(shelf.engine) as session:
        assert _found(session, shelf, "WINTER") == ["Spring lease", "Winter letter"]
        assert _found(session, shelf, "tire winter") == ["Winter letter"]
        assert _found(session, shelf, "1,240") == ["Winter letter"]
        assert _found(session, shelf, "zebra") == []
        assert _found(session, shelf, "winter", before=queries.documents(session, shelf.workspace_id)[0].id) == [
            "Winter letter"
        ]
        assert _found(session, shelf, "winter", status="approved") == []
        assert [each.id for each in queries.documents(session, shelf.stranger_id, text="winter")] == [stranger.id]
        service.edit_document(
            session, session.get_one(Document, first.id), title="Summer letter", body="Café.", written_by="Ann",
            expected_version=1,
        )  # fmt: skip
    with transaction(shelf.engine) as session:
        assert _found(session, shelf, "tires") == []
        if rare:
            assert _found(session, shelf, "cafe letter") == ["Summer letter"]
        session.execute(sa.delete(Document).where(Document.workspace_id == shelf.workspace_id))
        assert _found(session, shelf, "letter") == []


@pytest.mark.parametrize("text", ["'", "%", '" OR "', "a & b | c", "near(x)", "\\", "-" * 200])
def test_marks_are_no_words_and_no_language(shelf: Shelf, text: str) -> None:
    with transaction(shelf.engine) as session:
        shelf.document(session)
        assert _found(session, shelf, text) == []


def test_words_are_looked_up_in_their_index(shelf: Shelf) -> None:
    with transaction(shelf.engine) as session:
        shelf.document(session)
    with transaction(shelf.engine) as session:
        is_postgresql = session.get_bind().dialect.name == "postgresql"
        if is_postgresql:
            session.execute(sa.text("SET LOCAL enable_seqscan = off"))
            for other in ("created_at", "status"):  # with one document any index will do
                session.execute(sa.text(f"DROP INDEX ix_document_workspace_id_{other}"))
        asked: list[tuple[str, Any]] = []
        connection = session.connection()
        note = "before_cursor_execute"
        sa.event.listen(connection, note, lambda _c, _k, text, given, *_r: asked.append((text, given)))
        assert _found(session, shelf, "lease") == ["Spring lease"]
        statement, given = asked[0]
        explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
        plan = "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", given))
        session.rollback()

    assert ("ix_document_words" if is_postgresql else "document_words VIRTUAL TABLE INDEX") in plan
    assert "SCAN document\n" not in f"{plan}\n"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_word_that_many_have_is_looked_for_in_the_run_at_hand_and_not_in_the_names_of_all(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RARE", 0)
    with transaction(shelf.engine) as session:
        shelf.document(session)
        statements = _asked(session)
        assert _found(session, shelf, "lease spring") == ["Spring lease"]
        statement, given = statements[-1]
        rows = session.connection().exec_driver_sql(f"EXPLAIN {statement}", given)
        plan = "\n".join(str(row[-1]) for row in rows)

    assert "SubPlan" in plan
    assert "hashed" not in plan


def test_no_documents_are_of_no_runs_and_make_no_sets(shelf: Shelf) -> None:
    with transaction(shelf.engine) as session:
        statements = _asked(session)
        assert shelf_reads.runs_of(session, shelf.workspace_id, []) == {}
        assert shelf_reads.ready_sets(session, shelf.workspace_id) == []

    assert "FROM document" in statements[0][0]
    assert len(statements) == 1


def _asked(session: Session) -> list[tuple[str, Any]]:
    """Note what is asked of the database from now on."""
    asked: list[tuple[str, Any]] = []
    note = "before_cursor_execute"
    sa.event.listen(session.connection(), note, lambda _c, _k, text, given, *_r: asked.append((text, given)))
    return asked
