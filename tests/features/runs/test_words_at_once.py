"""Two steps of one run ask people at the same moment: the words of both are kept, and neither step fails."""

import threading

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import db
from app.features.runs import search
from app.features.runs.models import RunWord
from tests import factories
from tests.cast import enter


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_same_words_may_be_written_twice_at_once(app: Flask) -> None:
    cast = enter(app)
    with app.app_context():
        run = factories.queued_run(db.session(), factories.workflow(db.session(), cast.alice.workspace_id))
        workspace_id, number = run.workspace_id, run.number
        db.session.commit()
    faults: list[Exception] = []
    has_begun = threading.Event()

    def second() -> None:
        with app.app_context():
            try:
                has_begun.set()
                search.add(db.session(), workspace_id, number, ["maria", "zoe"])
                db.session.commit()
            except Exception as error:
                faults.append(error)
                db.session.rollback()

    with app.app_context():
        search.add(db.session(), workspace_id, number, ["maria", "ann"])
        db.session.flush()
        thread = threading.Thread(target=second)
        thread.start()
        has_begun.wait(60)
        thread.join(0.5)  # it stands in line behind us
        db.session.commit()
        thread.join(60)
        kept = set(db.session.scalars(sa.select(RunWord.word).where(RunWord.number == number)))
    assert faults == []
    assert {"maria", "ann", "zoe"} <= kept
