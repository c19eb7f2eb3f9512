"""Properties of the planner: any graph settles, nothing starts early, and the order of results does not matter."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.definition.schema import Definition
from app.engine.enums import RUN_TRANSITIONS, STEP_TRANSITIONS, RunStatus, StepStatus
from app.engine.planner import NO_ITEM, Key, Plan, Result, plan

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OUTCOMES = ("done", "yes", "no", "failed")


@st.composite
def graphs(draw: st.DrawFn) -> Definition:
    """A definition of up to 14 steps whose edges lead forward, with joins and ways to go on after a failure."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 14))):
        sources = draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if number else []
        steps.append(
            {
                "id": f"s{number}",
                "type": "echo",
                "name": f"Step {number}",
                "after": [f"s{source}:{draw(st.sampled_from(OUTCOMES))}" for source in sources],
                "config": {},
                "join": draw(st.sampled_from(["all", "any"])),
                "on_failure": draw(st.sampled_from(["stop", "continue"])),
            }
        )
    return Definition.model_validate({"schema": 1, "inputs": [], "steps": steps})


def play(
    definition: Definition, outcomes: dict[str, str], shuffle: random.Random
) -> tuple[Plan, dict[Key, Result]]:
    """Play a run to its end: results arrive one at a time in any order, each step's outcome fixed beforehand."""
    results: dict[Key, Result] = {}
    under_way: list[str] = []
    for _ in range(10 * len(definition.steps) + 10):
        now = plan(definition, results, NOW)
        for skip in now.skip:
            results[skip.step, NO_ITEM] = Result(StepStatus.SKIPPED)
        if now.is_end:
            return now, results
        for do in now.do:
            assert do.is_new, "nothing is hinted twice before it is due again"
            assert (do.step, NO_ITEM) not in results
            results[do.step, NO_ITEM] = Result(StepStatus.PENDING, due=NOW + timedelta(seconds=10))
            under_way.append(do.step)
        if under_way:
            step = under_way.pop(shuffle.randrange(len(under_way)))
            failed = outcomes[step] == "failed"
            results[step, NO_ITEM] = Result(
                StepStatus.FAILED if failed else StepStatus.COMPLETED, outcomes[step]
            )
    raise AssertionError("the run never ends")


@given(graphs(), st.data())
@settings(max_examples=150)
def test_every_graph_settles_the_same_in_whatever_order_results_arrive(
    definition: Definition, data: st.DataObject
) -> None:
    outcomes = {step.id: data.draw(st.sampled_from(OUTCOMES)) for step in definition.steps}
    ends = [play(definition, outcomes, random.Random(seed)) for seed in range(4)]
    statuses = [{key: result.status for key, result in results.items()} for _, results in ends]
    last = [end.status for end, _ in ends]
    assert all(status == statuses[0] for status in statuses)
    assert all(status == last[0] for status in last)
    assert last[0] in (RunStatus.COMPLETED, RunStatus.FAILED)
    stops = {step.id for step in definition.steps if step.on_failure == "stop"}
    failed = {step for (step, _), status in statuses[0].items() if status is StepStatus.FAILED}
    assert (last[0] is RunStatus.FAILED) == bool(failed & stops)
    done = sum(status is StepStatus.COMPLETED for status in statuses[0].values())
    assert ends[0][0].settled == (done if last[0] is RunStatus.FAILED else len(definition.steps))


@given(graphs(), st.data())
@settings(max_examples=100)
def test_nothing_begins_before_what_it_comes_after(definition: Definition, data: st.DataObject) -> None:
    statuses = st.sampled_from(
        [None, StepStatus.PENDING, StepStatus.RUNNING, StepStatus.WAITING, StepStatus.COMPLETED]
    )
    results: dict[Key, Result] = {}
    for step in definition.steps:
        status = data.draw(statuses)
        if status is not None:
            results[step.id, NO_ITEM] = Result(status, "done", NOW + timedelta(seconds=30))
    now = plan(definition, results, NOW)
    for do in now.do:
        for entry in definition.step(do.step).after:
            source = entry.partition(":")[0]
            settled = results.get((source, NO_ITEM), Result(StepStatus.PENDING)).status.is_settled
            assert settled or source in {skip.step for skip in now.skip}


@given(graphs(), st.data())
@settings(max_examples=60)
def test_open_run_is_due_again_unless_it_waits_for_people_only(
    definition: Definition, data: st.DataObject
) -> None:
    statuses = st.sampled_from(
        [StepStatus.PENDING, StepStatus.RUNNING, StepStatus.RETRYING, StepStatus.WAITING]
    )
    results = {
        (step.id, NO_ITEM): Result(
            data.draw(statuses), None, NOW + timedelta(seconds=data.draw(st.integers(-50, 50)))
        )
        for step in definition.steps
        if not step.after
    }
    now = plan(definition, results, NOW)
    assert now.sleep_until is not None
    assert now.sleep_until > NOW
    alone = {key: Result(StepStatus.WAITING) for key in results}
    assert plan(definition, alone, NOW).sleep_until is None
    assert plan(definition, alone, NOW).status is RunStatus.WAITING


def test_stop_cancels_what_is_open_and_never_begins_the_rest() -> None:
    steps = [
        {"id": "a", "type": "echo", "config": {}},
        {"id": "b", "type": "echo", "after": ["a"], "config": {}},
    ]
    definition = Definition.model_validate({"schema": 1, "inputs": [], "steps": steps})
    now = plan(definition, {("a", NO_ITEM): Result(StepStatus.RUNNING)}, NOW, "stop")
    assert ([c.step for c in now.cancel], [s.step for s in now.skip], now.status) == (
        ["a"],
        ["b"],
        RunStatus.STOPPED,
    )
    assert now.settled == 0


def test_pause_waits_for_what_is_under_way() -> None:
    steps = [{"id": "a", "type": "echo", "config": {}}, {"id": "b", "type": "echo", "config": {}}]
    definition = Definition.model_validate({"schema": 1, "inputs": [], "steps": steps})
    running = Result(StepStatus.RUNNING, due=NOW + timedelta(seconds=60))
    under_way = plan(definition, {("a", NO_ITEM): running}, NOW, "pause")
    assert (under_way.status, under_way.do) == (RunStatus.PAUSING, ())
    assert (
        plan(definition, {("a", NO_ITEM): Result(StepStatus.COMPLETED, "done")}, NOW, "pause").status
        is RunStatus.PAUSED
    )


def test_ends_are_ends() -> None:
    assert [status for status, following in RUN_TRANSITIONS.items() if not following] == [
        "completed",
        "stopped",
    ]
    assert set(RUN_TRANSITIONS) == set(RunStatus)
    assert set(STEP_TRANSITIONS) == set(StepStatus)
