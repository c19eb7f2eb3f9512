"""The nursery: one process that imports everything once and forks workers and clocks when it is told to.

A fork takes milliseconds where a new interpreter takes a second. It has one thread and no connection. Orders and
answers are lines of JSON on its standard streams; see :class:`tests.faults.fleet.Nursery` for the other side.
"""

import json
import os
import sys
from typing import Any

from app.supervisor import forks
from tests.faults import worker

ended: dict[int, int] = {}


def main() -> None:
    worker.load()
    answer({"ready": True})
    while order := sys.stdin.readline():
        answer(obey(json.loads(order)))


def obey(order: dict[str, Any]) -> dict[str, Any]:
    if order["do"] == "start":
        pid = forks.fork(lambda: be(order))
        ended.pop(pid, None)  # numbers come again: this one was another process's, hundreds of forks ago
        return {"pid": pid}
    reap()
    return {"code": ended.get(order["pid"])}


def be(order: dict[str, Any]) -> int:
    """Become a worker or a clock, in a child of the nursery."""
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(order["environ"])
    return worker.be(order["role"], without=order["without"])


def reap() -> None:
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            ended[pid] = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        return


def answer(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
