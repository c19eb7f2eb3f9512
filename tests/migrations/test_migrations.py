"""The migrations go up and down on both databases, and make the very tables that the models describe."""

import importlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from app.core.db import make_engine
from app.core.ids import new_id
from tests.conftest import DATABASES, ROOT, Databases, migrate
from tests.engine.rig import House
from tests.servers import PostgresServer

# SQLAlchemy cannot read an index over an expression back from SQLite; index_words does not see it there.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection of expression-based index",
    "ignore:autogenerate skipping metadata-specified expression-based index",
)

OF_ROWS = {"0035"}  # those that change no table


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"gl_empty_{uuid.uuid4().hex[:12]}"
    yield server.create_database(name)
    server.drop_database(name)


def test_migrations_form_one_line() -> None:
    scripts = ScriptDirectory.from_config(Config(ROOT / "migrations" / "alembic.ini"))

    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_each_migration_goes_up_and_down_and_up_again(empty_url: str) -> None:
    scripts = ScriptDirectory.from_config(Config(ROOT / "migrations" / "alembic.ini"))
    passed = [schema(empty_url)]
    for script in reversed(list(scripts.walk_revisions())):
        migrate(empty_url, script.revision)
        passed.append(schema(empty_url))
        assert (passed[-1] != passed[-2]) is (script.revision not in OF_ROWS)
    *below, top = passed

    for before in reversed(below):
        migrate(empty_url, "-1")
        assert schema(empty_url) == before
    assert below[0] == {}

    migrate(empty_url)
    assert schema(empty_url) == top


def test_migrations_make_what_the_models_describe(database_url: str) -> None:
    metadata = models()
    engine = engine_for(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": not_alembics})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_what_runs_were_given_is_written_down_for_those_that_there_are(database_url: str) -> None:
    engine = make_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    given = [new_id(), new_id()]
    house, seen = House(engine), []
    steps: list[dict[str, Any]] = [{"id": "one", "type": "echo", "config": {}}]
    house.start(steps, inputs={"texts": given, "again": given[0], "offer": "A car"})
    house.start(steps, inputs={"offer": "A van"})
    script = ScriptDirectory.from_config(Config(ROOT / "migrations" / "alembic.ini")).get_revision("0035").module
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        for change in (script.downgrade, script.upgrade):
            change()
            seen.append({tuple(row) for row in connection.execute(sa.text("SELECT number, word FROM run_word"))})
    engine.dispose()
    assert seen == [set(), {(1, f"#{found}") for found in given}]


def test_constraints_carry_the_names_that_later_migrations_will_use(databases: Databases) -> None:
    metadata = models()
    with engine_for(databases.create("postgresql")).connect() as connection:
        tables = sa.inspect(connection)
        for table in metadata.sorted_tables:
            checks = {check["name"] for check in tables.get_check_constraints(table.name)}
            assert checks == {c.name for c in table.constraints if isinstance(c, sa.CheckConstraint)}
            assert tables.get_pk_constraint(table.name)["name"] == table.primary_key.name


def test_a_failing_migration_leaves_nothing_behind(empty_url: str, tmp_path: Path) -> None:
    """All or nothing: the second statement fails, so the first one's table must not be there."""
    (tmp_path / "versions").mkdir()
    for name in ("env.py", "script.py.mako", "alembic.ini"):
        (tmp_path / name).write_text((ROOT / "migrations" / name).read_text())
    (tmp_path / "versions" / "0001_bad.py").write_text(BAD)
    config = Config(tmp_path / "alembic.ini")
    with engine_for(empty_url).connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(sa.exc.DBAPIError):
            importlib.import_module("alembic.command").upgrade(config, "head")

    assert schema(empty_url) == {}


BAD = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade():
    op.create_table("half", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO nowhere VALUES (1)")
"""


def models() -> sa.MetaData:
    """Return the tables of every model there is."""
    from app.core.db import Base

    importlib.import_module("app.engine.models")
    importlib.import_module("app.core.outbox")
    for path in sorted((ROOT / "app" / "features").glob("*/models.py")):
        importlib.import_module(f"app.features.{path.parent.name}.models")
    return Base.metadata


def engine_for(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.pool.NullPool)


def schema(url: str) -> dict[str, object]:
    """Return tables with columns, keys, indexes and checks in a form that compares."""
    with engine_for(url).connect() as connection:
        tables = sa.inspect(connection)
        parts = (
            (tables.get_multi_columns(), lambda column: (column["name"], str(column["type"]), column["nullable"],
                                                         column["default"])),
            (tables.get_multi_foreign_keys(), str),
            (tables.get_multi_indexes(), index_words),
            (tables.get_multi_unique_constraints(), str),
            (tables.get_multi_check_constraints(), str),
        )  # fmt: skip
        return {
            name: (
                *(sorted(words(each) for each in found.get((None, name)) or ()) for found, words in parts),
                _indexes_over_expressions(connection, name),
            )
            for name in tables.get_table_names()
            if name != "alembic_version"
        }


def _indexes_over_expressions(connection: sa.Connection, table: str) -> list[str]:
    """Return those that the inspector leaves out: on SQLite."""
    if connection.dialect.name != "sqlite":
        return []
    wanted = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :of AND sql LIKE '%(%(%' ORDER BY name"
    return list(connection.execute(sa.text(wanted), {"of": table}).scalars())


def index_words(index: Any) -> str:
    options = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['unique']} {index['column_names']} {index.get('expressions')} {options}"


def not_alembics(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """Leave out alembic's own table and, on SQLite, the words of documents, which no model describes."""
    return not (kind == "table" and name and (name == "alembic_version" or name.startswith("document_words")))
