"""pictures: 20 Facebook runs at once on one dyno, each 10 texts and 5 pictures of 2 MB, AI 3 s away; memory, pages."""

import asyncio
import time
from collections.abc import Iterator

from app.features.accounts.service import Actor
from app.features.gallery import starting
from bench import figures, pss, seed
from bench.clients import Browser
from bench.figures import Figure
from bench.ground import Ground, House
from bench.seed import Person, Team
from tests.fakes.openai_server import FakeOpenAI

RUNS, READERS, LIMIT_S = 20, 4, 240.0
PAGES = ("/", "/runs", "/gallery", "/documents", "/approvals")
THINK_S = 0.4  # between two pages of one reader
MB = 1_000_000


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with FakeOpenAI(latency_s=3, picture_bytes=2_000_000) as fake:
        with ground.house(kind, OPENAI_BASE_URL=fake.url, OPENAI_API_KEY="sk-bench", WEB_PROCESSES="1") as house:
            team = seed.team(house, seed.chain(1), people=READERS)
            house.start_all()
            house.wait_ready(web=True)
            asyncio.run(_browse(house, team, until=time.monotonic() + 5))
            idle = pss.pss_by_process(house.pid("serve"))
            figures.say(f"  idle {pss.told(idle)}")
            with pss.Peak(house.pid("serve")) as peak:
                start(team)
                took_ms = asyncio.run(_browse(house, team, runs=RUNS))
            figures.say(f"  peak {pss.told(peak.by_process)}")
            time.sleep(5)
            after = pss.pss_by_process(house.pid("serve"))
            figures.say(f"  after {pss.told(after)}")
            pictures = house.scalar("SELECT count(*) FROM image")
    if pictures != 5 * RUNS:
        raise RuntimeError(f"{pictures} pictures, expected {5 * RUNS}")
    yield figures.of("pictures_idle_pss_mb", [sum(idle.values()) / MB], "MB")
    yield figures.of("pictures_peak_pss_mb", [peak.most / MB], "MB")
    yield figures.of("pictures_after_pss_mb", [sum(after.values()) / MB], "MB")
    yield figures.p95("pictures_page_p95_ms", took_ms, "ms")


def start(team: Team) -> None:
    """Start the runs in one transaction; the clock finds them within a second."""
    person = team.people[0]
    with team.house.session() as session:
        for number in range(RUNS):
            starting.launch(
                session, workspace_id=team.workspace_id, slug="facebook-ads-campaign",
                raw_inputs={"offer": f"Car number {number}"},
                actor=Actor(person.user_id, "Bench", "bench@greenlight.example"),
            )  # fmt: skip


async def _browse(house: House, team: Team, *, runs: int = 0, until: float = 0.0) -> list[float]:
    """Read pages as several people do, until *until* or until *runs* wait for a person; return their times in ms."""
    is_over, took_ms = asyncio.Event(), list[float]()
    readers = [asyncio.create_task(_read(house, person, is_over, took_ms)) for person in team.people]
    end = until or time.monotonic() + LIMIT_S
    while time.monotonic() < end and not (runs and _waiting(house) >= runs):  # noqa: ASYNC110
        await asyncio.sleep(0.5)  # another process does it: there is no event to wait for
    is_over.set()
    await asyncio.gather(*readers)
    if runs and _waiting(house) < runs:
        raise RuntimeError(
            f"{_waiting(house)} of {runs} runs reached their review in {LIMIT_S:.0f} s\n{house.logs()}"
        )
    return took_ms


async def _read(house: House, person: Person, is_over: asyncio.Event, took_ms: list[float]) -> None:
    browser, number = Browser(house.port, person), 0
    while not is_over.is_set():
        answer = await browser.get(PAGES[number % len(PAGES)])
        if answer.status != 200:
            raise RuntimeError(f"{PAGES[number % len(PAGES)]} answered {answer.status}")
        took_ms.append(answer.took_s * 1000)
        number += 1
        await asyncio.sleep(THINK_S)
    await browser.close()


def _waiting(house: House) -> int:
    return int(house.scalar("SELECT count(*) FROM run WHERE status = 'waiting'"))
