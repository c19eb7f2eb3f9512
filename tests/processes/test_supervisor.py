"""The supervisor, with real processes: who dies comes back, who supervises takes all along, a stop is a stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.supervisor import forks, loop
from app.supervisor.child import Child
from app.supervisor.pulse import Pulse
from app.supervisor.ward import Ward
from tests.processes.waiting import lives, until

ROOT = Path(__file__).resolve().parents[2]
STANDIN = Path(__file__).with_name("standin.py")

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def _start(*kinds: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(STANDIN), str(tmp_path), *kinds],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.communicate()


def pid_of(folder: Path, name: str, number: int = 0) -> int:
    return until(lambda: _read(folder / f"{name}.{number}"), limit_s=60)


def _read(path: Path) -> int:
    return int(path.read_text()) if path.exists() else 0


def test_a_dead_child_is_started_again_at_once_and_alone(start: Start, tmp_path: Path) -> None:
    supervisor = start("web", "worker")
    web, worker = pid_of(tmp_path, "web"), pid_of(tmp_path, "worker")

    os.kill(web, signal.SIGKILL)
    again = pid_of(tmp_path, "web", 1)

    assert again != web
    assert lives(worker)
    assert not (tmp_path / "worker.1").exists()
    assert supervisor.poll() is None
    supervisor.terminate()
    assert '"in_s": 0.0' in supervisor.communicate(timeout=60)[1]


def test_a_dead_worker_is_tidied_up_after_by_its_owner_id(start: Start, tmp_path: Path) -> None:
    start("worker")
    worker = pid_of(tmp_path, "worker")
    os.kill(worker, signal.SIGKILL)
    owner = until(lambda: (tmp_path / "tidied").exists() and (tmp_path / "tidied").read_text())
    role, pid, boot = str(owner).split(":")
    assert (role, int(pid), len(boot)) == ("worker", worker, 8)


def test_a_second_death_waits_a_second(start: Start, tmp_path: Path) -> None:
    supervisor = start("worker")
    os.kill(pid_of(tmp_path, "worker"), signal.SIGKILL)
    second = pid_of(tmp_path, "worker", 1)
    began = time.monotonic()
    os.kill(second, signal.SIGKILL)
    pid_of(tmp_path, "worker", 2)
    assert time.monotonic() - began > 0.9
    supervisor.terminate()
    assert '"in_s": 1.0' in supervisor.communicate(timeout=60)[1]


def test_five_deaths_of_web_within_a_minute_end_all_with_1(start: Start, tmp_path: Path) -> None:
    supervisor = start("mortal", "worker", "quick")
    worker = pid_of(tmp_path, "worker")
    _, log = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 1
    assert len(list(tmp_path.glob("mortal.*"))) == 5
    assert "it keeps dying" in log
    assert not lives(worker)


@pytest.mark.parametrize("kinds", [("web", "worker"), ("web", "worker", "pipes")], ids=["signal", "pipe"])
def test_children_end_by_the_supervisors_death(
    start: Start, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    supervisor = start(*kinds)
    children = [pid_of(tmp_path, "web"), pid_of(tmp_path, "worker")]
    supervisor.kill()
    until(lambda: not any(map(lives, children)))


def test_a_child_without_a_sign_of_life_is_killed_and_started_again(start: Start, tmp_path: Path) -> None:
    supervisor = start("hung", "web", "quick")
    hung, web = pid_of(tmp_path, "hung"), pid_of(tmp_path, "web")
    again = pid_of(tmp_path, "hung", 1)
    assert (tmp_path / "hung.signs").exists()  # as long as it gave one, it was left alone
    assert again != hung
    assert not lives(hung)
    assert lives(web)
    supervisor.terminate()
    _, log = supervisor.communicate(timeout=60)
    assert log.count("it gave no sign of life") >= 1


def test_a_child_that_slept_with_the_whole_house_is_left_time_to_give_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "DOUBT_S", 0.0)
    child = Child("worker", lambda owner: 0, pulse=Pulse(0.0))
    with subprocess.Popen(["sleep", "60"]) as process:
        child.pid = process.pid
        supervisor = loop.Supervisor([child])
        supervisor._kill_the_hung()  # the first look after a sleep
        assert process.poll() is None
        child.pulse = Pulse(60.0)
        child.pulse.beat()
        supervisor._kill_the_hung()
        child.pulse = Pulse(0.0)
        for _ in range(loop.DOUBTS):
            supervisor._kill_the_hung()
        assert process.poll() is None
        supervisor._kill_the_hung()
        assert process.wait(60) == -signal.SIGKILL


def test_sigterm_goes_to_each_child_once_and_the_last_ends_last(start: Start, tmp_path: Path) -> None:
    supervisor = start("last", "web", "worker")
    for name in ("last", "web", "worker"):
        pid_of(tmp_path, name)
    supervisor.terminate()
    assert supervisor.wait(timeout=60) == 0
    ended = {name: float((tmp_path / f"{name}.ended").read_text()) for name in ("last", "web", "worker")}
    assert ended["last"] > max(ended["web"], ended["worker"])
    assert not list(tmp_path.glob("*.1"))


def test_a_second_sigterm_and_one_to_all_change_nothing(start: Start, tmp_path: Path) -> None:
    supervisor = start("web", "stubborn", "short")
    web, stubborn = pid_of(tmp_path, "web"), pid_of(tmp_path, "stubborn")
    began = time.monotonic()
    for pid in (supervisor.pid, web, stubborn, supervisor.pid):
        os.kill(pid, signal.SIGTERM)
    _, log = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0
    assert time.monotonic() - began > 0.9  # the stubborn one got its whole grace, here 1 s
    assert '"after_s": 1.0' in log
    assert '"child": "stubborn"' in log
    assert (tmp_path / "tidied").read_text().startswith(f"stubborn:{stubborn}:")
    assert not list(tmp_path.glob("web.1"))


def test_ctrl_c_reaches_the_children_as_sigterm_only(start: Start, tmp_path: Path) -> None:
    supervisor = start("web", "worker")
    web, worker = pid_of(tmp_path, "web"), pid_of(tmp_path, "worker")
    for pid in (web, worker):
        os.kill(pid, signal.SIGINT)
    os.kill(supervisor.pid, signal.SIGINT)
    assert supervisor.wait(timeout=60) == 0
    assert (tmp_path / "web.ended").exists()
    assert (tmp_path / "worker.ended").exists()


def test_the_grace_is_within_what_a_host_gives() -> None:
    assert loop.GRACE_S + 2 * loop.LAST_S < 30


def test_a_process_with_a_thread_does_not_fork() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(forks.NotForkable, match="threads"):
            forks.settle(forks.open_sockets())
    finally:
        done.set()
        thread.join()


def test_a_process_with_a_socket_does_not_fork() -> None:
    script = (
        "import socket; from app.supervisor import forks\n"
        "held = socket.socket()\n"
        "try: forks.settle()\n"
        "except forks.NotForkable as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "1 sockets are open" in done.stdout


def test_a_child_for_which_there_is_no_room_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", full)
    child = Child("web", lambda _owner: None)
    child.launch()
    assert (child.pid, child.start_at is not None) == (None, True)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    supervisor = loop.Supervisor([child])
    supervisor._send_janitor(lambda _owner: None, "web:1:a")
    assert supervisor._janitors == {}

    class Asked:
        def fileno(self) -> int:
            return -1

        def read(self) -> list[str]:
            return ["one"]

    ward = Ward(Asked(), lambda *_: None, lambda _owner: None, hang_s=60.0)
    ward.admit()
    assert ward.is_empty
    monkeypatch.setattr(os, "fork", lambda: 4242)
    ward.admit()
    assert ward.bury(4242) is not None
    assert ward.is_empty
