"""Which steps a run comes to, as far as the answers tell: surely, perhaps, or not."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from app.definition import graph
from app.definition.conditions import ConditionUnclear, evaluate_condition
from app.definition.schema import Definition
from app.definition.values import ValueProblem

_REFUSALS = frozenset({"rejected", "expired", "failed"})


class Fate(StrEnum):
    """Whether a run that goes well comes to a step: surely, perhaps, or not with these answers."""

    WILL = "will"
    MAY = "may"
    NEVER = "never"


def fates_of(definition: Definition, scope: Mapping[str, Any]) -> dict[str, Fate]:
    """Return what becomes of each step in a run that goes well: nothing fails, and reviews are approved."""
    fates: dict[str, Fate] = {}
    ways: dict[str, str] = {}
    for step in map(definition.step, graph.topological_order(definition)):
        edges = {entry: _edge(definition, entry, fates, ways) for entry in step.after}
        fates[step.id] = _any(edges) if step.join == "any" else _all(list(edges.values()))
        tree = step.config.get("if") if step.type == "condition" else None
        if step.when is not None and fates[step.id] is not Fate.NEVER:
            way = _way(step.when, scope)
            fates[step.id] = Fate.NEVER if way == "no" else fates[step.id] if way else Fate.MAY
        ways[step.id] = _way(tree, scope) if tree is not None else ""
    return fates


def _edge(definition: Definition, entry: str, fates: Mapping[str, Fate], ways: Mapping[str, str]) -> Fate:
    source, _, outcome = entry.partition(":")
    fate = fates.get(source, Fate.MAY)
    if fate is Fate.NEVER:
        return fate
    if outcome in _REFUSALS:
        return Fate.MAY
    if definition.step(source).type == "condition":
        way = ways.get(source, "")
        return Fate.MAY if not way else fate if way == outcome else Fate.NEVER
    return fate


def _all(edges: list[Fate]) -> Fate:
    return Fate.NEVER if Fate.NEVER in edges else Fate.MAY if Fate.MAY in edges else Fate.WILL


def _any(edges: Mapping[str, Fate]) -> Fate:
    """Return the fate of a step that one way is enough for.

    Two ways that are no refusals are alternatives: one of them will be taken.
    """
    open_ = {entry: fate for entry, fate in edges.items() if fate is not Fate.NEVER}
    good = [fate for entry, fate in open_.items() if entry.partition(":")[2] not in _REFUSALS]
    if len(good) > 1 or Fate.WILL in good:
        return Fate.WILL
    return Fate.MAY if open_ else Fate.NEVER


def _way(tree: Any, scope: Mapping[str, Any]) -> str:
    """Return how a condition will go by the answers; nothing where they do not tell."""
    if "inputs" not in scope:
        return ""
    try:
        return "yes" if evaluate_condition(tree, scope).value else "no"
    except (ConditionUnclear, ValueProblem, KeyError, TypeError, ValueError):
        return ""
