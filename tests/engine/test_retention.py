"""Once a day old runs go with all that is theirs; documents stay unless chosen; several machines may do it."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock, events, outbox
from app.core.db import Base, transaction
from app.core.ids import new_id
from app.engine import control, ports, retention
from app.engine.events import RunsNotRemoved, RunsRemoved
from app.engine.models import Allowance, Beat, Run, StepRun
from app.features.accounts.models import Workspace
from app.features.files.models import Attachment, Document, Image
from app.features.files.removal import remove_made_by
from tests.engine.rig import House, give
from tests.engine.sink import Sink

OLD = timedelta(days=14 * 31)
OF_RUNS = ("run", "step_run", "call", "wait", "run_log", "outbox")


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> None:
    ports.bind(remove_made_by=remove_made_by)
    monkeypatch.setattr(retention, "TURN_S", 1e6)


@pytest.fixture
def old_run(house: House, sink: Sink) -> Callable[..., str]:
    """Return a function that makes a run which ended long ago, with a row of each kind."""

    def make(**columns: Any) -> str:
        run_id = house.start(
            [
                {"id": "one", "type": "spend", "config": {"url": sink.url}},
                {"id": "ask", "type": "ask", "after": ["one"], "config": {}},
            ]
        )
        house.work(run_id)
        with house.session() as session:
            control.decide(session, house_wait(session, run_id), outcome="approved", output={})
            outbox.post(
                session, channel="email", recipient="sam@northfield.example", subject="", content={},
                dedupe_key=run_id, workspace_id=house.workspace_id, run_id=run_id,
            )  # fmt: skip
            session.execute(sa.update(outbox.OutboxRow).values(status="sent", due_at=None))
        house.work()
        with house.session() as session:
            past = clock.now() - OLD
            values = {"created_at": past, "finished_at": past, **columns}
            session.execute(sa.update(Run).where(Run.id == run_id).values(**values))
            session.add(
                Document(workspace_id=house.workspace_id, run_id=run_id, title="An ad", body="Drive.", fields={},
                         status="approved", position=1, written_by="sample", version=1, created_at=past,
                         updated_at=past)
            )  # fmt: skip
        return run_id

    return make


def house_wait(session: Any, run_id: str) -> str:
    return str(session.scalar(sa.text("SELECT id FROM wait WHERE run_id = :run_id"), {"run_id": run_id}))


def keep(house: House, months: int, *, documents: bool = True) -> None:
    with house.session() as session:
        session.merge(
            Allowance(workspace_id=house.workspace_id, keep_runs_months=months, keep_documents=documents)
        )


def left(house: House) -> set[str]:
    with house.session() as session:
        return set(session.scalars(sa.select(Run.id)))


def rows(house: House, run_id: str) -> dict[str, int]:
    with house.session() as session:
        counted = {}
        for name in OF_RUNS:
            table = Base.metadata.tables[name]
            column = table.c.id if name == "run" else table.c.run_id
            counted[name] = session.scalar(sa.select(sa.func.count()).where(column == run_id)) or 0
        return counted


def tomorrow(house: House) -> None:
    with transaction(house.engine) as session:
        session.execute(sa.update(Beat).values(at=clock.now() - timedelta(days=1, seconds=1)))


def test_old_runs_go_with_all_that_is_theirs_and_documents_stay(house: House, old_run: Callable[..., str]) -> None:
    told: list[RunsRemoved] = []
    events.listen(RunsRemoved, lambda session, event: told.append(event))
    old, young = old_run(), old_run(created_at=clock.now(), finished_at=clock.now())
    assert set(rows(house, old).values()) >= {1}
    assert retention.work(house.engine) == 1
    assert left(house) == {young}
    assert rows(house, old) == dict.fromkeys(OF_RUNS, 0)
    with house.session() as session:
        assert set(session.scalars(sa.select(Document.run_id))) == {None, young}
    assert [(one.workspace_id, one.number, one.documents) for one in told] == [(house.workspace_id, 1, False)]


def test_it_is_done_once_a_day(house: House, old_run: Callable[..., str]) -> None:
    assert retention.work(house.engine) == 0
    late = old_run()
    assert retention.work(house.engine) == 0
    tomorrow(house)
    assert retention.work(house.engine) == 1
    assert late not in left(house)


def test_open_runs_samples_and_children_of_open_runs_stay(house: House, old_run: Callable[..., str]) -> None:
    waiting = house.start([{"id": "ask", "type": "ask", "config": {}}])
    house.work(waiting)
    with house.session() as session:
        session.execute(sa.update(Run).where(Run.id == waiting).values(created_at=clock.now() - OLD))
    child, sample = old_run(parent_run_id=waiting), old_run(trigger_kind="seed")
    assert retention.work(house.engine) == 0
    assert left(house) == {waiting, child, sample}


def test_a_workspace_says_how_long_and_whether_documents_go(house: House, old_run: Callable[..., str]) -> None:
    keep(house, 2, documents=False)
    long_ago, lately = clock.now() - timedelta(days=70), clock.now() - timedelta(days=40)
    gone = old_run(created_at=long_ago, finished_at=long_ago)
    kept = old_run(created_at=lately, finished_at=lately)
    other = House(house.engine)
    retention.work(house.engine)
    assert left(house) == {kept}
    with house.session() as session:
        assert session.scalars(sa.select(Document.run_id)).all() == [kept]
    assert gone not in left(other)


def test_a_machine_whose_clock_is_years_off_removes_nothing_and_puts_nothing_off(
    house: House, old_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    young = old_run(created_at=now, finished_at=now)
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: now + timedelta(days=3650))
        assert (retention.work(house.engine), left(house)) == (0, {young})
    old_run()
    tomorrow(house)
    assert (retention.work(house.engine), left(house)) == (1, {young})
    assert retention.work(house.engine) == 0
    with house.session() as session:
        assert abs(session.scalar(sa.select(Beat.at)) - clock.now()) < timedelta(minutes=5)


def test_many_go_a_few_at_a_time(
    house: House, old_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    for _ in range(5):
        old_run()
    assert [retention.work(house.engine) for _ in range(4)] == [2, 2, 1, 0]
    assert left(house) == set()


def test_two_machines_remove_each_run_once(
    house: House, old_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    for _ in range(6):
        old_run()
    gate, removed = threading.Barrier(2), []

    def machine() -> None:
        gate.wait()
        removed.extend(retention.work(house.engine) for _ in range(4))

    threads = [threading.Thread(target=machine) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (sum(removed), left(house)) == (6, set())


@pytest.mark.parametrize(
    ("now", "months", "expected"),
    [("2026-03-31", 1, "2026-02-28"), ("2026-12-15", 13, "2025-11-15"), ("2026-01-01", 1, "2025-12-01"),
     ("2024-02-29", 12, "2023-02-28")],
)  # fmt: skip
def test_months_are_the_calendars(now: str, months: int, expected: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert str(retention.before(moment, months).date()) == expected


def test_a_run_stays_while_one_that_goes_on_with_its_results_is_under_way(
    house: House, old_run: Callable[..., str]
) -> None:
    first = old_run()
    following = house.start([{"id": "ask", "type": "ask", "config": {}}])
    house.work(following)
    with house.session() as session:
        session.execute(sa.update(Run).where(Run.id == following).values(continues_run_id=first))
    assert retention.work(house.engine) == 0
    with house.session() as session:
        session.execute(sa.delete(Beat))
        control.stop(session, following)
    house.work(following)
    assert retention.work(house.engine) == 1


def test_a_workspace_where_it_fails_rests_and_keeps_no_other_waiting(
    house: House, old_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_rests_until", {})
    other = House(house.engine)
    bad = old_run()
    keep(house, 13, documents=False)
    asked: list[Any] = []

    def fail(session: Any, run_ids: Any) -> None:
        asked.append(run_ids)
        raise KeyError("broken")

    ports.bind(remove_made_by=fail)
    told: list[RunsNotRemoved] = []
    events.listen(RunsNotRemoved, lambda session, event: told.append(event))
    assert [retention.work(house.engine) for _ in range(4)] == [0] * 4
    assert (asked, told, left(house)) == ([[bad]], [RunsNotRemoved(house.workspace_id)], {bad})
    good = old_run(workspace_id=other.workspace_id)
    ports.bind(remove_made_by=remove_made_by)
    with transaction(house.engine) as session:
        at = clock.now() - timedelta(seconds=retention.EVERY_S)
        assert session.scalar(sa.select(Beat.at)) > at  # not before some hours
        session.execute(sa.update(Beat).values(at=at))
    assert (retention.work(house.engine), good in left(house)) == (1, False)
    monkeypatch.setattr(retention, "_rests_until", {})
    tomorrow(house)
    assert (retention.work(house.engine), left(house)) == (1, set())


def test_a_run_that_cannot_be_removed_rests_alone_and_the_younger_go_on(
    house: House, old_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_rests_until", {})
    bad = [old_run(), old_run()]
    good = [old_run() for _ in range(3)]
    keep(house, 13, documents=False)
    asked: list[list[str]] = []

    def fail(session: Session, run_ids: list[str]) -> None:
        asked.append(run_ids)
        if set(run_ids) & set(bad):
            raise KeyError("broken")
        remove_made_by(session, run_ids)

    ports.bind(remove_made_by=fail)
    told: list[RunsNotRemoved] = []
    events.listen(RunsNotRemoved, lambda session, event: told.append(event))
    assert (retention.work(house.engine), left(house)) == (3, set(bad))
    assert asked == [bad + good, bad, bad[:1], bad[1:], good[:1], good[1:]]
    assert told == [RunsNotRemoved(house.workspace_id)] * 2
    tomorrow(house)
    younger = old_run()
    assert (retention.work(house.engine), asked[-1], left(house)) == (1, [younger], set(bad))
    monkeypatch.setattr(retention, "_rests_until", {})
    bad.clear()
    tomorrow(house)
    assert (retention.work(house.engine), left(house)) == (2, set())


def test_a_workspace_where_more_than_a_few_runs_fail_rests_as_a_whole(
    house: House, old_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_rests_until", {})
    monkeypatch.setattr(retention, "MOST_STUCK", 1)
    old = [old_run() for _ in range(3)]
    keep(house, 13, documents=False)
    asked: list[list[str]] = []

    def fail(session: Session, run_ids: list[str]) -> None:
        asked.append(run_ids)
        raise KeyError("broken")

    ports.bind(remove_made_by=fail)
    assert [retention.work(house.engine) for _ in range(2)] == [0, 0]
    assert (asked, left(house)) == ([old, old[:1], old[1:2]], set(old))


def test_what_others_remove_rests_where_it_fails_and_keeps_nothing_else_waiting(
    house: House, old_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def fail(session: Session, most: int) -> int:
        asked.append(most)
        raise KeyError("broken")

    def remove(session: Session, most: int) -> int:
        return left.pop()

    left = [0, 3, 99]
    monkeypatch.setattr(retention, "_rests_until", {("a workspace that is gone", ""): time.monotonic() + 1e6})
    monkeypatch.setattr(retention, "_others", {"broken": fail, "sound": remove})
    run_id = old_run()
    assert [retention.work(house.engine) for _ in range(3)] == [100, 3, 0]
    assert (rows(house, run_id)["run"], left, asked) == (0, [], [99])
    tomorrow(house)
    monkeypatch.setattr(retention, "_others", {})
    retention.work(house.engine)
    with house.session() as session:
        assert session.scalar(sa.select(Beat.at)) > clock.now() - timedelta(hours=1)  # whole: not again in some hours


def test_runs_with_many_steps_go_one_by_one_and_the_clock_does_what_else_is_due_in_between(
    house: House, old_run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    events.listen(RunsRemoved, lambda session, event: told.append(event.number))
    for most_steps, turn_s, numbers in ((1, 1e6, [1, 1]), (1, -1.0, [1]), (4, -1.0, [2, 1])):
        monkeypatch.setattr(retention, "MOST_STEPS", most_steps)
        monkeypatch.setattr(retention, "TURN_S", turn_s)
        for _ in range(2):
            old_run()
        retention.work(house.engine)
        if most_steps == 4:
            retention.work(house.engine)
        assert told == numbers
        told.clear()
        tomorrow(house)


def test_old_messages_of_no_run_go_unless_they_are_to_leave(house: House) -> None:
    keep(house, 2)
    old, lately = clock.now() - timedelta(days=70), clock.now() - timedelta(days=40)
    kinds = {
        "sent": {"status": "sent", "due_at": None, "created_at": old},
        "parked": {"status": "parked", "due_at": None, "created_at": old},
        "waits": {"created_at": old},
        "young": {"status": "sent", "due_at": None, "created_at": lately},
        "nobody's": {"status": "sent", "due_at": None, "created_at": old, "workspace_id": None},
        "nobody's, old": {"status": "kept", "due_at": None, "created_at": clock.now() - OLD, "workspace_id": None},
    }
    for name, values in kinds.items():
        row_id = house.post("email", to=name)
        with house.session() as session:
            session.execute(sa.update(outbox.OutboxRow).where(outbox.OutboxRow.id == row_id).values(**values))
    assert retention.work(house.engine) == 3
    with house.session() as session:
        assert set(session.scalars(sa.select(outbox.OutboxRow.dedupe_key))) == {"waits", "young", "nobody's"}


def test_a_run_stays_while_one_that_it_started_is_under_way(house: House, old_run: Callable[..., str]) -> None:
    above = old_run()
    part = house.start([{"id": "ask", "type": "ask", "config": {}}])
    house.work(part)
    step_id = house.steps(above)["one"].id
    with house.session() as session:
        values = {"parent_run_id": above, "parent_step_run_id": step_id}
        session.execute(sa.update(Run).where(Run.id == part).values(**values))
    assert (retention.work(house.engine), above in left(house)) == (0, True)
    with house.session() as session:
        control.stop(session, part)
    house.work(part)
    tomorrow(house)
    assert (retention.work(house.engine), above in left(house)) == (1, False)


def test_a_run_stays_until_its_messages_have_left(house: House, old_run: Callable[..., str]) -> None:
    _, waits = old_run(), old_run()
    row = sa.update(outbox.OutboxRow).where(outbox.OutboxRow.run_id == waits)
    with house.session() as session:
        session.add(outbox.SendingHold(workspace_id=house.workspace_id, by="Sam", at=clock.now()))
        session.execute(row.values(status="pending", due_at=clock.now() - OLD))
    assert (retention.work(house.engine), left(house)) == (1, {waits})
    with house.session() as session:
        session.execute(row.values(status="sent", due_at=None))
    tomorrow(house)
    assert (retention.work(house.engine), left(house)) == (1, set())


def _file(kind: type[Document] | type[Image], house: House, run_id: str | None, name: str, **more: Any) -> Any:
    """Return a document or a picture of a run."""
    now = clock.now()
    common = {"id": new_id(), "workspace_id": house.workspace_id, "run_id": run_id, "created_at": now, **more}
    if kind is Document:
        return Document(title=name, body="Drive.", status="approved", updated_at=now, **common)
    return Image(prompt=name, media_type="image/png", width=1, height=1, size_bytes=1, sha256="0" * 64, **common)


def test_documents_and_pictures_that_another_run_has_stay(house: House, old_run: Callable[..., str]) -> None:
    keep(house, 13, documents=False)
    old = old_run()
    step_id = house.steps(old)["one"].id
    taken, named, shown, alone = (_file(Document, house, old, name) for name in ("taken", "named", "shown", "alone"))
    drawn, lone = (_file(Image, house, old, name) for name in ("drawn", "lone"))
    taken.step_run_id = step_id
    young = house.start([{"id": "ask", "type": "ask", "config": {}}], inputs={"texts": [named.id]})
    house.work(young)
    own = _file(Document, house, young, "own")
    picture = _file(Image, house, young, "new")
    with house.session() as session:
        session.add_all([taken, named, shown, alone, drawn, lone, own, picture])
        session.flush()
        for document, image in ((own, drawn), (shown, picture), (alone, lone)):
            session.add(Attachment(document_id=document.id, image_id=image.id, position=1, is_primary=True))
        session.execute(sa.update(StepRun).where(StepRun.run_id == young).values(reused_from=step_id))
    assert retention.work(house.engine) == 1
    with house.session() as session:
        documents = {one.title: one.run_id for one in session.scalars(sa.select(Document))}
        images = {one.prompt: one.run_id for one in session.scalars(sa.select(Image))}
    assert documents == {"taken": young, "named": None, "shown": None, "own": young}
    assert images == {"drawn": None, "new": young}


def test_what_runs_were_given_goes_with_the_last_of_them(house: House, old_run: Callable[..., str]) -> None:
    keep(house, 13, documents=False)
    made = house.start([{"id": "one", "type": "echo", "config": {}}])
    house.work(made)
    of_step = {"step_run_id": house.steps(made)["one"].id}
    text, picture = _file(Document, house, made, "text", **of_step), _file(Image, house, made, "picture", **of_step)
    own, foreign = _file(Document, house, None, "own"), _file(Document, house, None, "foreign", **of_step)
    with house.session() as session:
        stranger = Workspace(id=new_id(), name="Southfield Motors", created_at=clock.now())
        session.add(stranger)
        session.flush()
        foreign.workspace_id = stranger.id
        session.add_all([text, picture, own, foreign])
    given = {"texts": [text.id, own.id, foreign.id], "picture": picture.id}
    readers = [old_run() for _ in range(2)]
    with house.session() as session:
        for reader in readers:
            give(session, session.get_one(Run, reader), given)
        for run_id, age_days in ((made, 900), (readers[0], 800)):
            ended = clock.now() - timedelta(days=age_days)
            session.execute(sa.update(Run).where(Run.id == run_id).values(created_at=ended, finished_at=ended))
        session.execute(sa.update(Run).where(Run.id == readers[1]).values(created_at=clock.now()))

    def stay() -> list[str]:
        tomorrow(house)
        retention.work(house.engine)
        with house.session() as session:
            texts = session.scalars(sa.select(Document.title).where(Document.title != "An ad"))
            return sorted([*texts, *session.scalars(sa.select(Image.prompt))])

    assert (stay(), left(house)) == (["foreign", "own", "picture", "text"], {readers[1]})
    with house.session() as session:
        session.execute(sa.update(Run).values(created_at=clock.now() - timedelta(days=700)))
    assert (stay(), left(house)) == (["foreign", "own"], set())
