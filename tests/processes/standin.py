"""A supervisor with children that do nothing but what a test wants; run as a script: ``standin.py FOLDER KIND…``.

Each child writes its pid to ``FOLDER/<name>.<n>`` when it starts. Kinds: ``web`` and ``worker`` wait for SIGTERM;
``stubborn`` ignores it; ``mortal`` is vital and dies at once; ``last`` ends last; ``pipes`` uses a pipe instead of the
death signal, ``quick`` starts again without delay, ``short`` gives one second of grace; ``hung`` gives some signs of
life for half a second, says so in ``FOLDER/hung.signs`` and gives no more.
"""

import os
import signal
import sys
import time
from pathlib import Path

from app.core.settings import Settings
from app.supervisor import forks, loop
from app.supervisor.child import Child
from app.supervisor.pulse import Pulse

folder = Path(sys.argv[1])


def begin(name: str) -> None:
    number = len(list(folder.glob(f"{name}.[0-9]*")))
    (folder / f"{name}.new").write_text(str(os.getpid()))
    (folder / f"{name}.new").rename(folder / f"{name}.{number}")


def wait(name: str) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    begin(name)
    signal.sigwait([signal.SIGTERM])
    (folder / f"{name}.ended").write_text(str(time.monotonic()))
    return 0


def stubborn(owner: str) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin("stubborn")
    while True:
        signal.pause()


def mortal(owner: str) -> int:
    begin("mortal")
    return 1


def hung(pulse: Pulse) -> int:
    begin("hung")
    for _ in range(5):
        pulse.beat()
        time.sleep(0.1)
    (folder / "hung.signs").write_text("5")
    while True:
        signal.pause()


def tidy(owner: str) -> int:
    (folder / "tidied").write_text(owner)
    return 0


def main() -> int:
    from app.core import logging

    logging.configure(Settings(environment="production", secret_key="-"))
    kinds = sys.argv[2:]
    if "pipes" in kinds:
        forks.HAS_DEATH_SIGNAL = False
    if "quick" in kinds:
        loop.BACK_OFF_S, loop.DOUBT_S = (0.0, 0.05), 0.05
    if "short" in kinds:
        loop.GRACE_S = 1.0
    pulse = Pulse(2.0)
    children = {
        "hung": Child("hung", lambda owner: hung(pulse), pulse=pulse),
        "web": Child("web", lambda owner: wait("web"), is_vital=True),
        "worker": Child("worker", lambda owner: wait("worker"), tidy=tidy),
        "stubborn": Child("stubborn", stubborn, tidy=tidy),
        "mortal": Child("mortal", mortal, is_vital=True),
        "last": Child("last", lambda owner: wait("last"), ends_last=True),
    }
    forks.settle(forks.open_sockets())
    return loop.Supervisor([children[kind] for kind in kinds if kind in children]).run()


sys.exit(main())
