"""Choose a way: yes or no by a condition over answers and earlier results. What cannot be told is never guessed."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from app.definition.conditions import EMPTY, Condition, ConditionUnclear, evaluate_condition
from app.definition.sentences import OPERATORS
from app.engine.contract import Category, Context, Done, Effect, StepError, StepType
from app.steps.words import Settings, listed, said, shorten


class Config(Settings):
    """The condition."""

    if_: Condition = Field(
        alias="if",
        title="Go the way “yes” if",
        description="Otherwise the run goes the way “no”.",
        json_schema_extra={"widget": "condition"},
    )


def run(config: Config, ctx: Context) -> Done:
    """Leave by ``yes`` or ``no``, with the reason in words."""
    try:
        verdict = evaluate_condition(config.if_, ctx.scope)
    except ConditionUnclear as unclear:
        raise StepError(
            Category.CONDITION,
            unclear.message,
            code="unclear",
            fix="Change the answers and start again.",
        ) from unclear
    return Done(
        {"value": verdict.value, "because": verdict.because}, outcome="yes" if verdict.value else "no"
    )


def _summary(config: Mapping[str, Any]) -> str:
    tree = config.get("if")
    return f"Yes if {shorten(_sentence(tree), 120)}" if _looks_at_something(tree) else "Choose what to look at"


def _looks_at_something(tree: object) -> bool:
    if not isinstance(tree, dict):
        return False
    parts = [part for word in ("all", "any") if isinstance(tree.get(word), list) for part in tree[word]]
    return "value" in tree or any(map(_looks_at_something, [*parts, tree.get("not")]))


def _sentence(tree: object) -> str:
    if not isinstance(tree, dict):
        return "…"
    for word, between in (("all", " and "), ("any", " or ")):
        parts = tree.get(word)
        if isinstance(parts, list):
            return between.join(_sentence(part) for part in parts)
    if "not" in tree:
        return f"not: {_sentence(tree['not'])}"
    than, op = tree.get("than"), str(tree.get("op"))
    is_number = isinstance(than, int | float) and not isinstance(than, bool)
    other = f"{than:,}" if is_number else listed(than) if isinstance(than, list) else said(than)
    return f"{said(tree.get('value'), '…')} {OPERATORS.get(op, 'is')} {other or ('' if op in EMPTY else '…')}".strip()


STEP = StepType(
    type="condition",
    label="Choose a way",
    icon="arrows-split-2",
    group="Flow",
    effect=Effect.NONE,
    config=Config,
    summary=_summary,
    run=run,
    outcomes=("yes", "no"),
    output_fields=frozenset({"value", "because"}),
    output_kinds={"value": "yes_no", "because": "text"},
    raw_fields=("if",),
    description="Goes one way or the other by a condition. If it cannot be told, the run asks instead of guessing.",
    typical_s=0.01,
)
