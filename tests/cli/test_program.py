"""The program itself: help, bad usage, errors."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from app.cli.program import COMMANDS, program
from app.engine.answers import Reply
from tests.cli.conftest import Greenlight

ROOT = Path(__file__).resolve().parents[2]


def all_commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = program.get_command(click.Context(program), name)
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, one) for one in command.commands]
    return found


@pytest.mark.parametrize("words", [(), *all_commands()], ids=" ".join)
def test_every_command_has_help(call: Greenlight, words: tuple[str, ...]) -> None:
    said = call(*words, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: greenlight {' '.join(words)}".rstrip())
    assert said.err == ""


def test_the_list_of_commands_says_what_each_does() -> None:
    for name, words in COMMANDS.items():
        command = program.get_command(click.Context(program), name)
        assert command is not None
        assert command.name == name
        assert words.endswith(".")


@pytest.mark.parametrize(
    "old", [("template", "instantiate"), ("workflow", "execute"), ("run", "cancel")], ids=" ".join
)
def test_older_names_work_and_are_not_listed(call: Greenlight, old: tuple[str, str]) -> None:
    assert call(*old, "--help").code == 0
    assert f"\n  {old[1]} " not in call(old[0], "--help").out


def test_whatever_a_step_can_be_answered_can_be_said_in_a_terminal(call: Greenlight) -> None:
    said = call("run", "answer", "--help").out
    assert [reply for reply in Reply if reply.value not in said] == []


def test_help_needs_no_heavy_library() -> None:
    script = (
        "import sys; from app.cli.program import main; main(['--help'])\n"
        "print(sorted({'sqlalchemy', 'rq', 'redis', 'openai', 'rich', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("run", "nonsense"), ("run", "show"), ("run", "list", "--limit", "0")],
    ids=" ".join,
)
def test_bad_usage_ends_with_2_and_says_so_on_stderr(call: Greenlight, words: tuple[str, ...]) -> None:
    said = call(*words)
    assert said.code == 2
    assert said.out == ""
    assert "Error:" in said.err


def test_production_settings_are_asked_for(call: Greenlight, tmp_path: Path) -> None:
    said = call("run", "list", GREENLIGHT_ENV="production", DATA_DIR=str(tmp_path))
    assert said.code == 2
    assert "SECRET_KEY is not set" in said.err


def test_an_error_is_json_on_stdout_when_json_was_asked_for(call: Greenlight, tmp_path: Path) -> None:
    said = call("run", "list", "--json", DATA_DIR=str(tmp_path))
    assert said.code == 2
    assert said.json["code"] == "not_found"
    assert said.json["message"] == "There is no workspace yet."
    assert "user create" in said.json["fix"]
    assert said.err == ""
