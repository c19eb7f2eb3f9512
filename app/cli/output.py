"""What commands print: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import click

from app.core.errors import GreenlightError, Invalid


class Fault(Protocol):
    """What is wrong, where, and what to do: FieldError and the definition's Problem."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def fix(self) -> str: ...  # noqa: D102


def show_json(value: Any) -> None:
    """Print *value* as JSON on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def show_list(items: Sequence[Mapping[str, Any]], following: str | None = None) -> None:
    """Print a list as the API does: ``{"items": […], "next": … | null}``."""
    show_json({"items": list(items), "next": following})


def show_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Print aligned columns, cut to the terminal's width; the sentence *empty* when there are no rows."""
    cells = [[_one_line(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in cells:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=200)
    console.print(table)


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print one line a fact, the names in a column."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(f"{name:<{width}}  {_one_line(value)}")


def say(text: str) -> None:
    """Say something beside the result, on stderr."""
    click.echo(text, err=True)


def show_error(error: GreenlightError, *, as_json: bool) -> None:
    """Say what went wrong and what to do: every problem with its place; as JSON on stdout when *as_json*."""
    problems = error.problems if isinstance(error, Invalid) else ()
    if as_json:
        faults = [problem.as_dict() for problem in problems]
        show_json({"code": error.code, "message": error.message, "fix": error.fix, "problems": faults})
        return
    say(error.message)
    show_problems(problems)
    if error.fix and not problems:
        say(error.fix)


def show_problems(problems: Iterable[Fault]) -> None:
    """Say each problem on stderr: path, message, fix."""
    for problem in problems:
        say(f"  {problem.path or '/'}: {problem.message}" + (f" {problem.fix}" if problem.fix else ""))


def flush() -> None:
    """Write out what is still buffered."""
    sys.stdout.flush()


def _one_line(value: Any) -> str:
    text = "" if value is None else str(value)
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
