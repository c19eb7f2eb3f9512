"""A fleet: worker and clock processes on one database and one Redis, to be killed, frozen and started again."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.engine.sink import Sink
from tests.servers import wait_until

LEASE_S = 3.0
SECRET = "a secret for tests only, long enough to sign with"


class Nursery:
    """This side of :mod:`tests.faults.nursery`: has processes forked and asks what became of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._hear()

    def start(self, role: str, environ: dict[str, str], output: Path, without: str = "") -> "Process":
        """Fork a process that becomes a worker or a clock."""
        said = self._say(do="start", role=role, environ=environ, output=str(output), without=without)
        return Process(self, int(said["pid"]), role, output)

    def code(self, pid: int) -> int | None:
        """Return the exit code of a process, minus the signal that killed it; None while it lives."""
        code = self._say(do="code", pid=pid)["code"]
        return None if code is None else int(code)

    def stop(self) -> None:
        """End it, and with it all that it forked."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _say(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the nursery has died")
        said: dict[str, Any] = json.loads(line)
        return said


@dataclass
class Process:
    """One process that the nursery forked."""

    nursery: Nursery
    pid: int
    role: str
    output: Path

    def poll(self) -> int | None:
        """Return the exit code; None while it lives."""
        return self.nursery.code(self.pid)

    def wait(self, timeout: float) -> int:
        """Return the exit code; raise TimeoutError when it lives on."""
        wait_until(lambda: self.poll() is not None, timeout_s=timeout)
        code = self.poll()
        assert code is not None
        return code

    def send(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it as a power cut would, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.wait(60)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop its time."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)

    @property
    def said(self) -> str:
        """What the fleet's processes have logged: they share one file."""
        return self.output.read_text(errors="replace")


@dataclass
class Fleet:
    """Processes on one database and one Redis; what they do to the outside, the sink has logged."""

    nursery: Nursery
    database_url: str
    redis_url: str
    sink: Sink
    lease_s: float = LEASE_S
    processes: list[Process] = field(default_factory=list)
    output: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="gl-fleet-")) / "log")

    def start(self, role: str = "worker", *, crash_at: str = "", without: str = "", **environ: str) -> Process:
        """Start a worker or a clock; *environ* changes its settings, ``DATABASE_URL=…`` for one."""
        self.output.touch()
        process = self.nursery.start(role, {**self.environ(crash_at), **environ}, self.output, without)
        self.processes.append(process)
        return process

    def environ(self, crash_at: str = "") -> dict[str, str]:
        """Return the settings of its processes."""
        return {
            "GREENLIGHT_ENV": "test", "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url,
            "SECRET_KEY": SECRET, "LEASE_S": str(self.lease_s), "GREENLIGHT_CRASH_AT": crash_at,
            "SINK_URL": self.sink.url, "LOG_LEVEL": "info", "WORKER_THREADS": "4", "CALL_THREADS": "16",
        }  # fmt: skip

    def but(self, **changes: Any) -> "Fleet":
        """Return a fleet that differs in something: more machines on the same database, say."""
        return replace(self, processes=self.processes, **changes)

    @property
    def said(self) -> str:
        """What all its processes have logged."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def living(self, role: str = "worker") -> list[Process]:
        """Return the processes of *role* that live."""
        return [process for process in self.processes if process.role == role and process.poll() is None]

    def end(self) -> None:
        """Kill all that lives."""
        for process in self.processes:
            process.kill()


def is_frozen(pid: int) -> bool:
    """Tell whether a process's time stands still."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return False
