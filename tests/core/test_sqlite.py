"""SQLite: who writes at the same moment shares a commit, and processes take turns at the write lock."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from app.core import sqlite
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
    reader = make_engine(engine.url.render_as_string().replace("+serial", ""), reading=True)
    with reader.connect() as connection:
        found = list(connection.execute(sa.text("SELECT word FROM word ORDER BY word")).scalars())
    reader.dispose()
    return found


def adds(word: str) -> Callable[[Connection], str]:
    def write(connection: Connection) -> str:
        connection.execute(ADD, {"word": word})
        return word.upper()

    return write


def together(engine: Engine, said: list[str]) -> tuple[dict[int, object], list[list[str]]]:
    """Let a thread for each word share what it writes, all in line before the first may; return answers and commits."""
    dialect = engine.dialect
    assert isinstance(dialect, Serial)
    answers: dict[int, object] = {}
    commits: list[list[str]] = []
    event.listen(engine, "commit", lambda _: commits.append([]))

    def share(place: int) -> None:
        try:
            answers[place] = sqlite.share(engine, adds(said[place]))
        except sa.exc.IntegrityError as error:
            answers[place] = type(error)
        else:
            assert said[place] in words(engine)  # who is told finds it on the disk

    threads = [threading.Thread(target=share, args=(place,)) for place in range(len(said))]
    assert Serial._turns.take(5)
    try:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 5
        while len(dialect.sharers._line) < len(said) and time.monotonic() < until:
            threading.Event().wait(0.001)
    finally:
        Serial._turns.give_back()
    for thread in threads:
        thread.join(10)
    return answers, commits


def test_threads_that_write_at_the_same_moment_share_one_commit(engine: Engine) -> None:
    answers, commits = together(engine, ["a", "b", "c", "d", "e"])

    assert [answers[place] for place in range(5)] == ["A", "B", "C", "D", "E"]
    assert words(engine) == ["a", "b", "c", "d", "e"]
    assert len(commits) == 1


def test_one_that_fails_takes_nobody_with_it(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(ADD, {"word": "taken"})

    answers, _ = together(engine, ["a", "taken", "b"])

    assert answers == {0: "A", 1: sa.exc.IntegrityError, 2: "B"}
    assert words(engine) == ["a", "b", "taken"]
    assert sqlite.share(engine, adds("after")) == "AFTER"


def test_processes_take_turns_at_a_door_beside_the_database(engine: Engine, tmp_path: Path) -> None:
    dialect = engine.dialect
    assert isinstance(dialect, Serial)
    dialect.busy_s = 0.05
    command = [sys.executable, "-c", HOLD, str(tmp_path / "words.db-turn")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        with pytest.raises(sa.exc.TimeoutError, match="the database is busy"):
            sqlite.share(engine, adds("early"))
        other.kill()  # whoever dies inside lets go

    assert sqlite.share(engine, adds("late")) == "LATE"
    assert words(engine) == ["late"]
