"""Rows by their ids."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.ids import new_id
from app.core.lookup import among
from app.engine.models import Run
from app.features.files.models import Document, Image
from app.features.workflows.models import Workflow


@pytest.mark.parametrize("model", [Run, Document, Image, Workflow])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_page_of_rows_is_looked_up_by_its_ids_and_no_workspace_is_gone_through(session: Session, model: Any) -> None:
    wanted = sa.select(model.id, model.created_at).where(among(model, new_id(), [new_id() for _ in range(100)]))
    text = str(wanted.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))

    plan = [str(row[-1]) for row in session.execute(sa.text(f"EXPLAIN QUERY PLAN {text}"))]

    assert plan == [f"SEARCH {model.__tablename__} USING INDEX sqlite_autoindex_{model.__tablename__}_1 (id=?)"]
