"""``/healthz``: this process answers. ``/readyz``: the database, its migrations and the clock are right.

Redis and the workers are told, but a missing one only degrades: the clock finds what is due without them.
"""

from datetime import timedelta
from functools import cache

import sqlalchemy as sa
import structlog
from flask import Blueprint, Response, current_app, jsonify, make_response
from redis.exceptions import RedisError
from rq import Worker
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core import queue, vitals
from app.core.clock import now
from app.core.db import reading
from app.core.settings import ROOT
from app.engine.models import Beat

blueprint = Blueprint("ops", __name__)
log = structlog.get_logger(__name__)
CLOCK_MAY_BE_SILENT = timedelta(seconds=60)
OK, DOWN, LATE, BEHIND, NONE = "ok", "down", "late", "behind", "none"


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that this process answers, and what its supervisor says of it and its siblings; asks nothing of anybody."""
    processes = vitals.read()
    return make_response(jsonify(status=OK, **({"processes": processes} if processes else {})))


@blueprint.get("/readyz")
def readyz() -> Response:
    """Say whether this application can do its work: 200 (perhaps degraded) or 503, and why."""
    needed, helpful = _needed(), _helpful()
    is_ready = all(state == OK for state in needed.values())
    is_whole = all(state == OK for state in helpful.values())
    status = OK if is_ready and is_whole else "degraded" if is_ready else "unready"
    response = make_response(jsonify(status=status, **needed, **helpful), 200 if is_ready else 503)
    if not is_ready:
        log.warning("unready", **needed)
    return response


def _needed() -> dict[str, str]:
    try:
        with reading() as session:
            return {"database": OK, "migrations": _migrations(session), "clock": _clock(session)}
    except (SQLAlchemyError, TimeoutError):
        return {"database": DOWN, "migrations": DOWN, "clock": DOWN}


def _helpful() -> dict[str, str]:
    try:
        client = queue.enqueue_client(current_app.config["SETTINGS"])
        return {"redis": OK, "workers": OK if Worker.count(connection=client) else NONE}
    except (RedisError, OSError):
        return {"redis": DOWN, "workers": "unknown"}


def _migrations(session: Session) -> str:
    try:
        found = session.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()
    except SQLAlchemyError:
        session.rollback()
        return BEHIND
    return OK if found and found[0] >= _head() else BEHIND


def _clock(session: Session) -> str:
    try:
        last = session.scalar(sa.select(Beat.at).where(Beat.name == "clock"))
    except SQLAlchemyError:
        session.rollback()
        return LATE
    return OK if last is not None and now() - last < CLOCK_MAY_BE_SILENT else LATE


@cache
def _head() -> str:
    """Return the newest revision that this program brings: they are numbered, and so are their files."""
    return max(path.name.partition("_")[0] for path in (ROOT / "migrations" / "versions").glob("[0-9]*_*.py"))
