"""Keep a test run in the house: nothing that a step does while it is being tested may reach out.

``ctx.call`` and the outbox simulate by themselves. Below them stands this: while :func:`guard` is on, a step of this
thread that opens a connection, asks for a name or starts a program is stopped by :class:`WouldReach`, whatever library
it uses. The database is not touched by it: drivers written in C raise none of these events, and the context lifts the
guard around its own reads and writes. A thread that a step starts is not watched.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.core import clock
from app.engine.contract import Done, RunFacts, StepType, Wait

if TYPE_CHECKING:
    from app.engine.context import RunContext

CALL, WAIT, ASK = "test.call", "test.wait", "test.ask"
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


# --- what stands in ------------------------------------------------------------------------------------------------


def stand_in(step_type: StepType, config: Any) -> Done:
    """Return what a step that would have reached out leaves in a test: its declared sample, else empty fields."""
    output: Mapping[str, Any]
    if step_type.sample is not None:
        output = step_type.sample(config)
    else:
        output = dict.fromkeys(sorted(step_type.output_fields or ()), "")
    return Done(output, "done" if "done" in step_type.outcomes else step_type.outcomes[0])


def shortened(wait: Wait, step_type: StepType, config: Any, context: "RunContext") -> Done | Wait:
    """Return how a test goes on where a run would wait: times pass at once, a decision is asked of the tester alone."""
    if wait.kind == "time":
        until = wait.until.astimezone(_zone(context.run)) if wait.until else None
        context.log(WAIT, f"Would wait until {_when(until)}." if until else "Would wait.")
        return Done(dict(wait.detail.get("on_until_output") or {}), wait.on_until)
    if wait.kind == "callback":
        context.log(WAIT, "Would wait for an answer from outside.")
        return stand_in(step_type, config)
    if wait.kind == "approval":
        return _asked_of_tester(wait, context)
    return wait


def _asked_of_tester(wait: Wait, context: "RunContext") -> Wait:
    starter = context.run.facts.get("started_by")
    tester = str(starter.get("email") or "") if isinstance(starter, Mapping) else ""
    asked = [str(address) for address in wait.detail.get("approvers") or ()]
    if asked:
        title = wait.detail.get("title") or context.step.name
        context.log(ASK, f"Would ask {_listed(asked)} by e-mail to decide: “{title}”.")
    changed = {"approvers": [tester], "policy": "any"} if tester else {}
    return replace(wait, detail={**wait.detail, "undo_s": 0, **changed})


def _listed(people: list[str]) -> str:
    return people[0] if len(people) == 1 else f"{len(people)} people ({', '.join(people)})"


def _when(moment: datetime) -> str:
    year = f" {moment.year}" if moment.year != clock.now().year else ""
    return f"{moment:%A} {moment.day} {moment:%B}{year}, {moment:%H:%M}"


def _zone(run: RunFacts) -> ZoneInfo:
    workspace = run.facts.get("workspace")
    name = workspace.get("timezone") if isinstance(workspace, Mapping) else None
    try:
        return ZoneInfo(str(name or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def guarded(do: Callable[..., Any]) -> Callable[..., Any]:
    """Return *do* with the guard on while it runs."""

    def run(*args: Any) -> Any:
        with guard():
            return do(*args)

    return run
