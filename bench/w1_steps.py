"""w1: 600 runs of 10 no-op steps, each result committed, by 2 worker processes; commits of one such run."""

import time
from collections.abc import Callable, Iterator

from bench import counting, figures, seed
from bench.figures import Figure
from bench.ground import Ground, House
from bench.seed import Team

RUNS, STEPS, ROUNDS = 600, 10, 5
COUNTED = 100


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with ground.house(kind, workers=2, clock=True) as house:
        team = seed.team(house, seed.chain(STEPS))
        steps_per_s(team, RUNS // 4)
        before = counting.cpu_s(counting.pids(house))
        rates = [steps_per_s(team, RUNS) for _ in range(ROUNDS)]
        used = counting.cpu_s(counting.pids(house)) - before
        team.check_completed(RUNS // 4 + ROUNDS * RUNS)
    yield figures.of("w1_steps_per_s", rates, "steps/s")
    yield figures.of("w1_worker_cpu_us_per_step", [1e6 * used / (ROUNDS * RUNS * STEPS)], "µs")
    if kind == "postgresql":
        yield figures.of("w1_commits_per_run", [commits_per_run(ground)], "commits")


def steps_per_s(team: Team, runs: int) -> float:
    """Start *runs* and return how many of their steps were done a second."""
    return rate_of(team, team.start(runs, hint=False))


def rate_of(team: Team, made: list[str]) -> float:
    """Hint the runs *made* and return how many steps were done a second, from the hints to the last run's end."""
    began = time.time()
    seed.hint(made)
    team.wait_ended()
    return len(made) * STEPS / (team.last_end() - began)


def commits_per_run(ground: Ground) -> float:
    """Return the commits of one run, its start included: those of 100, less what a worker commits without any."""
    with ground.house("postgresql") as house:
        team = seed.team(house, seed.chain(STEPS))
        without = _commits_of_worker(house, lambda: None)
        with_runs = _commits_of_worker(house, lambda: _one_by_one(team))
        team.check_completed(COUNTED)
    return (with_runs - without) / COUNTED


def _one_by_one(team: Team) -> None:
    for _ in range(COUNTED):
        team.start(1)
    time.sleep(COUNTED / 20)  # not looked at meanwhile: what looks is counted as well
    team.wait_ended()


def _commits_of_worker(house: House, work: Callable[[], None]) -> int:
    """Return what was committed while one worker lived: a session reports its commits when it ends, at the latest."""
    before = _settled_commits(house)
    house.start_worker()
    name = next(iter(house.processes))
    house.wait_ready(workers=1)
    work()
    house.end_process(name)
    return _settled_commits(house) - before


def _settled_commits(house: House) -> int:
    house.engine.dispose()
    time.sleep(0.5)
    return counting.commits(house)
