"""Small writes: threads that write at the same moment share one transaction, on both databases."""

import gc
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from app.core import db
from app.core.db import UtcDateTime, make_engine, read_small, write_small
from app.core.together import Line, Writing
from tests.faults.proxy import SYNC, Proxy
from tests.servers import wait_until

_word = sa.table("word", sa.column("word", sa.Text), sa.column("times", sa.Integer))
ADD = sa.insert(_word).values(word=sa.bindparam("word", type_=sa.Text()), times=1).returning(_word.c.word)
AGAIN = (
    sa.update(_word)
    .where(_word.c.word == sa.bindparam("b_word", type_=sa.Text()))
    .values(times=_word.c.times + 1)
    .returning(_word.c.times)
)
LARGE = AGAIN.where(sa.func.length(sa.bindparam("b_large", type_=sa.Text())) > 0)

READ = sa.select(_word.c.word, sa.func.now(type_=UtcDateTime()).label("at")).where(
    _word.c.word == sa.bindparam("b_word", type_=sa.Text())
)
_IS_AB = _word.c.word.in_(["a", "b"])
IF_AB = AGAIN.where(_IS_AB)
MORE = sa.select(_word.c.times * 1.5).where(_word.c.word == sa.bindparam("b_word", type_=sa.Text()), _IS_AB)
DIVIDED = sa.select(10 // (_word.c.times - sa.bindparam("b_less", type_=sa.Integer())))

_WAITING = "FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
WHO_WAITS = sa.text(f"SELECT count(*) {_WAITING}")
END_ANY = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
)
END_WHO_WAITS = sa.text(f"SELECT pg_terminate_backend(pid) {_WAITING}")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine with a table of words and, on PostgreSQL, one connection."""
    engine = make_engine(with_driver(database_url), pool=1)
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE word (word TEXT PRIMARY KEY, times INTEGER NOT NULL CHECK (times < 9))")
        )
    yield engine
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE word"))
    engine.dispose()


def with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def adds(word: str) -> Callable[[], Writing[str]]:
    """Add *word* and return it as a shout; whoever is told finds it in the database."""

    def writing() -> Writing[str]:
        row = yield ADD, {"word": word}
        return str(row.word).upper()

    return writing


def says_again(word: str, statement: sa.Update = AGAIN) -> Callable[[], Writing[int | None]]:
    def writing() -> Writing[int | None]:
        row = yield statement, {"b_word": word}
        return None if row is None else int(row.times)

    return writing


def words(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT word, times FROM word ORDER BY word"))
        return {row.word: row.times for row in rows}


def at_once(engine: Engine, writes: list[Callable[[], Writing[object]]]) -> list[object]:
    """Let a thread for each write stand in line before the first may begin; return what each got or raised."""
    asking = [partial(write_small, engine, each, locks=str(place)) for place, each in enumerate(writes)]
    return in_line(engine, db._line(engine), asking)


def in_line(engine: Engine, line: Line, asking: Sequence[Callable[[], object]]) -> list[object]:
    """As :func:`at_once`, for anything that stands in *line*."""
    line.patience_s = None
    got: dict[int, object] = {}

    def ask(place: int) -> None:
        try:
            got[place] = asking[place]()
        except (sa.exc.SQLAlchemyError, SystemExit) as error:
            got[place] = type(error)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(asking))]
    with engine.begin():  # the only connection, or the write lock
        for place, thread in enumerate(threads):
            thread.start()
            wait_until(lambda place=place: line.standing > place)  # the first one leads
    for thread in threads:
        thread.join(60)
    return [got[place] for place in range(len(asking))]


def transactions(engine: Engine) -> int:
    """Return by how many transactions the words were written that are there: PostgreSQL keeps it with each row."""
    with engine.connect() as connection:
        return int(connection.execute(sa.text("SELECT count(DISTINCT xmin::text) FROM word")).scalar_one())


def test_threads_that_write_at_the_same_moment_share_one_commit(engine: Engine) -> None:
    commits: list[Connection] = []
    event.listen(engine, "commit", commits.append)

    got = at_once(engine, [adds(word) for word in "abcde"])

    assert got == ["A", "B", "C", "D", "E"]
    assert words(engine) == dict.fromkeys("abcde", 1)
    if engine.dialect.name == "postgresql":
        assert transactions(engine) == 1
    else:
        assert len(commits) == 2  # and that of whoever held the lock


def test_each_is_told_what_its_own_write_found(engine: Engine) -> None:
    write_small(engine, adds("b"), locks="b")

    assert at_once(engine, [says_again("a"), says_again("b"), says_again("b")]) == [None, 3, 2]  # the last row first


def test_one_that_fails_takes_nobody_with_it(engine: Engine) -> None:
    write_small(engine, adds("taken"), locks="taken")

    got = at_once(engine, [adds("a"), adds("taken"), adds("b")])

    assert got == ["A", sa.exc.IntegrityError, "B"]
    assert words(engine) == {"a": 1, "b": 1, "taken": 1}
    assert write_small(engine, adds("after"), locks="after") == "AFTER"


def test_a_write_that_cannot_even_be_asked_takes_nobody_with_it(engine: Engine) -> None:
    def broken() -> Writing[object]:
        yield ADD, {}

    got = at_once(engine, [adds("a"), broken, adds("b")])

    assert got == ["A", sa.exc.StatementError, "B"]
    assert words(engine) == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("database_url", "has_begun"),
    [("postgresql", False), ("postgresql", True), ("sqlite", True)],
    indirect=["database_url"],
)
def test_a_thread_that_ends_while_it_writes_for_others_leaves_nobody_waiting(engine: Engine, has_begun: bool) -> None:
    line, ends = db._line(engine), [SystemExit()]

    def end_early(*_: object) -> None:
        if not has_begun and line.standing == 3:
            raise ends.pop()

    def writes() -> Writing[str]:
        if has_begun and ends:
            raise ends.pop()
        return (yield from adds("a")())

    event.listen(engine, "checkout", end_early)
    got = at_once(engine, [writes, adds("b"), adds("c")])
    event.remove(engine, "checkout", end_early)

    assert got == [SystemExit, sa.exc.OperationalError, sa.exc.OperationalError]
    assert words(engine) == {}
    assert write_small(engine, adds("after"), locks="after") == "AFTER"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_another_process_keeps_is_waited_for_once_for_all(engine: Engine) -> None:
    line, begun = db._line(engine), list[Connection]()

    def wait_for_all(connection: sqlite3.Connection, *_: object) -> None:
        wait_until(lambda: line.standing == 5)
        connection.execute("PRAGMA busy_timeout=100")

    event.listen(engine, "begin", begun.append)
    event.listen(engine, "checkout", wait_for_all)
    other = sqlite3.connect(str(engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(5) as threads:
        told = [threads.submit(write_small, engine, adds(word), locks=word) for word in "abcde"]
    event.remove(engine, "checkout", wait_for_all)

    assert [type(each.exception()) for each in told] == [sa.exc.OperationalError] * 5
    assert len(begun) == 1
    other.close()
    assert write_small(engine, adds("a"), locks="a") == "A"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_value_that_cannot_be_sent_leaves_nothing_written_twice(engine: Engine) -> None:
    write_small(engine, adds("c"), locks="c")
    got = at_once(engine, [adds("a"), adds("\0"), says_again("c"), adds("b")])

    assert got == ["A", sa.exc.DataError, 2, "B"]
    assert words(engine) == {"a": 1, "b": 1, "c": 2}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_one_that_is_refused_among_many_and_large_ones_takes_nobody_with_it(engine: Engine) -> None:
    def says_at_length(word: str) -> Writing[int]:
        row = yield LARGE, {"b_word": word, "b_large": "x" * 300_000}
        return int(row.times)

    listed = [f"w{place}" for place in range(24)]
    at_once(engine, [adds(word) for word in listed])
    writes: list[Callable[[], Writing[object]]] = [partial(says_at_length, word) for word in listed]
    writes[8] = adds("w0")  # the second that is sent

    assert at_once(engine, writes) == [sa.exc.IntegrityError if place == 8 else 2 for place in range(24)]
    assert words(engine) == {word: 1 if word == "w8" else 2 for word in listed}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_is_refused_at_the_commit_is_not_taken_for_written(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE word ADD CONSTRAINT once UNIQUE (times) DEFERRABLE INITIALLY DEFERRED")
        )

    got = at_once(engine, [adds("a"), adds("b")])

    assert got == [sa.exc.OperationalError] * 2
    assert words(engine) == {}
    assert write_small(engine, adds("a"), locks="a") == "A"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_where_nobody_knows_whether_it_was_written_each_is_told_so(engine: Engine, database_url: str) -> None:
    write_small(engine, adds("a"), locks="a")
    other = make_engine(with_driver(database_url), pool=1)
    with engine.connect() as holder:
        holder.execute(sa.text("SELECT * FROM word FOR UPDATE"))
        ending = threading.Thread(target=lambda: wait_until(lambda: holder.execute(END_WHO_WAITS).scalar()))
        ending.start()
        got = at_once(other, [says_again("a"), says_again("a")])
        ending.join(60)

    assert got == [sa.exc.OperationalError, sa.exc.OperationalError]
    assert words(engine) == {"a": 1}
    assert write_small(other, says_again("a"), locks="a") == 2
    other.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_was_written_and_whose_answer_was_lost_is_not_written_again(engine: Engine, database_url: str) -> None:
    write_small(engine, adds("a"), locks="a")
    proxy = Proxy(database_url, ends=SYNC)
    other = make_engine(with_driver(proxy.url), pool=1)
    write_small(other, says_again("a"), locks="a")
    proxy.drop(1)

    got = at_once(other, [says_again("a"), says_again("a")])

    assert (got, proxy.dropped) == ([sa.exc.OperationalError] * 2, 1)
    assert words(engine) == {"a": 4}
    assert write_small(other, says_again("a"), locks="a") == 5
    other.dispose()
    proxy.stop()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_waits_for_a_lock_holds_up_nobody_for_long(engine: Engine, database_url: str) -> None:
    write_small(engine, adds("held"), locks="held")
    other = make_engine(with_driver(database_url), pool=2)
    with engine.connect() as holder:
        holder.execute(sa.text("SELECT * FROM word FOR UPDATE"))
        got: list[object] = []
        waiting = threading.Thread(
            target=lambda: got.append(write_small(other, says_again("held"), locks="held"))
        )
        waiting.start()
        wait_until(lambda: holder.execute(WHO_WAITS).scalar())

        assert [write_small(other, adds(word), locks=word) for word in "ab"] == ["A", "B"]
        assert got == []
        holder.rollback()
        waiting.join(60)
    other.dispose()
    assert got == [2]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_connections_cut_at_any_moment_lose_nothing_that_was_told_and_write_nothing_twice(
    engine: Engine, database_url: str
) -> None:
    other = make_engine(with_driver(database_url), pool=4)
    each = [[f"{thread}-{number}" for number in range(40)] for thread in range(20)]
    with engine.begin() as connection:
        zero = sa.insert(_word).values(times=0)
        connection.execute(zero, [{"word": word} for mine in each for word in mine])

    told: list[str] = []

    def write(mine: list[str]) -> None:
        for word in mine:
            with suppress(sa.exc.OperationalError):
                assert write_small(other, says_again(word), locks=word) == 1
                told.append(word)

    cuts = 0
    with ThreadPoolExecutor(len(each)) as threads:
        writing = [threads.submit(write, mine) for mine in each]
        while not all(one.done() for one in writing):
            before = len(told)
            with engine.connect() as connection:
                cuts += len(connection.execute(END_ANY).all())
            wait_until(lambda: len(told) > before + 5 or all(one.done() for one in writing))  # noqa: B023
    other.dispose()
    found = words(engine)

    assert [one.exception() for one in writing] == [None] * len(each)
    assert (cuts > 0, max(found.values())) == (True, 1)
    assert [word for word in told if found[word] != 1] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_stands_with_one_that_waits_for_a_lock_is_written_before_that_lock_is_free(
    engine: Engine, database_url: str
) -> None:
    write_small(engine, adds("held"), locks="held")
    other = make_engine(with_driver(database_url), pool=2)
    line, got = db._line(other), list[object]()
    line.patience_s = None

    def write(make: Callable[[], Writing[object]]) -> None:
        got.append(write_small(other, make, locks="held"))

    threads = [threading.Thread(target=write, args=(make,)) for make in (says_again("held"), adds("free"))]
    with engine.connect() as holder:
        holder.execute(sa.text("SELECT * FROM word FOR UPDATE"))
        with other.connect(), other.connect():  # all that there are
            for thread in threads:
                thread.start()
            wait_until(lambda: line.standing == len(threads))
        threads[1].join(60)
        assert got == ["FREE"]
        holder.rollback()
    threads[0].join(60)
    other.dispose()
    assert got == ["FREE", 2]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_group_that_waits_for_the_newest_row_has_no_older_one(engine: Engine, database_url: str) -> None:
    for word in ("1", "2"):
        write_small(engine, adds(word), locks=word)
    other, got = make_engine(with_driver(database_url), pool=1), list[object]()
    with engine.connect() as holder:
        holder.execute(sa.text("SELECT * FROM word WHERE word = '2' FOR UPDATE"))
        both = [says_again("1"), says_again("2")]
        group = threading.Thread(target=lambda: got.extend(at_once(other, both)))
        group.start()
        wait_until(lambda: holder.execute(WHO_WAITS).scalar())
        holder.execute(sa.text("SELECT * FROM word WHERE word = '1' FOR UPDATE NOWAIT"))
        holder.rollback()
    group.join(60)
    other.dispose()
    assert got == [2, 2]


def test_a_lone_thread_reads_its_row(engine: Engine) -> None:
    write_small(engine, adds("a"), locks="a")

    found = read_small(engine, READ, {"b_word": "a"})

    assert (found.word, read_small(engine, READ, {"b_word": "b"})) == ("a", None)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_threads_that_read_at_the_same_moment_share_one_round_trip(engine: Engine) -> None:
    write_small(engine, adds("a"), locks="a")
    write_small(engine, adds("b"), locks="b")

    reads = [partial(read_small, engine, READ, {"b_word": word}) for word in "abcb"]
    a, b, nothing, again = in_line(engine, db._reading_line(engine), reads)

    assert ((a.word, b.word, again.word), nothing) == (("a", "b", "b"), None)  # type: ignore[attr-defined]
    moments = {row.at for row in (a, b, again)}  # type: ignore[attr-defined]
    assert len(moments) == 1  # when their transaction began: they have one
    assert [(type(at), at.tzinfo) for at in moments] == [(datetime, UTC)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "values", "error"),
    [
        (READ, {}, sa.exc.StatementError),
        (READ, {"b_word": "\0"}, sa.exc.DataError),
        (DIVIDED, {"b_less": 1}, sa.exc.DataError),
    ],
    ids=["no value", "a value that cannot be sent", "refused by the server"],
)
def test_one_that_cannot_be_read_takes_nobody_with_it(
    engine: Engine, wrong: sa.Select[Any], values: dict[str, object], error: type[Exception]
) -> None:
    write_small(engine, adds("a"), locks="a")

    reads = [(READ, {"b_word": "a"}), (wrong, values), (READ, {"b_word": "b"})]
    a, *others = in_line(engine, db._reading_line(engine), [partial(read_small, engine, *read) for read in reads])

    assert (a.word, others) == ("a", [error, None])  # type: ignore[attr-defined]
    assert read_small(engine, READ, {"b_word": "a"}).word == "a"


def test_numbers_and_lists_of_constants_go_in_company_too(engine: Engine) -> None:
    for word in "ac":
        write_small(engine, adds(word), locks=word)
    ended: list[object] = []
    is_postgresql = engine.dialect.name == "postgresql"
    where_refused = "invalidate" if is_postgresql else "rollback"
    event.listen(engine, where_refused, lambda *_: ended.append(1))

    if is_postgresql:
        reads = [partial(read_small, engine, MORE, {"b_word": word}) for word in "abc"]
        assert in_line(engine, db._reading_line(engine), reads) == [(1.5,), None, None]
    assert at_once(engine, [says_again(word, IF_AB) for word in "abc"]) == [2, None, None]
    assert not ended
    assert words(engine) == {"a": 2, "c": 1}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_reads_whose_connection_ends_are_done_on_another(engine: Engine, database_url: str) -> None:
    write_small(engine, adds("a"), locks="a")
    proxy = Proxy(database_url, ends=SYNC)
    other = make_engine(with_driver(proxy.url), pool=1)
    read_small(other, READ, {"b_word": "a"})
    proxy.drop(1)

    reads = [partial(read_small, other, READ, {"b_word": "a"})] * 2
    got = in_line(other, db._reading_line(other), reads)

    assert ([row.word for row in got], proxy.dropped) == (["a", "a"], 1)  # type: ignore[attr-defined]
    other.dispose()
    proxy.stop()


def test_what_is_kept_for_an_engine_goes_with_it(engine: Engine, database_url: str) -> None:
    other = make_engine(with_driver(database_url), pool=1)
    assert write_small(other, adds("a"), locks="a") == "A"
    assert read_small(other, READ, {"b_word": "a"}).word == "a"
    other.dispose()
    left = weakref.ref(other)

    del other
    gc.collect()

    assert left() is None
