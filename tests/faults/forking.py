"""A process that queries, then forks four children that query, as the supervisor's do; run as a script."""

import os
import sys

import sqlalchemy as sa

from app import create_app
from app.core.db import db
from app.supervisor import forks, web

QUERIES = 150


def main() -> int:
    app = create_app()
    with app.app_context():
        assert db.session.scalar(sa.text("SELECT 41 + 1")) == 42
        db.session.remove()
        assert db.engine.pool.checkedin() == 1  # type: ignore[attr-defined]
    children = [forks.fork(lambda number=number: ask(app, number)) for number in range(4)]  # type: ignore[misc]
    return max(forks.wait_for(pid) for pid in children)


def ask(app: object, number: int) -> int:
    web.forget_connections(app)  # type: ignore[arg-type]
    right = 0
    with app.app_context():  # type: ignore[attr-defined]
        for place in range(QUERIES):
            wanted = 1000 * number + place
            right += db.session.scalar(sa.text("SELECT CAST(:n AS INTEGER)"), {"n": wanted}) == wanted
            db.session.rollback()
    os.write(1, f"{right} right\n".encode())  # at once: four write to one pipe
    return int(right != QUERIES)


if __name__ == "__main__":
    sys.exit(main())
