"""One try of one step: evaluate its values, check its config, run it. Whatever it raises becomes part of the answer."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.core.db import AWAY, moment, to_json
from app.core.ids import new_code
from app.definition import vehicle
from app.definition.conditions import ConditionUnclear, evaluate_condition
from app.definition.problems import shorten
from app.definition.schema import Step, check_filled
from app.definition.values import ValueProblem, evaluate
from app.engine import catalog, money, offline, stand_ins
from app.engine.context import RunContext
from app.engine.contract import Category, Done, RunFacts, StepError, StepType, Wait
from app.engine.enums import SEED, StepStatus
from app.engine.held import Fenced, HeldRun, HeldStep
from app.engine.seat import Seat

MAX_OUTPUT_BYTES = 256 * 1024
MOST_DEPTH = 100  # Python reads and writes JSON by recursion
MOST_TRACE = 8000  # characters, from the end: where it happened
YES = "yes"  # a person said that the step shall be done although its condition could not be told
OUT_OF_MEMORY, CRASHED = "memory", "crashes"
WHEN_UNCLEAR = "when_unclear"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tried:
    """What one try of a step brought: a result, a wait, a skip or an error."""

    status: StepStatus
    outcome: str | None = None
    output: Any = None
    reason: str = ""
    went_in: Any = None
    wait: Wait | None = None
    error: StepError | None = None
    writes: tuple[Callable[[Session], None], ...] = ()
    has_gained: bool = False  # it failed, but first it brought answers that none before it had

    def row(self) -> dict[str, Any]:
        """Return the columns of the result."""
        return {
            "status": self.status.value, "outcome": self.outcome, "output": self.output, "reason": self.reason,
            "went_in": self.went_in, "doing": "", "error": self.error_json(),
        }  # fmt: skip

    def ended_at(self) -> dict[str, Any]:
        """Return the column that says when a settled step ended."""
        return {"finished_at": moment()} if self.status.is_settled else {}

    def error_json(self) -> dict[str, str] | None:
        """Return the error as pages and the API show it."""
        if self.error is None:
            return None
        return {
            "category": self.error.category.value, "code": self.error.code, "message": self.error.message,
            "fix": self.error.fix,
        }  # fmt: skip


def try_step(
    seat: Seat, claim: HeldStep, step: Step, held: HeldRun, outputs: Mapping[str, Any], item: object = None
) -> Tried:
    """Evaluate, check and run one step; what it raises becomes part of the answer, but for a lost fence or database.

    *item* is what ``{{ item }}`` gives in a step that is done for every item; its ``when`` was asked before.
    """
    scope: dict[str, object] = {"inputs": held.inputs, "steps": outputs, "run": held.facts}
    if step.for_each is not None:
        scope["item"] = item
    went_in: Any = None
    context: RunContext | None = None
    try:
        if step.when is not None and step.for_each is None and claim.answer != YES:
            instead = unmet(step.when, scope)
            if instead is not None:
                return instead
        step_type = catalog.step_type(step.type)
        if step_type is None:
            raise StepError(Category.INTERNAL, f"This version does not know the step type “{step.type}”.")
        went_in = _fill_in(step, step_type, scope)
        config, went_in = _config_of(step, step_type, went_in)
        context = RunContext(
            seat.engine, claim, effect=step_type.effect, name=step.name or step.id, run=_run_facts(held), scope=scope,
            timeout_s=float(step.timeout_s), clock=held.clock,
        )  # fmt: skip
        answer = _tested(step_type, config, context) if held.test else step_type.run(config, context)
        return _answered(step_type, answer, went_in, tuple(context.writes))
    except (Fenced, *AWAY):
        raise
    except StepError as error:
        return replace(failed(error, went_in), has_gained=context is not None and context.has_gained)
    except ValueProblem as missing:
        return failed(value_missing(missing), went_in)
    except MemoryError:  # it was alone in a process with a limit
        return failed(
            StepError(
                Category.UNSURE, "This step needed more memory than it may have.", code=OUT_OF_MEMORY,
                fix="Make it smaller and start over, or tell us.",
            ),
            went_in,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 (a step's own fault: recorded, told, not the worker's end)
        return failed(our_fault(claim, error), went_in)


def _tested(step_type: StepType, config: Any, context: RunContext) -> Done | Wait:
    """Run a step of a test: nothing leaves the house, what would have is noted, and nobody waits for a time."""
    try:
        with offline.guard():
            answer = step_type.run(config, context)
    except offline.WouldReach as reach:
        context.log(offline.CALL, f"Would call {reach.what}.")
        return stand_ins.stand_in(step_type, config)
    return stand_ins.shortened(answer, step_type, config, context) if isinstance(answer, Wait) else answer


def unmet(when: dict[str, Any], scope: Mapping[str, object]) -> Tried | None:
    """Return what ends a step instead of doing it: a skip, or a question where *when* cannot be told; None: do it."""
    try:
        verdict = evaluate_condition(when, scope)
    except ConditionUnclear as unclear:
        fix = "Say whether to do this step, or change the answers."
        return failed(StepError(Category.CONDITION, unclear.message, code=WHEN_UNCLEAR, fix=fix), None)
    return None if verdict.value else Tried(StepStatus.SKIPPED, reason=verdict.because)


def value_missing(missing: ValueProblem) -> StepError:
    """Return what people are told where a value of a step's config is not there."""
    return StepError(
        Category.INPUT, str(missing), code="value", fix="Change the answers and continue from here."
    )


def our_fault(claim: HeldStep, error: Exception) -> StepError:
    """Log a fault that is ours and return what people are told: a code to quote, nothing of its inside."""
    code = new_code()
    _log.error(
        "step_broken",
        code=code,
        run_id=claim.run_id,
        step_id=claim.step_id,
        error=repr(error),
        exc_info=error,
    )
    fault = StepError(
        Category.INTERNAL,
        "Something went wrong on our side.",
        code=code,
        fix=f"Quote {code} when you ask for help.",
    )
    fault.trace = "".join(traceback.format_exception(error))[-MOST_TRACE:]
    return fault


def failed(error: StepError, went_in: Any) -> Tried:
    """Return a try that ended by *error*: failed, or waiting for a person's answer."""
    asks = error.category in (Category.CONDITION, Category.UNSURE)
    if asks or error.code in (money.RUN_CODE, money.DAY_CODE):
        return Tried(StepStatus.NEEDS_ATTENTION, went_in=went_in, error=error)
    return Tried(StepStatus.FAILED, "failed", went_in=went_in, error=error)


def _fill_in(step: Step, step_type: StepType, scope: Mapping[str, object]) -> dict[str, Any]:
    raw = {key: value for key, value in step.config.items() if key in step_type.raw_fields}
    rest = {key: value for key, value in step.config.items() if key not in step_type.raw_fields}
    return {**evaluate(rest, scope), **raw}


def _answered(
    step_type: StepType, answer: Done | Wait, went_in: Any, writes: tuple[Callable[[Session], None], ...]
) -> Tried:
    if isinstance(answer, Wait):
        return Tried(StepStatus.WAITING, went_in=went_in, wait=answer, writes=writes)
    if answer.outcome not in step_type.outcomes:
        raise StepError(
            Category.INTERNAL, f"{step_type.label} left by “{answer.outcome}”, which it does not declare."
        )
    output = dict(answer.output)
    text = to_json(output)
    if text.count("[") + text.count("{") > MOST_DEPTH and _is_deep(output):
        raise StepError(
            Category.INPUT, f"The result is nested more than {MOST_DEPTH} levels deep.", code="too_deep",
            fix="Make it flatter.",
        )  # fmt: skip
    size = len(text.encode())
    if size > MAX_OUTPUT_BYTES:
        raise StepError(
            Category.INPUT, f"The result is too large: {size // 1024} KiB, at most 256 KiB fit.", code="too_large",
            fix="Make less at once.",
        )  # fmt: skip
    return Tried(StepStatus.COMPLETED, answer.outcome, output, went_in=went_in, writes=writes)


def _is_deep(value: object) -> bool:
    """Tell whether a value is nested deeper than whoever reads it later can bear."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = [
            part
            for one in level
            if isinstance(one, dict | list | tuple)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _config_of(step: Step, step_type: StepType, went_in: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the step's settings and what went in, where a vehicle that stands alone in place of a text is in words."""
    try:
        return step_type.config.model_validate(went_in), went_in
    except ValidationError as invalid:
        in_words = went_in
        for error in invalid.errors(include_url=False, include_context=False):
            in_words = vehicle.said(in_words, error["loc"]) if error["type"] == "string_type" else in_words
        if in_words != went_in:
            return _config_of(step, step_type, in_words)
        found = " ".join(problem.message for problem in check_filled(step_type.config, went_in)[:3])
        fix = f"Change the answers, or the step “{shorten(step.name or step.id)}”, and start again."
        raise StepError(Category.INPUT, found, code="config", fix=fix) from invalid


def _run_facts(held: HeldRun) -> RunFacts:
    is_sample = held.test or held.trigger_kind == SEED
    return RunFacts(
        held.id, held.workspace_id, held.number, held.label, held.test, is_sample, held.inputs, held.facts
    )
