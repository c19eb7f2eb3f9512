"""w7: w1, pages and polls with 1,000 and with 100,000 finished runs in the database; bytes a run.

Two houses that differ in this alone are asked in turn, so that both see the same machine. Pages are asked for within
this process, so times are the server's own; the same pages are asked for at both sizes.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import event

from app.core.db import db
from app.engine.models import Run
from bench import bulk, counting, figures, seed
from bench.figures import Figure
from bench.ground import Ground, House
from bench.seed import Team
from bench.w1_steps import RUNS, STEPS, steps_per_s

SMALL, LARGE = 1_000, 100_000
ROUNDS, COUNTED, ASKED = 5, 3, 15
_SEEN = re.compile(r"[?;]seen=([^\"&]+)")


@dataclass
class Page:
    """One page at one size: how it is asked for, its times and its statements."""

    ask: Callable[[], object]
    statuses: frozenset[int] = frozenset({200})
    took_ms: list[float] = field(default_factory=list)
    statements: int = 0

    def take(self) -> None:
        """Ask once and keep how long it took."""
        began = time.perf_counter()
        self.ask()
        self.took_ms.append(1000 * (time.perf_counter() - began))


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with (
        ground.house(kind, workers=2, clock=True) as first,
        ground.house(kind, workers=2, clock=True) as second,
    ):
        teams = [seed.team(house, seed.chain(STEPS)) for house in (first, second)]
        for team in teams:
            steps_per_s(team, RUNS)
        yield figures.of("w7_bytes_per_run", [_bytes_per_run(teams[0])], "bytes")
        for _ in range(COUNTED):
            steps_per_s(teams[1], RUNS)
        for team, count in zip(teams, (SMALL, LARGE), strict=True):
            bulk.add_finished(team, count)
        rates = [[steps_per_s(team, RUNS) for team in teams] for _ in range(ROUNDS)]
        for team in teams:
            bulk.take_stock(team.house)
        small, large = (_pages(team) for team in teams)
        for _ in range(ASKED):
            for name, page in large.items():
                small[name].take()
                page.take()
    before, after = zip(*rates, strict=True)
    yield figures.of("w7_w1_ratio", [figures.middle(after) / figures.middle(before)], "×")
    for name, page in large.items():
        yield figures.of(f"w7_{name}_ms", page.took_ms, "ms")
    ratios = [
        figures.middle(page.took_ms) / figures.middle(small[name].took_ms) for name, page in large.items()
    ]
    yield figures.Figure(
        "w7_pages_ratio", max(ratios), "×", len(ratios), min(ratios), max(ratios), figures.middle(ratios)
    )
    more = [large[name].statements - small[name].statements for name in large]
    yield figures.Figure(
        "w7_queries_more", max(more), "statements", len(more), min(more), max(more), figures.middle(more)
    )
    slowest = max(figures.middle(page.took_ms) for name, page in large.items() if not name.startswith("poll"))
    yield figures.of("w7_page_ms", [slowest], "ms")
    polls = [figures.middle(page.took_ms) for name, page in large.items() if name.startswith("poll")]
    yield figures.of("w7_poll_ms", [max(polls)], "ms")


def _bytes_per_run(team: Team) -> float:
    """Return what runs that were really done add to the database, indexes and all.

    Dead rows are taken away after every round, as the database does by itself in an hour of such work.
    """
    bulk.take_stock(team.house)
    before = counting.database_bytes(team.house)
    for _ in range(COUNTED):
        steps_per_s(team, RUNS)
        bulk.take_stock(team.house)
    return (counting.database_bytes(team.house) - before) / (COUNTED * RUNS)


def _pages(team: Team) -> dict[str, Page]:
    house = team.house
    with house.reader.connect() as connection:
        run_id = connection.execute(sa.select(Run.id).order_by(Run.number.desc()).limit(1)).scalar_one()
    client = house.app.test_client()
    client.set_cookie("gl", team.people[0].token)
    found = {
        name: Page(lambda path=path: client.get(path))  # type: ignore[misc]
        for name, path in {
            "home": "/", "run": f"/runs/{run_id}", "runs": "/runs", "runs_ready": "/runs?status=completed",
            "search": "/runs?q=stock+29", "search_common": "/runs?q=stock+offer",  # both fill a page at both sizes
            "search_by_name": "/runs?q=stock+offer&sort=name", "search_none": "/runs?q=nothing+like+it",
        }.items()
    }  # fmt: skip
    seen = _SEEN.search(client.get("/runs/panel").text)
    for name, path in {
        "poll_live": f"/runs/{run_id}/live",
        "poll_panel": f"/runs/panel?seen={seen[1] if seen else ''}",
    }.items():
        etag = client.get(path, headers={"HX-Request": "true"}).headers.get("ETag", "")
        headers = {"HX-Request": "true", "If-None-Match": etag}
        found[name] = Page(
            lambda path=path, headers=headers: client.get(path, headers=headers),  # type: ignore[misc]
            frozenset({204, 286, 304}),
        )
    for page in found.values():
        _count(house, page)
    return found


def _count(house: House, page: Page) -> None:
    """Count the statements of a page that was asked for before."""
    with house.app.app_context():
        engines = list(db.engines.values())

    def count(*_: object) -> None:
        page.statements += 1

    page.ask()
    for engine in engines:
        event.listen(engine, "before_cursor_execute", count)
    _expect(page.ask(), page.statuses)
    for engine in engines:
        event.remove(engine, "before_cursor_execute", count)


def _expect(response: object, statuses: frozenset[int]) -> None:
    status = getattr(response, "status_code", 0)
    if status not in statuses:
        raise RuntimeError(f"a page answered {status}, expected {sorted(statuses)}")
