"""Finished runs in bulk: copies of a run that was really done, with ids and times of their own."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from app.core.db import to_json
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
        steps = sa.select(StepRun.__table__).where(StepRun.run_id == run["id"]).order_by(StepRun.created_at)
        rows = [dict(row._mapping) for row in connection.execute(steps)]
        last = connection.execute(sa.select(sa.func.max(Run.number))).scalar_one()
        words = list(connection.execute(sa.select(RunWord.word).where(RunWord.number == run["number"])).scalars())
    for begin in range(0, count, BATCH):
        numbers = range(last + 1 + begin, last + 1 + min(begin + BATCH, count))
        made = [_run(run, number, count + last) for number in numbers]
        _insert(house, Run.__table__, made)
        _insert(house, StepRun.__table__, list(_steps(rows, made)))
        _insert(house, RunWord.__table__, list(_words(words, made)))
    with house.session() as session:
        session.get_one(RunCounter, team.workspace_id).next_number = last + count + 1
    take_stock(house)


def take_stock(house: House) -> None:
    """Do what the database does by itself in time: dead rows away, statistics new."""
    if house.kind == "postgresql":
        with house.autocommit() as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
    else:
        with house.engine.begin() as connection:  # what it finds out, it writes
            connection.exec_driver_sql("PRAGMA optimize")


def _run(like: dict[str, Any], number: int, total: int) -> dict[str, Any]:
    back = timedelta(minutes=total - number)  # a run a minute, the last one now
    times = {name: like[name] - back for name in ("created_at", "started_at", "finished_at", "changed_at")}
    label = f"{like['label']} stock {number}"
    return {**like, **times, "id": new_id(), "number": number, "label": label, "dedupe_key": None}


def _steps(like: list[dict[str, Any]], runs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for run in runs:
        for step in like:
            times = dict.fromkeys(("created_at", "started_at", "finished_at"), run["finished_at"])
            yield {**step, **times, "id": new_id(), "run_id": run["id"]}


def _words(like: list[str], runs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for run in runs:
        for word in dict.fromkeys([*like, "stock", str(run["number"])]):
            yield {"workspace_id": run["workspace_id"], "number": run["number"], "word": word}


def _insert(house: House, table: Any, rows: list[dict[str, Any]]) -> None:
    if house.kind != "postgresql":
        with house.engine.begin() as connection:
            connection.execute(sa.insert(table), rows)
        return
    names = list(rows[0])
    is_json = {name for name in names if isinstance(table.c[name].type, sa.JSON)}
    columns = ", ".join(f'"{name}"' for name in names)
    with (
        house.autocommit() as connection,
        connection.cursor().copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(
                [
                    to_json(row[name]) if name in is_json and row[name] is not None else row[name]
                    for name in names
                ]
            )
