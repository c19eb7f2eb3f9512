"""Small writes: what threads of a process have to write at the same moment goes in one transaction, and so one commit.

What they have to read goes in one round trip in the same way (``postgresql.reading_line``).

A small write is a statement or two, guarded so that it may be done twice. It is written as a generator: it yields each
statement with its values, is sent the first row of the answer (None where there is none), and returns what that means.
"""

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from select import select
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

T = TypeVar("T")
Statement = sa.UpdateBase | sa.Select[Any]
Values = Mapping[str, Any] | Sequence[Mapping[str, Any]]
COMPANY_S = 1.0  # how long after company more is expected
BREATH_S = 0.00001  # the system makes some 60 µs of it
Writing = Generator[tuple[Statement, Values], Any, T]


def carry_out(bind: Session | Connection, writing: Writing[T]) -> T:
    """Do a small write in the caller's transaction and return what it returns."""

    def execute(statement: Statement, values: Values) -> Any:
        answer: Any = bind.execute(statement, values)
        return answer.first() if answer.returns_rows else None

    return carry_out_by(execute, writing)


def carry_out_by(execute: Callable[[Statement, Values], Any], writing: Writing[T]) -> T:
    """Do a small write by *execute*, which returns the first row of an answer, and return what it returns."""
    try:
        statement, values = next(writing)
        while True:
            statement, values = writing.send(execute(statement, values))
    except StopIteration as end:
        found: T = end.value
        return found


class Refused(Exception):
    """Nothing of what was to be written together is written: each is to find out for itself."""


class One:
    """A small write in line, and how far it is."""

    def __init__(self, make: Callable[[], Writing[Any]], locks: str) -> None:
        self.make = make
        self.locks = locks
        self.answer: Any = None
        self.error: Exception | None = None
        self.is_committed = False
        self.leads = False
        self._call = threading.Lock()
        self._call.acquire()

    def wait(self, patience_s: float | None) -> bool:
        """Wait to be called; False when that took longer than *patience_s*."""
        return self._call.acquire(timeout=-1 if patience_s is None else patience_s)

    def call(self) -> None:
        """Let it go on: it is written, or it leads."""
        self._call.release()


class Line:
    """The threads that have something to write to one database, and of these the one that writes it for all.

    *write_all* is given a function that takes who stands in line by then, and writes what they have in one transaction:
    it sets each one's ``answer``, and raises :class:`Refused` where nothing was written because of one of them. Any
    other error is everybody's. *write_alone* is one's own transaction.

    What is being written may wait for somebody else's lock: who has stood for *patience_s* leads the rest meanwhile.
    """

    def __init__(
        self,
        write_all: Callable[[Callable[[], list[One]]], None],
        write_alone: Callable[[Writing[Any]], Any],
        *,
        patience_s: float | None = None,
    ) -> None:
        self._write_all, self._write_alone = write_all, write_alone
        self.patience_s = patience_s
        self._lock = threading.Lock()
        self._standing: list[One] = []
        self._leaders = 0
        self._company_at = -COMPANY_S  # when several were last taken together
        self._is_one_to_take = False  # a leader who has not taken yet, and will take all that stand by then

    @property
    def standing(self) -> int:
        """How many stand in line and are not being written."""
        return len(self._standing)

    def join(self, make: Callable[[], Writing[T]], *, locks: str) -> T:
        """Stand in line with a small write and return what it returned when it is committed.

        *make* is called again where it has to be done again. *locks* names the row that it locks: rows are locked from
        the last to the first, so that two who write the same do not wait for each other.
        """
        mine = One(make, locks)
        with self._lock:
            self._standing.append(mine)
            if not self._leaders:
                self._make_leader(mine)
        while not mine.leads and not mine.wait(self.patience_s):
            self._lose_patience(mine)
        if mine.leads:
            self._lead(mine)
        if mine.error is not None:
            raise mine.error
        answer: T = mine.answer if mine.is_committed else self._write_alone(make())
        return answer

    def _make_leader(self, one: One) -> None:
        one.leads = True
        self._leaders += 1
        self._is_one_to_take = True

    def _lose_patience(self, mine: One) -> None:
        with self._lock:
            if mine in self._standing and not self._is_one_to_take:
                self._make_leader(mine)

    def _lead(self, mine: One) -> None:
        """Write what all in line have; then call whose it was, and who leads next."""
        taken: list[One] = []

        def take() -> list[One]:
            taken[:] = taken or self._take()
            return taken

        try:
            if time.monotonic() - self._company_at < COMPANY_S:
                select((), (), (), BREATH_S)  # who is about to come takes the interpreter and stands in line first
            self._write_all(take)
            for one in taken:
                one.is_committed = True
        except Refused:
            take()
        except Exception as error:  # noqa: BLE001 (raised by each of them)
            for one in take():
                one.error = error
        except BaseException as end:  # of this thread, not of the others: nobody knows how far it came
            for one in take():
                one.error = sa.exc.OperationalError("small writes", None, end)
            raise
        finally:
            self._hand_on()
            for one in taken:
                if one is not mine:
                    one.call()

    def _take(self) -> list[One]:
        with self._lock:
            taken, self._standing = self._standing, []
            self._is_one_to_take = False
            if len(taken) > 1:
                self._company_at = time.monotonic()
        return sorted(taken, key=lambda one: one.locks, reverse=True)

    def _hand_on(self) -> None:
        following: One | None = None
        with self._lock:
            self._leaders -= 1
            if self._standing and not self._is_one_to_take:
                following = self._standing[0]
                self._make_leader(following)
        if following is not None:
            following.call()
