"""Every command in the documentation exists; the blocks marked as runnable run and end well.

A block of commands starts with ```sh. One that starts with ```sh run is run, line by line, in a new place with
demo data of its own.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```sh(?P<run> run)?\n(?P<body>.*?)^```", re.DOTALL | re.MULTILINE)
OURS = ("bin/greenlight", "bin/dev", "bin/test", "bin/setup", "bin/bench")


@dataclass(frozen=True)
class Line:
    """One command of the documentation."""

    page: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.number}"


def commands_in(page: str, text: str) -> Iterator[tuple[Line, bool]]:
    """Yield the commands of a page's blocks, and whether they are to be run; continued lines become one."""
    for block in BLOCK.finditer(text):
        number = text.count("\n", 0, block.start("body")) + 1
        joined = ""
        for offset, line in enumerate(block["body"].splitlines()):
            joined += line.strip().removeprefix("$ ")
            if joined.endswith("\\"):
                joined = joined[:-1]
                continue
            if joined and not joined.startswith("#"):
                yield Line(page, number + offset, joined), bool(block["run"])
            joined = ""


def all_commands() -> list[tuple[Line, bool]]:
    pages = ((str(page.relative_to(ROOT)), page.read_text()) for page in PAGES if page.exists())
    return [command for page, text in pages for command in commands_in(page, text)]


def words_of(line: str) -> list[str]:
    """Return the words of the command of ours in *line*, without settings before it and pipes behind; else nothing."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in lexer:
        if words and set(word) <= set("|;&<>"):
            break
        if words or word.removeprefix("./") in OURS:
            words.append(word)
    return words


def parse(words: list[str]) -> None:
    """Raise click.UsageError when ``bin/greenlight`` would not understand *words*."""
    from app.cli.program import program

    command: click.Command = program
    context = click.Context(command, info_name="bin/greenlight")
    while isinstance(command, click.Group):
        if not words or words[0] in ("--help", "…", "..."):
            return
        found = command.get_command(context, words[0])
        if found is None:
            raise click.UsageError(f"there is no command {words[0]!r} in {context.command_path}")
        context = click.Context(found, info_name=words[0], parent=context)
        command, words = found, words[1:]
    if "--help" not in words:
        command.make_context(context.info_name, list(words), parent=context.parent)


OURS_IN_DOCS = [line for line, _ in all_commands() if words_of(line.text)]


@pytest.mark.parametrize("line", OURS_IN_DOCS, ids=str)
def test_documented_command_exists(line: Line) -> None:
    program, *words = words_of(line.text)

    assert (ROOT / program).exists(), f"{program} is not there"
    if program.endswith("greenlight"):
        parse(words)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a new instance with demo data, in a folder of its own."""
    environ = {
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path_factory.mktemp("home")),
        "DATA_DIR": str(tmp_path_factory.mktemp("instance")),
        "GREENLIGHT_ENV": "development",
    }
    run("bin/greenlight seed", environ)
    return environ


@pytest.mark.parametrize("line", [line for line, runs in all_commands() if runs], ids=str)
def test_runnable_command_runs(line: Line, place: dict[str, str]) -> None:
    done = run(line.text, place)

    assert done.returncode in (0, 3), done.stdout + done.stderr  # 3: it waits for a person


def run(line: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], cwd=ROOT, env=environ, text=True, capture_output=True, timeout=120)


def test_blocks_are_read_as_a_shell_would() -> None:
    text = "A\n\n```sh\n# a remark\nbin/greenlight run \\\n  show 1\n```\n\n```sh run\n$ bin/greenlight doctor\n```\n"

    assert [(str(line), line.text, runs) for line, runs in commands_in("README.md", text)] == [
        ("README.md:6", "bin/greenlight run show 1", False),
        ("README.md:10", "bin/greenlight doctor", True),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SMTP_URL=smtp://localhost:25 bin/dev --port 5001", ["bin/dev", "--port", "5001"]),
        ('bin/greenlight run list --json | jq ".items"', ["bin/greenlight", "run", "list", "--json"]),
        ("git clone https://example.com/x.git", []),
    ],
)
def test_only_commands_of_ours_are_looked_at(line: str, words: list[str]) -> None:
    assert words_of(line) == words


@pytest.mark.parametrize("words", [["nothing", "like", "this"], ["run", "nothing"], ["run", "show", "1", "--nothing"]])
def test_a_command_that_does_not_exist_is_caught(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(words)
