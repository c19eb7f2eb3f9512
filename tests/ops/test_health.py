"""Health and readiness, on both databases."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from freezegun import freeze_time

from app.core.clock import now
from app.core.db import db
from app.engine.models import Beat
from tests.servers import RedisServer


def tick(app: Flask) -> None:
    with app.app_context():
        db.session.execute(sa.insert(Beat).values(name="clock", at=now()))
        db.session.commit()


def test_healthz_asks_nobody(app: Flask) -> None:
    with app.app_context():
        db.session.execute(sa.text("DROP TABLE beat"))
        db.session.commit()
    response = app.test_client().get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_ready_while_the_clock_ticks_and_degraded_without_workers(app: Flask) -> None:
    tick(app)
    response = app.test_client().get("/readyz")
    assert (response.status_code, response.json) == (
        200,
        {
            "status": "degraded",
            "database": "ok",
            "migrations": "ok",
            "clock": "ok",
            "redis": "ok",
            "workers": "none",
        },
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_unready_when_the_clock_is_silent_for_a_minute(app: Flask) -> None:
    tick(app)
    with freeze_time(now() + timedelta(seconds=61)):
        response = app.test_client().get("/readyz")
    assert response.status_code == 503
    assert response.json is not None
    assert (response.json["status"], response.json["clock"], response.json["database"]) == (
        "unready",
        "late",
        "ok",
    )


def test_unready_when_the_migrations_are_behind(app: Flask) -> None:
    tick(app)
    with app.app_context():
        db.session.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
        db.session.commit()
    response = app.test_client().get("/readyz")
    assert response.status_code == 503
    assert response.json is not None
    assert (response.json["migrations"], response.json["clock"]) == ("behind", "ok")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_dead_redis_only_degrades(app: Flask, redis_server: RedisServer) -> None:
    tick(app)
    redis_server.stop()
    try:
        response = app.test_client().get("/readyz")
    finally:
        redis_server.start()
    assert response.status_code == 200
    assert response.json is not None
    assert (response.json["status"], response.json["redis"]) == ("degraded", "down")
