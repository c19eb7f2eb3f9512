"""Finished runs in bulk: copies of a run that was really done, with ids and times of their own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.core.ids import new_id
from app.engine.models import Run, StepRun
from app.features.runs.models import RunCounter, RunWord
from bench.ground import House
from bench.seed import Team

BATCH = 5_000


def add_finished(team: Team, count: int) -> None:
    """Add *count* copies of the workspace's newest completed run and its steps, then let the database take stock."""
    house = team.house
    with house.reader.connect() as connection:
        newest = (
            sa.select(Run.__table__).where(Run.status == "completed").order_by(Run.number.desc()).limit(1)
        )
        run = dict(connection.execute(newest).one()._mapping)
        last = connection.execute(sa.select(sa.func.max(Run.number))).scalar_one()

    def add(begin: int) -> None:
        numbers = range(last + 1 + begin, last + 1 + min(begin + BATCH, count))
        with house.engine.begin() as connection:
            connection.execute(sa.insert(Run), [_run(run, number, count + last) for number in numbers])
            _copy_steps(connection, run, numbers)
            _copy_words(connection, run, numbers)

    with ThreadPoolExecutor(2 if house.kind == "postgresql" else 1) as pool:
        list(pool.map(add, range(0, count, BATCH)))
    with house.session() as session:
        session.get_one(RunCounter, team.workspace_id).next_number = last + count + 1
    take_stock(house)


def take_stock(house: House) -> None:
    """Do what PostgreSQL does by itself in time: dead rows away, statistics new. SQLite has no such habits."""
    if house.kind == "postgresql":
        with house.autocommit() as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")


def _run(like: dict[str, Any], number: int, total: int) -> dict[str, Any]:
    back = timedelta(minutes=total - number)  # a run a minute, the last one now
    times = {name: like[name] - back for name in ("created_at", "started_at", "finished_at", "changed_at")}
    label = f"{like['label']} stock {number}"
    return {**like, **times, "id": new_id(), "number": number, "label": label, "dedupe_key": None}


def _copy_steps(connection: Connection, like: dict[str, Any], numbers: range) -> None:
    """Give the runs of these *numbers* the steps of one, with ids made of the runs' ids, done when the run ended."""
    place = sa.func.row_number().over(order_by=StepRun.created_at)
    step = sa.select(StepRun.__table__, place.label("place")).where(StepRun.run_id == like["id"]).subquery()
    two_digits = sa.func.substr(sa.cast(100 + step.c.place, sa.String), 2)
    own = {
        "id": sa.func.substr(Run.id, 1, 34).concat(two_digits),
        "run_id": Run.id,
        **dict.fromkeys(("created_at", "started_at", "finished_at"), Run.finished_at),
    }
    names = [column.name for column in StepRun.__table__.columns]
    rows = sa.select(*(own.get(name, step.c[name]) for name in names)).where(_is_one_of(numbers, like))
    connection.execute(sa.insert(StepRun).from_select(names, rows.select_from(Run).join(step, sa.true())))


def _copy_words(connection: Connection, like: dict[str, Any], numbers: range) -> None:
    """Let the runs of these *numbers* be found by the words of one, by "stock" and by their number."""
    of_one = (RunWord.workspace_id == like["workspace_id"], RunWord.number == like["number"])
    every = sa.select(RunWord.word).where(*of_one).union(sa.select(sa.literal("stock"))).subquery()
    number = sa.cast(Run.number, sa.String)
    is_another = number.not_in(sa.select(every.c.word))
    for word, source, if_so in ((every.c.word, sa.join(Run, every, sa.true()), sa.true()), (number, Run, is_another)):
        rows = sa.select(Run.workspace_id, Run.number, word).select_from(source).where(_is_one_of(numbers, like), if_so)
        connection.execute(sa.insert(RunWord).from_select(["workspace_id", "number", "word"], rows))


def _is_one_of(numbers: range, like: dict[str, Any]) -> sa.ColumnElement[bool]:
    is_there = Run.number.between(numbers[0], numbers[-1])
    return sa.and_(Run.workspace_id == like["workspace_id"], is_there)
