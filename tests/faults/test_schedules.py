"""Schedules: over both changes of the clock, after a sleep of three hours, under two clocks of which one dies."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.core import clock
from app.engine.models import Run
from app.features.accounts import service as accounts
from app.features.accounts.enums import Role
from app.features.accounts.models import User, Workspace
from app.features.runs.words import by_schedule
from app.features.triggers import rules
from app.features.triggers.enums import SlotStatus
from app.features.triggers.models import Schedule, ScheduleSlot
from app.features.triggers.rules import Rule
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow
from tests.cast import PASSWORD, password_hash
from tests.conftest import Databases, migrate
from tests.engine.rig import House, make_house
from tests.engine.sink import Sink
from tests.faults.chaos import wait_for_the_end
from tests.faults.fleet import Fleet, Nursery
from tests.faults.invariants import check
from tests.faults.servers import FAKETIME, debian
from tests.faults.timepiece import ShiftedPostgres, Timepiece, odd
from tests.servers import RedisServer, wait_until

END_S = 60.0
NEW_YORK = "America/New_York"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(house: House, cron: str, first_due_at: datetime, **columns: str) -> str:
    """Write a schedule in New York of a small workflow; it is due first as said."""
    with house.session() as session:
        owner = session.scalar(sa.select(User.id).where(User.email == "olivia@north.example"))
        if owner is None:
            session.get_one(Workspace, house.workspace_id).timezone = NEW_YORK
            owner = accounts.create_user(
                session, email="olivia@north.example", name="Olivia Marsh", password=PASSWORD, role=Role.OWNER,
                password_hash=password_hash(), workspace_id=house.workspace_id, check_password=False,
            ).id  # fmt: skip
            step = {"id": "a", "name": "Say it", "type": "echo", "config": {"say": 1}}
            workflows.create(
                session, workspace_id=house.workspace_id, name="Ads", definition={"schema": 1, "steps": [step]},
                actor_id=owner,
            )  # fmt: skip
        made = Schedule(
            workspace_id=house.workspace_id, workflow_id=session.scalars(sa.select(Workflow.id)).one(), name="Ads",
            cron=cron, anchor_at=first_due_at, timezone=NEW_YORK, inputs={}, is_enabled=True, problem="",
            next_due_at=first_due_at, look_at=first_due_at, made_by=owner, created_at=first_due_at,
            updated_at=first_due_at, **{"overlap": "allow", "missed": "all", **columns},
        )  # fmt: skip
        session.add(made)
        session.flush()
        return made.id


def started(house: House, schedule_id: str) -> list[datetime]:
    """Return the due times that have got a run, each as often as it has one."""
    with house.session() as session:
        rows = session.scalars(sa.select(Run.facts).where(Run.trigger_id == schedule_id))
        return sorted(datetime.fromisoformat(facts["trigger"]["due_at"]) for facts in rows)


@pytest.fixture
def timepiece() -> Timepiece:
    debian("libfaketime", FAKETIME)
    return Timepiece()


@pytest.fixture
def shifted(
    request: pytest.FixtureRequest, timepiece: Timepiece, databases: Databases, own_redis: RedisServer,
    nursery: Nursery, sink: Sink,
) -> Iterator[tuple[House, Fleet]]:  # fmt: skip
    """A house and a fleet on a database that lives in the timepiece's time; on SQLite each process brings its own."""
    server = ShiftedPostgres(timepiece) if request.param == "postgresql" else None
    url = server.create_database("gl_shifted") if server else databases.create("sqlite")
    if server:
        migrate(url)
    house, fleet = make_house(url), Fleet(nursery, url, own_redis.url, sink)
    yield house, fleet
    house.check()
    house.engine.dispose()
    fleet.end()
    if server:
        server.stop()
    else:
        databases.drop(url)


both = pytest.mark.parametrize("shifted", ["postgresql", "sqlite"], indirect=True)


@pytest.mark.faults
@pytest.mark.timeout(180)
@both
@pytest.mark.parametrize(
    ("cron", "days", "due"),
    [
        ("30 1 * * *", ["2026-11-01T05:31:30", "2026-11-01T06:31:30", "2026-11-02T06:31:30"],
         ["2026-11-01T05:30", "2026-11-02T06:30"]),
        ("30 2 * * *", ["2027-03-14T06:31:30", "2027-03-14T07:31:30", "2027-03-14T08:31:30", "2027-03-15T06:31:30"],
         ["2027-03-14T07:00", "2027-03-15T06:30"]),
    ],
    ids=["autumn", "spring"],
)  # fmt: skip
def test_f26_daily_schedules_over_both_changes_of_the_clock(
    shifted: tuple[House, Fleet], timepiece: Timepiece, cron: str, days: list[str], due: list[str]
) -> None:
    house, fleet = shifted
    begins = utc(days[0]) - timedelta(minutes=2)
    timepiece.set(begins)
    first = rules.following(Rule(NEW_YORK, cron=cron), begins)
    assert first is not None
    daily = schedule(house, cron, first)
    hourly = schedule(house, "31 * * * *", begins + timedelta(seconds=30), missed="once")  # says that the clock was by
    with odd(fleet, timepiece, "clock"):
        for day in days:
            timepiece.set(utc(day))
            wait_until(lambda day=day: utc(day[:-3]) in started(house, hourly), timeout_s=END_S)
            wait_until(lambda day=day: _is_past(house, utc(day)), timeout_s=END_S)
    assert started(house, daily) == [utc(at) for at in due]


@pytest.mark.faults
@pytest.mark.timeout(180)
@both
def test_f27_after_three_hours_of_sleep_a_schedule_catches_up_by_its_policy(
    shifted: tuple[House, Fleet], timepiece: Timepiece
) -> None:
    house, fleet = shifted
    at, woken = utc("2026-11-24T14:05:00"), utc("2026-11-24T17:02:10")
    timepiece.set(at)
    quarter = at + timedelta(minutes=10)
    by = {missed: schedule(house, "*/15 * * * *", quarter, missed=missed) for missed in ("skip", "once", "all")}
    daily = schedule(house, "15 9 * * *", quarter, missed="once")
    with odd(fleet, timepiece, "clock", "worker") as all_of_it:
        for process in all_of_it:
            process.freeze()
        timepiece.set(woken)
        for process in all_of_it:
            process.thaw()
        wait_until(lambda: len(started(house, daily)) == 1 and _is_past(house, woken), timeout_s=END_S)
        newest = [utc("2026-11-24T17:00") - n * timedelta(minutes=15) for n in range(9, -1, -1)]
        assert started(house, by["skip"]) == []
        assert started(house, by["once"]) == newest[-1:]
        assert started(house, by["all"]) == newest
        with house.session() as session:
            said = {
                by_schedule(run.facts, run.created_at).rpartition(": ")[2]
                for run in session.scalars(sa.select(Run).where(Run.trigger_id == daily))
            }
            assert said == {"due 09:15, ran 12:02."}
            of = ScheduleSlot.schedule_id == by["skip"]
            assert set(session.scalars(sa.select(ScheduleSlot.status).where(of))) == {SlotStatus.MISSED}
        timepiece.set(utc("2026-11-24T17:15:05"))
        on_time = [utc("2026-11-24T17:15")]
        wait_until(lambda: all(started(house, one)[-1:] == on_time for one in by.values()), timeout_s=END_S)
        wait_for_the_end(house, "")
    assert Counter(map(len, (started(house, one) for one in by.values()))) == Counter([1, 2, 11])
    check(house, fleet.sink)


def _is_past(house: House, at: datetime) -> bool:
    with house.session() as session:
        return all(due and due > at for due in session.scalars(sa.select(Schedule.next_due_at)))


@pytest.mark.faults
def test_f28_each_slot_of_a_schedule_starts_one_run_though_a_clock_dies_in_its_sweep(
    house: House, fleet: Fleet
) -> None:
    began = clock.now().replace(second=0, microsecond=0) - timedelta(minutes=11)
    first_due = rules.following(Rule(NEW_YORK, cron="*/5 * * * *"), began)
    assert first_due is not None
    ids = [schedule(house, "*/5 * * * *", first_due) for _ in range(12)]
    first = fleet.start("clock", crash_at="in_sweep:2")  # its first sweep, then within its first schedule's turn
    assert first.wait(END_S) == -9
    with house.session() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0, "all of it or nothing"
        assert session.scalar(sa.select(sa.func.count()).select_from(ScheduleSlot)) == 0
        assert set(session.scalars(sa.select(Schedule.next_due_at))) == {first_due}
    second = fleet.start("clock", crash_at="in_sweep:5")
    fleet.start("clock")
    fleet.start()
    assert second.wait(END_S) == -9
    wait_until(lambda: _is_past(house, clock.now()), timeout_s=END_S)
    wait_for_the_end(house, "")
    for schedule_id in ids:
        times = Counter(started(house, schedule_id))
        assert len(times) >= 2
        assert set(times.values()) == {1}, "one run each"
    with house.session() as session:
        slots = session.execute(sa.select(ScheduleSlot.run_id, ScheduleSlot.status)).all()
        assert {slot.status for slot in slots} == {SlotStatus.STARTED}
        assert {slot.run_id for slot in slots} == set(session.scalars(sa.select(Run.id)))
    check(house, fleet.sink)

