"""Retries: how often and when, by why a step failed, unless its definition says otherwise."""

import random
from dataclasses import dataclass
from typing import Literal

from app.definition.schema import Step
from app.engine.contract import StepError
from app.engine.enums import Category

LONGEST_WAIT_S = 30 * 60.0
IN_PLACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Policy:
    """At most *attempts* tries; between them *delay_s*, growing by *backoff*, never over *max_delay_s*."""

    attempts: int
    backoff: Literal["fixed", "linear", "exponential"] = "exponential"
    delay_s: float = 1.0
    max_delay_s: float = 300.0


NEVER = Policy(attempts=1)
DEFAULTS: dict[Category, Policy] = {
    Category.BUSY: Policy(attempts=6, delay_s=2.0),
    Category.NETWORK: Policy(attempts=5),
    Category.TIMEOUT: Policy(attempts=2),
    Category.OUTSIDE: Policy(attempts=3, delay_s=2.0),
    Category.AI_ANSWER: Policy(attempts=2),
}


def next_delay_s(step: Step, error: StepError, attempts: int) -> float | None:
    """Return how long to wait before the next try, in seconds; None when there is none.

    *attempts* is the tries made that count, see :func:`counted`. Full jitter; the far side's ``Retry-After`` is
    honoured up to 30 minutes.
    """
    policy = _policy(step, error.category)
    if attempts >= policy.attempts:
        return None
    grown = {
        "fixed": policy.delay_s,
        "linear": policy.delay_s * attempts,
        "exponential": policy.delay_s * 2.0 ** (attempts - 1),
    }[policy.backoff]
    delay = random.uniform(0, min(grown, policy.max_delay_s))  # noqa: S311 (jitter, not a secret)
    if error.retry_after_s is not None:
        delay = max(delay, error.retry_after_s)
    return min(delay, LONGEST_WAIT_S)


def counted(step: Step, error: StepError, attempts: int, *, has_gained: bool) -> int:
    """Return how many of the tries made count: not the last one where it only ran out of time and got on before that.

    So many pictures take as long as they take, a few in each try; where a step is to be tried once, it is.
    """
    is_uncounted = has_gained and error.category is Category.TIMEOUT and tries_in_all(step, error.category) > 1
    return attempts - 1 if is_uncounted else attempts


def tries_in_all(step: Step, category: Category) -> int:
    """Return how many tries a step gets for this category: "Trying again (3 of 6)"."""
    return _policy(step, category).attempts


def _policy(step: Step, category: Category) -> Policy:
    default = DEFAULTS.get(category, NEVER)
    if default is NEVER or step.retry is None:
        return default
    chosen = step.retry
    return Policy(
        attempts=chosen.attempts,
        backoff=chosen.backoff,
        delay_s=chosen.delay_s,
        max_delay_s=chosen.max_delay_s,
    )
