"""A definition that may be wrong, read as far as it can be: what the diagram and the forms of a draft are made from."""

from collections.abc import Mapping
from typing import Any

from app.definition.graph import outline
from app.definition.parts import Definition, Step


def sketch(data: Mapping[str, Any]) -> Definition:
    """Return the steps of unchecked *data* with ids, types, names and order; nothing else of it can be relied on.

    What is no step is left out, and of two steps with one id the first stands.
    """
    steps: dict[str, Step] = {}
    raw = data.get("steps")
    for found in outline(data):
        given = raw[found.place] if isinstance(raw, list) else {}
        name = given.get("name")
        step_id = found.id or f"step_{found.place + 1}"
        steps.setdefault(
            step_id,
            Step.model_construct(
                id=step_id,
                type=found.type or "",
                name=name if isinstance(name, str) and name else found.name,
                after=[f"{source}:{outcome}" if outcome else source for _, source, outcome in found.after],
                config=found.config or {},
                join="any" if given.get("join") == "any" else "all",
            ),
        )
    return Definition.model_construct(steps=list(steps.values()), inputs=[])
