"""w4: memory of all processes of the single dyno: idle, at the peak of w1, idle again after 10,000 runs.

The dyno is ``serve`` with the embedded Redis; PostgreSQL, a server of its own, does not count.
"""

import threading
import time
from collections.abc import Iterator

from app.engine import jobs
from bench import counting, figures, seed
from bench.figures import Figure
from bench.ground import Ground, House

RUNS, STEPS, BATCH = 10_000, 10, 1_000
SETTLE_S = 8.0


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with ground.house(kind) as house:
        house.start_all()
        house.until(house.answers, "the web server")
        jobs.configure(house.settings.replace(redis_url=""))  # hints go to the dyno's own Redis
        team = seed.team(house, seed.chain(STEPS))
        short = seed.team(house, seed.chain(1))
        seed_workers_ready(house)
        time.sleep(SETTLE_S)
        idle = [counting.pss_mb(house) for _ in range(3)]
        peak = _Peak(house)
        team.start(600)
        team.wait_ended()
        highest = peak.end()
        for _ in range(RUNS // BATCH):
            short.start(BATCH)
            short.wait_ended(limit_s=300)
        time.sleep(SETTLE_S)
        after = [counting.pss_mb(house) for _ in range(3)]
        team.check_completed(RUNS + 600)
    yield figures.of("w4_pss_mb", idle, "MB")
    yield figures.of("w4_pss_peak_mb", [highest], "MB")
    yield figures.of("w4_pss_after_mb", after, "MB")
    yield figures.of("w4_pss_more_after_mb", [min(after) - min(idle)], "MB")


def seed_workers_ready(house: House) -> None:
    """Wait until the worker and the clock of the dyno work."""
    log = house.folder / "serve.log"
    house.until(
        lambda: all(f"{role}_started" in log.read_text() for role in ("worker", "clock")), "worker and clock"
    )


class _Peak:
    """The highest memory seen while it watches, five times a second."""

    def __init__(self, house: House) -> None:
        self._highest = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(house,), daemon=True)
        self._thread.start()

    def end(self) -> float:
        self._is_over.set()
        self._thread.join()
        return self._highest

    def _watch(self, house: House) -> None:
        while not self._is_over.wait(0.2):
            self._highest = max(self._highest, counting.pss_mb(house))
