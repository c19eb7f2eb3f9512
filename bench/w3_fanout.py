"""w3: one step, 20 parallel steps of 50 ms, a merge: from the start of the run to its end, by 2 worker processes.

The steps are pure and keep a thread busy, so they go to the threads for pure steps, 10 a process. Steps that spend or
send go to the 2 × 64 threads for those; ``w3_fanout_calls_ms`` is the same run with such steps.
"""

from collections.abc import Iterator

from bench import figures, seed
from bench.figures import Figure
from bench.ground import Ground

WIDTH, NAP_MS = 20, 50
ROUNDS, WARM = 20, 3


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    for name, step_type in (("w3_fanout_ms", "nap"), ("w3_fanout_calls_ms", "call_nap")):
        with ground.house(kind, workers=2, clock=True) as house:
            team = seed.team(house, seed.fan(WIDTH, step_type, NAP_MS))
            for _ in range(ROUNDS + WARM):
                team.start(1)
                team.wait_ended()
            took = team.took_ms()[WARM:]
            team.check_completed(ROUNDS + WARM)
        yield figures.of(name, took, "ms")
