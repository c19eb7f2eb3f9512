"""What becomes of a run: chains, lanes, joins, skips, failures, waits, control."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import transaction
from app.core.errors import Conflict
from app.core.together import carry_out
from app.engine import claims, control, leases, runner, store
from app.engine.calls import Ledger
from app.engine.contract import Answer, Effect
from app.engine.held import Fenced
from app.engine.models import Call, RunLog
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.statements import sent


def echo(step: str, *after: str, **more: Any) -> dict[str, Any]:
    config = more.pop("config", {"say": step})
    return {"id": step, "type": "echo", "after": list(after), "config": config, **more}


def test_chain_is_done_in_order_and_passes_values_with_their_type(house: House) -> None:
    first = echo("one", config={"say": [1, {"two": 3}]})
    run_id = house.start([first, echo("two", "one", config={"say": "{{ steps.one.said }}"})])
    house.work(run_id)
    steps = house.steps(run_id)
    assert house.run(run_id).status == "completed"
    assert steps["two"].output == {"said": [1, {"two": 3}]}
    assert steps["two"].went_in == {"say": [1, {"two": 3}]}
    assert steps["one"].finished_at <= steps["two"].started_at
    assert (house.run(run_id).steps_done, house.run(run_id).progress) == (2, 1.0)


def test_a_vehicle_alone_in_place_of_a_text_goes_in_as_people_say_it(house: House) -> None:
    car = dict.fromkeys(("vin", "stock", "trim", "mileage")) | {"year": 2021, "make": "Honda", "model": "Civic"}
    config = {"say": "{{ inputs.car }}", "fail": "{{ inputs.car }}", "outcome": "done"}
    run_id = house.start([echo("one", config=config)], inputs={"car": car | {"price": "22500.00"}})
    house.work(run_id)
    went_in = house.steps(run_id)["one"].went_in
    assert went_in["say"] == car | {"price": "22500.00"}  # anything may stand there
    assert went_in["fail"] == "2021 Honda Civic, $22,500"


def test_pure_step_is_one_statement_on_postgresql_and_two_on_sqlite(house: House) -> None:
    chain = [echo("s0")] + [echo(f"s{n}", f"s{n - 1}") for n in range(1, 10)]
    run_id = house.start(chain)
    with sent(house.engine) as statements:
        runner.advance(house.seat(), run_id)
    writes = [text for text in statements if "INSERT INTO step_run" in text]
    assert house.run(run_id).status == "completed"
    assert len(writes) == 10
    if house.engine.dialect.name == "postgresql":
        assert all("WITH moved AS" in text for text in writes)
        assert len(statements) <= 10 + 8
    else:
        assert len(statements) <= 20 + 8


def test_taking_a_run_tells_whether_it_came_with_steps(house: House) -> None:
    """As one does that continues another: what is reused must be read, though nobody had the run before."""
    steps = [{"id": "copy", "type": "echo", "config": {"say": "hello"}}]
    bare, with_steps, other = house.start(steps), house.start(steps), house.start(steps)
    with transaction(house.engine) as session:
        rows = [
            {
                "id": f"{run_id[:-4]}done", "workspace_id": house.workspace_id, "run_id": run_id, "step_id": "copy",
                "type": "echo", "status": "completed", "hinted_at": None,
            }
            for run_id in (with_steps, other)
        ]  # fmt: skip
        store.insert_steps(session, rows)

    with transaction(house.engine) as session:
        taken = [carry_out(session, leases.take_run(run_id, "test:1:a", 60.0)) for run_id in (bare, with_steps)]

    assert [held.is_untouched for held in taken if held] == [True, False]


def test_lanes_join_once_and_all_are_done(house: House) -> None:
    lanes = [echo(f"lane{n}", "fork") for n in range(20)]
    join = echo("join", *(lane["id"] for lane in lanes), config={"say": "{{ steps.lane7.said }}"})
    run_id = house.start([echo("fork"), *lanes, join])
    house.work(run_id)
    assert house.run(run_id).status == "completed"
    assert len(house.steps(run_id)) == 22
    assert house.steps(run_id)["join"].output == {"said": "lane7"}


def test_untaken_outcome_is_skipped_with_a_reason_that_travels_on(house: House) -> None:
    run_id = house.start(
        [
            echo("check", config={"outcome": "yes"}),
            echo("cheap", "check:no"),
            echo("dear", "check:yes"),
            echo("after_cheap", "cheap"),
            echo("either", "cheap", "dear", join="any"),
        ]
    )
    house.work(run_id)
    steps = house.steps(run_id)
    assert {step.step_id: step.status for step in steps.values()} == {
        "check": "completed", "cheap": "skipped", "dear": "completed", "after_cheap": "skipped", "either": "completed",
    }  # fmt: skip
    assert steps["cheap"].reason == "“check” ended with “yes”, not “no”"
    assert steps["after_cheap"].reason == "“cheap” was skipped"
    assert house.run(run_id).status == "completed"


def test_when_false_skips_and_says_why(house: House) -> None:
    run_id = house.start(
        [
            echo("price", config={"say": 25000}),
            echo("ad", "price", when={"value": "{{ steps.price.said }}", "op": "gt", "than": 30000}),
        ]
    )  # fmt: skip
    house.work(run_id)
    assert house.steps(run_id)["ad"].status == "skipped"
    assert "25" in house.steps(run_id)["ad"].reason
    assert house.run(run_id).status == "completed"


def test_unclear_condition_stops_and_asks(house: House) -> None:
    unclear = {"value": "{{ steps.price.said }}", "op": "gt", "than": 30000}
    run_id = house.start([echo("price", config={"say": "cheap"}), echo("ad", "price", when=unclear)])
    house.work(run_id)
    assert house.run(run_id).status == "needs_attention"
    assert house.steps(run_id)["ad"].error["category"] == "condition"


def test_failure_stops_what_depends_on_it_and_lets_other_lanes_end(house: House) -> None:
    run_id = house.start(
        [
            echo("bad", config={"fail": "input"}),
            echo("after_bad", "bad"),
            echo("good"),
            echo("after_good", "good"),
            echo("rescue", "bad:failed"),
        ]
    )
    house.work(run_id)
    statuses = {step.step_id: step.status for step in house.steps(run_id).values()}
    assert statuses == {
        "bad": "failed", "after_bad": "skipped", "good": "completed", "after_good": "completed", "rescue": "skipped",
    }  # fmt: skip
    run = house.run(run_id)
    assert run.status == "failed"
    assert run.error == {
        "category": "input", "code": "input", "message": "It was asked to fail.", "fix": "", "step": "bad",
    }  # fmt: skip


def test_value_that_does_not_fit_is_said_in_words(house: House) -> None:
    config = {"url": "http://nobody.invalid", "count": "{{ run.started_by.email }}"}
    steps = [{"id": "tell", "name": "Tell them", "type": "spend", "config": config}]
    run_id = house.start(steps, facts={"started_by": {"email": "ann@x.example"}})
    house.work(run_id)
    assert house.steps(run_id)["tell"].error == {
        "category": "input", "code": "config", "message": "“Count” is “ann@x.example”, which is not a whole number.",
        "fix": "Change the answers, or the step “Tell them”, and start again.",
    }  # fmt: skip


def test_failure_that_may_continue_takes_its_failed_edge(house: House) -> None:
    bad = echo("bad", config={"fail": "input"}, on_failure="continue")
    run_id = house.start([bad, echo("rescue", "bad:failed"), echo("never", "bad")])
    house.work(run_id)
    assert house.run(run_id).status == "completed"
    assert house.steps(run_id)["rescue"].status == "completed"
    assert house.steps(run_id)["never"].reason == "“bad” failed"


def test_a_run_says_that_it_failed_by_the_step_nothing_provides_for(house: House) -> None:
    bad = echo("bad", config={"fail": "input"}, on_failure="continue")
    run_id = house.start([bad, echo("rescue", "bad:failed"), echo("worse", "rescue", config={"fail": "permission"})])
    house.work(run_id)
    run = house.run(run_id)
    assert (run.status, run.error["step"], run.error["category"]) == ("failed", "worse", "permission")


ASK = {"id": "ask", "type": "ask", "config": {}}


def test_decision_takes_effect_at_once_and_counts_once(house: House) -> None:
    run_id = house.start(
        [ASK, echo("yes", "ask:approved", config={"say": "{{ steps.ask.by }}"}), echo("no", "ask:rejected")]
    )
    house.work(run_id)
    assert house.run(run_id).status == "waiting"
    assert house.run(run_id).due_at is None
    wait = house.wait(run_id)
    with house.session() as session:
        assert control.decide(session, wait.id, outcome="approved", output={"by": "Sam"}) is True
        assert control.decide(session, wait.id, outcome="rejected", output={"by": "Kim"}) is False
    house.work()
    steps = house.steps(run_id)
    assert (steps["yes"].status, steps["yes"].output) == ("completed", {"said": "Sam"})
    assert steps["no"].status == "skipped"
    assert house.run(run_id).status == "completed"


def test_run_keeps_whether_its_last_answer_was_no_yes(house: House) -> None:
    again = {"id": "again", "type": "ask", "after": ["ask:rejected"], "config": {}}
    run_id = house.start([ASK, again, echo("end", "again:approved", "again:rejected", join="any")])
    kept = []
    for outcome in ("rejected", "approved"):
        house.work()
        with house.session() as session:
            waiting = sa.select(store.wait.c.id).where(store.wait.c.run_id == run_id, store.wait.c.status == "waiting")
            control.decide(session, session.execute(waiting).scalar_one(), outcome=outcome, output={})
        kept.append(house.run(run_id).last_no)
    house.work()

    assert kept == ["rejected", None]
    assert (house.run(run_id).status, house.run(run_id).last_no) == ("completed", None)


def test_other_lanes_go_on_while_one_waits(house: House) -> None:
    run_id = house.start([ASK, echo("one"), echo("two", "one"), echo("end", "ask:approved", "two")])
    house.work(run_id)
    assert house.steps(run_id)["two"].status == "completed"
    assert house.run(run_id).status == "waiting"
    with house.session() as session:
        control.decide(session, house.wait(run_id).id, outcome="approved", output={})
    house.work()
    assert house.run(run_id).status == "completed"


def test_undo_time_keeps_the_decision_from_taking_effect_before_it(house: House) -> None:
    run_id = house.start([ASK, echo("yes", "ask:approved")])
    house.work(run_id)
    with house.session() as session:
        control.decide(session, house.wait(run_id).id, outcome="approved", output={}, undo_s=600)
    house.work()
    assert house.run(run_id).status == "waiting"
    assert "yes" not in house.steps(run_id)
    with house.session() as session:
        session.execute(sa.text("UPDATE wait SET effective_at = created_at"))
        session.execute(sa.text("UPDATE run SET due_at = created_at"))
    house.work()
    assert house.run(run_id).status == "completed"


def test_wait_that_nobody_ends_expires(house: House) -> None:
    ask = {"id": "ask", "type": "ask", "config": {"seconds": 0.05, "on_until": "expired"}}
    run_id = house.start([ask, echo("late", "ask:expired")])
    house.work(run_id)
    with house.session() as session:
        session.execute(sa.text("UPDATE run SET due_at = created_at"))
        session.execute(sa.text("UPDATE wait SET until = created_at"))
    house.work()
    assert house.steps(run_id)["late"].status == "completed"
    assert house.run(run_id).last_no == "expired"
    with house.session() as session:
        assert control.decide(session, house.wait(run_id).id, outcome="approved", output={}) is False


def test_pause_begins_nothing_and_resume_goes_on(house: House) -> None:
    run_id = house.start([echo("one"), echo("two", "one")])
    with house.session() as session:
        control.pause(session, run_id)
        control.pause(session, run_id)
    house.work(run_id)
    assert house.run(run_id).status == "paused"
    assert house.steps(run_id) == {}
    with house.session() as session:
        control.resume(session, run_id)
    house.work()
    assert house.run(run_id).status == "completed"
    with pytest.raises(Conflict), house.session() as session:
        control.pause(session, run_id)


def _decide_while_paused(house: House, steps: list[Any]) -> str:
    run_id = house.start(steps)
    house.work(run_id)
    with house.session() as session:
        control.pause(session, run_id)
    house.work()
    with house.session() as session:
        assert control.decide(session, house.wait(run_id).id, outcome="approved", output={})
    house.work()
    assert house.run(run_id).status == "paused"
    return run_id


def _resume(house: House, run_id: str) -> None:
    with house.session() as session:
        control.resume(session, run_id)
    house.work()


def test_decision_while_paused_is_kept_and_acted_on_at_resume(house: House) -> None:
    run_id = _decide_while_paused(house, [ASK, echo("yes", "ask:approved")])
    assert "yes" not in house.steps(run_id)
    _resume(house, run_id)
    assert house.run(run_id).status == "completed"


def test_a_paused_run_ends_when_it_is_resumed_and_not_before(house: House) -> None:
    run_id = _decide_while_paused(house, [ASK])
    _resume(house, run_id)
    assert house.run(run_id).status == "completed"


def test_stop_cancels_withdraws_and_ends(house: House) -> None:
    run_id = house.start([ASK, echo("yes", "ask:approved")])
    house.work(run_id)
    with house.session() as session:
        control.stop(session, run_id)
    house.work()
    steps = house.steps(run_id)
    assert house.run(run_id).status == "stopped"
    assert (steps["ask"].status, steps["yes"].status) == ("cancelled", "skipped")
    assert house.wait(run_id).status == "withdrawn"
    with pytest.raises(Conflict), house.session() as session:
        control.resume(session, run_id)


# --- outward calls ---


def spend(step: str, sink: Sink, count: int, *after: str, **more: Any) -> dict[str, Any]:
    return {
        "id": step,
        "type": "spend",
        "after": list(after),
        "config": {"url": sink.url, "count": count},
        **more,
    }


def test_busy_far_side_is_asked_again_for_the_missing_call_only(house: House, sink: Sink) -> None:
    sink.script = [(200, {}), (200, {}), (200, {}), (429, {"Retry-After": "0"})]
    run_id = house.start([spend("pictures", sink, 5)])
    house.work(run_id)
    assert house.run(run_id).status == "completed"
    assert [line.split()[1] for line in sink.log] == ["1", "2", "3", "4", "4", "5"]
    assert sink.log[3] != sink.log[4], "a definite refusal starts a new key"
    assert house.run(run_id).cost_microusd == 5000
    assert [call.tries for call in house.calls(run_id)] == [1, 1, 1, 2, 1]
    assert house.steps(run_id)["pictures"].attempts == 2


def test_what_kept_a_step_waiting_is_no_error_of_what_it_brought(house: House, sink: Sink) -> None:
    sink.script = [(429, {"Retry-After": "600"})]
    run_id = house.start([spend("one", sink, 1)])
    house.work(run_id)
    assert house.steps(run_id)["one"].error["category"] == "busy"
    house.make_due(run_id, step="one", not_before=True)
    house.work()

    assert house.steps(run_id)["one"].status == "completed"
    assert house.steps(run_id)["one"].error is None
    with house.session() as session:
        told = session.scalars(sa.select(RunLog.level).where(RunLog.run_id == run_id, RunLog.event == "retry"))
        assert list(told) == ["warning"]


def test_long_retry_is_a_timer_and_holds_no_worker(house: House, sink: Sink) -> None:
    sink.script = [(429, {"Retry-After": "600"})]
    run_id = house.start([spend("one", sink, 1)])
    house.work(run_id)
    step = house.steps(run_id)["one"]
    assert step.status == "retrying"
    assert step.started_at <= step.not_before - timedelta(seconds=600) <= clock.now()
    assert house.run(run_id).due_at >= step.not_before
    house.make_due(run_id, step="one", not_before=True)
    house.work()
    assert house.run(run_id).status == "completed"


def test_errors_are_retried_as_often_as_their_kind_allows(house: House, sink: Sink) -> None:
    sink.script = [(500, {})] * 10
    run_id = house.start([spend("one", sink, 1, retry={"attempts": 3, "backoff": "fixed", "delay_s": 0})])
    house.work(run_id)
    assert len(sink.log) == 3
    assert house.run(run_id).status == "failed"
    assert house.run(run_id).error["category"] == "outside"


def test_dead_doers_answers_are_reused_and_its_late_result_is_refused(house: House, sink: Sink) -> None:
    run_id = house.start([spend("one", sink, 3)])
    dead = house.seat(owner="dead:1:a", lease_s=0.01)
    runner.advance(dead, run_id)
    step_run_id = house.steps(run_id)["one"].id
    with transaction(house.engine) as session:
        claim = claims.claim_step(session, step_run_id, "dead:1:a", 0.0)
    assert claim is not None
    ledger = Ledger(house.engine, claim, Effect.SPENDS)
    options: Any = {"about": "", "estimate_microusd": 10, "keep": None, "keyed": False}
    ledger.call("call-1", lambda key, timeout_s: Answer("first", cost_microusd=7), 5, **options)

    def slow(key: str, timeout_s: float) -> Answer:
        house.line.clear()
        house.make_due(run_id, step="one", lease_until=True)
        house.work()
        return Answer("too late", cost_microusd=7)

    with pytest.raises(Fenced):
        ledger.call("call-2", slow, 5, **options)
    assert house.run(run_id).status == "completed"
    assert house.steps(run_id)["one"].output["answers"] == ["first", "thanks", "thanks"]
    assert [line.split()[1] for line in sink.log] == ["2", "3"]
    assert house.run(run_id).cost_microusd == 7 + 7 + 1000 + 1000, "late money is gone and counted"
    with transaction(house.engine) as session:
        answers = session.execute(sa.select(Call.name, Call.answer, Call.status).order_by(Call.name)).all()
    assert [tuple(row) for row in answers] == [
        ("call-1", "first", "answered"), ("call-2", "thanks", "answered"), ("call-3", "thanks", "answered"),
    ]  # fmt: skip


def test_unkeyed_send_with_a_lost_reply_stops_and_asks(house: House, sink: Sink) -> None:
    run_id = house.start([{"id": "mail", "type": "send", "config": {"url": sink.url}}])
    runner.advance(house.seat(), run_id)
    with transaction(house.engine) as session:
        claim = claims.claim_step(session, house.steps(run_id)["mail"].id, "dead:1:a", 0.0)
    assert claim is not None

    class Killed(BaseException):
        """Stands for the end of the process between the effect and its record."""

    def die(key: str, timeout_s: float) -> Answer:
        raise Killed

    with pytest.raises(Killed):
        Ledger(house.engine, claim, Effect.SENDS).call(
            "call-1", die, 5, about="", estimate_microusd=0, keep=None, keyed=False
        )
    house.line.clear()
    house.make_due(run_id, step="mail", lease_until=True)
    house.work()
    assert house.run(run_id).status == "needs_attention"
    assert house.steps(run_id)["mail"].error["message"] == "We cannot tell if this was sent."
    assert sink.log == []


def test_two_advances_at_once_are_one(house: House) -> None:
    run_id = house.start([echo("one")])
    with transaction(house.engine) as session:
        held = carry_out(session, leases.take_run(run_id, "a", 60))
    assert held is not None
    with transaction(house.engine) as session:
        assert carry_out(session, leases.take_run(run_id, "b", 60)) is None
    house.line.clear()
    runner.advance(house.seat(), run_id)
    assert house.steps(run_id) == {}
    with transaction(house.engine) as session:
        leases.hand_back_run(session, held)
    house.work()
    assert house.run(run_id).status == "completed"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_result_that_is_nested_too_deep_for_whoever_reads_it_fails_its_step(house: House) -> None:
    wrapped: Any = "{{ steps.first.said }}"
    for _ in range(18):
        wrapped = [wrapped]
    first = {"id": "first", "type": "echo", "config": {"say": "{{ inputs.deep }}"}}
    deep: Any = "x"
    for _ in range(90):
        deep = [deep]
    run_id = house.start([first, {**echo("second", "first"), "config": {"say": wrapped}}], inputs={"deep": deep})
    house.work(run_id)
    steps = house.steps(run_id)
    assert (steps["first"].status, steps["second"].status) == ("completed", "failed")
    assert steps["second"].error["code"] == "too_deep"
