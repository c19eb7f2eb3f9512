"""What stands in, in a test run, for a step that would have reached out and for a wait that would have lasted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.core import clock
from app.engine.context import RunContext
from app.engine.contract import Done, RunFacts, StepType, Wait

WAIT, ASK = "test.wait", "test.ask"


def stand_in(step_type: StepType, config: Any) -> Done:
    """Return what a step that would have reached out leaves in a test: its declared sample, else empty fields."""
    output: Mapping[str, Any]
    if step_type.sample is not None:
        output = step_type.sample(config)
    else:
        output = dict.fromkeys(sorted(step_type.output_fields or ()), "")
    return Done(output, "done" if "done" in step_type.outcomes else step_type.outcomes[0])


def shortened(wait: Wait, step_type: StepType, config: Any, context: RunContext) -> Done | Wait:
    """Return how a test goes on where a run would wait: times pass at once, a decision is asked of the tester alone."""
    if wait.kind == "time":
        until = wait.until.astimezone(_zone(context.run)) if wait.until else None
        context.log(WAIT, f"Would wait until {_when(until)}." if until else "Would wait.")
        return Done(dict(wait.detail.get("on_until_output") or {}), wait.on_until)
    if wait.kind == "callback":
        context.log(WAIT, "Would wait for an answer from outside.")
        return stand_in(step_type, config)
    if wait.kind == "approval":
        return _asked_of_tester(wait, context)
    return wait


def _asked_of_tester(wait: Wait, context: RunContext) -> Wait:
    starter = context.run.facts.get("started_by")
    tester = str(starter.get("email") or "") if isinstance(starter, Mapping) else ""
    asked = [str(address) for address in wait.detail.get("approvers") or ()]
    if asked:
        title = wait.detail.get("title") or context.step.name
        context.log(ASK, f"Would ask {_listed(asked)} by e-mail to decide: “{title}”.")
    changed = {"approvers": [tester], "policy": "any"} if tester else {}
    return replace(wait, detail={**wait.detail, "undo_s": 0, **changed})


def _listed(people: list[str]) -> str:
    return people[0] if len(people) == 1 else f"{len(people)} people ({', '.join(people)})"


def _when(moment: datetime) -> str:
    year = f" {moment.year}" if moment.year != clock.now().year else ""
    return f"{moment:%A} {moment.day} {moment:%B}{year}, {moment:%H:%M}"


def _zone(run: RunFacts) -> ZoneInfo:
    workspace = run.facts.get("workspace")
    name = workspace.get("timezone") if isinstance(workspace, Mapping) else None
    try:
        return ZoneInfo(str(name or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
