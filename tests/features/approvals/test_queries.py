"""How the lists of requests are read."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.features.approvals import queries


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (queries.open_approvals, "ix_approval_open"),
        (
            lambda session, home: queries.open_approvals(session, home, email="sam@x.example", is_mine=False, limit=31),
            "ix_approval_open",
        ),
        (lambda session, home: queries.decided(session, home, limit=31), "ix_approval_over"),
    ],
)
def test_a_list_is_read_in_its_order_by_an_index(
    session: Session, ask: Callable[[Session, str], object], index: str
) -> None:
    plan = _plan(session, ask)

    assert index in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_what_a_person_was_asked_before_is_not_read_to_count_what_waits_for_them(session: Session) -> None:
    plan = _plan(session, lambda session, home: session.execute(sa.select(queries.count_for(home, "sam@x.example"))))

    assert "ix_approver_unanswered" in plan
    if session.get_bind().dialect.name == "postgresql":
        assert plan.count("Index Only Scan") == 2
    else:  # each open request looks for its person
        assert "(workspace_id=? AND email=? AND approval_id=?)" in plan


def _plan(session: Session, ask: Callable[[Session, str], object]) -> str:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        session.execute(sa.text("SET LOCAL enable_bitmapscan = off"))
    connection, asked = session.connection(), list[tuple[str, Any]]()

    @sa.event.listens_for(connection, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    ask(session, new_id())
    explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
    (statement, parameters), = asked
    return "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))
