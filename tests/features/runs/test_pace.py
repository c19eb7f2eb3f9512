"""How long steps usually take, and so what a run has left."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db
from app.definition.schema import Definition
from app.engine.enums import RunStatus, StepStatus, WaitStatus
from app.engine.models import Run, StepRun
from app.features.runs import pace, queries, resource
from app.features.runs.pace import State, StepPace
from app.features.workflows.models import Workflow
from tests import factories
from tests.cast import enter
from tests.features.runs.conftest import Yard, statements
from tests.page import Page

NOW = clock.now()
LANES = Definition.model_validate(
    {
        "schema": 1,
        "inputs": [],
        "steps": [
            {"id": "ads", "type": "generate_copy", "config": {}},
            {"id": "pictures", "type": "generate_image", "config": {}},
            {"id": "attach", "type": "attach_images", "after": ["ads", "pictures"], "config": {}},
            {"id": "check", "type": "review", "after": ["attach"], "config": {}},
            {"id": "tell", "type": "notify", "after": ["check:approved"], "config": {}},
            {"id": "sorry", "type": "notify", "after": ["check:rejected"], "config": {}},
        ],
    }
)
PACE = {
    "ads": StepPace(10, 12, None, 1.0),
    "pictures": StepPace(60, 90, None, 1.0),
    "attach": StepPace(2, 2, None, 1.0),
    "check": StepPace(1, 1, 7200, 1.0),
    "tell": StepPace(4, 5, None, 0.9),
    "sorry": StepPace(300, 300, None, 0.1),
}


def _at(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def _left(**states: State) -> pace.Estimate:
    found = pace.estimate(LANES, states, PACE, NOW)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _forget() -> None:
    pace.forget()


def test_of_lanes_beside_each_other_the_longest_counts_and_rare_ways_do_not() -> None:
    left = _left()

    assert (left.before_s, left.work_s, left.stop, left.stop_wait_s) == (63, 67, "check", 7200)
    assert left.left.replace("\u00a0", " ") == "About 1 to 2 min"
    assert left.late is None


def test_what_is_done_and_what_has_passed_is_taken_off() -> None:
    done = State(StepStatus.COMPLETED, _at(50))
    left = _left(ads=done, pictures=State(StepStatus.RUNNING, _at(40)))

    assert (left.before_s, left.before_p80_s, left.work_s) == (23, 53, 27)


def test_a_run_that_waits_has_the_work_after_the_answer_left() -> None:
    done = State(StepStatus.COMPLETED, _at(50))
    left = _left(ads=done, pictures=done, attach=done, check=State(StepStatus.WAITING, _at(50)))

    assert (left.before_s, left.work_s, left.stop) == (0, 4, "check")


def test_a_step_is_late_at_twice_its_usual_time_and_never_within_ten_seconds_of_it() -> None:
    assert _left(pictures=State(StepStatus.RUNNING, _at(119))).late is None
    late = _left(pictures=State(StepStatus.RUNNING, _at(480))).late
    assert late is not None
    assert late.said == "Taking longer than usual (8\u00a0min, usually 1\u00a0min)"
    assert _left(attach=State(StepStatus.RUNNING, _at(11))).late is None
    assert _left(attach=State(StepStatus.RUNNING, _at(13))).late is not None


def test_a_step_for_each_item_is_measured_by_the_items_it_has() -> None:
    left = _left(ads=State(StepStatus.RUNNING, _at(30), part=0.1), pictures=State(StepStatus.COMPLETED, _at(30)))
    assert (round(left.before_s), round(left.before_p80_s), left.late) == (273, 273, None)  # nine times as long, and 3
    nearly = _left(ads=State(StepStatus.RUNNING, _at(90), part=0.9), pictures=State(StepStatus.COMPLETED, _at(30)))
    assert (round(nearly.before_s), nearly.late) == (13, None)


def test_lists_and_pages_know_how_many_items_have_ended(yard: Yard) -> None:
    run_id, = yard.make("queued")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        told.step("ads", StepStatus.RUNNING, total=8)
        for item, status in enumerate((StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.RUNNING)):
            told.step("ads", status, item=item)
        told.step("pictures", StepStatus.RUNNING, total=5, done=3)
        db.session.commit()
        states = pace.states_of(db.session(), [run_id])[run_id]
    assert {step: state.part for step, state in states.items()} == {"ads": 0.25, "pictures": 0.0}


def test_what_is_said_is_old_when_a_step_becomes_late() -> None:
    assert _left(pictures=State(StepStatus.RUNNING, _at(115))).say_again_at == _at(115) + timedelta(seconds=120.5)
    assert _left().say_again_at == NOW + timedelta(seconds=15)


def test_a_step_that_was_never_seen_gives_no_estimate() -> None:
    known = {step: usual for step, usual in PACE.items() if step != "attach"}

    assert pace.estimate(LANES, {}, known, NOW) is None
    assert pace.estimate(LANES, {"attach": State(StepStatus.COMPLETED, NOW)}, known, NOW) is not None
    assert pace.estimate(LANES, {}, None, NOW) is None


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(2, 3, "A few seconds"), (2, 30, "Up to 30 s"), (48, 52, "About 50 s"), (48, 118, "About 50 s to 2 min"),
     (130, 250, "About 2 to 4 min"), (5400, 5500, "About 1 h 30 min"), (80_000, 80_000, "About 22 h")],
)  # fmt: skip
def test_an_estimate_is_said_as_a_range_of_round_numbers(low: float, high: float, said: str) -> None:
    assert pace._range(low, high).replace("\u00a0", " ") == said


@pytest.fixture
def flow(app: Any, session: Session) -> Workflow:
    return factories.workflow(session, enter(app).alice.workspace_id)


def _finish(
    session: Session, flow: Workflow, *, took_s: float, waited_s: float = 3600.0, items: int = 0, **options: Any
) -> None:
    """Write a finished run: ads of 14 s, pictures of *took_s*, an answer (to each of *items*) after *waited_s*."""
    told = factories.story(session, factories.queued_run(session, flow, age_s=7200, **options))
    told.step("ads", StepStatus.COMPLETED, outcome="done", took_s=14)
    told.step("pictures", StepStatus.COMPLETED, outcome="done", took_s=took_s)
    told.step("attach", StepStatus.COMPLETED, outcome="done", took_s=1)
    check = told.step("check", StepStatus.COMPLETED, outcome="approved", took_s=waited_s + 2, total=items)
    assert check.started_at is not None
    asked = [told.step("check", StepStatus.COMPLETED, item=n, took_s=0) for n in range(items)] or [check]
    for n, step in enumerate(asked):
        wait = told.wait(step)
        wait.created_at, wait.status = check.started_at + timedelta(seconds=2 + n), WaitStatus.DECIDED.value
    told.step("tell", StepStatus.COMPLETED, outcome="done", took_s=3)
    told.step("tell_rejected", StepStatus.SKIPPED, reason="approved")
    told.now(RunStatus.COMPLETED, done=6)


def test_paces_are_medians_of_the_last_runs_from_five_on(session: Session, flow: Workflow) -> None:
    for took_s in (10, 20, 30, 40):
        _finish(session, flow, took_s=took_s)
    _finish(session, flow, took_s=9000, test=True)
    _finish(session, flow, took_s=9000, trigger_kind="seed")
    session.commit()
    assert pace.paces(session, [flow.id]) == {}

    pace.forget()
    _finish(session, flow, took_s=500)
    session.commit()
    found = pace.paces(session, [flow.id])[flow.id]

    assert found["pictures"] == StepPace(30, 40, None, 1.0)
    assert found["check"] == StepPace(2, 2, 3600, 1.0)
    assert found["tell_rejected"].share == 0.0


def test_of_a_review_of_every_item_the_work_ends_where_the_first_person_is_asked(
    session: Session, flow: Workflow
) -> None:
    for _ in range(5):
        _finish(session, flow, took_s=30, items=3)
    session.commit()
    assert pace.paces(session, [flow.id])[flow.id]["check"] == StepPace(2, 2, 3600, 1.0)
    assert _left(check=State(StepStatus.RUNNING, _at(7200))).late is None  # some of its items may wait for people


def test_what_a_run_took_over_from_another_took_no_time_and_tells_none(session: Session, flow: Workflow) -> None:
    for took_s in (10, 20, 30, 0, 0, 0, 0):
        _finish(session, flow, took_s=took_s)
    taken_over = sa.or_(
        StepRun.step_id == "ads",
        sa.and_(StepRun.step_id == "pictures", StepRun.started_at == StepRun.finished_at),
    )
    session.execute(sa.update(StepRun).where(taken_over).values(reused_from="another"))
    session.commit()
    found = pace.paces(session, [flow.id])[flow.id]

    assert found["pictures"] == StepPace(20, 30, None, 1.0)
    assert "ads" not in found


def test_paces_are_read_once_a_minute_and_together(session: Session, flow: Workflow, app: Any) -> None:
    for _ in range(5):
        _finish(session, flow, took_s=30)
    other = factories.workflow(session, flow.workspace_id, name="Other")
    session.commit()

    with statements(app) as seen:
        pace.paces(session, [flow.id, other.id])
        pace.paces(session, [flow.id])
        pace.paces(session, [other.id])
    assert len(seen) == 1


def _with_pace(yard: Yard) -> None:
    with yard.app.app_context():
        session = db.session()
        flow = session.get_one(Workflow, yard.workflow_id)
        for took_s in (50, 55, 60, 65, 110):
            _finish(session, flow, took_s=took_s)
        session.commit()


def test_pages_and_json_say_what_is_left(yard: Yard) -> None:
    _with_pace(yard)
    run_id, = yard.make("running", age_s=40)
    alice = yard.cast.browser(yard.cast.alice)

    page = Page(alice.get(f"/runs/{run_id}").text).text.replace("\u00a0", " ")
    panel = Page(alice.get("/runs/panel").text).text.replace("\u00a0", " ")

    assert "of work left, then “The sales manager decides” (usually answered in 1 h)." in page
    assert "left, then “The sales manager decides”." in panel
    with yard.app.app_context():
        eta_s = resource.as_json(db.session(), queries.run(db.session(), yard.cast.alice.workspace_id, run_id))["eta_s"]
    assert 30 <= eta_s <= 50


def test_a_late_step_is_said_though_nothing_changed(yard: Yard) -> None:
    _with_pace(yard)
    run_id, = yard.make("running", age_s=400)
    alice = yard.cast.browser(yard.cast.alice)

    first = alice.get(f"/runs/{run_id}").text
    page = Page(first)
    live, = (a["hx-get"] for a in page.attributes("div") if a.get("id") == "run-live")

    assert "“Make 5 pictures”: taking longer than usual (" in page.text
    assert alice.get(live).status_code == 204
    later = live.partition("&again=")[0] + "&again=1"
    assert alice.get(later).status_code == 200


def test_a_run_without_enough_others_has_no_estimate(yard: Yard) -> None:
    run_id, = yard.make("running")
    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text).text

    assert "of work left" not in page
    assert "Then “The sales manager decides”: a person decides." in page
