"""Where the time of a run goes: one thread of this process does runs under cProfile (``python -m bench.profile``).

Times are a profiler's: inflated, but in proportion. Counts are exact.
"""

import argparse
import cProfile
import pstats
import threading
import time

from sqlalchemy import event

from app.engine import runner
from app.engine.seat import Seat
from bench import seed
from bench.ground import House, ground


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", default="postgresql", choices=["postgresql", "sqlite"])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--by", default="tottime", choices=["tottime", "cumulative"])
    wanted = parser.parse_args()
    with ground() as stage, stage.house(wanted.database) as house:
        team = seed.team(house, seed.chain(10))
        for run_id in team.start(20, hint=False):
            runner.advance(seat(house), run_id)
        made = team.start(wanted.runs, hint=False)
        counted = Statements(house)
        place = seat(house)
        began, used = time.perf_counter(), time.thread_time()
        for run_id in made[: wanted.runs // 2]:
            runner.advance(place, run_id)
        took, used = time.perf_counter() - began, time.thread_time() - used
        steps = wanted.runs // 2 * 10
        print(
            f"{1e6 * took / steps:.0f} µs a step, {1e6 * used / steps:.0f} µs of processor time in this process"
        )
        print(f"{counted.count / (wanted.runs // 2):.1f} statements a run")
        profile = cProfile.Profile()
        profile.enable()
        for run_id in made[wanted.runs // 2 :]:
            runner.advance(place, run_id)
        profile.disable()
        pstats.Stats(profile).sort_stats(wanted.by).print_stats(45)


def seat(house: House) -> Seat:
    """Return a worker's place in this process; what it hints goes nowhere."""
    return Seat(
        engine=house.engine, reader=house.engine, owner="bench:1:a", lease_s=60.0, hint_steps=lambda rows: None,
        hint_run=lambda run_id: None, hint_outbox=lambda: None, is_ending=threading.Event(), is_over=threading.Event(),
    )  # fmt: skip


class Statements:
    """Counts the statements of an engine."""

    def __init__(self, house: House) -> None:
        self.count = 0
        event.listen(house.engine, "before_cursor_execute", self._add)

    def _add(self, *_: object) -> None:
        self.count += 1


if __name__ == "__main__":
    main()
