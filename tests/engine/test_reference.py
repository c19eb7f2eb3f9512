"""The planner against an interpreter of thirty lines, on ten thousand random graphs: the same end, step by step."""

import random
from typing import Any

from app.definition.schema import Definition
from app.engine.enums import RunStatus, StepStatus
from app.engine.planner import NO_ITEM, Key, Result, plan
from tests.engine.test_planner import NOW

GRAPHS = 10_000
OUTCOMES = ("done", "yes", "no", "failed", "unmet")  # unmet: its ``when`` is not true


def interpret(definition: Definition, outcomes: dict[str, str]) -> tuple[dict[str, str], str]:
    """Say how every step ends, and the run, by what a person would read in the definition. Steps stand in order."""
    ends: dict[str, str] = {}
    for step in definition.steps:
        taken = []
        for entry in step.after:
            source, _, wanted = entry.partition(":")
            before = definition.step(source)
            if ends[source] == "completed":
                taken.append(outcomes[source] == (wanted or "done"))
            elif ends[source] == "failed":
                taken.append(wanted == "failed" and before.on_failure == "continue")
            else:
                taken.append(False)
        is_done = not taken or (any(taken) if step.join == "any" else all(taken))
        if not is_done or outcomes[step.id] == "unmet":
            ends[step.id] = "skipped"
        else:
            ends[step.id] = "failed" if outcomes[step.id] == "failed" else "completed"
    fatal = [step for step in definition.steps if ends[step.id] == "failed" and step.on_failure == "stop"]
    return ends, "failed" if fatal else "completed"


def execute(
    definition: Definition, outcomes: dict[str, str], chance: random.Random
) -> tuple[dict[str, str], RunStatus]:
    """Do the same by the planner, results arriving in random order."""
    results: dict[Key, Result] = {}
    under_way: list[str] = []
    while True:
        now = plan(definition, results, NOW)
        results |= {(skip.step, NO_ITEM): Result(StepStatus.SKIPPED) for skip in now.skip}
        if now.is_end:
            return {step: result.status.value for (step, _), result in results.items()}, now.status
        for do in now.do:
            results[do.step, NO_ITEM] = Result(StepStatus.RUNNING, due=NOW.replace(year=2027))
            under_way.append(do.step)
        step = under_way.pop(chance.randrange(len(under_way)))
        status = {"failed": StepStatus.FAILED, "unmet": StepStatus.SKIPPED}.get(outcomes[step], StepStatus.COMPLETED)
        results[step, NO_ITEM] = Result(status, None if status is StepStatus.SKIPPED else outcomes[step])


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
    return Definition.model_validate({"schema": 1, "inputs": [], "steps": steps})


def test_planner_ends_every_run_as_the_interpreter_does() -> None:
    for seed in range(GRAPHS):
        chance = random.Random(seed)
        definition = graph(chance)
        outcomes = {step.id: chance.choice(OUTCOMES) for step in definition.steps}
        assert execute(definition, outcomes, chance) == interpret(definition, outcomes), f"seed {seed}"
