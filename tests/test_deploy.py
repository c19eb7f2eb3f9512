"""What a host reads to run Greenlight: pinned parts, the processes, the settings it asks for."""

import json
import re
import shlex
from pathlib import Path

import pytest

from app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-tools.txt"]
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_with_its_hashes(name: str) -> None:
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text.strip())

    assert entries
    assert [entry for entry in entries if not PIN.match(entry) or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", [*LOCKS, "package-lock.json"])
def test_a_lock_names_no_registry(name: str) -> None:
    text = (ROOT / name).read_text()

    assert re.findall(r'--(?:extra-)?index-url.*|"resolved".*', text) == []


def test_what_is_asked_for_is_what_is_locked() -> None:
    for name in LOCKS:
        asked = dict(PIN.findall((ROOT / name.replace(".txt", ".in")).read_text()))
        locked = dict(PIN.findall((ROOT / name).read_text()))
        assert {package: locked.get(package) for package in asked} == {
            package: version if "*" not in version else locked[package] for package, version in asked.items()
        }


def test_checks_run_on_the_versions_that_are_deployed() -> None:
    deployed, checked = (dict(PIN.findall((ROOT / name).read_text())) for name in LOCKS[:2])
    shared = deployed.keys() & checked.keys()

    assert {name: checked[name] for name in shared} == {name: deployed[name] for name in shared}


def test_front_end_parts_are_the_ones_agreed() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert packages["node_modules/htmx.org"]["version"] == "2.0.11"
    assert packages["node_modules/@tabler/core"]["version"] == "1.6.1"
    assert all("integrity" in package for name, package in packages.items() if name)


def test_the_processes_start_programs_that_exist() -> None:
    processes = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())

    assert list(processes) == ["release", "web", "worker", "clock"]
    for line in processes.values():
        words = shlex.split(line)
        program = words[0] if words[0] != "python" else words[1]
        assert program == "-m" or (ROOT / program).exists(), line


def test_a_host_is_asked_only_for_settings_that_exist() -> None:
    asked = json.loads((ROOT / "app.json").read_text())["env"]

    assert {name.lower() for name in asked} <= set(Settings.__dataclass_fields__)
