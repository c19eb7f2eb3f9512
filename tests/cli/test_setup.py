"""bin/setup: does nothing the second time, says what is wrong in one sentence."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "cksum", "dirname", "sed", "grep", "tail", "mkdir", "rm", "sleep", "tr")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that bin/setup reads, in a place where nothing is set up."""
    place = tmp_path / "clone"
    (place / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "bin" / "setup", place / "bin")
    for path in (*ROOT.glob("requirements*"), ROOT / "package.json", ROOT / "package-lock.json"):
        shutil.copy(path, place)
    return place


def machine(folder: Path, python: str) -> dict[str, str]:
    """Return the environment of a machine with the usual tools, whose python3 is the script *python*."""
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    if python:
        (folder / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (folder / "python3").chmod(0o755)
    return {"PATH": str(folder), "HOME": str(folder)}


def set_up(place: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(place / "bin" / "setup"), *arguments]
    return subprocess.run(command, env=environ, text=True, capture_output=True, timeout=60)


def test_second_start_does_nothing_at_once() -> None:
    begun = _cpu_s_of_children()
    done = set_up(ROOT, dict(os.environ))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert _cpu_s_of_children() - begun < 1.5


def _cpu_s_of_children() -> float:
    taken = os.times()
    return taken.children_user + taken.children_system


@pytest.mark.parametrize(
    ("python", "found"),
    [('test "$1" = --version && echo Python 3.8.18', "Python 3.8.18"), ("", "no Python at all")],
)
def test_a_machine_without_a_new_python_is_told_so(clone: Path, tmp_path: Path, python: str, found: str) -> None:
    done = set_up(clone, machine(tmp_path / "bin", python))

    assert done.returncode == 1
    assert done.stderr == (
        f"Greenlight cannot start: it needs Python 3.11 or newer and found {found}; "
        "install one, or name it: PYTHON=/path/to/python3 bin/dev.\n"
    )
    assert not (clone / ".setup.lock").exists()


def test_a_machine_without_venv_is_told_what_to_install(clone: Path, tmp_path: Path) -> None:
    python = 'case $1 in --version) echo Python 3.12.1 ;; -c) exit 0 ;; *) exit 1 ;; esac'
    done = set_up(clone, machine(tmp_path / "bin", python))

    assert done.returncode == 1
    assert done.stderr.endswith("install its venv module (Debian, Ubuntu: apt-get install python3-venv).\n")


def test_a_python_compiled_with_a_profile_goes_before_an_earlier_one_without(clone: Path, tmp_path: Path) -> None:
    plain = (
        'case $1-$2 in --version-) echo Python 3.14.1 ;; -c-*ensurepip*) exit 1 ;; -c-*) exit 0 ;; *) exit 1 ;; esac'
    )
    quick = "case $1 in --version) echo Python 3.12.1 ;; -c) exit 0 ;; *) exit 1 ;; esac"
    first, second = machine(tmp_path / "some bin", plain), machine(tmp_path / "bin", quick)
    both = first | {"PATH": f"{first['PATH']}:{second['PATH']}"}

    assert "with Python 3.12.1" in set_up(clone, both).stderr
    assert "with Python 3.14.1" in set_up(clone, first).stderr
    assert "with Python 3.14.1" in set_up(clone, both | {"PYTHON": str(tmp_path / "some bin" / "python3")}).stderr


def test_a_folder_that_cannot_be_written_is_named(clone: Path) -> None:
    somebody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        place = Path(shutil.copytree(clone, Path(folder) / "clone"))
        place.chmod(0o555)
        command = [str(place / "bin" / "setup")]
        done = subprocess.run(command, env=dict(os.environ), text=True, capture_output=True, **somebody)
        place.chmod(0o755)

    assert done.returncode == 1
    assert done.stderr == (
        f"Greenlight cannot start: the folder {place} is not writable; "
        "change its owner or clone into one of yours.\n"
    )


def test_an_unknown_argument_is_refused(clone: Path) -> None:
    done = set_up(clone, dict(os.environ), "--everything")

    assert (done.returncode, done.stderr) == (
        1, "Greenlight cannot start: bin/setup knows --test only, not --everything.\n",
    )


def test_a_set_up_that_died_does_not_block_the_next(clone: Path, tmp_path: Path) -> None:
    (clone / ".setup.lock").mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (clone / ".setup.lock" / "pid").write_text(f"{gone.pid}\n")

    done = set_up(clone, machine(tmp_path / "bin", ""))

    assert "found no Python at all" in done.stderr
    assert not (clone / ".setup.lock").exists()
