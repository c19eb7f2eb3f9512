"""The whole house in real processes: it starts, survives deaths, and ends when it is told to."""

import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.priority import NICE
from app.features.gallery import library
from tests.processes.house import START_S, House
from tests.processes.waiting import lives, until

Start = Callable[..., House]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[House] = []

    def _start(*command: str, **settings: str) -> House:
        started.append(House(tmp_path / "data", *command, **settings))
        return started[-1]

    yield _start
    for house in started:
        house.end()


def test_dev_says_where_it_is_and_ctrl_c_ends_every_child(start: Start) -> None:
    house = start("dev")
    house.wait_for("Greenlight is ready")
    assert f"Greenlight is ready: http://localhost:{house.port}" in house.output
    assert "Sign in: owner@demo.example, password greenlight-demo" in house.output
    assert house.status() == 200
    until(lambda: house.pid_of("worker") and house.pid_of("clock") and house.pid_of("redis"))

    pids = house.pids()
    for pid in pids[1:]:  # a terminal sends both to the whole group; the supervisor alone answers
        if pid != house.pid_of("redis"):
            os.kill(pid, signal.SIGHUP)
            os.kill(pid, signal.SIGINT)
    assert house.status() == 200
    assert all(map(lives, pids))
    house.process.send_signal(signal.SIGINT)
    assert house.process.wait(timeout=START_S) == 0
    assert [pid for pid in pids if lives(pid)] == []


def test_each_child_that_dies_is_replaced_while_the_others_go_on(start: Start) -> None:
    house = start("dev", "--no-demo", WEB_PROCESSES="2")
    house.wait_for("Greenlight is ready")
    assert "Make the first owner: http://localhost" in house.output
    server, _ = until(lambda: _servers(house, 2))
    until(lambda: _cores(house) == _apart())
    worker = until(lambda: house.pid_of("worker"))
    until(lambda: _niceness(worker) - _niceness(server) == NICE)  # pages come first
    for role in ("worker", "clock", "redis"):
        pid = until(lambda role=role: house.pid_of(role))
        os.kill(pid, signal.SIGKILL)
        until(lambda role=role, pid=pid: house.pid_of(role) not in (0, pid))
        assert house.status() == 200
    house.wait_for("gave_back")  # the janitor of the worker or the clock

    server, _ = until(lambda: _servers(house, 2))
    os.kill(server, signal.SIGKILL)
    assert house.status() == 200  # the other one answers
    until(lambda: server not in (servers := _servers(house, 2)) and servers)
    until(lambda: _cores(house) == _apart())


def test_who_comes_while_the_only_server_is_started_again_waits_for_it(start: Start) -> None:
    house = start("dev", "--no-demo", WEB_PROCESSES="1")
    house.wait_for("Greenlight is ready")
    (server,) = until(lambda: _servers(house, 1))
    os.kill(server, signal.SIGKILL)
    assert house.status() == 200
    assert server not in until(lambda: _servers(house, 1))


def test_nothing_lives_on_after_a_killed_supervisor_and_the_next_one_starts(start: Start) -> None:
    house = start("dev", "--no-demo")
    house.wait_for("Greenlight is ready")
    pids = house.pids()
    house.process.kill()
    until(lambda: [pid for pid in pids[1:] if lives(pid)] == [])

    again = start("dev", "--no-demo")
    again.wait_for("Greenlight is ready")
    assert again.status() == 200


@pytest.mark.slow
def test_a_deploy_ends_all_by_themselves_and_a_step_under_way_costs_no_attempt(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes requests and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        house = start("dev", OPENAI_BASE_URL=address, OPENAI_API_KEY="sk-test")
        house.wait_for("Greenlight is ready")
        words = ("template", "launch", "facebook-ads-campaign", "--input", "offer=A car")
        launched = House(house.folder, *words, OPENAI_API_KEY="sk-test")
        assert launched.process.wait(timeout=START_S) == 0, launched.end()
        launched.end()
        until(lambda: (found := _steps(house)) and all(status == "running" for status, _ in found))

        pids = house.pids()
        for pid in pids * 2:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        until(lambda: _is_refused(house.port))
        assert house.process.poll() is None  # the step under way has its time yet
        assert house.process.wait(timeout=START_S) == 0
        assert "had not ended in time" not in house.end()  # nobody used up what a host gives
        assert [pid for pid in pids if lives(pid)] == []
    assert {status for status, _ in _steps(house)} == {"pending"}
    assert {attempts for _, attempts in _steps(house)} <= {0}


def test_a_taken_port_is_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        house = start("dev", "--port", str(port))
        assert house.process.wait(timeout=START_S) == 2
        lines = house.end().splitlines()
    assert lines[-1] == (
        f"Greenlight cannot start: Port {port} is taken by another program: stop it, or choose another port "
        f"(bin/dev --port {port + 1}, or PORT={port + 1})."
    )
    assert len(lines) == 2  # and what it was about to do


def test_production_starts_on_its_own_settings_and_logs_json_and_the_set_up_link(start: Start) -> None:
    house = start(
        "serve",
        SECRET_KEY="a long secret for tests, long enough",
        HOST="127.0.0.1",
        BASE_URL="https://ads.example",
    )
    until(lambda: house.status() == 200 or house.process.poll() is not None, limit_s=START_S)
    house.wait_for("https://ads.example/setup/")
    assert all(line.startswith("{") for line in house.output.splitlines()), house.output
    assert "a long secret" not in house.output


def test_production_without_a_secret_does_not_start(start: Start) -> None:
    house = start("serve")
    assert house.process.wait(timeout=START_S) == 2
    assert house.end().startswith("Greenlight cannot start: SECRET_KEY is not set.")


def test_the_web_server_alone(start: Start) -> None:
    house = start("serve", SERVE="web", SECRET_KEY="a long secret for tests, long enough", HOST="127.0.0.1")
    until(lambda: house.status() == 200 or house.process.poll() is not None, limit_s=START_S)
    assert "worker_started" not in house.output
    assert "clock_started" not in house.output
    house.process.terminate()
    assert house.process.wait(timeout=START_S) == 0


def _niceness(pid: int) -> int:
    """Return how readily *pid* gives way to others: nice(2)."""
    return os.getpriority(os.PRIO_PROCESS, pid)


def _servers(house: House, count: int) -> list[int]:
    """Return who listens on the house's port, the supervisor apart, when they are *count*."""
    found = [pid for pid in house.pids()[1:] if _listens(pid, house.port)]
    return found if len(found) == count else []


def _cores(house: House) -> list[list[int]]:
    """Return the cores that each of two servers may use; nothing while there are not two."""
    with suppress(ProcessLookupError):
        return sorted(sorted(os.sched_getaffinity(pid)) for pid in _servers(house, 2))
    return []


def _apart() -> list[list[int]]:
    """Return the cores that two servers should have: one each where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return [[core] for core in cores] if len(cores) == 2 else [cores, cores]


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def _listens(pid: int, port: int) -> bool:
    """Tell whether *pid* holds a socket that listens on *port*."""
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    }
    return any(held.removeprefix("socket:[").rstrip("]") in inodes for held in _held(pid))


def _held(pid: int) -> Iterator[str]:
    """Yield what a process holds open; it may end meanwhile."""
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield os.readlink(descriptor)


def _steps(house: House, started_by: str = "person") -> list[tuple[str, int]]:
    """Return status and attempts of every step of the runs that were started so."""
    asked = "SELECT s.status, s.attempts FROM step_run s JOIN run r ON r.id = s.run_id WHERE r.trigger_kind = ?"
    return _read(house, asked, started_by)


def _read(house: House, asked: str, *values: str) -> list[tuple[str, int]]:
    connection = sqlite3.connect(f"file:{house.folder}/greenlight.db?mode=ro", uri=True)
    try:
        return connection.execute(asked, values).fetchall()
    finally:
        connection.close()


def test_health_names_who_died(start: Start) -> None:
    house = start("dev", "--no-demo", WEB_PROCESSES="2")
    house.wait_for("Greenlight is ready")
    before = house.json("/healthz")["processes"]
    assert {name: facts["deaths"] for name, facts in before.items()} == {
        "redis": 0, "web": 0, "web 2": 0, "worker": 0, "clock": 0,
    }  # fmt: skip
    os.kill(until(lambda: house.pid_of("worker")), signal.SIGKILL)
    until(lambda: house.json("/healthz")["processes"]["worker"] == {"alive": True, "deaths": 1})
    assert house.json("/healthz")["processes"]["clock"] == {"alive": True, "deaths": 0}


def test_web_worker_and_clock_apart_do_the_same_work(redis_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    settings = {"GREENLIGHT_ENV": "development", "REDIS_URL": redis_url}
    web = House(folder, "serve", SERVE="web", **settings)
    until(lambda: web.status() == 200 or web.process.poll() is not None, limit_s=START_S)
    apart = [House(folder, *role, script="worker.py", **settings) for role in ((), ("clock",))]
    try:
        apart[0].wait_for("worker_started")
        apart[1].wait_for("clock_started")
        seeded = House(folder, "seed", "--runs", "--json", **settings)
        assert seeded.process.wait(timeout=START_S) == 0, seeded.end()
        templates = len(list(library.FOLDER.glob("*.yaml")))
        assert f'"sample_runs": {templates}' in seeded.end()
        ended = "SELECT r.status, count(DISTINCT w.template_slug) FROM run r JOIN workflow w ON w.id = r.workflow_id"
        assert _read(web, f"{ended} WHERE r.trigger_kind = 'seed' GROUP BY r.status") == [("completed", templates)]
        assert {status for status, _ in _steps(web, "seed")} == {"completed", "skipped"}
    finally:
        outputs = [house.end() for house in (web, *apart)]
    assert [house.process.returncode for house in (web, *apart)] == [0, 0, 0], outputs
