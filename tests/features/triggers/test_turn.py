"""What the clock does with schedules whose time has come: late, overlapping, refused, and never twice."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db
from app.core.errors import Invalid
from app.core.outbox import OutboxRow
from app.definition.graph import RUN_FACTS
from app.engine import runner, timers
from app.engine.enums import RunStatus
from app.engine.models import Run, StepRun
from app.engine.seat import Seat
from app.features.accounts.enums import Role
from app.features.accounts.models import Membership
from app.features.accounts.service import Actor
from app.features.lifecycle import service as lifecycle
from app.features.lifecycle.enums import OpenRuns
from app.features.limits import service as limits
from app.features.runs.words import by_schedule
from app.features.triggers import queries, service, turn
from app.features.triggers.models import Schedule, ScheduleSlot
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow
from tests.cast import Cast
from tests.features.triggers.conftest import SMALL, MakeSchedule
from tests.page import Page

QUARTER = timedelta(minutes=15)
THREE_HOURS = 3 * 3600 + 120.0  # the newest due time passed two minutes ago: it was missed, too


def take(session: Session, schedule: Schedule) -> list[Run]:
    """Let a schedule have its turn; return the runs that it began."""
    begun = turn.take(session, schedule.id)
    session.commit()
    runs = [session.get_one(Run, run_id) for run_id in begun]
    session.commit()
    return runs


def told(session: Session, schedule: Schedule) -> list[str]:
    """Return what became of the due times, the oldest first."""
    return [slot.status for slot in reversed(queries.slots(session, schedule))]


def end(session: Session, runs: Sequence[Run]) -> None:
    for run in runs:
        run.status, run.finished_at = RunStatus.COMPLETED.value, clock.now()
    session.commit()


def look(session: Session, schedule: Schedule) -> None:
    """Let the clock look at a schedule now."""
    schedule.look_at = service.database_now(session)
    session.commit()


def test_a_due_time_starts_one_run_in_its_makers_name_and_moves_on(
    cast: Cast, session: Session, make: MakeSchedule, alice: Actor
) -> None:
    schedule = make(due_s=20, name="Monday ads")
    due_at = schedule.next_due_at
    assert due_at is not None

    (run,) = take(session, schedule)
    again = take(session, schedule)

    assert again == []
    assert (run.trigger_kind, run.trigger_id, run.started_by) == ("schedule", schedule.id, alice.user_id)
    assert (run.label, run.inputs, run.status) == ("Monday ads", {"offer": "A car"}, "queued")
    assert run.facts["trigger"] == {
        "kind": "schedule", "id": schedule.id, "name": "Monday ads", "due_at": clock.iso(due_at),
    }  # fmt: skip
    assert schedule.next_due_at == schedule.look_at == due_at + QUARTER
    (slot,) = queries.slots(session, schedule)
    assert (slot.status, slot.run_id, slot.due_at) == ("started", run.id, due_at)

    said = " ".join(by_schedule(run.facts, run.created_at).split())
    session.commit()
    assert said.startswith("The schedule “Monday ads” started it: due ")
    alices = cast.browser(cast.alice)
    for address in (f"/runs/{run.id}", f"/runs/{run.id}/log"):
        page = Page(alices.get(address).text)
        assert said in page.text, address
        assert page.faults == []
    assert "Started for Alice Ames" in Page(alices.get(f"/runs/{run.id}").text).text


def test_a_run_has_every_fact_that_its_steps_may_name_and_no_other(session: Session, make: MakeSchedule) -> None:
    (run,) = take(session, make(due_s=20))

    had = {name: frozenset(fact if isinstance(fact, dict) else ()) for name, fact in run.facts.items()}
    assert had == RUN_FACTS


@pytest.mark.parametrize(
    ("name", "label"),
    [("Run {{ run.number }}", "Run 1"), ("Ads: {{ inputs.offer }}", "Ads: A car"), ("Ads {{", "Weekly ads"),
     ("  ", "Weekly ads")],
)  # fmt: skip
def test_its_name_is_the_runs(session: Session, make: MakeSchedule, name: str, label: str) -> None:
    (run,) = take(session, make(due_s=20, name=name))

    assert run.label == label


def test_it_says_when_it_was_due_and_when_it_ran() -> None:
    facts: dict[str, Any] = {
        "trigger": {"kind": "schedule", "id": "x", "name": "Ads", "due_at": "2026-11-26T14:15:00Z"},
        "workspace": {"timezone": "America/New_York"},
    }
    ran = datetime.fromisoformat("2026-11-26T17:02:10Z")

    assert by_schedule(facts, ran) == "The schedule “Ads” started it: due 09:15, ran 12:02."
    assert by_schedule(facts, ran + timedelta(days=1)).endswith("due Thu 26\u00a0Nov 09:15, ran Fri 27\u00a0Nov 12:02.")
    assert by_schedule({"trigger": {"kind": "person", "id": None}}, ran) == ""


@pytest.mark.parametrize(("missed", "number"), [("skip", 0), ("once", 1), ("all", 10)])
def test_due_times_that_passed_while_all_slept_get_as_many_runs_as_was_said(
    session: Session, make: MakeSchedule, missed: str, number: int
) -> None:
    schedule = make(due_s=THREE_HOURS, missed=missed, overlap="allow")
    first = schedule.anchor_at

    runs = take(session, schedule)

    newest = [clock.iso(first + n * QUARTER) for n in range(13 - number, 13)]
    assert [run.facts["trigger"]["due_at"] for run in runs] == newest
    assert told(session, schedule) == ["missed"] * (11 - number) + ["started"] * number
    assert schedule.next_due_at == first + 13 * QUARTER
    assert take(session, schedule) == []


def test_a_missed_one_that_is_left_out_does_not_take_the_one_that_is_on_time_along(
    session: Session, make: MakeSchedule
) -> None:
    schedule = make(due_s=3 * 3600 + 20, missed="skip", overlap="allow")

    assert len(take(session, schedule)) == 1
    assert told(session, schedule) == ["missed"] * 10 + ["started"]


def test_all_that_was_missed_runs_one_after_the_other_where_runs_may_not_overlap(
    session: Session, make: MakeSchedule
) -> None:
    schedule = make(due_s=THREE_HOURS, missed="all")
    begun = []

    for _ in range(12):
        runs = take(session, schedule)
        begun += runs
        assert len(runs) <= 1
        end(session, runs)
        look(session, schedule)

    due = [run.facts["trigger"]["due_at"] for run in begun]
    assert len(due) == 10
    assert due == sorted(set(due))
    assert told(session, schedule) == ["missed"] + ["started"] * 10
    look(session, schedule)
    take(session, schedule)
    assert schedule.look_at == schedule.next_due_at


def test_one_that_meets_the_run_before_is_left_out(session: Session, make: MakeSchedule) -> None:
    schedule = make(due_s=20)
    first = take(session, schedule)
    schedule.next_due_at = schedule.look_at = service.database_now(session)
    session.commit()

    assert take(session, schedule) == []
    newest = queries.slots(session, schedule)[0]
    assert (newest.status, newest.note) == ("skipped", "The run before was still under way.")
    end(session, first)
    schedule.anchor_at = schedule.next_due_at = schedule.look_at = service.database_now(session)
    session.commit()
    assert len(take(session, schedule)) == 1


def test_one_that_waits_for_the_run_before_starts_when_that_has_ended_and_says_so(
    session: Session, make: MakeSchedule, alice: Actor
) -> None:
    schedule = make(due_s=QUARTER.total_seconds() + 20, overlap="queue", missed="skip")
    schedule.next_due_at = schedule.anchor_at
    first = take(session, schedule)
    assert told(session, schedule) == ["missed", "started"]
    schedule.anchor_at = schedule.next_due_at = schedule.look_at = due_at = service.database_now(session)
    session.commit()

    assert take(session, schedule) == []
    assert told(session, schedule)[-1] == "waiting"
    assert schedule.next_due_at is not None
    assert schedule.look_at is not None
    assert schedule.look_at < schedule.next_due_at
    look(session, schedule)
    assert take(session, schedule) == [], "still under way"
    end(session, first)
    look(session, schedule)
    (second,) = take(session, schedule)
    assert second.facts["trigger"]["due_at"] == clock.iso(due_at)

    for _ in range(12):  # it hangs: what waits has an end
        schedule.anchor_at = schedule.next_due_at = schedule.look_at = service.database_now(session)
        session.commit()
        assert take(session, schedule) == []
    assert told(session, schedule)[-12:] == ["waiting"] * 10 + ["skipped"] * 2
    service.disable(session, schedule, actor=alice)
    assert "waiting" not in told(session, schedule)


def test_one_that_may_meet_the_run_before_starts_beside_it(session: Session, make: MakeSchedule) -> None:
    schedule = make(due_s=20, overlap="allow")
    take(session, schedule)
    schedule.anchor_at = schedule.next_due_at = schedule.look_at = service.database_now(session)
    session.commit()

    assert len(take(session, schedule)) == 1


def switched_off(session: Session, workflow: Workflow, alice: Actor) -> None:
    lifecycle.switch_off(session, workflow, open_runs=OpenRuns.FINISH, actor=alice)


def deleted(session: Session, workflow: Workflow, alice: Actor) -> None:
    lifecycle.delete(session, workflow, open_runs=OpenRuns.FINISH, actor=alice)


def asks_more(session: Session, workflow: Workflow, alice: Actor) -> None:
    question = {"key": "price", "label": "What does it cost?", "type": "money", "required": True}
    definition = {**SMALL, "inputs": [*SMALL["inputs"], question]}
    workflows.publish(session, workflow, definition, actor_id=alice.user_id)


def may_not(session: Session, workflow: Workflow, alice: Actor) -> None:
    mine = Membership.user_id == alice.user_id
    session.execute(sa.update(Membership).where(mine).values(role=Role.APPROVER.value))


def has_left(session: Session, workflow: Workflow, alice: Actor) -> None:
    session.execute(sa.delete(Membership).where(Membership.user_id == alice.user_id))


@pytest.mark.parametrize(
    ("happens", "said", "stays_on"),
    [
        (switched_off, "“Weekly ads” is switched off.", True),
        (deleted, "“Weekly ads” was deleted.", True),
        (asks_more, "What does it cost?", True),
        (may_not, "Alice Ames may start no runs any more.", False),
        (has_left, "whoever made it is not here any more.", False),
    ],
)
def test_what_keeps_a_run_from_starting_is_told_on_the_schedule(
    session: Session, make: MakeSchedule, workflow: Workflow, alice: Actor, happens: Any, said: str, stays_on: bool
) -> None:
    schedule = make(due_s=20)
    happens(session, workflow, alice)
    session.commit()

    assert take(session, schedule) == []

    (slot,) = queries.slots(session, schedule)
    assert (slot.status, slot.run_id, slot.note) == ("refused", None, schedule.problem)
    assert said in schedule.problem
    assert schedule.problem_at is not None
    assert schedule.is_enabled == stays_on
    assert (schedule.next_due_at is not None) == stays_on
    assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def test_a_schedule_answers_with_a_vehicle_and_is_told_what_it_needs_now(
    session: Session, make: MakeSchedule, workflow: Workflow, alice: Actor
) -> None:
    car = {"key": "car", "label": "Which car?", "type": "vehicle", "required": True, "parts": ["vin", "price"]}
    workflows.publish(session, workflow, {**SMALL, "inputs": [*SMALL["inputs"], car]}, actor_id=alice.user_id)
    with pytest.raises(Invalid) as refused:
        make(due_s=20, inputs={"offer": "A car", "car": {"price": 9000}})
    assert [each.path for each in refused.value.problems] == ["/inputs/car"]
    schedule = make(due_s=20, inputs={"offer": "A car", "car": {"vin": "5tddzrbh1ms104417"}})

    (run,) = take(session, schedule)
    assert (run.inputs["car"]["vin"], run.inputs["car"]["year"]) == ("5TDDZRBH1MS104417", 2021)

    needs = [*SMALL["inputs"], {**car, "must_have": ["price"]}]
    workflows.publish(session, workflow, {**SMALL, "inputs": needs}, actor_id=alice.user_id)
    end(session, [run])
    schedule.anchor_at = schedule.next_due_at = schedule.look_at = service.database_now(session)
    session.commit()
    assert take(session, schedule) == []
    assert "“Which car?” needs its price." in schedule.problem


def test_a_run_that_starts_again_takes_the_problem_away(
    session: Session, make: MakeSchedule, workflow: Workflow, alice: Actor
) -> None:
    schedule = make(due_s=20)
    switched_off(session, workflow, alice)
    take(session, schedule)
    lifecycle.switch_on(session, workflow, actor=alice)
    schedule.anchor_at = schedule.next_due_at = schedule.look_at = service.database_now(session)
    session.commit()

    assert len(take(session, schedule)) == 1
    assert (schedule.problem, schedule.problem_at) == ("", None)


def tick(session: Session) -> list[str]:
    """Let the clock tick once; return what it hinted."""
    hinted: list[str] = []
    session.commit()
    timers.tick(db.engine, hint_runs=hinted.extend, hint_outbox=lambda ids: None, count=1)
    session.expire_all()
    return hinted


def test_a_tick_starts_all_that_is_due_and_one_that_cannot_be_read_keeps_nobody_waiting(
    session: Session, make: MakeSchedule
) -> None:
    broken = make(due_s=40, when="every day at 9")
    others = [make(due_s=20) for _ in range(2)]
    asleep = make(due_s=-60)
    broken.timezone = "Gone/Town"

    hinted = tick(session)

    runs = session.scalars(sa.select(Run)).all()
    assert {run.trigger_id for run in runs} == {one.id for one in others}
    assert {run.id for run in runs} <= set(hinted)
    assert "a fault in Greenlight" in broken.problem
    assert broken.look_at is not None
    assert broken.look_at > service.database_now(session) + timedelta(seconds=30)
    assert (asleep.problem, queries.slots(session, asleep)) == ("", [])
    tick(session)
    assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 2


def test_a_workspace_that_sends_nothing_and_a_workflows_limit_hold_for_scheduled_runs_too(
    session: Session, workflow: Workflow, make: MakeSchedule, alice: Actor
) -> None:
    mail = {"channel": "email", "to": ["sam@north.example"], "subject": "Ads", "body": "They are ready."}
    steps = [{"id": "tell", "name": "Tell Sam", "type": "notify", "config": mail}]
    workflows.publish(session, workflow, {**SMALL, "steps": steps, "limits": {"at_once": 1}}, actor_id=alice.user_id)
    limits.hold_sending(session, workflow.workspace_id, by=alice.name, by_id=alice.user_id)
    (run,) = take(session, make(due_s=20))
    seat = Seat(
        engine=db.engine, reader=db.engine, owner="test:1:a", lease_s=60.0, hint_steps=lambda rows: None,
        hint_run=lambda run_id: None, hint_outbox=lambda: None, is_ending=threading.Event(),
        is_over=threading.Event(),
    )  # fmt: skip

    runner.advance(seat, run.id)

    session.expire_all()
    assert run.at_once == 1
    assert session.scalars(sa.select(StepRun.status).where(StepRun.run_id == run.id)).all() == ["pending"]
    assert session.scalar(sa.select(sa.func.count()).select_from(OutboxRow)) == 0


def test_with_no_schedules_a_tick_asks_once_and_from_the_index(session: Session, make: MakeSchedule) -> None:
    make(due_s=-600)
    asked: list[str] = []
    session.commit()
    listen = lambda _c, _cursor, statement, *_rest: asked.append(statement)  # noqa: E731
    sa.event.listen(db.engine, "before_cursor_execute", listen)
    try:
        tick(session)
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", listen)

    assert len([statement for statement in asked if "schedule" in statement]) == 1
    plan = "EXPLAIN QUERY PLAN " if db.engine.dialect.name == "sqlite" else "EXPLAIN "
    if db.engine.dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
    statement = str(queries._due.compile(db.engine, compile_kwargs={"literal_binds": True}))
    found = " ".join(str(row) for row in session.execute(sa.text(plan + statement)))
    assert "ix_schedule_look_at" in found
    assert "Index Cond" in found or "look_at<?" in found


def test_due_times_without_a_run_are_forgotten_after_90_days(session: Session, make: MakeSchedule) -> None:
    schedule = make(due_s=THREE_HOURS)
    (run,) = take(session, schedule)
    old = clock.now() - timedelta(days=91)
    for is_one in (ScheduleSlot.run_id == run.id, ScheduleSlot.due_at == schedule.anchor_at):
        session.execute(sa.update(ScheduleSlot).where(is_one).values(due_at=old))
        old -= QUARTER

    service.remove_old(session, 100)

    assert told(session, schedule) == ["started"] + ["missed"] * 9
    session.execute(sa.delete(Run).where(Run.id == run.id))
    session.expire_all()
    assert "started" not in told(session, schedule), "it goes with its run"
