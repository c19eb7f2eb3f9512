"""Whom a run reaches: the reviews that ask, the mails it sends, the workflows it runs, which do so themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.ids import is_id
from app.definition.schema import Definition
from app.engine import catalog
from app.engine.contract import Effect
from app.features.gallery.fates import Fate, fates_of
from app.features.gallery.known import filled

_ENDS = {
    "reject": "it counts as a no",
    "approve": "it goes on as if approved",
    "expire": "it ends without a decision",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A review, the addresses it asks, what becomes of it unanswered; *may* when the run may pass it by."""

    name: str
    people: tuple[str, ...]
    unanswered: str
    may: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that the run sends, to whom; *may* when not every run sends it."""

    name: str
    people: tuple[str, ...]
    may: bool


@dataclass(frozen=True, slots=True)
class Below:
    """A step that runs another workflow, by its name where that is told; *may* when not every run comes to it."""

    name: str
    workflow: str
    may: bool


def asked(definition: Definition, scope: Mapping[str, Any]) -> list[Asked]:
    """Return the reviews that may come, with whom they ask, as far as the answers tell."""
    fates = fates_of(definition, scope)
    return [
        Asked(
            step.name,
            _people(step.config.get("approvers"), scope),
            _unanswered({**_usual(step.type), **filled(step.config, scope)}),
            fates[step.id] is Fate.MAY,
        )
        for step in definition.steps
        if step.type == "review" and fates[step.id] is not Fate.NEVER
    ]


def _usual(type_name: str) -> dict[str, Any]:
    """Return the settings of a step type that hold where a step does not say otherwise."""
    step_type = catalog.step_type(type_name)
    fields = step_type.config.model_fields if step_type else {}
    return {name: info.default for name, info in fields.items() if not info.is_required()}


def _unanswered(config: Mapping[str, Any]) -> str:
    """Say after how many hours a review gives up and what follows; "" where it waits, or only the run can tell."""
    hours, ends = config.get("expires_after_hours"), _ENDS.get(str(config.get("on_expiry")))
    return f"Without an answer in {hours:g}\u00a0h {ends}." if ends and isinstance(hours, int | float) else ""


def mails(definition: Definition, scope: Mapping[str, Any]) -> list[Mail]:
    """Return the mails that the run's own steps send."""
    fates = fates_of(definition, scope)
    return [
        Mail(step.name, _people(step.config.get("to"), scope), fates[step.id] is Fate.MAY)
        for step in definition.steps
        if step.type == "notify" and fates[step.id] is not Fate.NEVER
    ]


def _people(written: Any, scope: Mapping[str, Any]) -> tuple[str, ...]:
    named = filled(written, scope)
    found: list[Any] = []
    for item in named if isinstance(named, list) else [named]:
        found += item if isinstance(item, list) else [item]
    return tuple(dict.fromkeys(one for one in found if isinstance(one, str) and one and "{{" not in one))


def parts(definition: Definition, scope: Mapping[str, Any]) -> list[Below]:
    """Return the steps that run another workflow, which asks and sends by itself."""
    fates = fates_of(definition, scope)
    return [
        Below(step.name, "" if is_id(name := str(step.config.get("workflow", ""))) or "{{" in name else name,
              fates[step.id] is Fate.MAY)
        for step in definition.steps
        if step.type == "run_workflow" and fates[step.id] is not Fate.NEVER
    ]  # fmt: skip


def sends_nothing_else(definition: Definition) -> bool:
    """Tell whether mails and requests for approval are all that leaves the house."""
    types = catalog.step_types()
    sending = {name for name, step_type in types.items() if step_type.effect is Effect.SENDS}
    return not any(step.type in sending - {"notify", "review"} for step in definition.steps)
