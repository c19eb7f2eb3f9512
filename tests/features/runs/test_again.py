"""Taking a run up again: what is kept, what is done anew, and the answers of people."""

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app import steps
from app.core import clock
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.core.outbox import OutboxRow
from app.definition.schema import Definition
from app.engine import catalog
from app.engine.enums import RunStatus
from app.engine.models import Run, RunLog, StepRun
from app.features.files import shelf
from app.features.runs import reuse, service
from tests import factories
from tests.cast import enter
from tests.features.runs.conftest import Yard
from tests.page import Page


def definition(*steps: dict[str, Any]) -> Definition:
    inputs = [{"key": "offer"}, {"key": "tone"}]
    return Definition.model_validate({"schema": 1, "inputs": inputs, "steps": list(steps)})


def step(name: str, *after: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "transform", "after": list(after), "config": {}, **more}


ADS = definition(
    step("facts", config={"set": {"a": "{{ inputs.offer }}"}}),
    step("ads", "facts", config={"set": {"a": "{{ inputs.tone }} {{ steps.facts.a }}"}}),
    step("pictures", config={"set": {"a": "{{ inputs.offer }}"}}),
    step("dear", "pictures", type="condition"),
    step("film", "dear:yes"),
    step("poster", "pictures"),
    step(
        "attach", "ads", "pictures", type="attach_images", config={"documents": "ads", "images": "pictures"}
    ),
    step("tell", "attach"),
)
ALL = {"facts", "ads", "pictures", "dear", "film", "poster", "attach", "tell"}


@pytest.fixture(autouse=True)
def _types() -> None:
    catalog.discover(steps)


@pytest.mark.parametrize(
    ("chosen", "changed", "kept"),
    [
        ("tell", (), ("facts", "pictures", "ads", "dear", "poster", "film", "attach")),
        ("ads", (), ("facts", "pictures", "dear", "poster", "film")),
        ("tell", ("tone",), ("facts", "pictures", "dear", "poster", "film")),
        ("tell", ("offer",), ("dear", "poster", "film")),
        ("dear", (), ("facts", "pictures", "ads", "poster", "attach", "tell")),
    ],
)
def test_kept_is_what_neither_follows_nor_names_a_change(
    chosen: str, changed: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    planned = reuse.plan(ADS, ALL, chosen, changed)
    assert set(planned.kept) == set(kept)
    assert set(planned.again) == ALL - set(kept)


def test_what_is_behind_a_way_that_is_asked_again_is_done_again() -> None:
    asked = definition(
        step("check", type="condition", config={"if": {"value": "{{ inputs.offer }}", "op": "is_empty"}}),
        step("ad", "check:yes"),
        step("other", "check:no"),
        step("end", "ad"),
    )
    planned = reuse.plan(asked, {"check", "ad", "end"}, "end", ["offer"])
    assert planned.kept == ()
    assert planned.again == ("check", "ad", "other", "end")


def test_all_answers_at_once_and_items_count_as_names() -> None:
    named = definition(
        step("all", config={"set": {"a": "{{ inputs }}"}}),
        step("each", for_each={"items": "{{ steps.all.a }}"}),
        step("last"),
    )
    assert reuse.plan(named, {"all", "each", "last"}, "last", ["tone"]).again == ("all", "each", "last")


@pytest.fixture
def failed(app: Flask, session: Session) -> Run:
    """A run whose pictures failed after its texts were written."""
    cast = enter(app)
    run = factories.failed_run(session, factories.workflow(session, cast.alice.workspace_id))
    session.commit()
    return run


def rows(session: Session, run: Run) -> dict[str, StepRun]:
    session.flush()
    found = session.scalars(
        sa.select(StepRun).where(StepRun.run_id == run.id).execution_options(populate_existing=True)
    )
    return {row.step_id: row for row in found}


def test_continued_run_takes_over_what_was_finished_for_nothing(session: Session, failed: Run) -> None:
    before = rows(session, failed)
    following = service.continue_from(session, failed, "pictures", failed.inputs, actor=factories.ALICE)
    taken = rows(session, following)
    assert list(taken) == ["ads"]
    assert (taken["ads"].reused_from, taken["ads"].cost_microusd) == (before["ads"].id, 0)
    assert taken["ads"].output == before["ads"].output
    assert (following.continues_run_id, following.version_id) == (failed.id, failed.version_id)
    assert shelf.status_counts(session, failed.workspace_id, run_id=following.id)[""] == 10
    assert (following.status, following.steps_done, following.label) == ("queued", 1, failed.label)


def test_changed_answer_is_asked_to_the_ai_again(session: Session, failed: Run) -> None:
    inputs = {**failed.inputs, "offer": "a 2021 Ford F-150"}
    following = service.continue_from(session, failed, "pictures", inputs, actor=factories.ALICE)
    assert rows(session, following) == {}
    assert following.inputs["offer"] == "a 2021 Ford F-150"


def test_continuing_a_continued_run_names_the_step_run_that_was_really_done(
    session: Session, failed: Run
) -> None:
    first = rows(session, failed)["ads"].id
    second = service.continue_from(session, failed, "pictures", failed.inputs, actor=factories.ALICE)
    second.status = RunStatus.FAILED.value
    third = service.continue_from(session, second, "pictures", failed.inputs, actor=factories.ALICE)
    assert rows(session, third)["ads"].reused_from == first


def test_open_run_and_unknown_step_are_refused(session: Session, failed: Run) -> None:
    with pytest.raises(NotFound):
        service.continue_from(session, failed, "nothing", failed.inputs, actor=factories.ALICE)
    failed.status = RunStatus.WAITING.value
    with pytest.raises(Conflict, match="still under way"):
        service.continue_from(session, failed, "pictures", failed.inputs, actor=factories.ALICE)


def test_run_that_asks_is_stopped_when_another_one_continues_it(session: Session, failed: Run) -> None:
    failed.status = RunStatus.NEEDS_ATTENTION.value
    session.flush()
    following = service.continue_from(session, failed, "pictures", failed.inputs, actor=factories.ALICE)
    session.refresh(failed)
    assert (failed.status, following.status, list(rows(session, following))) == ("stopping", "queued", ["ads"])
    assert said(session, following) == [f"Run {failed.number} was stopped for this one."]


def said(session: Session, run: Run) -> list[str]:
    session.flush()
    return list(session.scalars(sa.select(RunLog.message).where(RunLog.run_id == run.id)))


def test_run_says_which_runs_were_stopped_for_it(session: Session, failed: Run) -> None:
    failed.status = RunStatus.NEEDS_ATTENTION.value
    below = service.start_over(session, failed, actor=factories.ALICE)
    below.parent_run_id, below.continues_run_id = failed.id, None
    session.flush()
    following = service.continue_from(session, failed, "pictures", failed.inputs, actor=factories.ALICE)
    stopped = f"Run {failed.number} was stopped for this one, and with it run {below.number}, which it had started."
    assert said(session, following) == [stopped]


def _told(session: Session, run: Run, status: str, due_at: datetime | None) -> OutboxRow:
    """Make the step that is finished one that has told somebody, and return its message."""
    step = rows(session, run)["ads"]
    step.effect = "sends"
    message = OutboxRow(
        workspace_id=run.workspace_id, run_id=run.id, step_run_id=step.id, channel="email", dedupe_key="one",
        recipient="sam@example.com", content={}, status=status, due_at=due_at, created_at=clock.now(),
    )  # fmt: skip
    session.add(message)
    session.flush()
    return message


@pytest.mark.parametrize("status", [RunStatus.NEEDS_ATTENTION, RunStatus.FAILED])
def test_what_a_step_taken_over_has_not_sent_yet_is_sent_by_the_run_that_stops_its_own(
    session: Session, failed: Run, status: RunStatus
) -> None:
    failed.status = status.value
    message = _told(session, failed, "pending", clock.now())
    following = service.continue_from(session, failed, "pictures", failed.inputs, actor=factories.ALICE)
    session.refresh(message)
    sender = following.id if status is RunStatus.NEEDS_ATTENTION else failed.id  # an ended one sends its own
    assert (message.run_id, message.status, list(rows(session, following))) == (sender, "pending", ["ads"])


def test_a_step_whose_message_was_withdrawn_is_done_again(session: Session, failed: Run) -> None:
    failed.status = RunStatus.STOPPED.value
    _told(session, failed, "withdrawn", None)
    following = service.continue_from(session, failed, "pictures", failed.inputs, actor=factories.ALICE)
    assert rows(session, following) == {}


def test_starting_over_takes_nothing_over_and_twice_is_once(session: Session, failed: Run) -> None:
    first = service.start_over(session, failed, actor=factories.ALICE, dedupe_key="over-1")
    again = service.start_over(session, failed, actor=factories.ALICE, dedupe_key="over-1")
    assert first.id == again.id != failed.id
    assert rows(session, first) == {}
    assert (first.continues_run_id, first.inputs) == (failed.id, failed.inputs)


def test_a_run_that_follows_one_of_a_schedule_has_what_its_steps_may_name_of_it(session: Session, failed: Run) -> None:
    given = {"kind": "schedule", "id": "s1", "name": "Every morning", "due_at": "2026-11-27T09:00:00Z"}
    failed.facts = {**failed.facts, "trigger": given}
    over = service.start_over(session, failed, actor=factories.ALICE)
    following = service.continue_from(session, failed, "pictures", failed.inputs, actor=factories.ALICE)
    for run in (over, following):
        assert run.facts["trigger"] == {**given, "kind": "person", "id": None}


def test_failed_run_goes_on_where_it_failed(session: Session, failed: Run) -> None:
    service.try_again(session, failed, actor=factories.ALICE)
    session.refresh(failed)
    assert {name: row.status for name, row in rows(session, failed).items()} == {
        "ads": "completed",
        "pictures": "pending",
    }
    assert (failed.status, failed.finished_at, failed.error) == ("running", None, None)
    with pytest.raises(Conflict):
        service.try_again(session, failed, actor=factories.ALICE)


def test_failed_page_offers_to_try_again_and_to_start_over(yard: Yard) -> None:
    (run_id,) = yard.make("failed")
    alice = yard.cast.browser(yard.cast.alice)
    page = Page(alice.get(f"/runs/{run_id}").text)
    assert "Try this step again" in page.text
    assert "What goes on from here stays with version 1; what starts over takes the newest." in page.text
    ways = [link["href"] for link in page.attributes("a") if "/edit/steps/" in link.get("href", "")]
    assert [alice.get(way).status_code for way in ways] == [200]
    assert alice.post(f"/runs/{run_id}/retry", data={"mode": "step"}).headers["Location"] == f"/runs/{run_id}"
    with yard.app.app_context():
        assert db.session.get_one(Run, run_id).status == "running"


def test_starting_over_by_two_presses_starts_one_run(yard: Yard) -> None:
    (run_id,) = yard.make("failed")
    alice = yard.cast.browser(yard.cast.alice)
    places = {
        alice.post(f"/runs/{run_id}/retry", data={"mode": "start", "once": "a"}).headers["Location"]
        for _ in range(2)
    }
    assert len(places) == 1
    assert places != {f"/runs/{run_id}"}
    (place,) = places
    assert f'It follows <a class="text" href="/runs/{run_id}">run 1</a>.' in alice.get(place).text
    assert f'<a class="text" href="{place}">Run 2</a> follows it.' in alice.get(f"/runs/{run_id}").text


def test_step_that_asks_is_answered_by_its_buttons(yard: Yard) -> None:
    (run_id,) = yard.make("running")
    error = {
        "category": "unsure",
        "code": "unsure",
        "message": "We cannot tell if this was sent.",
        "fix": "Look.",
    }
    with yard.app.app_context():
        row = db.session.scalars(
            sa.select(StepRun).where(StepRun.run_id == run_id, StepRun.step_id == "pictures")
        ).one()
        row.status, row.error, row_id = "needs_attention", error, row.id
        db.session.get_one(Run, run_id).status = "needs_attention"
        db.session.commit()
    alice = yard.cast.browser(yard.cast.alice)
    page = Page(alice.get(f"/runs/{run_id}").text)
    action = f"/runs/{run_id}/steps/{row_id}/answer"
    shown = [form for form in page.attributes("form") if form.get("action") == action]
    assert len(shown) == 6  # three answers, above and at the step
    assert "It was sent" in page.text
    assert alice.post(action, data={"reply": "perhaps"}).status_code == 422
    assert alice.post(action, data={"reply": "send_again"}).status_code == 303
    assert alice.post(action, data={"reply": "send_again"}).status_code == 409
    with yard.app.app_context():
        assert db.session.get_one(StepRun, row_id).status == "pending"
    meanwhile = alice.get(f"/runs/{run_id}").text  # nobody has taken it up yet
    assert "Your answer is noted. The run goes on in a moment." in Page(meanwhile).text
    assert 'data-poll="2"' in meanwhile


@pytest.mark.parametrize("path", ["retry", "steps/x/answer"])
def test_others_may_not(yard: Yard, path: str) -> None:
    (run_id,) = yard.make("failed")
    form = {"mode": "step", "reply": "again"}
    assert yard.cast.browser(yard.cast.bob).post(f"/runs/{run_id}/{path}", data=form).status_code == 403
    assert yard.cast.browser(yard.cast.charlie).post(f"/runs/{run_id}/{path}", data=form).status_code == 404


@pytest.mark.parametrize(("kind", "step_id"), [("rejected", "check"), ("waiting", "check")])
def test_a_run_without_a_yes_and_a_stopped_one_say_how_to_go_on(yard: Yard, kind: str, step_id: str) -> None:
    run_id, = yard.make(kind)
    if kind == "waiting":
        yard.change(run_id, lambda run: setattr(run, "status", "stopped"))
        with yard.app.app_context():
            db.session.execute(sa.update(StepRun).where(StepRun.status == "waiting").values(status="cancelled"))
            db.session.commit()
    alice = yard.cast.browser(yard.cast.alice)
    html = alice.get(f"/runs/{run_id}").text
    shown = Page(html)
    assert shown.faults == []
    assert "Start over with these answers" in shown.text
    assert shown.attributes("progress")[0]["value"] == ("100" if kind == "rejected" else "50")
    assert f"/runs/{run_id}/continue?step={step_id}" in [a.get("href") for a in shown.attributes("a")]
    assert "Start over" not in yard.cast.browser(yard.cast.bob).get(f"/runs/{run_id}").text
