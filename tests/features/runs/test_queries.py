"""Reads of runs, on both databases."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import NotFound
from app.core.ids import new_id
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import StepRun
from app.features.runs import listing, queries, resource, standing
from app.features.workflows.models import Workflow
from tests import factories
from tests.cast import Cast, enter


@pytest.fixture
def people(app: Flask, session: Session) -> Cast:
    return enter(app)


@pytest.fixture
def ads(session: Session, people: Cast) -> Workflow:
    return factories.workflow(session, people.alice.workspace_id)


def test_run_of_a_stranger_is_not_found(session: Session, people: Cast, ads: Workflow) -> None:
    run = factories.queued_run(session, ads)

    assert queries.run(session, people.alice.workspace_id, run.id) is run
    for workspace_id, run_id in ((people.charlie.workspace_id, run.id), (people.alice.workspace_id, new_id()),
                                 (people.alice.workspace_id, "x' or 1=1")):  # fmt: skip
        with pytest.raises(NotFound):
            queries.run(session, workspace_id, run_id)


def test_runs_page_by_key_without_gaps_or_doubles(session: Session, ads: Workflow) -> None:
    made = [factories.queued_run(session, ads, age_s=100) for _ in range(7)]
    same = made[0].created_at
    for run in made:
        run.created_at = same  # all at the same moment: the id decides
    session.flush()

    found: list[str] = []
    before = None
    while True:
        page = queries.runs(session, ads.workspace_id, limit=3, before=before)
        if not page:
            break
        found += [run.id for run in page]
        before = found[-1]

    assert found == sorted((run.id for run in made), reverse=True)


def test_runs_search_looks_in_label_number_and_workflow(session: Session, people: Cast, ads: Workflow) -> None:
    other = factories.workflow(session, people.alice.workspace_id, name="Recall letters")
    first = factories.queued_run(session, ads, label="Honda CR-V")
    second = factories.queued_run(session, other, label="Takata 100%")

    def found(text: str) -> list[int]:
        return sorted(run.number for run in queries.runs(session, ads.workspace_id, text=text))

    assert found("honda") == [first.number]
    assert found("recall") == [second.number]
    assert found(f"#{second.number}") == [second.number]
    assert found(f"run {first.number}") == [first.number]
    assert found("100%") == [second.number]
    assert found("%") == []
    assert found("nothing like it") == []


def test_runs_filter_by_status_and_workflow(session: Session, people: Cast, ads: Workflow) -> None:
    other = factories.workflow(session, people.alice.workspace_id, name="Other")
    failed = factories.failed_run(session, ads)
    factories.queued_run(session, other)

    assert [run.id for run in queries.runs(session, ads.workspace_id, status="failed")] == [failed.id]
    assert [run.id for run in queries.runs(session, ads.workspace_id, workflow_id=ads.id)] == [failed.id]
    assert queries.runs(session, people.charlie.workspace_id) == []


def test_counts_know_the_workspaces_midnight(session: Session, people: Cast, ads: Workflow) -> None:
    factories.queued_run(session, ads)
    factories.running_run(session, ads)
    factories.waiting_run(session, ads)
    factories.failed_run(session, ads).finished_at = clock.now()
    factories.failed_run(session, ads).finished_at = clock.now() - timedelta(days=2)
    factories.finished_run(session, ads)
    factories.running_run(session, ads).trigger_kind = "seed"
    session.flush()

    counted = standing.counts(session, people.alice.workspace_id)
    assert counted == standing.Counts(running=1, in_line=1, waiting=1, failed_today=1)
    assert standing.counts(session, people.charlie.workspace_id) == standing.Counts()


def test_runs_that_wait_are_counted_to_a_thousand(
    session: Session, people: Cast, ads: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "MOST_HELD", 2)
    for _ in range(3):
        factories.waiting_run(session, ads)

    counted = standing.counts(session, people.alice.workspace_id)

    assert (counted.waiting, counted.waiting_said) == (2, "2+")


def test_runs_that_stand_in_line_are_not_counted_as_running_and_are_listed_behind(
    session: Session, people: Cast, ads: Workflow
) -> None:
    running = factories.running_run(session, ads)
    standing_by = factories.queued_run(session, ads)
    factories.story(session, standing_by).step("ads", StepStatus.PENDING)
    standing_by.status = RunStatus.RUNNING.value
    both = factories.running_run(session, ads)  # a step of it is under way beside the one in line
    under_way = sa.update(StepRun).where(StepRun.run_id == both.id, StepRun.status == "running")
    session.execute(under_way.values(lease_owner="a", lease_until=clock.now()))
    factories.story(session, both).step("check", StepStatus.PENDING, effect="sends")
    queued = factories.queued_run(session, ads)
    session.flush()

    assert standing.counts(session, ads.workspace_id) == standing.Counts(running=2, in_line=2)
    listed = [run.id for run in standing.working(session, ads.workspace_id, limit=4)]
    assert listed == [both.id, running.id, *sorted([standing_by.id, queued.id], reverse=True)]
    rows = listing.rows(session, ads.workspace_id, [standing_by, queued, both], zone="UTC", now=clock.now())
    assert [row.chip.word for row in rows] == ["In line, 1st", "In line", "Running"]


def test_as_json_has_the_contracts_shape(session: Session, ads: Workflow) -> None:
    run = factories.finished_run(session, ads)

    said = resource.as_json(session, run)

    assert list(said) == [
        "id", "number", "label", "test", "status", "progress", "eta_s", "workflow", "inputs", "steps", "documents",
        "outputs", "error", "cost_microusd", "tokens", "trigger", "started_by", "parent_run_id", "created_at",
        "started_at", "finished_at",
    ]  # fmt: skip
    assert said["workflow"] == {"id": ads.id, "name": "Facebook Ads", "version": 1}
    assert (said["status"], said["progress"], said["error"]) == ("completed", 1.0, None)
    assert [(step["id"], step["status"]) for step in said["steps"]] == [
        ("ads", "completed"), ("pictures", "completed"), ("attach", "completed"), ("check", "completed"),
        ("tell", "completed"), ("tell_rejected", "skipped"),
    ]  # fmt: skip
    assert list(said["steps"][0]) == [
        "id", "type", "name", "status", "outcome", "reason", "attempts", "started_at", "finished_at", "duration_ms",
        "output", "error", "cost_microusd", "items",
    ]  # fmt: skip
    assert said["steps"][0]["duration_ms"] == 14_000
    assert len(said["documents"]) == 10
    assert set(said["documents"][0]) == {"id", "title", "status"}
    assert said["outputs"]["check"]["decision"] == "approved"
    assert said["started_by"] == {"id": None, "name": "Alice Owner", "email": "alice@northfield.example"}
    assert said["created_at"].endswith("Z")


def test_as_json_of_a_failed_run_names_the_step(session: Session, ads: Workflow) -> None:
    said = resource.as_json(session, factories.failed_run(session, ads))

    assert said["error"] == {
        "category": "ai_answer",
        "code": "refused",
        "message": "The picture service would not draw two of the five pictures.",
        "fix": "Leave the logo out and continue.",
        "step": "pictures",
    }


def test_as_json_of_a_run_in_line_lists_every_step_as_pending(session: Session, ads: Workflow) -> None:
    said = resource.as_json(session, factories.queued_run(session, ads))

    assert {step["status"] for step in said["steps"]} == {"pending"}
    assert (said["status"], said["progress"], said["outputs"]) == (RunStatus.QUEUED.value, 0.0, {})
