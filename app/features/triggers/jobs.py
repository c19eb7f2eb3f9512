"""What the clock asks of schedules at every tick."""

import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import crash
from app.core.db import AWAY, transaction
from app.features.triggers import queries, turn

_log = structlog.get_logger(__name__)


def due_schedules(session: Session) -> list[str]:
    """Return the schedules whose time has come: one statement, answered from an index."""
    return queries.due(session)


def start_scheduled(engine: Engine, schedule_id: str) -> list[str]:
    """Let one schedule have its turn and commit it; return the runs to hint. May run twice, and on several machines.

    A fault of ours keeps no other schedule waiting: it is logged, and said on the schedule.
    """
    try:
        with transaction(engine) as session:
            begun = turn.take(session, schedule_id)
            if begun:
                crash.point("in_sweep")
        if begun:
            _log.info("schedule_ran", schedule_id=schedule_id, runs=len(begun))
        return begun
    except AWAY:
        raise
    except Exception:  # noqa: BLE001 (the clock's edge: one schedule must not stop the others)
        _log.exception("schedule_failed", schedule_id=schedule_id)
        with transaction(engine) as session:
            turn.put_off(session, schedule_id)
        return []
