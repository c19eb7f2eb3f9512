"""Retries: how often and when for each category, and what a person does between two tries."""

from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.errors import Conflict
from app.definition.schema import Step
from app.engine import control, retry, runner
from app.engine.contract import StepError
from app.engine.enums import Category
from app.engine.models import RunLog
from tests.engine.rig import House
from tests.engine.sink import Sink

TRIES = {
    "busy": 6, "network": 5, "timeout": 2, "outside": 3, "ai_answer": 2,
    "input": 1, "permission": 1, "condition": 1, "budget": 1, "unsure": 1, "internal": 1,
}  # fmt: skip
PLAIN = Step(id="one", type="echo")


def delays(step: Step, category: Category, **options: Any) -> list[float | None]:
    return [retry.next_delay_s(step, StepError(category, "", **options), tries) for tries in range(1, 25)]


@pytest.mark.parametrize("category", Category)
def test_every_category_has_its_number_of_tries(category: Category) -> None:
    made = 1 + sum(delay is not None for delay in delays(PLAIN, category))
    assert (made, retry.tries_in_all(PLAIN, category)) == (TRIES[category], TRIES[category])


@pytest.mark.parametrize("category", [Category.INPUT, Category.BUDGET, Category.UNSURE, Category.INTERNAL])
def test_what_is_never_repeated_is_not_repeated_by_a_definition_either(category: Category) -> None:
    step = Step.model_validate({"id": "one", "type": "echo", "retry": {"attempts": 20}})
    assert delays(step, category) == [None] * 24


def test_delays_grow_as_the_definition_says_with_full_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry.random, "uniform", lambda least, most: most)
    shapes = {"fixed": [3, 3, 3], "linear": [3, 6, 9], "exponential": [3, 6, 10]}
    for backoff, expected in shapes.items():
        policy = {"attempts": 4, "backoff": backoff, "delay_s": 3, "max_delay_s": 10}
        step = Step.model_validate({"id": "one", "type": "echo", "retry": policy})
        assert delays(step, Category.NETWORK)[:3] == expected


@pytest.mark.parametrize(("asked", "waits"), [(40.0, 40.0), (1800.0, 1800.0), (7200.0, 1800.0)])
def test_retry_after_is_honoured_up_to_half_an_hour(asked: float, waits: float) -> None:
    first = delays(PLAIN, Category.BUSY, retry_after_s=asked)[0]
    assert first == waits


def test_due_within_two_seconds_is_done_in_place(house: House, sink: Sink) -> None:
    sink.script = [(429, {"Retry-After": "1"})]
    run_id = house.start([{"id": "one", "type": "spend", "config": {"url": sink.url}}])
    seat_line = house.line
    house.work(run_id)
    assert (house.run(run_id).status, len(sink.log), seat_line) == ("completed", 2, [])
    step = house.steps(run_id)["one"]
    assert (step.attempts, step.error) == (2, None)  # what went wrong the first time stands in the log
    with house.session() as session:
        assert session.scalar(sa.select(RunLog.message).where(RunLog.event == "retry")) is not None


def test_a_worker_that_ends_begins_no_other_try(house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.retry.random.uniform", lambda *_: 0.0)
    sink.script = [(429, {})]
    run_id = house.start([{"id": "one", "type": "spend", "config": {"url": sink.url}}])
    seat = house.seat()
    runner.advance(seat, run_id)
    sink.meanwhile = seat.is_ending.set
    runner.do_step(seat, house.steps(run_id)["one"].id)
    assert (len(sink.log), house.steps(run_id)["one"].status) == (1, "retrying")
    house.line.clear()
    house.work(run_id)
    assert (len(sink.log), house.run(run_id).status) == (2, "completed")


def test_a_step_that_is_done_alone_has_its_time_anew_for_each_try(house: House, sink: Sink) -> None:
    sink.script = [(500, {})]
    again = {"attempts": 2, "backoff": "fixed", "delay_s": 0.1}
    run_id = house.start([{"id": "one", "type": "spend", "config": {"url": sink.url}, "retry": again}])
    runner.advance(house.seat(), run_id)
    tries: list[int] = []
    runner.do_alone(house.seat(), house.steps(run_id)["one"].id, lambda: tries.append(len(sink.log)))
    assert (tries, house.steps(run_id)["one"].status) == ([0, 1], "completed")
    with house.session() as session:
        assert session.scalars(sa.select(RunLog.message).where(RunLog.event == "step.begun_again")).all() == [
            runner.BEGUN_AGAIN
        ]


@pytest.fixture
def pausing(house: House, sink: Sink) -> tuple[str, str]:
    """A run whose step waits a minute for its second try; its id and the step run's."""
    sink.script = [(429, {"Retry-After": "60"})]
    run_id = house.start(
        [
            {"id": "one", "type": "spend", "config": {"url": sink.url}},
            {"id": "two", "type": "echo", "after": ["one"], "config": {"say": 1}},
        ]
    )
    house.work(run_id)
    step = house.steps(run_id)["one"]
    assert (step.status, step.not_before > clock.now()) == ("retrying", True)
    return run_id, step.id


def test_try_now_does_not_wait_and_counts_once(house: House, pausing: tuple[str, str]) -> None:
    run_id, step_id = pausing
    with house.session() as session:
        control.try_now(session, run_id, step_id)
    house.work()
    step = house.steps(run_id)["one"]
    assert (house.run(run_id).status, step.status, step.attempts) == ("completed", "completed", 2)
    with pytest.raises(Conflict), house.session() as session:
        control.try_now(session, run_id, step_id)


def test_stop_trying_fails_with_what_went_wrong(house: House, sink: Sink, pausing: tuple[str, str]) -> None:
    run_id, step_id = pausing
    with house.session() as session:
        control.stop_trying(session, run_id, step_id)
    house.work()
    assert house.run(run_id).status == "failed"
    assert house.run(run_id).error["category"] == "busy"
    assert {row.step_id: row.status for row in house.steps(run_id).values()} == {"one": "failed", "two": "skipped"}
    assert len(sink.log) == 1
    with pytest.raises(Conflict), house.session() as session:
        control.stop_trying(session, run_id, step_id)


def test_a_step_of_another_run_is_not_touched(house: House, pausing: tuple[str, str]) -> None:
    _, step_id = pausing
    other = house.start([{"id": "one", "type": "ask", "config": {}}])
    for change in (control.try_now, control.stop_trying):
        with pytest.raises(Conflict), house.session() as session:
            change(session, other, step_id)
