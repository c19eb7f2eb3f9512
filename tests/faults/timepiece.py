"""A time of our own: processes, and a PostgreSQL, whose clock a test sets, and moves on while they live."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from tests.conftest import ROOT
from tests.faults.fleet import Fleet, is_frozen
from tests.faults.servers import FAKETIME, DurablePostgres
from tests.servers import wait_until


class Timepiece:
    """A file that says how far the clocks of its processes are off; they look at it every time they are asked."""

    def __init__(self, off_s: float = 0.0) -> None:
        folder = Path(tempfile.mkdtemp(prefix="gl-time-"))
        folder.chmod(0o755)  # PostgreSQL reads it, which has a user of its own
        self._file = folder / "offset"
        self.off_s = off_s
        self._write()

    @property
    def environ(self) -> dict[str, str]:
        """What makes a process look at it."""
        return {
            "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
        }  # fmt: skip

    def set(self, at: datetime) -> None:
        """Let it be *at* now; from there the clocks go on."""
        self.off_s = at.timestamp() - time.time()
        self._write()

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{self.off_s:+.3f}\n")
        new.chmod(0o644)
        new.replace(self._file)


class ShiftedPostgres(DurablePostgres):
    """A server of a test's own that lives in the time of a timepiece."""

    def __init__(self, timepiece: Timepiece) -> None:
        super().__init__()
        self.down()
        with patch.dict(os.environ, timepiece.environ):
            self.up()

    def stop(self) -> None:
        """End it and remove its folder."""
        self.down()
        super().stop()


class Odd:
    """A process in the time of a timepiece."""

    def __init__(self, fleet: Fleet, timepiece: Timepiece, role: str) -> None:
        environ = {**os.environ, **fleet.environ(), **timepiece.environ}
        with fleet.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker", role], env=environ, cwd=ROOT, stdout=output, stderr=output
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def freeze(self) -> None:
        """Stop it, and return when it stands still."""
        self._process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_frozen(self.pid))

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for left in Path("/dev/shm").glob(f"*faketime_*_{self.pid}"):  # the library had no time to
            left.unlink(missing_ok=True)


@contextmanager
def odd(fleet: Fleet, timepiece: Timepiece, *roles: str) -> Iterator[list[Odd]]:
    """Run processes in the time of a timepiece, from when all of them have said that they are there."""
    fleet.output.touch()
    processes = [Odd(fleet, timepiece, role) for role in roles]
    try:
        for process in processes:
            wait_until(lambda process=process: f":{process.pid}:" in fleet.said, timeout_s=60)
        yield processes
    finally:
        for process in processes:
            process.kill()
