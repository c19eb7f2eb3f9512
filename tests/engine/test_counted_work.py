"""How much a run costs: statements, transactions, round trips and bytes, which do not depend on the machine.

Seconds are measured by ``bin/bench``; these numbers are what they come from, and one that grows is a slower engine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa
from redis import Redis
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from app.core import clock
from app.core.settings import Settings
from app.engine import jobs, leases, runner
from app.engine.models import Run
from tests.engine.rig import House
from tests.statements import sent

STEPS = 10
CHAIN = [
    {"id": f"s{n}", "type": "echo", "after": [f"s{n - 1}"] if n else [], "config": {"say": "0 % for 36 months"}}
    for n in range(STEPS)
]


@dataclass
class Work:
    """What an engine was asked to do."""

    statements: int = 0
    transactions: int = 0


@contextmanager
def counted(engine: Engine) -> Iterator[Work]:
    work = Work()

    def statement(connection: Connection, *_: object) -> None:
        work.transactions += getattr(connection.connection.driver_connection, "autocommit", False)

    def commit(_: Connection) -> None:
        work.transactions += 1

    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", commit)
    try:
        with sent(engine) as seen:
            yield work
        work.statements = len(seen)
    finally:
        event.remove(engine, "before_cursor_execute", statement)
        event.remove(engine, "commit", commit)


def test_pure_steps_cost_one_statement_each_and_the_last_ends_the_run(house: House) -> None:
    run_id = house.start(CHAIN)

    with counted(house.engine) as work:
        runner.advance(house.seat(), run_id)

    assert house.run(run_id).status == "completed"
    on_postgresql = house.engine.dialect.name == "postgresql"
    first = 2  # the lease; the definition, which a process reads once
    assert work.statements == first + STEPS * (1 if on_postgresql else 2)
    assert work.transactions == first + STEPS


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_run_of_ten_small_steps_is_less_than_six_kilobytes_of_rows(house: House) -> None:
    for _ in range(3):
        runner.advance(house.seat(), house.start(CHAIN))
    with house.engine.connect() as connection:
        sizes = [
            connection.execute(sa.text(f"SELECT sum(pg_column_size(t.*)) / 3.0 FROM {name} t")).scalar_one()
            for name in ("run", "step_run")
        ]
    assert sum(sizes) < 6_000  # the rest of 10 KB are indexes, the audit's line and the words of the search


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_tick_reads_what_is_due_and_not_what_waits(house: House) -> None:
    runs = [house.start(CHAIN) for _ in range(120)]
    with house.engine.begin() as connection:
        later = sa.update(Run).where(Run.id.not_in(runs[:2])).values(due_at=clock.now() + timedelta(hours=1))
        connection.execute(later)
        connection.execute(sa.update(Run).where(Run.id.in_(runs[:2])).values(due_at=clock.now()))
    read = sa.text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'run'")
    with house.engine.begin() as connection:
        for way in ("seqscan", "hashjoin", "mergejoin"):  # which pay for a table of 120, if its figures are known
            connection.execute(sa.text(f"SET LOCAL enable_{way} = off"))
        before = connection.execute(read).scalar_one()
        assert sorted(leases.due_runs(connection)) == sorted(runs[:2])
        assert connection.execute(read).scalar_one() - before <= 8  # each by what is due, then by its id


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_due_and_what_is_given_back_is_found_without_going_through_what_has_ended(house: House) -> None:
    asked = list[tuple[str, tuple[object, ...]]]()
    with house.engine.begin() as connection:
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
        leases.due_runs(connection)
        leases.give_back_runs(connection, "nobody", is_dead=True)
        leases.give_back_steps(connection, "nobody", is_dead=True, was_alone=True)
        plans = [
            " / ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given))
            for statement, given in list(asked)
        ]

    for plan, index in zip(plans, ("ix_run_due_at_open", "ix_run_due_at_open", "ix_step_run_under_way"), strict=True):
        assert f"INDEX {index}" in plan


def test_a_hint_is_four_commands_to_redis_and_many_are_one_round_trip(redis_url: str) -> None:
    settings = Settings(environment="test", redis_url=redis_url, secret_key="a secret for tests only, long enough")
    jobs.configure(settings)
    with Redis.from_url(redis_url) as connection:

        def cost(count: int) -> int:
            connection.config_resetstat()
            assert jobs.hint_runs([f"run-{number}" for number in range(count)])
            stats = connection.info("commandstats")
            stats.pop("cmdstat_config|resetstat", None)
            return sum(stat["calls"] for stat in stats.values())

        cost(1)  # says who it is, once a connection
        assert cost(1) <= 8
        assert cost(20) - cost(1) <= 19 * 4
