"""The connection to the database is cut after each statement of a run in turn, before its answer is heard."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from app.core.db import moment
from app.engine import runner
from app.engine.models import Run, StepRun
from tests.engine.rig import House
from tests.engine.sink import Sink

STATEMENTS = 18  # of a run like ours; those after them are of the same kinds


class Cut:
    """Cuts the connection after the *at*-th statement."""

    def __init__(self, house: House, at: int) -> None:
        self.house, self.left = house, at
        event.listen(house.engine, "after_cursor_execute", self._count)

    def _count(self, connection: Any, *_rest: object) -> None:
        self.left -= 1
        if self.left == 0:
            connection.connection.driver_connection.close()

    def end(self) -> None:
        event.remove(self.house.engine, "after_cursor_execute", self._count)


def work_off(house: House, run_id: str) -> None:
    """Do what is hinted, as a worker's threads do: what a hint raises is the end of that hint alone."""
    seat = house.seat()
    house.line.append(("run", run_id))
    while house.line:
        kind, row_id = house.line.pop(0)
        try:
            runner.advance(seat, row_id) if kind == "run" else runner.do_step(seat, row_id)
        except sa.exc.OperationalError:
            continue


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_lease_is_left_behind_and_nothing_is_done_twice_wherever_the_connection_is_cut(
    house: House, sink: Sink
) -> None:
    first = {"id": "first", "type": "echo", "config": {"say": 1}}
    beside = {"id": "beside", "type": "echo", "after": ["first"], "config": {"say": 1}}
    spend = {"id": "spend", "type": "spend", "after": ["first"], "config": {"url": sink.url}}
    for at in range(1, STATEMENTS + 1):
        sink.requests.clear()
        run_id = house.start([first, beside, spend])
        cut = Cut(house, at)
        work_off(house, run_id)
        cut.end()
        leased = [step.step_id for step in house.steps(run_id).values() if step.lease_owner]
        assert (house.run(run_id).lease_owner, leased) == (None, []), f"after statement {at}"
        with house.session() as session:  # what waits for its next hint is hinted now
            session.execute(sa.update(StepRun).where(StepRun.run_id == run_id).values(hinted_at=None))
            session.execute(sa.update(Run).where(Run.id == run_id, Run.due_at.is_not(None)).values(due_at=moment()))
        house.work(run_id)
        assert (house.run(run_id).status, len(sink.log)) == ("completed", 1), f"after statement {at}"
