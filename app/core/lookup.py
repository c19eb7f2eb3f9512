"""Rows by their ids, one also by the name that a person gave it, with words for what is not there."""

from collections.abc import Collection
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.errors import Conflict, NotFound
from app.core.ids import is_id

Row = TypeVar("Row")


def among(model: Any, workspace_id: str, ids: Collection[str]) -> sa.ColumnElement[bool]:
    """Tell whether a row is the workspace's and has one of these ids; looked up by them.

    SQLite takes every workspace for small, and for more than a few ids would go through all of it.
    """
    return sa.and_(model.id.in_(ids), sa.func.coalesce(model.workspace_id, model.workspace_id) == workspace_id)


def by_id(session: Session, rows: sa.Select[Row], model: Any, row_id: str, noun: str) -> Row:
    """Return the one of *rows* with this id. Raises NotFound: "This workflow does not exist."."""
    found = session.scalars(rows.where(model.id == row_id)).one_or_none() if is_id(row_id) else None
    if found is None:
        raise NotFound(f"This {noun} does not exist.")
    return found


def by_name(session: Session, rows: sa.Select[Row], model: Any, reference: str, noun: str) -> Row:
    """Return the one of *rows* with this id or name, in capitals or not.

    Raises NotFound; Conflict where several have the name and none of them, or more than one, in just these letters.
    """
    if is_id(reference):
        return by_id(session, rows, model, reference, noun)
    name = reference.strip()
    found = session.scalars(rows.where(sa.func.lower(model.name) == name.lower()).limit(20)).all()
    found = [row for row in found if getattr(row, "name", "") == name] or found
    if len(found) > 1:
        raise Conflict(f"Several {noun}s are called “{reference}”.", fix="Give the id, or each a name of its own.")
    if not found:
        raise NotFound(f"There is no {noun} called “{reference}”.", fix="Choose one of yours.")
    return found[0]
