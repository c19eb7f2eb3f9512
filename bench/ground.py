"""The ground: servers of our own, a new database for every scenario, and the house's real processes on it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from flask import Flask
from redis import Redis
from rq import Worker
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app import create_app
from app.core.cached import cached_property
from app.core.db import db, make_engine, transaction
from app.core.settings import Settings
from tests.conftest import Databases
from tests.servers import PostgresServer, RedisServer, free_port

ROOT = Path(__file__).resolve().parents[1]
SECRET = "a secret of the benchmark, long enough to sign with"
STEPS = ("nap = bench.steps:NAP", "call_nap = bench.steps:CALL_NAP", "note = bench.steps:NOTE")
# What bin/greenlight sets for glibc.
MALLOC = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144"}

T = TypeVar("T")


class Ground:
    """The servers of one whole run of the benchmark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = PostgresServer(is_durable=True)
        self.databases = Databases(folder, self.postgres)
        self.extension = _extension(folder / "extension")
        sys.path.append(str(self.extension))
        self._houses = 0

    @contextmanager
    def house(
        self, kind: str, *, web: bool = False, workers: int = 0, clock: bool = False, **settings: str
    ) -> Iterator["House"]:
        """Give a house on a new database of *kind* with an empty Redis, and end all of it."""
        self._houses += 1
        folder = self.folder / f"house-{self._houses}"
        folder.mkdir()
        with ExitStack() as ending:
            url = self.databases.create(kind)
            ending.callback(self.databases.drop, url)
            (folder / "redis").mkdir()
            redis = RedisServer(folder=folder / "redis")
            ending.callback(redis.stop)
            house = House(self, kind, folder, url, redis.url, settings)
            ending.callback(house.end)
            if web:
                house.start_web()
            for _ in range(workers):
                house.start_worker()
            if clock:
                house.start_clock()
            house.wait_ready(workers=workers, web=web)
            yield house

    def close(self) -> None:
        self.databases.drop_all()
        self.postgres.stop()


@dataclass
class House:
    """Greenlight on one database: its processes, and this process's own connections to look at it."""

    ground: Ground
    kind: str
    folder: Path
    database_url: str
    redis_url: str
    variables: dict[str, str]

    def __post_init__(self) -> None:
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.app: Flask = create_app(self.settings)

    @cached_property
    def settings(self) -> Settings:
        return Settings(
            environment="production", database_url=self.database_url, redis_url=self.redis_url, secret_key=SECRET,
            data_dir=str(self.folder), base_url=f"http://127.0.0.1:{self.port}", log_level="warning",
        )  # fmt: skip

    @cached_property
    def engine(self) -> Engine:
        return make_engine(self.settings.sqlalchemy_url, pool=2, wait_s=60, statement_timeout_s=600)

    @cached_property
    def reader(self) -> Engine:
        """The engine that only looks: on SQLite one that never stands in line for the write lock."""
        if self.kind == "postgresql":
            return self.engine
        return make_engine(self.settings.sqlalchemy_url, pool=2, wait_s=60, reading=True)

    @cached_property
    def redis(self) -> Any:
        return Redis.from_url(self.redis_url)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a transaction within an application context of this process."""
        with self.app.app_context(), transaction(self.engine) as session:
            yield session

    def scalar(self, statement: str, **values: Any) -> Any:
        with self.reader.connect() as connection:
            return connection.execute(sa.text(statement), values).scalar()

    @contextmanager
    def autocommit(self) -> Iterator[Any]:
        """Open a connection of PostgreSQL's own driver, for VACUUM and COPY."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            yield connection

    # --- processes ---

    def start_web(self) -> None:
        self._start("web", [sys.executable, "-m", "app.cli", "serve"], SERVE="web")

    def start_worker(self) -> None:
        self._start(f"worker-{len(self.processes)}", [sys.executable, "worker.py"])

    def start_clock(self) -> None:
        self._start("clock", [sys.executable, "worker.py", "clock"])

    def start_all(self) -> None:
        """Start the single dyno: web, worker, clock and the embedded Redis under one parent."""
        self._start("serve", [sys.executable, "-m", "app.cli", "serve"], REDIS_URL="")

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    def wait_ready(self, *, workers: int = 0, web: bool = False) -> None:
        """Wait until the web server answers and the workers are known to the queue."""
        if web:
            self.until(self.answers, "the web server")
        if workers:
            self.until(lambda: Worker.count(connection=self.redis) >= workers, "the workers")
        if "clock" in self.processes:
            self.until(lambda: self.scalar("SELECT count(*) FROM beat"), "the clock")

    def answers(self) -> bool:
        import urllib.request

        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def until(self, found: Callable[[], T], what: str, *, limit_s: float = 60.0, every_s: float = 0.05) -> T:
        """Return the first truthy answer of *found*; raise with the processes' logs after *limit_s*."""
        end = time.monotonic() + limit_s
        while not (answer := found()):
            if time.monotonic() > end or any(
                process.poll() is not None for process in self.processes.values()
            ):
                raise RuntimeError(f"{what}: not within {limit_s:.0f} s\n{self.logs()}")
            time.sleep(every_s)
        return answer

    def logs(self) -> str:
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-2000:]}" for path in sorted(self.folder.glob("*.log"))
        )

    def end_process(self, name: str) -> None:
        """End one process as a deploy does, and wait for it."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=35)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for name in list(self.processes):
            self.end_process(name)
        with self.app.app_context():
            db.session.remove()
            for engine in (self.engine, self.reader, *db.engines.values()):
                engine.dispose()
        self.redis.close()

    def _start(self, name: str, command: list[str], **extra: str) -> None:
        environ = {
            **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
            **MALLOC,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{self.ground.extension}",
            "GREENLIGHT_ENV": "production", "SECRET_KEY": SECRET, "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url, "DATA_DIR": str(self.folder), "PORT": str(self.port), "HOST": "127.0.0.1",
            "LOG_LEVEL": "info",
            **self.variables,
            **extra,
        }  # fmt: skip
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # one session, as under one parent: how nice a process is counts only within it
            )


def _extension(folder: Path) -> Path:
    """Make an installed package, as far as Python sees it, that brings the benchmark's step types."""
    facts = folder / "greenlight_bench-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: greenlight-bench\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[greenlight.steps]\n" + "\n".join(STEPS) + "\n")
    return folder


@contextmanager
def ground() -> Iterator[Ground]:
    folder = Path(tempfile.mkdtemp(prefix="gl-bench-"))
    made = Ground(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
