"""What a run will take that nobody has measured yet: minutes of work and dollars."""

from collections.abc import Mapping
from typing import Any

from app.definition import graph
from app.definition.schema import Definition, Step
from app.engine import catalog
from app.features.gallery.known import filled

BY_AI = frozenset({"generate_copy", "generate_image"})
_A_TEXT, _A_PICTURE = 10_000, 40_000  # micro-dollars: rough prices of one text step and of one picture


def estimate(definition: Definition, inputs: Mapping[str, Any]) -> tuple[float, int]:
    """Return minutes of work and micro-dollars of a run that nobody has measured yet: rough, by the types' own figures.

    Steps that stand beside each other count once, by the longest way through; what is done for each of several things
    counts as often as the answers tell.
    """
    scope = {"inputs": dict(inputs), "run": {}, "steps": {}}
    ends: dict[str, float] = {}
    cost = 0
    for step in map(definition.step, graph.topological_order(definition)):
        step_type = catalog.step_type(step.type)
        begin = max((ends.get(entry.partition(":")[0], 0.0) for entry in step.after), default=0.0)
        times = _times(step, scope)
        rounds = -(-times // step.for_each.parallel) if step.for_each else 1
        ends[step.id] = begin + (step_type.typical_s * rounds if step_type else 0.0)
        if step.type in BY_AI:
            count = filled(step.config.get("count", 1), scope)
            number = count if isinstance(count, int) else 1
            one = _A_PICTURE * number if step.type == "generate_image" else _A_TEXT + _A_TEXT // 10 * number
            cost += one * times
    return max(ends.values(), default=0.0) / 60, cost


def _times(step: Step, scope: Mapping[str, Any]) -> int:
    """Return how often a step is done; once where only the run can tell."""
    items = filled(step.for_each.items, scope) if step.for_each else None
    return len(items) if isinstance(items, list) else 1
