"""What pressing Start costs, and that the short way and the long one start the same run."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.core import clock
from app.core.db import _line as db_line
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.settings import Settings
from app.engine.models import Run
from app.features.accounts.models import AuditEntry
from app.features.gallery import starting
from app.features.gallery.models import LaunchDraft
from app.features.gallery.service import seed_templates
from app.features.runs.models import RunCounter, RunWord
from app.features.workflows import queries as workflows
from tests.cast import Cast, enter
from tests.features.runs.conftest import statements
from tests.servers import wait_until

LAUNCH = "/gallery/facebook-ads-campaign/launch"
ANSWERS = {
    "offer": "One-owner CR-V", "tone": "Friendly", "copies": 10, "pictures": 5, "picture_style": "showroom",
    "approver": "bob@north.example",
}  # fmt: skip


def _filled(app: Flask, cast: Cast) -> str:
    with app.app_context(), transaction(db.engine) as session:
        draft = LaunchDraft(
            id=new_id(), workspace_id=cast.alice.workspace_id, user_id=cast.alice.user_id,
            template_slug="facebook-ads-campaign", answers=ANSWERS, updated_at=clock.now(),
        )  # fmt: skip
        session.add(draft)
        return draft.id


def _start(browser: FlaskClient, draft_id: str) -> Any:
    return browser.post(f"{LAUNCH}/run", data={"draft": draft_id})


def _next_number(cast: Cast) -> int:
    return db.session.get_one(RunCounter, cast.alice.workspace_id).next_number


def test_the_second_start_of_a_template_costs_two_statements(app: Flask, cast: Cast) -> None:
    browser = cast.browser(cast.alice)
    first = _start(browser, _filled(app, cast))  # makes the workflow: the long way
    draft_id = _filled(app, cast)
    with statements(app) as said:
        second = _start(browser, draft_id)

    with app.app_context():
        runs = db.session.scalars(sa.select(Run).order_by(Run.number)).all()
        entries = db.session.scalars(sa.select(AuditEntry.detail).where(AuditEntry.action == "run.started")).all()
        words = db.session.execute(sa.select(RunWord.number, RunWord.word)).all()
        following = _next_number(cast)
        is_postgresql = db.engine.dialect.name == "postgresql"
    # who asks and what is started; the run, whose five parts SQLite writes apart, in one transaction
    assert len(said) == (2 if is_postgresql else 6), said
    assert [first.location, second.location] == [f"/runs/{run.id}" for run in runs]
    long, short = runs
    assert (long.number, short.number, following) == (1, 2, 3)
    assert {**short.facts, "id": "", "url": "", "number": 0, "created_at": "", "started_at": ""} == {
        **long.facts, "id": "", "url": "", "number": 0, "created_at": "", "started_at": "",
    }  # fmt: skip
    assert [run.facts["number"] for run in runs] == [1, 2]
    assert short.facts["workspace"] == {"name": "Northfield Motors", "timezone": "America/New_York"}
    assert sorted(entry["number"] for entry in entries) == [1, 2]
    assert {word for number, word in words if number == 1} == {word for number, word in words if number == 2}


def test_what_is_read_beside_a_person_is_not_theirs_for_that(app: Flask, cast: Cast) -> None:
    _start(cast.browser(cast.alice), _filled(app, cast))  # makes the workflow
    draft_id = _filled(app, cast)
    with app.app_context(), transaction(db.engine) as session:
        colleague = sa.update(LaunchDraft).where(LaunchDraft.id == draft_id).values(user_id=cast.bob.user_id)
        session.execute(colleague)

    answers = [_start(cast.browser(person), draft_id) for person in (cast.alice, cast.charlie)]

    assert [answer.status_code for answer in answers] == [404, 404]
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 1
        assert db.session.get(LaunchDraft, draft_id) is not None


@pytest.mark.parametrize("sent", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_start_works_however_a_form_is_sent(app: Flask, cast: Cast, sent: str) -> None:
    browser = cast.browser(cast.alice)
    first, second = (
        browser.post(f"{LAUNCH}/run", data={"draft": _filled(app, cast)}, content_type=sent) for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location != second.location


def test_a_form_that_is_too_large_is_refused_as_such(app: Flask, cast: Cast) -> None:
    answer = cast.browser(cast.alice).post(f"{LAUNCH}/run", data={"draft": "x" * 30_000_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_form_is_taken_by_its_id_alone_however_many_its_person_has(app: Flask, cast: Cast) -> None:
    draft_id = [_filled(app, cast) for _ in range(50)][-1]
    values = {
        "b_id": draft_id, "b_workspace_id": cast.alice.workspace_id, "b_user_id": cast.alice.user_id,
        "b_slug": "facebook-ads-campaign", "b_workflow_id": "",
    }  # fmt: skip
    with app.app_context(), db.engine.connect() as connection:
        text = starting._take.compile(connection.engine).string
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF) {text}", values).scalars().all()
        connection.rollback()
    assert not [line for line in plan if "Rows Removed" in line], plan
    assert [line for line in plan if "pk_launch_draft" in line], plan


def test_start_pressed_by_many_at_once_is_one_run_and_one_number(app: Flask, cast: Cast) -> None:
    browsers = [cast.browser(cast.alice) for _ in range(6)]
    _start(browsers[0], _filled(app, cast))
    draft_id = _filled(app, cast)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda browser: _start(browser, draft_id), browsers))
    assert len({answer.location for answer in answers}) == 1
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Run)) == 2
        assert _next_number(cast) == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_runs_started_together_are_written_as_one_that_is_started_alone(app: Flask, cast: Cast) -> None:
    browsers = [cast.browser(cast.alice) for _ in range(5)]
    _start(browsers[0], _filled(app, cast))
    _start(browsers[0], _filled(app, cast))  # alone
    drafts = [_filled(app, cast) for _ in browsers]
    with app.app_context(), ThreadPoolExecutor(5) as pool:
        line = db_line(db.engine)
        with db.engine.begin():  # the write lock
            answers = pool.map(_start, browsers, drafts)
            wait_until(lambda: line.standing == 5)
        assert {answer.status_code for answer in answers} == {303}
        alone, *others = [_as_kept(number) for number in range(2, 8)]
        assert _next_number(cast) == 8
    assert others == [alone] * 5


def _as_kept(number: int) -> list[list[str]]:
    """Return what is kept of a run, its audit entry and its words; ids, numbers and moments are masked."""
    with db.engine.begin() as connection:
        run = connection.exec_driver_sql("SELECT * FROM run WHERE number = ?", (number,)).one()
        entry = "SELECT * FROM audit_entry WHERE action = 'run.started' AND subject_id = ?"
        words = "SELECT word FROM run_word WHERE number = ? ORDER BY word"
        rows = [run, *connection.exec_driver_sql(entry, (run.id,)), *connection.exec_driver_sql(words, (number,))]
    assert len(rows) > 3
    return [[re.sub("[0-9a-f]", "x", repr(value)) for value in row] for row in rows]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite reads by connections of their own
def test_a_start_of_a_version_nobody_has_read_never_holds_two_connections(
    settings: Settings, make_app: Callable[[Settings], Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.db.web_pool", lambda _servers: 1)
    app = make_app(settings)
    cast = enter(app)
    browser = cast.browser(cast.alice)
    with app.app_context(), transaction(db.engine) as session:
        seed_templates(session)
    assert _start(browser, _filled(app, cast)).status_code == 303
    workflows._definitions._kept.clear()
    assert _start(browser, _filled(app, cast)).status_code == 303
