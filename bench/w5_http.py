"""w5: 50 clients start runs over HTTP for 20 s while the workers run; every start that was accepted exists and ends.

Each request presses Start on a launch form that was filled in before: the product's own page, with session and form
token.
"""

import asyncio
import time
from collections.abc import Iterator

from bench import figures, seed
from bench.clients import Browser, run_of
from bench.figures import Figure
from bench.ground import Ground
from bench.seed import Person, Team

CLIENTS, SECONDS = 50, 20.0
FORMS_EACH = 700  # 1,750 starts a second at most


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with ground.house(kind, web=True, workers=2, clock=True) as house:
        team = seed.team(house, seed.chain(1), people=CLIENTS)
        forms: dict[str, list[str]] = {person.user_id: [] for person in team.people}
        for person, draft_id in team.forms(FORMS_EACH):
            forms[person.user_id].append(draft_id)
        accepted, latencies, refused, took_s = asyncio.run(_load(team, forms))
        team.wait_ended()
        team.check_completed(len(accepted))
        if refused:
            raise RuntimeError(f"{refused} starts were refused\n{house.logs()}")
        team.check_exist(accepted)
    yield figures.Figure(
        "w5_start_req_per_s", len(accepted) / took_s, "req/s", len(accepted), *([len(accepted) / took_s] * 3)
    )
    yield figures.p95("w5_start_p95_ms", latencies, "ms")


async def _load(team: Team, forms: dict[str, list[str]]) -> tuple[list[str], list[float], int, float]:
    accepted: list[str] = []
    latencies: list[float] = []
    refused = 0
    until = time.monotonic() + SECONDS

    async def client(person: Person) -> None:
        nonlocal refused
        browser = Browser(team.house.port, person)
        for draft_id in forms[person.user_id]:
            if time.monotonic() >= until:
                break
            answer = await browser.start(draft_id)
            run_id = run_of(answer)
            if run_id is None:
                refused += 1
            else:
                accepted.append(run_id)
                latencies.append(1000 * answer.took_s)
        await browser.close()

    began = time.monotonic()
    await asyncio.gather(*map(client, team.people))
    return accepted, latencies, refused, time.monotonic() - began
