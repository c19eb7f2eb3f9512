"""SQLite: processes take turns at the write lock."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.core.db import make_engine
from app.core.sqlite import Serial

ADD = sa.text("INSERT INTO word VALUES (:word)")
HOLD = """
import fcntl, sys
with open(sys.argv[1], "r+b") as door:
    fcntl.lockf(door, fcntl.LOCK_EX, 1, 1)
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path}/words.db")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE word (word TEXT PRIMARY KEY)"))
    yield engine
    engine.dispose()


def words(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT word FROM word ORDER BY word")).scalars())


def add(engine: Engine, word: str) -> None:
    with engine.begin() as connection:
        connection.execute(ADD, {"word": word})


def test_processes_take_turns_at_a_door_beside_the_database(engine: Engine, tmp_path: Path) -> None:
    dialect = engine.dialect
    assert isinstance(dialect, Serial)
    dialect.busy_s = 0.05
    command = [sys.executable, "-c", HOLD, str(tmp_path / "words.db-turn")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        with pytest.raises(sa.exc.TimeoutError, match="the database is busy"):
            add(engine, "early")
        other.kill()  # whoever dies inside lets go

    add(engine, "late")
    assert words(engine) == ["late"]
