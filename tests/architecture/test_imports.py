"""The import contracts of pyproject.toml hold, and each catches the slip it is there for."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# contract → a file to plant and the line it gains; the module it names is made when the tree lacks it
SLIPS = [
    ("floors", "app/core/slip.py", "import app.features"),
    ("floors", "app/definition/slip.py", "import app.engine.slip"),
    ("floors", "app/features/runs/slip.py", "import app.steps.slip"),
    ("floors", "app/shortcut/slip.py", "import json"),
    ("feature-rows", "app/features/accounts/slip.py", "import app.features.runs.slip_below"),
    ("feature-rows", "app/features/approvals/slip.py", "import app.features.gallery.slip_beside"),
    ("feature-rows", "app/features/sidetrack/slip.py", "import json"),
    ("core", "app/core/slip.py", "from app.engine import slip_above"),
    ("definition", "app/definition/slip.py", "import sqlalchemy"),
    ("definition", "app/definition/slip.py", "import app.web.slip_beside"),
    ("engine", "app/engine/slip.py", "import app.features.runs.slip_above"),
    ("steps", "app/steps/slip.py", "import app.engine.store_slip"),
    ("steps", "app/steps/slip.py", "import app.web.slip_beside"),
    ("web", "app/web/slip.py", "import app.definition.slip_beside"),
    ("features", "app/features/runs/slip.py", "import app.steps.slip_beside"),
    ("ops", "app/ops/slip.py", "import app.features.runs.slip_beside"),
    ("api", "app/api/slip.py", "import app.web.slip_beside"),
    ("cli", "app/cli/slip.py", "import app.web.slip_beside"),
    ("supervisor", "app/supervisor/slip.py", "import app.web.slip_beside"),
    ("wiring", "app/features/runs/slip.py", "import app.wiring"),
    ("private-parts", "app/features/home/slip.py", "import app.features.runs.forms"),
    ("private-parts", "app/features/home/slip.py", "import app.features.runs.views.slip"),
    ("private-parts", "app/features/home/slip.py", "import app.features.runs.jobs"),
    ("no-pages-below-views", "app/features/runs/service.py", "from flask import request"),
    ("no-pages-below-views", "app/features/runs/models.py", "import app.web.slip_above"),
    ("scripts", "wsgi.py", "import flask"),
    ("scripts", "worker.py", "from rq import Worker"),
]


def test_contracts_hold_on_this_tree() -> None:
    checked = lint(ROOT)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(("contract", "file", "line"), SLIPS, ids=[f"{slip[0]}:{slip[2]}" for slip in SLIPS])
def test_contract_catches_a_planted_slip(tmp_path: Path, contract: str, file: str, line: str) -> None:
    copy_tree(tmp_path)
    make_module(tmp_path, line)
    plant(tmp_path / file, line)

    checked = lint(tmp_path, contract)

    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "0 kept, 1 broken" in checked.stdout


def test_every_contract_has_a_slip() -> None:
    law = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert {contract["id"] for contract in law["tool"]["importlinter"]["contracts"]} == {slip[0] for slip in SLIPS}


def lint(root: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    if contract:
        command += ["--contract", contract]
    return subprocess.run(command, cwd=root, text=True, capture_output=True, check=False)


def copy_tree(target: Path) -> None:
    shutil.copytree(ROOT / "app", target / "app", ignore=shutil.ignore_patterns("__pycache__", "*.yaml"))
    shutil.copytree(ROOT / "tests/architecture", target / "tests/architecture", ignore=shutil.ignore_patterns("test_*"))
    (target / "tests/__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", target)


def make_module(root: Path, line: str) -> None:
    """Make the module that *line* imports, unless the tree has it or it is a library's."""
    words = line.split()
    name = f"{words[1]}.{words[3]}" if words[0] == "from" else words[1]
    path = root.joinpath(*name.split("."))
    if name.startswith("app.") and not path.is_dir() and not path.with_suffix(".py").exists():
        plant(path.with_suffix(".py"), "")


def plant(path: Path, line: str) -> None:
    """Add *line* to the file; its folders become packages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    package = path.parent
    while "app" in package.parts:
        (package / "__init__.py").touch()
        package = package.parent
    with path.open("a") as file:
        file.write(f"\n{line}\n")
