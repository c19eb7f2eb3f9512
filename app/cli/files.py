"""Files that commands read and write; ``-`` is the terminal."""

import sys
from pathlib import Path

import click

from app.core.errors import Invalid

FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)


def read_text(file: Path) -> str:
    """Return the text of a file. Raises Invalid."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except OSError as error:
        raise Invalid(f"{file} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not text in UTF-8.") from None


def write_text(target: Path | None, text: str) -> None:
    """Write a text to a file; without one, or to ``-``, to stdout. Raises Invalid."""
    if target is None or str(target) == "-":
        click.echo(text, nl=False)
        return
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise Invalid(f"{target} cannot be written ({error.strerror}).") from None
