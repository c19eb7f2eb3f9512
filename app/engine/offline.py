"""Keep a test run in the house: nothing that a step does while it is being tested may reach out.

``ctx.call`` and the outbox simulate by themselves. Below them stands this: while :func:`guard` is on, a step of this
thread that opens a connection, asks for a name or starts a program is stopped by :class:`WouldReach`, whatever library
it uses. The database is not touched by it: drivers written in C raise none of these events, and the context lifts the
guard around its own reads and writes. A thread that a step starts is not watched.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

CALL = "test.call"
_REACHES = frozenset(
    "socket.connect socket.sendto socket.sendmsg socket.getaddrinfo socket.gethostbyname"
    " subprocess.Popen os.system os.exec os.posix_spawn os.fork".split()
)
_here = threading.local()
_installing = threading.Lock()
_is_installed = False


class WouldReach(BaseException):
    """A step under test tried to reach out, to *what*. No Exception, so that no step catches it by accident."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@contextmanager
def guard(*, on: bool = True) -> Iterator[None]:
    """Stop whatever this thread sends out, until the end of the block; *on* false lifts an outer guard."""
    if on:
        _install()
    before = getattr(_here, "is_guarded", False)
    _here.is_guarded = on
    try:
        yield
    finally:
        _here.is_guarded = before


def _install() -> None:
    """Add the audit hook, once a process: it stays for the process's life (PEP 578), so only where tests run."""
    global _is_installed
    with _installing:
        if not _is_installed:
            sys.addaudithook(_look)
            _is_installed = True


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _REACHES and getattr(_here, "is_guarded", False):
        raise WouldReach(_target(event, arguments))


def _target(event: str, arguments: tuple[Any, ...]) -> str:
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        return str(arguments[0])
    if event.startswith("socket."):
        address = arguments[1] if len(arguments) > 1 else ""
        return ":".join(str(part) for part in address[:2]) if isinstance(address, tuple) else "another program"
    return "another program"


def guarded(do: Callable[..., Any]) -> Callable[..., Any]:
    """Return *do* with the guard on while it runs."""

    def run(*args: Any) -> Any:
        with guard():
            return do(*args)

    return run
