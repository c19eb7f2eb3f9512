"""Forking: only from a process without threads and sockets, and no child outlives its parent.

A child forked from a threaded process hung in every one of 100 trials; one that inherits an open connection reads other
people's rows. So the parent here has neither, and says so before it forks.
"""

import ctypes
import errno
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

OWN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
HAS_DEATH_SIGNAL = sys.platform == "linux"
PR_SET_PDEATHSIG = 1  # prctl(2)
MADV_DONTNEED = 4  # madvise(2)
CRASHED = 70  # EX_SOFTWARE of sysexits.h

# mallopt(3): without these every thread of a worker keeps the largest picture it ever held in an arena of its own.
M_MMAP_THRESHOLD, MMAP_BYTES = -3, 128 * 1024
M_ARENA_MAX, ARENAS = -8, 2

_libc = ctypes.CDLL(None, use_errno=True) if HAS_DEATH_SIGNAL else None
_lifeline: tuple[int, int] | None = None
last_wish: Callable[[], object] | None = None  # done where a pipe, not a signal, tells of the parent's death
listening: list[socket.socket] = []  # the parent's, for those children that answer pages


class NotForkable(RuntimeError):
    """This process has threads or sockets, so a fork of it could hang or share a connection."""


def open_sockets() -> frozenset[str]:
    """Return the sockets this process holds beside its standard streams; empty where /proc is not there."""
    found = set()
    with suppress(FileNotFoundError):
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{number}")
                if int(number) > 2 and target.startswith("socket:"):
                    found.add(target)
    return frozenset(found)


def thread_count() -> int:
    """Return how many threads this process has, those of C libraries included where /proc tells."""
    try:
        return len(os.listdir("/proc/self/task"))
    except FileNotFoundError:
        return threading.active_count()


def settle(inherited_sockets: frozenset[str] = frozenset()) -> None:
    """Check that this process may fork, then set its objects apart so that children share their pages.

    Raises :class:`NotForkable`. *inherited_sockets* were open before we began and are not ours.
    """
    threads, sockets = thread_count(), open_sockets() - inherited_sockets
    if threads != 1 or sockets:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise NotForkable(f"{threads} threads ({names}) and {len(sockets)} sockets are open before the fork")
    _give_memory_back()
    gc.collect()
    gc.freeze()
    _forget_library_pages()


def fork(start: Callable[[], int | None], *, listens: bool = False) -> int:
    """Run *start* in a child that ends with this process and ignores Ctrl-C; return the child's pid.

    One that *listens* shares what is in :data:`listening`; any other closes it.

    The child's exit code is what *start* returns (None: 0), :data:`CRASHED` when it raises. Raises OSError where the
    system has no room for a child.
    """
    global _lifeline
    if not HAS_DEATH_SIGNAL and _lifeline is None:
        _lifeline = os.pipe()
    parent = os.getpid()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    signal.pthread_sigmask(
        signal.SIG_BLOCK, OWN_SIGNALS
    )  # none may arrive while the child still has our handlers
    try:
        pid = os.fork()
    except OSError:  # no memory, or no more processes
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OWN_SIGNALS)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OWN_SIGNALS)
        return pid
    code: int | None = CRASHED
    try:
        _begin_child(parent)
        if not listens:
            stop_listening()
        code = start()
    except SystemExit as request:
        code = request.code if isinstance(request.code, int) else int(request.code is not None)
    except BaseException:  # noqa: BLE001 (the edge of a process: nothing above it could report this)
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code or 0)


def die_with(parent: int) -> None:
    """Have this process killed when *parent*, its parent, ends: at once on Linux, by a pipe's end elsewhere."""
    if _libc is not None and HAS_DEATH_SIGNAL:
        if _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), errno.errorcode.get(ctypes.get_errno(), "prctl"))
    elif _lifeline is not None:
        reader, writer = _lifeline
        with suppress(OSError):
            os.close(writer)  # closed already in a child's child
        threading.Thread(target=_end_with, args=(reader,), name="lifeline", daemon=True).start()
    if os.getppid() != parent:  # it ended before we asked
        os._exit(CRASHED)


def stop_listening() -> None:
    """Close what is in :data:`listening`: who comes is refused once every process has done so."""
    while listening:
        listening.pop().close()


def ignore_the_terminal() -> None:
    """Let Ctrl-C and a closed terminal, which reach the whole group, be answered by the parent alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def wait_for(pid: int) -> int:
    """Wait until child *pid* ended; return its exit code, minus the signal's number where one killed it."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _give_memory_back() -> None:
    """Have the C library, glibc that is, return large blocks at once and share its arenas; inherited by the forks."""
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
        mallopt(M_ARENA_MAX, ARENAS)


def _forget_library_pages() -> None:
    """Let go of the pages of libraries' files that importing touched; one that is needed again is read again.

    A child maps for itself what it uses. Files' pages that were written to (relocated) are no longer the file's, so
    mappings with any of those are left alone.
    """
    if _libc is None:
        return
    with suppress(OSError), open("/proc/self/smaps", encoding="ascii", errors="replace") as file:
        place = (0, 0)
        for line in file:
            words = line.split()
            if "-" in words[0]:
                begin, _, end = words[0].partition("-")
                is_file = words[1] in ("r--p", "r-xp") and words[-1].startswith("/")
                place = (int(begin, 16), int(end, 16)) if is_file else (0, 0)
            elif line.startswith("Anonymous:") and place[0] and words[1] == "0":
                _libc.madvise(ctypes.c_void_p(place[0]), ctypes.c_size_t(place[1] - place[0]), MADV_DONTNEED)


def _begin_child(parent: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in OWN_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    ignore_the_terminal()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OWN_SIGNALS)
    die_with(parent)


def _end_with(reader: int) -> None:
    os.read(reader, 1)  # returns when the last holder of the other end, the parent, is gone
    if last_wish is not None:
        last_wish()
    os.kill(os.getpid(), signal.SIGKILL)
