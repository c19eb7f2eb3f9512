"""The invariants themselves: what is in order is not taken for a fault, and a fault is found."""

import pytest
import sqlalchemy as sa

from app.core.db import transaction
from app.engine.models import StepRun
from app.engine.planner import NO_ITEM
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.faults.invariants import check


def test_items_that_wait_for_people_are_not_forgotten_but_a_frame_without_any_is(house: House, sink: Sink) -> None:
    each = {"id": "each", "type": "ask", "config": {}, "for_each": {"items": [1, 2, 3], "parallel": 2}}
    run_id = house.start([each])
    house.work(run_id)
    assert (house.run(run_id).status, house.run(run_id).due_at) == ("waiting", None)

    check(house, sink)

    with transaction(house.engine) as session:
        session.execute(sa.delete(StepRun).where(StepRun.run_id == run_id, StepRun.item != NO_ITEM))
    with pytest.raises(AssertionError, match=f"I1 {run_id} is waiting, its steps {{'running'}}, and it is never due"):
        check(house, sink)
