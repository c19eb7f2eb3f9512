"""A press that meets another in the database, in a real deadlock of PostgreSQL."""

from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, request

from app.core.db import db
from app.engine.models import Run
from app.features.accounts.models import Workspace
from tests import factories
from tests.cast import Cast, enter

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # on SQLite one alone writes


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Alice, Bob and Charlie."""
    return enter(app)


def test_a_press_in_a_deadlock_is_done_again(cast: Cast) -> None:
    with cast.app.app_context():
        engine = db.engine
        run_id = factories.running_run(db.session(), factories.workflow(db.session(), cast.alice.workspace_id)).id
        db.session.commit()
    browser = cast.browser(cast.alice)
    with engine.connect() as other, ThreadPoolExecutor(1) as beside:
        other.execute(sa.text("SET LOCAL deadlock_timeout = '1min'"))  # the press finds it out, not the other
        other.execute(sa.select(Workspace.id).where(Workspace.id == cast.alice.workspace_id).with_for_update())
        meeting = list[Future[None]]()

        def take_the_run() -> None:
            other.execute(sa.select(Run.id).where(Run.id == run_id).with_for_update())
            other.rollback()

        def meet(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if not meeting and "INSERT INTO run_log" in statement:  # it has the run, and needs the workspace
                meeting.append(beside.submit(take_the_run))
                factories.until_locked(engine)

        sa.event.listen(engine, "before_cursor_execute", meet)
        assert browser.post(f"/runs/{run_id}/pause").status_code == 303
        meeting[0].result(60)
    with cast.app.app_context():
        assert db.session.get_one(Run, run_id).status == "pausing"
        entries = sa.text("SELECT count(*) FROM audit_entry WHERE action = 'run.paused'")
        assert db.session.scalar(entries) == 1


def test_what_was_handed_over_is_there_the_second_time(cast: Cast) -> None:
    read: list[bytes] = []

    @cast.app.post("/meets")
    def meets() -> str:
        read.append(request.files["file"].read())
        if len(read) == 1:
            db.session.execute(sa.text("DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '40P01'; END $$"))
        return "done"

    browser = cast.browser(cast.alice)
    answer = browser.post("/meets", data={"file": (BytesIO(b"a list"), "list.csv")})
    assert answer.text == "done"
    assert read == [b"a list", b"a list"]


def test_any_other_error_is_an_answer_at_once_and_so_is_the_third(cast: Cast) -> None:
    tried: list[str] = []

    @cast.app.post("/fails/<state>")
    def fails(state: str) -> str:
        tried.append(state)
        db.session.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"))
        return ""

    browser = cast.browser(cast.alice)
    assert browser.post("/fails/55P03").status_code == 503  # a lock that is not to be had
    assert browser.post("/fails/40001").status_code == 503
    assert tried == ["55P03", "40001", "40001", "40001"]
