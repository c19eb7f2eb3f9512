"""Fixtures for all tests: databases made by the real migrations, real Redis and mail, the application, the browser."""

import gc
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from playwright.sync_api import expect
from sqlalchemy.orm import Session
from werkzeug.routing import Rule
from whitenoise import WhiteNoise

from app.core.settings import Settings
from tests.servers import PostgresServer, RedisServer, SmtpServer

ROOT = Path(__file__).resolve().parents[1]
# Browsers share few cores with many tests: no process anew for each page.
# A script runs for a moment and its page is gone: to compile it well takes longer than it saves.
SCRIPTS = "--js-flags=--single-threaded --no-maglev --no-turbofan"
THRIFTY = ["--disable-gpu", SCRIPTS, "--process-per-site", "--renderer-process-limit=1"]
BROWSER_MS = 30_000  # for what a page does in a moment: Playwright's own five seconds are few where others work
DATABASES = ["sqlite", "postgresql"]
USES = 25  # of one PostgreSQL database, before what was deleted in it slows it down


def pytest_configure() -> None:
    """Take the machine's own settings away: no test reaches a real provider, mail server or proxy by accident.

    Two runs of the same code try the same examples, and a slow machine fails none of them.
    """
    for name in Settings.__dataclass_fields__:
        os.environ.pop(name.upper(), None)
    os.environ["GREENLIGHT_ENV"] = "test"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    hypothesis.settings.register_profile("ours", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("ours")
    expect.set_options(timeout=BROWSER_MS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Let the processes of a whole run share what the tests share."""
    from tests.distribution import Together

    return Together(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_collection_finish() -> None:
    """Look for garbage less often, and not among what stays: a fifth of the processor's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


# --- databases ---


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at *url* to *revision* with the migrations, up or down."""
    engine = sa.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        config = Config(ROOT / "migrations" / "alembic.ini")
        config.attributes["connection"] = connection
        if revision in ("base", "-1"):
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for this test process; it starts when its URL is first asked for."""
    server = PostgresServer()
    yield server
    server.stop()


@dataclass
class Databases:
    """Makes databases with the newest schema: the migrations run once a kind, then a copy is made.

    A PostgreSQL database that a test gives back is emptied for the next one: a copy takes twenty times as long.
    """

    folder: Path
    server: PostgresServer

    def __post_init__(self) -> None:
        self._templates: dict[str, str] = {}
        self._made: list[str] = []
        self._spare: list[str] = []
        self._uses: Counter[str] = Counter()
        self._mark = uuid.uuid4().hex[:8]

    def create(self, kind: str) -> str:
        """Return the URL of a new database of *kind* (``sqlite``, ``postgresql``) without rows."""
        if kind == "sqlite":
            return self._sqlite()
        return self._spare.pop() if self._spare else self._postgresql()

    def drop(self, url: str) -> None:
        """Remove a database that :meth:`create` made; whoever is connected is cut off."""
        if url.startswith("sqlite"):
            for path in self.folder.glob(Path(url.removeprefix("sqlite:///")).name + "*"):
                path.unlink()
            return
        name = url.partition("?")[0].rpartition("/")[2]
        self.server.drop_database(name)
        self._made.remove(name)

    def give_back(self, url: str) -> None:
        """Take a database back that :meth:`create` made, for another test."""
        if url.startswith("sqlite"):
            self.drop(url)
            return
        self._uses[url] += 1
        if self._uses[url] < USES and self.server.empty(url):
            self._spare.append(url)
        else:
            self.drop(url)

    def drop_all(self) -> None:
        """Remove what is left."""
        for name in [*self._made, *(n for kind, n in self._templates.items() if kind == "postgresql")]:
            self.server.drop_database(name)

    def _sqlite(self) -> str:
        if "sqlite" not in self._templates:
            template = self.folder / "template.db"
            migrate(f"sqlite:///{template}")
            self._templates["sqlite"] = str(template)
        path = self.folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(self._templates["sqlite"], path)
        return f"sqlite:///{path}"

    def _postgresql(self) -> str:
        if "postgresql" not in self._templates:
            name = f"gl_{self._mark}_template"
            migrate(self.server.create_database(name))
            self.server.remember_schema(self.server.url_of(name))
            self._templates["postgresql"] = name
        name = f"gl_{self._mark}_{uuid.uuid4().hex[:12]}"
        self._made.append(name)
        return self.server.create_database(name, template=self._templates["postgresql"])


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Databases]:
    """A maker of databases, for fixtures of a module that want their own."""
    maker = Databases(tmp_path_factory.mktemp("databases"), postgres)
    yield maker
    maker.drop_all()


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """A new PostgreSQL database with the newest schema."""
    url = databases.create("postgresql")
    yield url
    databases.give_back(url)


@pytest.fixture
def sqlite_url(databases: Databases) -> Iterator[str]:
    """A new SQLite database with the newest schema."""
    url = databases.create("sqlite")
    yield url
    databases.drop(url)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A new database of each kind in turn.

    For one kind only: ``@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)``.
    """
    url = databases.create(request.param)
    yield url
    databases.give_back(url)


# --- Redis and mail ---


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server for this test process; a test that stops it starts it again."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis."""
    from redis import Redis

    with Redis.from_url(redis_server.url) as connection:
        connection.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def _smtp() -> Iterator[SmtpServer]:
    server = SmtpServer()
    yield server
    server.stop()


@pytest.fixture
def smtp_server(_smtp: SmtpServer) -> SmtpServer:
    """A mail server without mails; ``smtp_server.messages`` are those it took."""
    _smtp.clear()
    return _smtp


# --- the application: made for most tests anew, so what is the same each time is worked out once ---


class _Templates(BytecodeCache):
    """Keeps the compiled templates of all applications of this process."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session")
def templates() -> BytecodeCache:
    """The compiled templates."""
    return _Templates()


@pytest.fixture(scope="session")
def bundles() -> dict[str, Any]:
    """The style and scripts of ``static``, joined and compressed: no test changes them."""
    return {}


@pytest.fixture(scope="session", autouse=True)
def _routes_compiled_when_used() -> None:
    """Let a route make the code that builds its addresses when one is built: most tests build a few of them."""
    compile_builder = Rule._compile_builder

    def when_used(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
        made: list[Callable[..., Any]] = []

        def build(*of: Any, **values: Any) -> Any:
            if not made:
                made.append(compile_builder(rule, append_unknown))
            return made[0](*of, **values)

        return build

    Rule._compile_builder = when_used  # type: ignore[assignment]


@pytest.fixture(scope="session", autouse=True)
def _static_files_found_once() -> None:
    """Let applications share what stands in the folder of static files, which no test changes."""
    find = WhiteNoise.update_files_dictionary
    found: dict[str, Any] = {}

    def find_once(self: WhiteNoise, root: str, prefix: str) -> None:
        if Path(root) != ROOT / "static":
            find(self, root, prefix)
            return
        if not found:
            find(self, root, prefix)
            found.update(self.files)
        self.files.update(found)

    WhiteNoise.update_files_dictionary = find_once  # type: ignore[method-assign]


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings for a test: new database, empty Redis, sample writer, mail kept; ``.replace(…)`` changes some."""
    return Settings(
        environment="test",
        database_url=database_url,
        redis_url=redis_url,
        data_dir=str(tmp_path / "instance"),
        secret_key="a secret for tests only, long enough to sign with",
        base_url="http://localhost",
    )


@pytest.fixture
def make_app(templates: BytecodeCache, bundles: dict[str, Any]) -> Iterator[Callable[[Settings], Flask]]:
    """Return a function that makes the application for given settings; its connections are closed afterwards."""
    from app import create_app
    from app.core.db import db

    made: list[Flask] = []

    def make(settings: Settings) -> Flask:
        made.append(create_app(settings))
        made[-1].jinja_env.bytecode_cache = templates
        made[-1].extensions["assets"]._bundles = bundles
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


@pytest.fixture
def app(settings: Settings, make_app: Callable[[Settings], Flask]) -> Flask:
    """The application on an empty database of each kind."""
    application = make_app(settings)
    application.testing = True
    return application


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """The session of an open application context, to arrange and assert with."""
    from app.core.db import db

    with app.app_context():
        yield db.session()
        db.session.rollback()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript, signed out."""
    return app.test_client()


# --- the browser ---


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Drive ``CHROMIUM_PATH``, else the system's Chromium, else Playwright's own."""
    found = (os.environ.get("CHROMIUM_PATH"), "/usr/bin/chromium", "/usr/bin/chromium-browser")
    path = next((path for path in found if path and Path(path).exists()), None)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    chosen: dict[str, Any] = {"executable_path": path} if path else {}
    if _has_room_in_memory():
        chosen["ignore_default_args"] = ["--disable-dev-shm-usage"]  # Playwright's own: pictures go through files
    return {**browser_type_launch_args, **chosen, "args": [*sandbox, *THRIFTY]}


def _has_room_in_memory() -> bool:
    """Tell whether the processes of four browsers can share what they draw in memory: a container has 64 MB for it."""
    shared = Path("/dev/shm")
    return shared.is_dir() and shutil.disk_usage(shared).free > 2**30


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """English, and a fixed time zone, so that pictures and words do not depend on the machine."""
    return {**browser_context_args, "locale": "en-US", "timezone_id": "America/New_York"}
