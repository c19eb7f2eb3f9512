"""The heartbeat extends leases and is in nobody's way who locks the same rows in another order."""

import threading
import time

import pytest
import sqlalchemy as sa

from app.core import clock
from app.engine import claims, heartbeat, turn
from app.engine.models import StepRun
from tests.engine.rig import House
from tests.servers import wait_until


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_heartbeat_holds_no_row_while_it_waits_for_another(house: House) -> None:
    run_id = house.start([{"id": name, "type": "ask", "config": {}} for name in ("a", "b", "c")])
    seat = house.seat()
    turn.advance(seat, run_id)
    ids = [house.steps(run_id)[name].id for name in ("a", "b")]
    with house.session() as session:
        for step_run_id in ids:
            held = claims.claim_step(session, step_run_id, seat.owner, 1.0)
            assert held is not None
            seat.held.steps[held.id] = (held.fence, time.monotonic() + 60)
    beats: list[BaseException | None] = []

    def beat() -> None:
        try:
            heartbeat.extend(seat, house.engine)
        except Exception as error:
            beats.append(error)
        else:
            beats.append(None)

    touch = sa.update(StepRun).values(doing="other")
    beating = threading.Thread(target=beat)
    with house.session() as session:
        session.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
        session.execute(touch.where(StepRun.id == ids[1]))
        beating.start()
        wait_until(lambda: waits(house))
        session.execute(touch.where(StepRun.id == ids[0]))
    beating.join()
    assert beats == [None]
    steps = house.steps(run_id)
    assert all((steps[name].lease_until or clock.now()) > clock.now() for name in ("a", "b"))


def waits(house: House) -> bool:
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with house.engine.connect() as looking:
        return bool(looking.execute(waiting).scalar_one())
