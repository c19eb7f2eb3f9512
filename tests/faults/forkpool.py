"""A parent that has used its pool, and forks that use it, too: ``python -m tests.faults.forkpool URL``."""

import json
import os
import sys
import tempfile

import sqlalchemy as sa

from app import create_app
from app.core.db import db
from app.core.settings import Settings
from app.supervisor import forks, web

FORKS, QUERIES = 4, 150


def main(database_url: str) -> None:
    app = create_app(Settings(environment="test", secret_key="-" * 40, database_url=database_url))
    with app.app_context():
        session = who()
        with tempfile.TemporaryFile("w+") as found:
            pids = [forks.fork(lambda number=number: ask(app, number, found.fileno())) for number in range(FORKS)]
            codes = [forks.wait_for(pid) for pid in pids]
            found.seek(0)
            answers = [json.loads(line) for line in found]
        print(json.dumps({"codes": codes, "answers": answers, "parent": session, "parent_after": who()}))


def who() -> str:
    """Use the pool; return who the server takes us for."""
    with db.engine.connect() as connection:
        if db.engine.dialect.name == "postgresql":
            return str(connection.scalar(sa.text("SELECT pg_backend_pid()")))
        return str(id(connection.connection.dbapi_connection))


def ask(app: object, number: int, found: int) -> int:
    web.forget_connections(app)  # type: ignore[arg-type]
    right = 0
    for query in range(QUERIES):
        with db.engine.connect() as connection:
            wanted = number * 1000 + query
            right += connection.scalar(sa.text("SELECT CAST(:n AS INTEGER)"), {"n": wanted}) == wanted
    os.write(found, (json.dumps({"right": right, "session": who()}) + "\n").encode())
    return 0


if __name__ == "__main__":
    main(sys.argv[1])
