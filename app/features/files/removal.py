"""What goes with runs that nobody keeps any more, where a workspace chose that; and what stays since others have it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import to_json
from app.engine.models import Run, StepRun
from app.features.files.models import Attachment, Document, Image

GIVEN = "#"  # before the id of what a run was given, among the words of the run: nobody can type it

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_word = sa.table("run_word", sa.column("workspace_id"), sa.column("number"), sa.column("word"))
_AS_IS = {"synchronize_session": False}  # nobody here has any of these in hand
_LIKE_AN_ID = "%________-____-____-____-____________%"


def remove_made_by(session: Session, run_ids: Sequence[str]) -> None:
    """Remove for good the documents and pictures that these runs, of one workspace, made, but for what others have.

    What another run took over belongs to that one from here on. What was another one's answer, or is attached to
    something of another one, stays by itself; an answer goes with the last run that was given it.
    """
    for model in (Document, Image):
        _leave_to_heirs(session, model, run_ids)
    given = _given(session, run_ids)
    shown = sa.exists().where(
        Attachment.document_id == Document.id,
        Image.id == Attachment.image_id,
        Image.run_id.not_in(run_ids),
        Image.created_at > Document.created_at,  # else it was there before, and these runs took it
    )
    session.execute(
        sa.delete(Document).where(
            _goes(Document, run_ids, given), sa.not_(_is_given_elsewhere(Document, run_ids)), sa.not_(shown)
        ),
        execution_options=_AS_IS,
    )
    used = sa.exists().where(Attachment.image_id == Image.id)
    session.execute(
        sa.delete(Image).where(
            _goes(Image, run_ids, given), sa.not_(_is_given_elsewhere(Image, run_ids)), sa.not_(used)
        ),
        execution_options=_AS_IS,
    )


def given_words(answers: Mapping[str, Any]) -> list[str]:
    """Return the words of a run by which it is known that it was given documents and pictures, each once."""
    return [GIVEN + found for found in dict.fromkeys(_ID.findall(to_json(answers)))]


def _leave_to_heirs(session: Session, model: type[Document] | type[Image], run_ids: Sequence[str]) -> None:
    """Give what other runs took over from these to the first of them."""
    heirs = sa.select(sa.func.min(StepRun.run_id)).where(
        StepRun.reused_from == model.step_run_id, StepRun.run_id.not_in(run_ids)
    )
    heir = heirs.scalar_subquery()
    left = sa.update(model).where(model.run_id.in_(run_ids), heir.is_not(None)).values(run_id=heir)
    session.execute(left, execution_options=_AS_IS)


def _given(session: Session, run_ids: Sequence[str]) -> set[str]:
    """Return the documents and pictures that these runs were given as answers, made by runs that are gone."""
    inputs = sa.cast(Run.inputs, sa.Text)
    runs = sa.select(Run.workspace_id, inputs.label("inputs")).where(Run.id.in_(run_ids), inputs.like(_LIKE_AN_ID))
    rows = session.execute(runs).all()
    named = {found for row in rows for found in _ID.findall(row.inputs)}
    if not named:
        return set()
    return {
        found
        for model in (Document, Image)
        for found in session.scalars(
            sa.select(model.id).where(
                model.id.in_(named), model.workspace_id == rows[0].workspace_id, model.run_id.is_(None),
                model.step_run_id.is_not(None),  # a person's own has none
            )
        )
    }  # fmt: skip


def _goes(model: type[Document] | type[Image], run_ids: Sequence[str], given: set[str]) -> sa.ColumnElement[bool]:
    return sa.or_(model.run_id.in_(run_ids), model.id.in_(given))


def _is_given_elsewhere(model: type[Document] | type[Image], run_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that another run was given a document or a picture as an answer."""
    one = (
        sa.select(_word.c.number)
        .join(Run, sa.and_(Run.workspace_id == _word.c.workspace_id, Run.number == _word.c.number))
        .where(_word.c.workspace_id == model.workspace_id, _word.c.word == GIVEN + model.id)
        .where(Run.id.not_in(run_ids))
        .limit(1)
    )
    # not EXISTS: PostgreSQL reads the words of all runs to answer that
    return one.correlate(model).scalar_subquery().is_not(None)
