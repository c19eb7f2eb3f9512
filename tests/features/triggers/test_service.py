"""What people do with schedules: make, change, switch off and on, delete."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Invalid, NotFound
from app.engine.models import Run
from app.features.accounts.models import AuditEntry, Membership
from app.features.accounts.service import Actor
from app.features.triggers import queries, service, turn
from app.features.triggers.models import Schedule, ScheduleSlot
from app.features.triggers.service import Wish
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow
from tests.cast import Cast, add_editor
from tests.features.triggers.conftest import MakeSchedule

WISH = Wish(when="every Monday at 8:00", inputs={"offer": "A car"})


def test_a_schedule_is_kept_in_the_workspaces_zone_and_due_next_by_its_rule(
    session: Session, workflow: Workflow, alice: Actor
) -> None:
    made = service.create(session, workflow, WISH, actor=alice)

    assert (made.name, made.cron, made.timezone) == ("Weekly ads", "0 8 * * 1", "America/New_York")
    assert (made.overlap, made.missed, made.made_by, made.is_enabled) == ("skip", "once", alice.user_id, True)
    assert made.next_due_at is not None
    assert made.next_due_at == made.look_at
    assert made.next_due_at > service.database_now(session)
    entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "schedule.created")).one()
    assert (entry.actor_id, entry.subject_id, entry.detail) == (alice.user_id, made.id, {"name": "Weekly ads"})


def test_everything_that_is_wrong_is_told_at_once_by_its_field(
    session: Session, workflow: Workflow, alice: Actor
) -> None:
    wrong = Wish(when="every Monday", name="x" * 121, timezone="UTC", inputs={}, overlap="skipp", missed="never")

    with pytest.raises(Invalid) as refused:
        service.create(session, workflow, wrong, actor=alice)

    told = {problem.path: problem for problem in refused.value.problems}
    assert set(told) == {"when", "name", "overlap", "missed", "/inputs/offer"}
    assert told["overlap"].fix == "Did you mean “skip”?"
    assert all(problem.message and problem.fix for problem in told.values())
    assert session.scalar(sa.select(sa.func.count()).select_from(Schedule)) == 0


def test_a_schedule_needs_a_name_to_start_in_and_something_published(
    session: Session, workflow: Workflow, alice: Actor
) -> None:
    draft = workflows.create_draft(session, workspace_id=workflow.workspace_id, name="New", actor_id=alice.user_id)

    with pytest.raises(Invalid, match="in somebody’s name"):
        service.create(session, workflow, WISH, actor=Actor(None, "Command line"))
    with pytest.raises(NotFound, match="has not been published"):
        service.create(session, draft, WISH, actor=alice)


def test_a_changed_schedule_is_due_by_its_new_rule(session: Session, make: MakeSchedule, alice: Actor) -> None:
    made = make(due_s=-300)

    service.change(session, made, replace(WISH, timezone="Europe/Berlin", overlap="queue", missed="all"), actor=alice)

    assert (made.cron, made.every_minutes, made.timezone) == ("0 8 * * 1", None, "Europe/Berlin")
    assert (made.overlap, made.missed) == ("queue", "all")
    assert made.next_due_at is not None
    assert made.next_due_at.minute == 0


def test_what_was_switched_off_catches_nothing_up(session: Session, make: MakeSchedule, alice: Actor) -> None:
    made = make(due_s=3600)

    for _ in range(2):
        service.disable(session, made, actor=alice)
    assert (made.is_enabled, made.next_due_at, made.look_at) == (False, None, None)
    for _ in range(2):
        service.enable(session, made, actor=alice)

    assert made.is_enabled
    assert made.next_due_at is not None
    assert made.next_due_at > service.database_now(session)
    actions = session.scalars(sa.select(AuditEntry.action).where(AuditEntry.subject_id == made.id))
    assert sorted(actions) == ["schedule.created", "schedule.disabled", "schedule.enabled"], "twice is once"


def test_whoever_switches_it_on_takes_it_over_from_somebody_who_has_left(
    cast: Cast, session: Session, make: MakeSchedule, alice: Actor
) -> None:
    made = make(due_s=-300)
    dana = add_editor(cast)
    service.disable(session, made, actor=alice)
    session.execute(sa.delete(Membership).where(Membership.user_id == alice.user_id))

    service.enable(session, made, actor=Actor(dana.user_id, dana.name, dana.email))

    assert made.made_by == dana.user_id


def test_schedules_are_found_by_id_and_name_in_their_workspace_alone(
    cast: Cast, session: Session, make: MakeSchedule
) -> None:
    made = make(due_s=-300)
    home, away = cast.alice.workspace_id, cast.charlie.workspace_id

    assert queries.named(session, home, "weekly ADS") is queries.named(session, home, made.id) is made
    assert [(one.id, workflow) for one, workflow in queries.schedules(session, home)] == [(made.id, "Weekly ads")]
    assert queries.schedules(session, away) == []
    for reference in (made.id, "Weekly ads"):
        with pytest.raises(NotFound):
            queries.named(session, away, reference)
    make(due_s=-300)
    with pytest.raises(Conflict, match="Several schedules"):
        queries.named(session, home, "Weekly ads")


def test_deleting_one_leaves_nothing_of_it(session: Session, make: MakeSchedule, alice: Actor) -> None:
    made = make(due_s=3600)
    (run_id,) = turn.take(session, made.id)
    assert len(queries.slots(session, made)) == 5

    service.delete(session, made, actor=alice)

    for model in (Schedule, ScheduleSlot):
        assert session.scalar(sa.select(sa.func.count()).select_from(model)) == 0
    assert session.scalar(sa.select(Run.trigger_id).where(Run.id == run_id)) == made.id, "its runs stay"
