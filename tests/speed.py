"""How long something takes, told so that a slow or busy machine does not fail a test: a guard, not a measurement.

What a budget is kept by is measured by ``bin/bench``; here a page that takes twice its time is found out.
"""

import time
from collections.abc import Callable

PLAIN_S = 0.0079  # of the plain work below, on the processor that the budgets were set on
SLACK = 1.4  # plain work and a page do not slow down alike where a core is shared


def took_s(do: Callable[[], object], tries: int = 10) -> float:
    """Return the seconds of processor time of the best of *tries*, as they would be where the budgets were set.

    Plain work is done before each try, so both have met the same company.
    """
    best = plain = float("inf")
    for _ in range(tries):
        plain = min(plain, _cpu_s(_plain))
        best = min(best, _cpu_s(do))
    return best / max(1.0, plain / PLAIN_S) / SLACK


def _plain() -> None:
    assert len({str(number): [number] for number in range(40_000)}) == 40_000


def _cpu_s(do: Callable[[], object]) -> float:
    began = time.thread_time()
    do()
    return time.thread_time() - began
