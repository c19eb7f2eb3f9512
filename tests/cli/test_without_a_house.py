"""Commands where nothing runs: the first owner, the doctor's findings, PostgreSQL."""

from pathlib import Path

import pytest

from app.features.gallery import library
from tests.cli.conftest import Greenlight
from tests.processes.house import House

PASSWORD = "seven green lanterns on the hill"
PRODUCTION = {"GREENLIGHT_ENV": "production", "SECRET_KEY": "a long secret for tests, long enough"}


def test_the_first_owner_makes_the_workspace(call: Greenlight, tmp_path: Path) -> None:
    production = {**PRODUCTION, "DATA_DIR": str(tmp_path / "data")}
    words = ("user", "create", "--email", "Ann@Example.com", "--name", "Ann", "--password", PASSWORD)
    made = call(*words, "--workspace", "Shop", "--json", **production)
    assert made.code == 0, made
    assert made.json["email"] == "ann@example.com"
    assert made.json["role"] == "owner"
    assert made.json["workspace"]["name"] == "Shop"
    assert PASSWORD not in made.out

    again = call(*words, "--workspace", "Shop")
    assert again.code == 1
    assert "already" in again.err
    second = call(
        "user",
        "create",
        "--email",
        "bob@example.com",
        "--name",
        "Bob",
        "--role",
        "editor",
        "--password",
        PASSWORD,
    )
    assert second.out == "Bob <bob@example.com> is editor of Shop.\n"
    weak = call("user", "create", "--email", "nonsense", "--name", "", "--password", "short")
    assert weak.code == 2
    assert len(weak.err.splitlines()) == 4

    seeded = call("seed", "--json")
    templates = len(list(library.FOLDER.glob("*.yaml")))
    assert seeded.json == {"templates_changed": templates, "demo": False, "sample_runs": 0}
    assert call("workflow", "list").out == "There is no workflow yet.\n"
    assert call("approval", "list").out == "Nothing waits for a decision.\n"
    assert call("run", "list").out == "There is no run yet.\n"


def test_several_workspaces_need_a_name(call: Greenlight, tmp_path: Path) -> None:
    said = call("seed", **PRODUCTION, DATA_DIR=str(tmp_path / "data"))
    assert said.code == 0
    for name in ("Shop", "Yard"):
        _workspace(tmp_path / "data" / "greenlight.db", name)
    said = call("run", "list")
    assert said.code == 2
    assert "There are several workspaces." in said.err
    assert call("run", "list", "--workspace", "yard").code == 0


def _workspace(path: Path, name: str) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "INSERT INTO workspace (id, name, timezone, is_demo, created_at)"
            " VALUES (?, ?, 'UTC', 0, '2026-01-01 00:00:00.000000')",
            (f"{name:0<36}"[:36], name),
        )
    connection.close()


def test_the_doctor_says_what_is_wrong_and_what_to_do(call: Greenlight, tmp_path: Path) -> None:
    said = call("doctor", "--json", DATA_DIR=str(tmp_path))
    assert said.code == 1
    by_name = {check["name"]: check for check in said.json["checks"]}
    assert by_name["database"]["ok"] is True
    assert by_name["redis"]["ok"] is False
    assert by_name["redis"]["fix"] == "Start bin/dev or bin/greenlight serve."
    text = call("doctor")
    assert text.code == 1
    assert "WRONG  redis" in text.out
    broken = call("doctor", DATABASE_URL="nonsense")
    assert broken.code == 1
    assert "DATABASE_URL cannot be read" in broken.out


def test_the_doctor_names_runs_that_nobody_takes_up(call: Greenlight, tmp_path: Path) -> None:
    import sqlite3

    assert call("seed", DATA_DIR=str(tmp_path)).code == 0
    number = call("template", "launch", "facebook-ads-campaign", "--input", "offer=A car", "--json").json["number"]
    connection = sqlite3.connect(tmp_path / "greenlight.db")
    with connection:
        connection.execute("UPDATE run SET due_at = '2026-01-01 00:00:00.000000'")
    connection.close()
    said = call("doctor")
    assert said.code == 1
    assert f"WRONG  runs       Overdue for more than a minute: {number}." in said.out


def test_no_demo_people_in_production(call: Greenlight, tmp_path: Path) -> None:
    call("seed", **PRODUCTION, DATA_DIR=str(tmp_path))
    said = call("run", "list")
    assert said.code == 2
    assert "There is no workspace yet." in said.err


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_main_job_on_postgresql_with_a_real_redis(
    call: Greenlight, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    stores = {
        "DATABASE_URL": database_url.replace("postgresql+psycopg://", "postgres://"),
        "REDIS_URL": redis_url,
    }
    house = House(tmp_path / "data", "dev", **stores)
    try:
        house.wait_for("sample runs are there")
        here = {**stores, "DATA_DIR": str(tmp_path / "data"), "GREENLIGHT_ENV": "development"}
        said = call(
            "template",
            "launch",
            "facebook-ads-campaign",
            "--input",
            "offer=A car",
            "--watch",
            "--json",
            **here,
        )
        assert said.code == 3, said
        (approval,) = call("approval", "list", "--json").json["items"]
        assert call("approval", "decide", approval["id"], "approved").code == 0
        ended = call("run", "watch", said.json["id"], "--json")
        assert ended.code == 0
        assert ended.json["status"] == "completed"
        assert len(ended.json["documents"]) == 10
        assert call("doctor").code == 0
    finally:
        house.end()
