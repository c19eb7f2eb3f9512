"""Starting runs, on both databases."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.definition.parts import Definition
from app.definition.values import evaluate
from app.engine import leases
from app.engine.models import Run
from app.features.accounts.models import AuditEntry
from app.features.runs import service
from app.features.runs.models import RunCounter
from app.features.workflows import offers
from app.features.workflows.models import Workflow
from tests import factories
from tests.cast import enter


@pytest.fixture
def ads(app: Flask, session: Session) -> Workflow:
    cast = enter(app)
    made = factories.workflow(session, cast.alice.workspace_id)
    session.commit()
    return made


def _start(session: Session, ads: Workflow, **options: object) -> Run:
    values = {"inputs": {"offer": "a car"}, "actor": factories.ALICE, **options}
    return service.start(session, workspace_id=ads.workspace_id, workflow=ads, **values)  # type: ignore[arg-type]


def test_start_writes_a_run_in_line_that_is_due_at_once(session: Session, ads: Workflow) -> None:
    run = _start(session, ads, label="Ads: {{ inputs.offer | upper }}")

    assert (run.status, run.revision, run.number, run.steps_total) == ("queued", 1, 1, 6)
    assert run.created_at == run.changed_at
    assert run.budget_microusd == 5_000_000
    assert run.label == "Ads: A CAR"
    assert run.facts == {
        "id": run.id,
        "number": 1,
        "label": "Ads: A CAR",
        "test": False,
        "url": f"http://localhost/runs/{run.id}",
        "started_by": {"name": "Alice Owner", "email": "alice@northfield.example"},
        "created_at": clock.iso(run.created_at),
        "started_at": clock.iso(run.created_at),
        "workspace": {"name": "Northfield Motors", "timezone": "America/New_York"},
        "workflow": {"id": ads.id, "name": "Facebook Ads"},
        "version": 1,
        "trigger": {"kind": "person", "id": None},
    }
    drawn = Definition.model_validate({"steps": [{"id": "tell", "type": "notify"}]})
    offered = [each.text for each in offers.offers({}, drawn, "tell", {})]
    assert "" not in [evaluate(text, {"run": run.facts}) for text in offered]


def test_a_day_that_has_passed_is_refused_but_in_a_test(session: Session, app: Flask) -> None:
    asked = [{"key": "ends", "label": "Until", "type": "date", "min": "today"}]
    definition = {"inputs": asked, "steps": [{"id": "wait", "type": "delay", "name": "Wait", "config": {"seconds": 1}}]}
    ads = factories.workflow(session, enter(app).alice.workspace_id, definition=definition)
    with pytest.raises(Invalid) as refused:
        _start(session, ads, inputs={"ends": "2026-01-31"})
    assert refused.value.problems[0].message == "“Until” is 31 January 2026, which is in the past."
    assert _start(session, ads, inputs={"ends": "2026-01-31"}, test=True).inputs == {"ends": "2026-01-31"}
    assert _start(session, ads, inputs={"ends": "2099-01-31"}).inputs == {"ends": "2099-01-31"}


def test_a_run_is_due_by_the_databases_clock_whatever_ours_says(
    session: Session, ads: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(hours=1))
        run = _start(session, ads)
        session.commit()
    assert run.due_at is not None
    assert abs(run.due_at - clock.now()) < timedelta(minutes=1)
    assert leases.due_runs(session) == [run.id]


def test_start_is_audited(session: Session, ads: Workflow) -> None:
    run = _start(session, ads)

    entry = session.query(AuditEntry).filter_by(action="run.started").one()
    assert (entry.actor, entry.subject_id, entry.workspace_id) == ("Alice Owner", run.id, ads.workspace_id)


def test_start_without_a_label_takes_the_workflows_name(session: Session, ads: Workflow) -> None:
    assert _start(session, ads, label="{{ inputs.missing.part }}").label == "Facebook Ads"


def test_start_puts_a_label_on_one_line_of_160_characters(session: Session, ads: Workflow) -> None:
    run = _start(session, ads, inputs={"offer": "word\n" * 100}, label="{{ inputs.offer }}")

    assert len(run.label) <= 160
    assert "\n" not in run.label
    assert run.label.endswith("…")


def test_a_name_written_from_right_to_left_is_set_apart_in_the_label(session: Session, ads: Workflow) -> None:
    name = "سيارة"
    run = _start(session, ads, inputs={"offer": name}, label="Ads: {{ inputs.offer }} 2022")
    assert run.label == f"Ads: \u2068{name}\u2069 2022"
    cut = _start(session, ads, inputs={"offer": name * 60}, label="{{ inputs.offer }}")
    assert (cut.label.count("\u2068"), cut.label[-1]) == (1, "\u2069")


def test_start_names_every_wrong_answer(session: Session, ads: Workflow) -> None:
    with pytest.raises(Invalid) as caught:
        _start(session, ads, inputs={"approver": "nobody", "colour": "red"})

    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"/inputs/offer", "/inputs/approver", "/inputs/colour"}
    assert session.query(Run).count() == 0


def test_start_with_the_same_key_is_one_run(session: Session, ads: Workflow) -> None:
    first = _start(session, ads, dedupe_key="launch-1")
    second = _start(session, ads, dedupe_key="launch-1")

    assert second.id == first.id
    assert session.get_one(RunCounter, ads.workspace_id).next_number == 2


def test_start_of_a_switched_off_workflow_is_refused(session: Session, ads: Workflow) -> None:
    ads.is_enabled = False

    with pytest.raises(Conflict, match="switched off"):
        _start(session, ads)


def test_start_at_once_by_many_gives_each_its_own_number(app: Flask, session: Session, ads: Workflow) -> None:
    numbers: list[int] = []
    keys = ["same", "same", "a", "b", "c"]

    def press(key: str) -> None:
        with app.app_context():
            own = db.session()
            run = _start(own, own.get_one(Workflow, ads.id), dedupe_key=key)
            own.commit()
            numbers.append(run.number)

    session.rollback()
    threads = [threading.Thread(target=press, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(numbers) == 5
    assert sorted(set(numbers)) == [1, 2, 3, 4]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_start_reads_few_rows_however_many_runs_there_are(session: Session, ads: Workflow) -> None:
    """In a database without statistics too: each word once went through all runs of the workspace to find its own."""
    session.execute(sa.text("TRUNCATE run CASCADE"))  # rows that an earlier test left dead are a kind of statistics
    before = _rows_read(session)
    for _ in range(60):
        _start(session, ads, label="four words of label")
        session.commit()

    assert _rows_read(session) - before < 60 * 20
    assert _rows_read(session) > before


def _rows_read(session: Session) -> int:
    session.execute(sa.text("SELECT pg_stat_force_next_flush()"))
    session.commit()
    read = sa.text("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'run'")
    found = int(session.execute(read).scalar_one() or 0)
    session.commit()
    return found
