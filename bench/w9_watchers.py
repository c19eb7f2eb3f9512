"""w9: 5 and 50 browsers poll the pages of running runs every 2 s while w1 runs; what they cost, and what they hold.

A watcher opens the page of an open run and asks for its live parts, as the page does: with what it has seen. When the
run ends, it opens another. All have a page before the first run begins. Polls are timed, pages are not: they are load.
What was done meanwhile is compared with the mean of the rounds before and after, so that the machine may slow down;
and connections with those of the round after: pools keep theirs, so what a watcher held is what went with it.
"""

import asyncio
import html
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

import sqlalchemy as sa

from app.engine.enums import RUN_OPEN
from app.engine.models import Run
from bench import figures, seed
from bench.clients import Browser
from bench.figures import Figure
from bench.ground import Ground, House
from bench.seed import Team
from bench.w1_steps import rate_of, steps_per_s

RUNS = 1_600  # 2 to 4 s of work: one poll of each browser, or two
EVERY_S = 2.0
FEW, MANY = 5, 50
ROUNDS = (0, FEW, 0, *(MANY, 0) * 5)  # each watched one between two that nobody watches


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with ground.house(kind, web=True, workers=2, clock=True) as house:
        team = seed.team(house, seed.chain(10), people=MANY)
        steps_per_s(team, RUNS)
        rates: list[float] = []
        held: list[int] = []
        polls: list[float] = []
        for count in ROUNDS:
            rate, took_ms, connections = _watched(team, kind, count)
            rates.append(rate)
            held.append(connections)
            polls += took_ms if count == MANY else []
    for count, name in ((FEW, f"w9_w1_ratio_{FEW}"), (MANY, "w9_w1_ratio")):
        yield figures.of(name, list(_ratios(rates, count)), "×")
    yield figures.p95("w9_poll_p95_ms", polls, "ms")
    went = [held[place] - held[place + 1] for place, count in enumerate(ROUNDS) if count == MANY]
    yield figures.of("w9_connections_more", [max(went)], "connections")


def _ratios(rates: Sequence[float], count: int) -> Iterator[float]:
    """Yield what each round with so many watchers did, over the mean of the rounds before and after."""
    for place, watching in enumerate(ROUNDS):
        if watching == count:
            yield 2 * rates[place] / (rates[place - 1] + rates[place + 1])


def _watched(team: Team, kind: str, count: int) -> tuple[float, list[float], int]:
    """Return w1's steps a second while *count* browsers watch, what each of their polls took, and the connections."""
    made = team.start(RUNS, hint=False, due_s=60)  # open, and begun when all watch
    with _Watchers(team, count) as watchers:
        team.house.until(lambda: watchers.all_watch, "the watchers' pages")
        rate, connections = rate_of(team, made), _connections(team.house)
    return rate, watchers.took_ms, connections


def _connections(house: House) -> int:
    if house.kind != "postgresql":
        return 0
    return int(house.scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"))


class _Watchers:
    """So many browsers, in a thread of their own, as long as the block lasts."""

    def __init__(self, team: Team, count: int) -> None:
        self.took_ms: list[float] = []
        self._team = team
        self._count = count
        self._over = asyncio.Event()
        self._open: list[str] = []
        self._watching: set[int] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._watch(),), daemon=True)

    def __enter__(self) -> "_Watchers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    @property
    def all_watch(self) -> bool:
        """Whether every browser has opened a page."""
        return len(self._watching) == self._count

    async def _watch(self) -> None:
        await asyncio.gather(self._look(), *(self._poll(number) for number in range(self._count)))

    async def _look(self) -> None:
        wanted = (
            sa.select(Run.id).where(Run.status.in_(sorted(RUN_OPEN))).order_by(Run.number.desc()).limit(MANY)
        )
        while not self._over.is_set():
            with self._team.house.reader.connect() as connection:
                self._open = list(connection.execute(wanted).scalars())
            await self._rest(0.5)

    async def _rest(self, seconds: float) -> None:
        """Do nothing for so long, or until the block is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    async def _poll(self, number: int) -> None:
        browser = Browser(self._team.house.port, self._team.people[number])
        await self._rest(EVERY_S * number / self._count)
        poll, etag = "", ""
        while not self._over.is_set():
            if poll:
                answer = await browser.get(
                    poll, **{"HX-Request": "true"}, **({"If-None-Match": etag} if etag else {})
                )
                if answer.status >= 400:
                    raise RuntimeError(f"a poll answered {answer.status}")
                self.took_ms.append(1000 * answer.took_s)
                etag = answer.headers.get("etag", etag)
                poll = "" if answer.status == 286 else poll
            elif self._open:
                page = await browser.get(f"/runs/{self._open[number % len(self._open)]}")
                found = re.search(r'hx-get="(/runs/[^"]+/live[^"]*)"', page.body.decode())
                poll, etag = (html.unescape(found.group(1)) if found else ""), ""
                self._watching.add(number)
            await self._rest(EVERY_S)
        await browser.close()
