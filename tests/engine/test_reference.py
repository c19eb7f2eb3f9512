"""The planner against an interpreter of thirty lines, on ten thousand random graphs: the same end, step by step.

A third of the steps are done for every item of a list, some of a list without any.
"""

import random
from collections import Counter
from typing import Any

from app.definition.schema import Definition
from app.engine.enums import RunStatus, StepStatus
from app.engine.planner import NO_ITEM, UNDER_WAY, Key, Result, plan
from tests.engine.test_planner import NOW

GRAPHS, MOST_ITEMS = 10_000, 4
OUTCOMES = ("done", "yes", "no", "failed", "unmet")  # unmet: its ``when`` is not true


def interpret(definition: Definition, outcomes: dict[Key, str]) -> tuple[dict[str, str], str]:
    """Say how every step ends, and the run, by what a person would read in the definition. Steps stand in order."""
    ends: dict[str, str] = {}
    for step in definition.steps:
        taken = []
        for entry in step.after:
            source, _, wanted = entry.partition(":")
            before = definition.step(source)
            if ends[source] == "completed":
                taken.append(outcomes[source, NO_ITEM] == (wanted or "done"))
            elif ends[source] == "failed":
                taken.append(wanted == "failed" and before.on_failure == "continue")
            else:
                taken.append(False)
        is_done = not taken or (any(taken) if step.join == "any" else all(taken))
        if not is_done or outcomes[step.id, NO_ITEM] == "unmet":
            ends[step.id] = "skipped"
        else:
            ends[step.id] = "failed" if outcomes[step.id, NO_ITEM] == "failed" else "completed"
    fatal = [step for step in definition.steps if ends[step.id] == "failed" and step.on_failure == "stop"]
    return ends, "failed" if fatal else "completed"


def execute(
    definition: Definition, outcomes: dict[Key, str], chance: random.Random
) -> tuple[dict[str, str], RunStatus]:
    """Do the same by the planner, results arriving in random order; each item once, and *parallel* at a time."""
    results: dict[Key, Result] = {}
    under_way: list[Key] = []
    begun = Counter[Key]()
    while True:
        now = plan(definition, results, NOW)
        results |= {(skip.step, NO_ITEM): Result(StepStatus.SKIPPED) for skip in now.skip}
        if now.is_end:
            assert set(begun.values()) <= {1}
            return {step: of.status.value for (step, item), of in results.items() if item == NO_ITEM}, now.status
        for opened in now.opens:
            results[opened.step, NO_ITEM] = frame(definition, opened.step, outcomes)
        for settled in now.settles:
            assert sum(of == settled.step for of, item in results) == 1 + results[settled.step, NO_ITEM].total
            results[settled.step, NO_ITEM] = ended(outcomes[settled.step, NO_ITEM])
        for do in now.do:
            begun[do.step, do.item] += 1
            results[do.step, do.item] = Result(StepStatus.RUNNING, due=NOW.replace(year=2027))
            under_way.append((do.step, do.item))
        for step in definition.steps:
            if step.for_each is not None:
                busy = [key for key in under_way if key[0] == step.id and results[key].status in UNDER_WAY]
                assert len(busy) <= step.for_each.parallel
        if under_way:
            key = under_way.pop(chance.randrange(len(under_way)))
            results[key] = ended(outcomes[key])


def frame(definition: Definition, step: str, outcomes: dict[Key, str]) -> Result:
    """Return what opening a step's items records; one whose condition is not met, or that has none, ends at once."""
    spread = definition.step(step).for_each
    if outcomes[step, NO_ITEM] == "unmet" or not spread or not spread.items:
        return ended(outcomes[step, NO_ITEM])
    return Result(StepStatus.RUNNING, total=len(spread.items))


def ended(outcome: str) -> Result:
    status = {"failed": StepStatus.FAILED, "unmet": StepStatus.SKIPPED}.get(outcome, StepStatus.COMPLETED)
    return Result(status, None if status is StepStatus.SKIPPED else outcome)


def graph(chance: random.Random) -> Definition:
    """Return a definition of up to nine steps whose edges lead forward."""
    steps: list[dict[str, Any]] = []
    for number in range(chance.randint(1, 9)):
        sources = chance.sample(range(number), min(number, chance.randint(0, 3)))
        steps.append(
            {
                "id": f"s{number}", "type": "echo", "name": f"Step {number}", "config": {},
                "after": [f"s{source}:{chance.choice(OUTCOMES[:4])}" for source in sources],
                "join": chance.choice(["all", "any"]), "on_failure": chance.choice(["stop", "continue"]),
            }
        )  # fmt: skip
        if not chance.randrange(3):
            items = list(range(chance.randint(0, MOST_ITEMS)))
            steps[-1]["for_each"] = {"items": items, "parallel": chance.randint(1, 3)}
    return Definition.model_validate({"schema": 1, "inputs": [], "steps": steps})


def test_planner_ends_every_run_as_the_interpreter_does() -> None:
    for seed in range(GRAPHS):
        chance = random.Random(seed)
        definition = graph(chance)
        outcomes = {
            (step.id, item): chance.choice(OUTCOMES) for step in definition.steps for item in range(NO_ITEM, MOST_ITEMS)
        }
        assert execute(definition, outcomes, chance) == interpret(definition, outcomes), f"seed {seed}"
