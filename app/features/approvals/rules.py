"""How long a decision can be taken back."""

from collections.abc import Callable, Iterable, Iterator

from app.definition.graph import edges
from app.definition.schema import Definition, Step
from app.engine import catalog
from app.engine.enums import Effect

UNDO_S = 600
REVIEW, PART = "review", "run_workflow"
DEEPEST = 5  # as runs may run each other

PartOf = Callable[[Step], Definition | None]  # what a step runs; None where nobody can tell


def leads_to_sending(
    definition: Definition, step_id: str, outcome: str, part_of: PartOf = lambda _step: None
) -> bool:
    """Tell whether a step that sends outside can be reached from a step's *outcome* before the next review.

    A workflow that is run on the way counts with its steps, and as one that sends where *part_of* cannot tell.
    """
    return _sends(_ahead(definition, next_steps(definition, step_id, outcome)), part_of, DEEPEST)


def leads_to_end(definition: Definition, step_id: str, outcome: str) -> bool:
    """Tell whether a run may come to its end from a step's *outcome* without another review."""
    leading = {edge.source for edge in edges(definition)}
    ahead = list(_ahead(definition, next_steps(definition, step_id, outcome)))
    return not ahead or any(step.id not in leading and step.type != REVIEW for step in ahead)


def next_steps(definition: Definition, step_id: str, outcome: str) -> list[str]:
    """Return the steps that come right after an outcome of a review, by their ids."""
    if definition.step(step_id).for_each is not None:
        outcome = "done"  # what comes after it comes after its last item, however they were answered
    return [edge.target for edge in edges(definition) if (edge.source, edge.outcome) == (step_id, outcome)]


def _ahead(definition: Definition, first: Iterable[str]) -> Iterator[Step]:
    """Yield *first* and what follows from them, up to reviews."""
    follows: dict[str, list[str]] = {}
    for edge in edges(definition):
        follows.setdefault(edge.source, []).append(edge.target)
    ahead, seen = list(first), set[str]()
    while ahead:
        following = ahead.pop()
        if following in seen:
            continue
        seen.add(following)
        step = definition.step(following)
        yield step
        if step.type != REVIEW:
            ahead += follows.get(following, ())


def _sends(steps: Iterable[Step], part_of: PartOf, depth: int) -> bool:
    for step in steps:
        step_type = catalog.step_type(step.type)
        if step_type is None or step_type.effect is Effect.SENDS:
            return True
        if step.type == PART:
            part = part_of(step) if depth else None
            first = [one.id for one in part.steps if not one.after] if part else []
            if part is None or _sends(_ahead(part, first), part_of, depth - 1):
                return True
    return False
