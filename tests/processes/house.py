"""A running Greenlight for tests: the real command in a process of its own, on a free port and a folder of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench.pss import pids_of_tree
from tests.processes.waiting import lives, until
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
START_S = 300.0  # a machine that does much else starts it slowly


class House:
    """``greenlight dev`` or ``serve`` with settings, or *script*; ``output`` holds what it printed."""

    def __init__(self, folder: Path, *command: str, script: str = "", **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = ""
        self.environ = {
            **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
            "PYTHONPATH": str(ROOT),
            "DATA_DIR": str(folder),
            "PORT": str(self.port),
            **settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, *((script,) if script else ("-m", "app.cli")), *command],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def status(self, path: str = "/sign-in") -> int:
        """Ask for a page; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def json(self, path: str) -> Any:
        """Ask for JSON."""
        with urllib.request.urlopen(self.url + path, timeout=60) as response:
            return json.load(response)

    def wait_for(self, words: str, *, limit_s: float = START_S) -> None:
        """Wait until it has printed *words*."""
        until(lambda: words in self.output or self.process.poll() is not None, limit_s=limit_s)
        assert words in self.output, self.output

    def pids(self) -> list[int]:
        """Return the supervisor's pid and those of all below it."""
        return pids_of_tree(self.process.pid)

    def pid_of(self, role: str) -> int:
        """Return the pid of the worker or clock that its log line named last, or of the embedded Redis."""
        if role == "redis":
            found = [pid for pid in self.pids() if "redis-server" in _command_of(pid)]
            return found[0] if found else 0
        lines = [line for line in self.output.splitlines() if f"{role}_started" in line]
        return int(lines[-1].partition(f"{role}:")[2].split(":")[0]) if lines else 0

    def end(self) -> str:
        """End it as Ctrl-C does, or by force; return all it printed."""
        pids = self.pids()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in pids:
            if lives(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._reader.join(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.output

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
