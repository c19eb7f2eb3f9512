"""How long a decision can be taken back."""

from app.definition.graph import edges
from app.definition.schema import Definition
from app.engine import catalog
from app.engine.enums import Effect

UNDO_S = 600
REVIEW = "review"


def leads_to_sending(definition: Definition, step_id: str, outcome: str) -> bool:
    """Tell whether a step that sends outside can be reached from a step's *outcome* before the next review."""
    follows: dict[str, list[str]] = {}
    for edge in edges(definition):
        if edge.source != step_id or edge.outcome == outcome:
            follows.setdefault(edge.source, []).append(edge.target)
    ahead, seen = list(follows.get(step_id, ())), {step_id}
    while ahead:
        following = ahead.pop()
        if following in seen:
            continue
        seen.add(following)
        kind = definition.step(following).type
        step_type = catalog.step_type(kind)
        if step_type is None or step_type.effect is Effect.SENDS:
            return True
        if kind != REVIEW:
            ahead += follows.get(following, ())
    return False
