"""w2: idle, from the HTTP POST of a launch form to the first step begun, one start at a time."""

import asyncio
import time
from collections.abc import Iterator

from bench import figures, seed
from bench.clients import Browser, run_of
from bench.figures import Figure
from bench.ground import Ground, House
from bench.seed import Team

STARTS, WARM = 50, 10
PAUSE_S = 0.1


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with ground.house(kind, web=True, workers=2, clock=True) as house:
        team = seed.team(house, seed.chain(1))
        latencies = starts_ms(team, STARTS + WARM)[WARM:]
        team.check_completed(STARTS + WARM)
    yield figures.of("w2_start_ms", latencies, "ms")
    yield figures.p95("w2_start_p95_ms", latencies, "ms")


def starts_ms(team: Team, count: int, *, pause_s: float = PAUSE_S) -> list[float]:
    """Press Start *count* times; return from each POST to the beginning of the run's first step."""
    asked = asyncio.run(_press(team, count, pause_s))
    begun = _begun(team.house, set(asked))
    return [1000 * (begun[run_id] - at) for run_id, at in asked.items()]


async def _press(team: Team, count: int, pause_s: float) -> dict[str, float]:
    asked: dict[str, float] = {}
    browser = Browser(team.house.port, team.people[0])
    for person, draft_id in team.forms(-(-count // len(team.people)))[:count]:
        browser.person = person
        answer = await browser.start(draft_id)
        run_id = run_of(answer)
        if run_id is None:
            raise RuntimeError(f"Start answered {answer.status}: {answer.body[:300]!r}\n{team.house.logs()}")
        asked[run_id] = answer.asked_at
        await asyncio.sleep(pause_s)
    await browser.close()
    return asked


def _begun(house: House, run_ids: set[str], *, limit_s: float = 30.0) -> dict[str, float]:
    """Return when the first step of each of these runs began, by the system's clock that all processes share."""
    end = time.monotonic() + limit_s
    while True:
        with house.reader.connect() as connection:
            rows = connection.exec_driver_sql(
                f"SELECT run_id, {_epoch(house)} FROM step_run WHERE step_id = 's1'"
            ).all()
        begun = {run_id: float(at) for run_id, at in rows if run_id in run_ids and at is not None}
        if len(begun) == len(run_ids):
            return begun
        if time.monotonic() > end:
            raise RuntimeError(f"{len(run_ids) - len(begun)} runs did not begin\n{house.logs()}")
        time.sleep(0.2)


def _epoch(house: House) -> str:
    if house.kind == "postgresql":
        return "extract(epoch FROM started_at)"
    return "(julianday(started_at) - 2440587.5) * 86400.0"
