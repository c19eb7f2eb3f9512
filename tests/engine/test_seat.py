"""The seat: a SIGTERM is heard in whatever thread it arrives, and leases are forgotten only by who took them."""

import subprocess
import sys

from app.engine.seat import Held

ENDS = """
import os, signal, threading
from app.engine.seat import end_on_sigterm
is_ending = threading.Event()
end_on_sigterm(is_ending)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # in this thread: the kernel interrupts the other one
os.kill(os.getpid(), signal.SIGTERM)
print(is_ending.wait(60))
"""


def test_a_sigterm_that_arrives_in_another_thread_ends_the_process_too() -> None:
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_what_another_thread_has_taken_since_is_not_forgotten() -> None:
    held = Held(runs={"run": 2}, steps={"step": (2, 0.0)})
    held.drop_run("run", 1)
    held.drop_step("step", 1)
    assert (held.runs, held.steps) == ({"run": 2}, {"step": (2, 0.0)})
    held.drop_run("run", 2)
    held.drop_step("step", 2)
    assert (held.runs, held.steps) == ({}, {})
