"""Money: the run's limit and the day's hold under parallel calls, and a person can add some and go on."""

import functools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import insist, make_engine, transaction
from app.core.errors import Conflict
from app.core.settings import Settings, SettingsInvalid
from app.engine import catalog, claims, control, money, runner, store
from app.engine.answers import Reply, answer, choices
from app.engine.attempt import failed
from app.engine.calls import Ledger
from app.engine.contract import Answer, Category, Context, Done, Effect, StepError
from app.engine.held import Fenced, HeldStep
from app.engine.models import Allowance, Call, Run, Spending, StepRun
from tests.engine.rig import House, url_for
from tests.engine.sink import Sink
from tests.faults.proxy import Proxy
from tests.servers import wait_until

AT_ONCE = 20


def spend(step: str, sink: Sink, count: int = 1) -> dict[str, Any]:
    return {"id": step, "type": "spend", "after": [], "config": {"url": sink.url, "count": count}}


def allow(house: House, microusd: int) -> None:
    with house.session() as session:
        session.merge(Allowance(workspace_id=house.workspace_id, ai_daily_microusd=microusd))


def day(house: House) -> tuple[int, int]:
    """Return what was spent today, and what is reserved."""
    with house.session() as session:
        return tuple(session.execute(sa.select(Spending.cost_microusd, Spending.reserved_microusd)).one())


@pytest.fixture
def no_limit() -> Iterator[None]:
    """Take the limit of the whole house away again."""
    yield
    money.configure(Settings(environment="test", secret_key="-"))


def claimed(house: House, sink: Sink, count: int, *, budget: int | None = None) -> list[HeldStep]:
    """Bring *count* runs of one step to the point where the step is claimed."""
    held = []
    for _ in range(count):
        run_id = house.start([spend("one", sink)], budget=budget)
        runner.advance(house.seat(), run_id)
        with house.session() as session:
            step_run_id = session.scalar(sa.select(store.step_run.c.id).where(store.step_run.c.run_id == run_id))
            claim = claims.claim_step(session, str(step_run_id), "test:1:a", 60.0)
        assert claim is not None
        held.append(claim)
    house.line.clear()
    return held


def at_once(house: House, steps: list[HeldStep]) -> list[str]:
    """Make one call of 100 a step, all at the same time; return what became of each: "made" or the refusal's code."""
    gate, said = threading.Barrier(len(steps)), []

    def call(step: HeldStep, name: str) -> None:
        def do(key: str, timeout_s: float) -> Answer:
            return Answer("yes", cost_microusd=100)

        gate.wait()
        try:
            Ledger(house.engine, step, Effect.SPENDS).call(
                name, do, 5, about="", estimate_microusd=100, keep=None, keyed=False
            )
            said.append("made")
        except StepError as refused:
            said.append(refused.code)

    threads = [threading.Thread(target=call, args=(step, f"call {n}")) for n, step in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return said


def test_twenty_calls_of_a_run_cannot_each_see_the_last_dollar(house: House, sink: Sink) -> None:
    (step,) = claimed(house, sink, 1, budget=700)
    said = at_once(house, [step] * AT_ONCE)
    assert (said.count("made"), said.count("budget")) == (7, 13)
    run = house.run(step.run_id)
    assert (run.cost_microusd, run.reserved_microusd) == (700, 0)
    assert len(house.calls(step.run_id)) == 7


def test_twenty_runs_of_a_day_cannot_each_see_the_last_dollar(house: House, sink: Sink) -> None:
    allow(house, 700)
    said = at_once(house, claimed(house, sink, AT_ONCE))
    assert (said.count("made"), said.count("budget_day")) == (7, 13)
    assert day(house) == (700, 0)
    with house.session() as session:
        assert session.scalar(sa.select(sa.func.sum(store.run.c.reserved_microusd))) == 0


def test_the_limit_of_the_house_holds_for_every_workspace(house: House, sink: Sink, no_limit: None) -> None:
    money.configure(Settings(environment="test", secret_key="-", ai_daily_budget_usd="0.0003"))
    said = at_once(house, claimed(house, sink, 5))
    assert sorted(said) == ["budget_day"] * 2 + ["made"] * 3
    other = House(house.engine)
    assert at_once(other, claimed(other, sink, 1)) == ["made"]


@pytest.mark.parametrize(("given", "microusd"), [("", None), ("20", 20_000_000), ("$7.50", 7_500_000), ("0", 0)])
def test_the_setting_is_dollars(given: str, microusd: int | None) -> None:
    assert Settings(ai_daily_budget_usd=given).ai_daily_budget_microusd == microusd


@pytest.mark.parametrize("bad", ["ten", "-1", "NaN", "Infinity", "1e999999"])
def test_a_setting_that_is_no_money_stops_the_start(bad: str) -> None:
    with pytest.raises(SettingsInvalid, match="AI_DAILY_BUDGET_USD"):
        Settings.from_env({"SECRET_KEY": "-", "AI_DAILY_BUDGET_USD": bad})


def test_a_run_that_is_out_of_money_asks_and_goes_on_with_more(house: House, sink: Sink) -> None:
    run_id = house.start([spend("one", sink, 5)], budget=2500)
    house.work(run_id)
    step = house.steps(run_id)["one"]
    assert (house.run(run_id).status, step.status, len(sink.log)) == ("needs_attention", "needs_attention", 2)
    assert (step.error["category"], step.error["code"]) == ("budget", "budget")
    assert choices(step.type, step.error) == (Reply.ADD_MONEY, Reply.FAIL)
    with house.session() as session:
        answer(session, run_id, step.id, Reply.ADD_MONEY, by="Alice")
    house.work()
    run = house.run(run_id)
    assert (run.status, run.budget_microusd, run.cost_microusd) == ("completed", 5_002_500, 5000)
    assert len(sink.log) == 5  # what was paid for is not paid for again
    assert house.steps(run_id)["one"].attempts == 1  # it has all its tries from here on


@pytest.mark.parametrize("limit", ["run", "day"])
def test_one_answer_about_a_limit_goes_for_all_that_met_it(house: House, sink: Sink, limit: str) -> None:
    if limit == "day":
        allow(house, 2500)
    each = {**spend("each", sink), "for_each": {"items": ["a", "b", "c", "d", "e"]}}
    run_id = house.start([each, spend("alone", sink)], budget=2500 if limit == "run" else None)
    house.work(run_id)

    def asking() -> list[StepRun]:
        with house.session() as session:
            wanted = sa.select(StepRun).where(StepRun.run_id == run_id, StepRun.status == "needs_attention")
            return list(session.scalars(wanted))

    met = asking()
    assert len(met) == 4  # two of six calls had room
    allow(house, 1_000_000)
    with house.session() as session:
        answer(session, run_id, met[0].id, Reply.ADD_MONEY if limit == "run" else Reply.AGAIN, by="Alice")
    assert asking() == []
    with house.session() as session, pytest.raises(Conflict, match="answered before"):
        answer(session, run_id, met[1].id, Reply.ADD_MONEY if limit == "run" else Reply.AGAIN, by="Bob")
    house.work()
    run = house.run(run_id)
    assert (run.status, run.cost_microusd, len(sink.log)) == ("completed", 6000, 6)
    assert run.budget_microusd == (5_002_500 if limit == "run" else None)  # added once


def test_a_day_that_is_out_of_money_asks_and_goes_on_when_there_is_more(house: House, sink: Sink) -> None:
    allow(house, 2500)
    run_id = house.start([spend("one", sink, 5)])
    house.work(run_id)
    step = house.steps(run_id)["one"]
    assert (step.status, step.error["code"], day(house)) == ("needs_attention", "budget_day", (2000, 0))
    assert choices(step.type, step.error) == (Reply.AGAIN, Reply.FAIL)
    allow(house, 1_000_000)
    with house.session() as session:
        answer(session, run_id, step.id, Reply.AGAIN, by="Alice")
    house.work()
    assert (house.run(run_id).status, day(house)) == ("completed", (5000, 0))


def test_yesterdays_money_is_not_todays(house: House, sink: Sink) -> None:
    allow(house, 1000)
    house.work(house.start([spend("one", sink)]))
    with transaction(house.engine) as session:
        session.execute(sa.update(Spending).values(day=datetime(2025, 1, 1, tzinfo=UTC).date()))
    run_id = house.start([spend("one", sink)])
    house.work(run_id)
    assert house.run(run_id).status == "completed"


def test_a_day_begins_where_the_workspace_is() -> None:
    late = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
    assert [str(money.day_of(late, zone)) for zone in ("America/New_York", "Europe/Berlin", "Nowhere/At all")] == [
        "2026-02-28", "2026-03-01", "2026-03-01",
    ]  # fmt: skip


def test_a_stopped_run_gives_back_what_it_had_reserved(house: House, sink: Sink) -> None:
    (step,) = claimed(house, sink, 1)

    def do(key: str, timeout_s: float) -> Answer:
        assert day(house) == (0, 100)
        with house.session() as session:
            control.stop(session, step.run_id)
        house.work(step.run_id)
        assert day(house) == (0, 0)
        return Answer("late", cost_microusd=90)

    with pytest.raises(Fenced):
        Ledger(house.engine, step, Effect.SPENDS).call(
            "call", do, 5, about="", estimate_microusd=100, keep=None, keyed=False
        )
    assert day(house) == (90, 0)  # the money is gone, and the ledger says so
    assert house.calls(step.run_id)[0].status == "late"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_late_money_is_counted_once_when_the_answer_to_its_commit_is_lost(
    house: House, sink: Sink, database_url: str
) -> None:
    (step,) = claimed(house, sink, 1)
    proxy = Proxy(database_url)
    engine = make_engine(url_for(proxy.url))

    def do(key: str, timeout_s: float) -> Answer:
        with house.session() as session:
            control.stop(session, step.run_id)
        house.work(step.run_id)
        proxy.drop(1)
        return Answer("late", cost_microusd=90)

    try:
        with pytest.raises(Fenced):
            Ledger(engine, step, Effect.SPENDS).call(
                "call", do, 5, about="", estimate_microusd=100, keep=None, keyed=False
            )
        assert proxy.dropped == 1
        assert day(house) == (90, 0)
        assert house.calls(step.run_id)[0].cost_microusd == house.run(step.run_id).cost_microusd == 90
    finally:
        engine.dispose()
        proxy.stop()


def test_a_refused_call_is_counted_in_the_day_of_its_new_try(house: House, sink: Sink) -> None:
    sink.script = [(500, {})]
    run_id = house.start([spend("one", sink)])
    runner.advance(house.seat(), run_id)
    house.work()
    with house.session() as session:
        session.execute(sa.update(Call).values(started_at=clock.now().replace(year=2025)))
    house.make_due(run_id, step="one", not_before=True)
    house.work()
    assert house.run(run_id).status == "completed"
    assert day(house) == (1000, 0)


def test_a_call_that_nobody_answered_holds_no_money_of_the_day_when_the_run_completes(house: House, sink: Sink) -> None:
    sink.script = [(0, {})] * 3
    steps = [
        {**spend("one", sink), "retry": {"attempts": 1}, "on_failure": "continue"},
        {"id": "two", "type": "echo", "after": ["one:failed"], "config": {"say": 1}},
    ]
    run_id = house.start(steps)
    house.work(run_id)
    assert (house.run(run_id).status, house.run(run_id).reserved_microusd) == ("completed", 0)
    assert house.calls(run_id)[0].status == "intended"
    assert day(house) == (0, 0)


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_call_that_nobody_answered_holds_no_money_of_the_day_when_its_step_ends(
    house: House, sink: Sink, ends_well: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(config: Any, ctx: Context) -> Done:
        with suppress(StepError):  # the step can do without
            ctx.call("lost", lost, estimate_microusd=700)
        return Done({"answers": []}) if ends_well else lost("", 0.0)

    def lost(key: str, timeout_s: float) -> Any:
        raise StepError(Category.NETWORK, "The reply was lost.", definite=False)

    monkeypatch.setitem(catalog._types, "spend", replace(catalog.step_types()["spend"], run=run))
    one = {**spend("one", sink), "retry": {"attempts": 1}, "on_failure": "continue"}
    run_id = house.start([one, {"id": "ask", "type": "ask", "config": {}}])  # the run itself goes on
    house.work(run_id)
    assert house.steps(run_id)["one"].status == ("completed" if ends_well else "failed")
    assert (house.run(run_id).status, house.run(run_id).reserved_microusd, day(house)) == ("waiting", 0, (0, 0))


def test_a_call_that_nobody_answered_holds_no_money_when_a_person_stops_its_tries(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(key: str, timeout_s: float) -> Any:
        raise StepError(Category.NETWORK, "The reply was lost.", definite=False, retry_after_s=1000)

    def run(config: Any, ctx: Context) -> Done:
        ctx.call("lost", lost, estimate_microusd=700)
        return Done({"answers": []})

    monkeypatch.setitem(catalog._types, "spend", replace(catalog.step_types()["spend"], run=run))
    ask = {"id": "ask", "type": "ask", "config": {}}  # the run itself goes on
    run_id = house.start([{**spend("one", sink), "on_failure": "continue"}, ask])
    house.work(run_id)
    one = house.steps(run_id)["one"]
    assert (one.status, house.run(run_id).reserved_microusd, day(house)) == ("retrying", 700, (0, 700))
    with house.session() as session:
        control.stop_trying(session, run_id, one.id)
    house.work()
    assert (house.run(run_id).status, house.run(run_id).reserved_microusd, day(house)) == ("waiting", 0, (0, 0))


def test_a_call_that_is_made_again_after_its_run_had_failed_reserves_its_money_again(house: House, sink: Sink) -> None:
    sink.script = [(0, {})]
    run_id = house.start([{**spend("one", sink), "retry": {"attempts": 1}}], budget=1500)
    house.work(run_id)
    assert (house.run(run_id).status, house.run(run_id).reserved_microusd, day(house)) == ("failed", 0, (0, 0))
    with house.session() as session:
        control.try_again(session, run_id)
        session.execute(sa.update(store.run).values(cost_microusd=1000))  # spent by another step meanwhile
    house.work(run_id)
    step = house.steps(run_id)["one"]
    assert (step.status, step.error["code"], len(sink.log)) == ("needs_attention", "budget", 1)
    with house.session() as session:
        answer(session, run_id, step.id, Reply.ADD_MONEY, by="Alice")
    house.work()
    assert (house.run(run_id).status, day(house)) == ("completed", (1000, 0))


def test_a_call_that_was_refused_while_another_worker_took_it_over_reserves_its_money_again(
    house: House, sink: Sink
) -> None:
    (step,) = claimed(house, sink, 1)
    reserved: list[tuple[int, int]] = []

    def make(ledger: Ledger, do: Callable[[str, float], Answer]) -> None:
        ledger.call("call", do, 5, about="", estimate_microusd=100, keep=None, keyed=False)

    def take_over(key: str, timeout_s: float) -> Answer:
        with house.session() as session:
            session.execute(sa.update(store.step_run).values(lease_until=clock.now() - timedelta(seconds=1)))
        with house.session() as session:
            claim = claims.claim_step(session, step.id, "test:2:b", 60.0)
        assert claim is not None
        other = Ledger(house.engine, claim, Effect.SPENDS)
        assert not other.is_answered("call")  # it has read what is known
        others.append(other)
        raise StepError(Category.BUSY, "Too busy.")

    def answered(key: str, timeout_s: float) -> Answer:
        reserved.append((house.run(step.run_id).reserved_microusd, day(house)[1]))
        return Answer("x", cost_microusd=90)

    others: list[Ledger] = []
    with pytest.raises(StepError, match="busy"):
        make(Ledger(house.engine, step, Effect.SPENDS), take_over)
    assert day(house) == (0, 0)
    make(others[0], answered)
    assert (reserved, day(house), house.run(step.run_id).reserved_microusd) == ([(100, 100)], (90, 0), 0)


@pytest.mark.parametrize("definite", [True, False])
def test_what_a_stopped_run_gave_back_is_not_given_back_again_when_its_call_is_refused(
    house: House, sink: Sink, definite: bool
) -> None:
    (step,) = claimed(house, sink, 1)

    def do(key: str, timeout_s: float) -> Answer:
        with house.session() as session:
            control.stop(session, step.run_id)
        house.work(step.run_id)
        with house.session() as session:  # another run of the same day asks now
            session.execute(sa.update(Spending).values(reserved_microusd=70))
        raise StepError(Category.BUSY, "Too busy.", definite=definite)

    with pytest.raises(StepError):
        Ledger(house.engine, step, Effect.SPENDS).call(
            "call", do, 5, about="", estimate_microusd=100, keep=None, keyed=False
        )
    assert day(house) == (0, 70)


def test_what_a_call_cost_is_counted_when_its_answer_cannot_be_kept(house: House, sink: Sink) -> None:
    (step,) = claimed(house, sink, 1)

    def keep(session: object, value: object) -> object:
        raise ValueError("a fault of ours")

    with pytest.raises(ValueError, match="ours"):
        Ledger(house.engine, step, Effect.SPENDS).call(
            "call", lambda key, timeout_s: Answer("x", cost_microusd=90), 5, about="", estimate_microusd=100,
            keep=keep, keyed=False,
        )  # fmt: skip
    assert (day(house), house.run(step.run_id).cost_microusd, house.calls(step.run_id)[0].status) == (
        (90, 0), 90, "refused",
    )  # fmt: skip


def test_an_answer_for_which_there_is_no_space_is_paid_for_once_and_its_step_asks(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    (step,) = claimed(house, sink, 1)

    def keep(_session: object, _value: object) -> object:
        raise sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr("app.core.db.pause_s", lambda *_: 0.05)
    monkeypatch.setattr("app.engine.calls.insist", functools.partial(insist, patience_s=0.2))
    with pytest.raises(StepError, match="no space left") as raised:
        Ledger(house.engine, step, Effect.SPENDS).call(
            "call", lambda key, timeout_s: Answer("x", cost_microusd=90), 5, about="", estimate_microusd=100,
            keep=keep, keyed=False,
        )  # fmt: skip
    assert failed(raised.value, None).status == "needs_attention"
    assert choices("spend", failed(raised.value, None).error_json()) == (Reply.AGAIN, Reply.FAIL)
    assert (day(house), house.run(step.run_id).cost_microusd, house.calls(step.run_id)[0].status) == (
        (90, 0), 90, "refused",
    )  # fmt: skip


def test_what_a_person_says_was_sent_holds_no_money_of_the_day(house: House, sink: Sink) -> None:
    sink.script = [(0, {})]
    run_id = house.start([{**spend("one", sink), "type": "send", "retry": {"attempts": 2, "delay_s": 0.0}}])
    house.work(run_id)
    assert (house.run(run_id).status, day(house)) == ("needs_attention", (0, 1000))
    with house.session() as session:
        answer(session, run_id, house.steps(run_id)["one"].id, Reply.SENT, by="Alice")
    house.work()
    assert (house.run(run_id).status, day(house)) == ("completed", (0, 0))


def test_what_a_stopped_run_frees_is_freed_of_the_day_that_it_was_reserved_of(house: House, sink: Sink) -> None:
    (step,) = claimed(house, sink, 1)

    def do(key: str, timeout_s: float) -> Answer:
        with house.session() as session:  # it was made yesterday; today another run has something reserved
            yesterday = clock.now() - timedelta(days=1)
            session.execute(sa.update(Call).values(started_at=yesterday))
            session.execute(sa.update(Spending).values(day=yesterday.date()))
            today = {"workspace_id": house.workspace_id, "day": clock.now().date()}
            session.execute(sa.insert(Spending).values(**today, cost_microusd=0, reserved_microusd=70))
            control.stop(session, step.run_id)
        house.work(step.run_id)
        raise StepError(Category.NETWORK, "Nobody there.", definite=False)

    with pytest.raises(StepError):
        Ledger(house.engine, step, Effect.SPENDS).call(
            "call", do, 5, about="", estimate_microusd=100, keep=None, keyed=False
        )
    with house.session() as session:
        assert session.scalars(sa.select(Spending.reserved_microusd).order_by(Spending.day)).all() == [0, 70]


def test_a_run_whose_one_above_is_gone_pays_by_itself(house: House, sink: Sink) -> None:
    above = "01890000-0000-7000-8000-000000000000"
    step = {"id": "one", "type": "spend", "config": {"url": sink.url, "count": 2}}
    run_id = house.start([step], budget=1_000_000, facts={"part_of": [above]})
    house.work(run_id)
    assert (house.run(run_id).status, len(sink.log)) == ("completed", 2)
    poor = house.start([step], budget=1, facts={"part_of": [above]})
    house.work(poor)
    assert (house.run(poor).status, len(sink.log)) == ("needs_attention", 2)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whoever_counts_money_does_not_wait_for_whoever_writes_a_row_of_the_same_run(house: House, sink: Sink) -> None:
    """Else two calls of one family wait for each other: one holds the day, the other has written its intent."""
    runs = [held.run_id for held in claimed(house, sink, 2)]
    with house.session() as writing, house.session() as counting:
        store.log(writing, store.read_run(writing, runs[0]), "something", "Something happened.")
        counting.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
        assert money.lock(counting, runs) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_a_refused_call_cost_is_counted_at_its_step_before_the_call(house: House, sink: Sink) -> None:
    """In the order of whoever stops the run: first the step, then its calls."""
    (step,) = claimed(house, sink, 1)
    with house.session() as stopping:

        def do(key: str, timeout_s: float) -> Answer:
            store.cancel_steps(stopping, step.run_id, "the run was stopped")
            refused = StepError(Category.AI_ANSWER, "It is of no use.")
            refused.spent = Answer(None, cost_microusd=90)
            raise refused

        options: dict[str, Any] = {"about": "", "estimate_microusd": 100, "keep": None, "keyed": False}
        ledger = Ledger(house.engine, step, Effect.SPENDS)
        calling = threading.Thread(target=lambda: suppress_error(ledger, do, options))
        calling.start()
        wait_until(lambda: somebody_waits(house))
        calls = sa.select(Call.id).where(Call.run_id == step.run_id).with_for_update(nowait=True)
        assert len(stopping.execute(calls).all()) == 1
    calling.join()
    assert day(house) == (90, 0)


def somebody_waits(house: House) -> bool:
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE %'")
    with house.engine.connect() as looking:
        return bool(looking.execute(waiting).scalar_one())


def suppress_error(ledger: Ledger, do: Callable[[str, float], Answer], options: dict[str, Any]) -> None:
    with suppress(StepError):
        ledger.call("call", do, 5, **options)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("what", ["free", "lock"])
def test_the_run_below_is_locked_before_the_one_above(house: House, what: str) -> None:
    above, below = (house.start([{"id": "a", "type": "echo", "config": {"say": 1}}]) for _ in range(2))
    facts = {"part_of": [above]}
    call = SimpleNamespace(started_at=clock.now(), estimate_microusd=1)

    def write() -> None:
        with house.session() as session:
            if what == "free":
                money.free_above(session, below, house.workspace_id, facts, [call])
            else:
                money.lock(session, money.payers(below, facts))

    waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
    locked = sa.select(Run.id).with_for_update(key_share=True, nowait=True)
    writing = threading.Thread(target=write)
    with house.engine.connect() as holder:
        holder.execute(locked.where(Run.id == below))
        writing.start()
        wait_until(lambda: holder.execute(waits).scalar())
        holder.execute(locked.where(Run.id == above))
        holder.rollback()
    writing.join(60)
    house.work(above)
    house.work(below)
