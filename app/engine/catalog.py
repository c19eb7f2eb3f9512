"""The catalog of step types: ours, and those of packages in the entry-point group ``greenlight.steps``."""

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

import structlog

from app.definition.schema import TypeFacts
from app.engine.contract import StepType

_log = structlog.get_logger()
_types: dict[str, StepType] = {}


class DoubledStepType(RuntimeError):
    """Two files declare the same step type: nothing may start like that."""


def discover(package: ModuleType) -> None:
    """Find the ``STEP`` of every module of *package* and of every installed extension; may be called again.

    A broken extension is reported and skipped; a doubled name raises :class:`DoubledStepType`.
    """
    found: dict[str, StepType] = {}
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        step = getattr(import_module(module.name), "STEP", None)
        if step is not None:
            _add(found, step)
    for entry in entry_points(group="greenlight.steps"):
        try:
            step = entry.load()
        except Exception as error:  # noqa: BLE001 (an outside package: we go on without it)
            _log.error("step_package_broken", package=entry.value, error=repr(error))
            continue
        _add(found, step)
    _types.clear()
    _types.update(sorted(found.items()))


def step_types() -> dict[str, StepType]:
    """Return all step types by name."""
    return dict(_types)


def step_type(name: str) -> StepType | None:
    """Return one step type; None when this version does not know it."""
    return _types.get(name)


def facts() -> dict[str, TypeFacts]:
    """Return what the definition's checks need to know of each type."""
    return {
        name: TypeFacts(
            type=name,
            config=step.config,
            outcomes=step.outcomes,
            output_fields=step.output_fields,
            outputs_of=step.outputs_of,
            step_refs=step.step_refs,
            label=step.label,
            output_kinds=step.output_kinds,
        )
        for name, step in _types.items()
    }


def _add(found: dict[str, StepType], step: StepType) -> None:
    if step.type in found:
        raise DoubledStepType(f"two step types are called {step.type!r}")
    found[step.type] = step
