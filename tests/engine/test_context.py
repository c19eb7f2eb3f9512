"""What the engine lends to a step while it runs."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.engine import catalog, context
from app.engine.contract import Answer, Category, Context, Done, StepError
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.engine.test_money import spend


def test_each_call_has_what_is_left_of_the_steps_time_and_none_is_made_after_it(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    now = 1000.0

    def answer(key: str, timeout_s: float) -> Answer:
        nonlocal now
        given.append(timeout_s)
        now += 50 if len(given) == 1 else timeout_s  # the second takes all the time that it has
        return Answer(len(given), cost_microusd=100)

    def run(config: Any, ctx: Context) -> Done:
        return Done({"answers": [ctx.call(name, answer) for name in ("one", "two", "three")]})

    monkeypatch.setattr(context, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setitem(catalog._types, "spend", replace(catalog.step_types()["spend"], run=run))
    run_id = house.start([{**spend("one", sink), "timeout_s": 120, "retry": {"attempts": 1}}])
    house.work(run_id)
    step = house.steps(run_id)["one"]
    assert (given, step.status) == ([120, 70], "failed")
    assert (step.error["category"], step.error["code"]) == ("timeout", "deadline")
    assert [(call.name, call.status) for call in house.calls(run_id)] == [("one", "answered"), ("two", "answered")]


@pytest.mark.parametrize(("hangs_at", "status", "made"), [(None, "completed", 7), (2, "failed", 4)])
def test_a_step_that_gets_on_in_each_try_has_as_many_as_it_needs(
    house: House, sink: Sink, monkeypatch: pytest.MonkeyPatch, hangs_at: int | None, status: str, made: int
) -> None:
    asked: list[int] = []
    now = 1000.0

    def answer(number: int, timeout_s: float) -> Answer:
        nonlocal now
        asked.append(number)
        assert timeout_s >= 50  # none is begun that would be cut off
        now += timeout_s if number == hangs_at else 50
        if number == hangs_at:
            raise StepError(Category.TIMEOUT, "No answer came.", definite=False)
        return Answer(number, cost_microusd=100)

    def run(config: Any, ctx: Context) -> Done:
        return Done({"answers": [ctx.call(f"n{n}", lambda _, s, n=n: answer(n, s)) for n in range(1, 8)]})

    monkeypatch.setattr(context, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setitem(catalog._types, "spend", replace(catalog.step_types()["spend"], run=run))
    run_id = house.start([{**spend("one", sink), "timeout_s": 120}])
    house.work(run_id)
    step = house.steps(run_id)["one"]
    assert (step.status, len(asked)) == (status, made)
    if hangs_at is None:
        assert asked == [1, 2, 3, 4, 5, 6, 7]
    else:  # once after an answer, which does not count, and in each of the two tries that do
        assert (asked, step.attempts, step.error["category"]) == ([1, 2, 2, 2], 2, "timeout")
    assert house.run(run_id).cost_microusd == 100 * len(set(asked) - {hangs_at})
