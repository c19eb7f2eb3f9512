"""Ids: new ones of a process and of those it was forked into."""

import subprocess
import sys

FORK = """
import os
from app.core.ids import new_id
new_id()
child = os.fork()
made = [new_id()[-17:] for _ in range(100)]  # the random part
os.write(1, " ".join([*made, ""]).encode())
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_process_makes_ids_of_its_own() -> None:
    said = subprocess.run([sys.executable, "-c", FORK], capture_output=True, check=True, text=True).stdout.split()

    assert len(said) == len(set(said)) == 200
