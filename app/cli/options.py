"""Options that many commands share."""

import copy
from typing import Any

import click


def workspace_option(function: Any) -> Any:
    """Add ``--workspace NAME`` to a command."""
    return click.option(
        "--workspace", metavar="NAME", help="Which workspace; needed only where there are several."
    )(function)


def json_option(function: Any) -> Any:
    """Add ``--json`` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print the API’s JSON and nothing else.")(
        function
    )


def alias(command: click.Command) -> click.Command:
    """Return the same command for another, older name, which the help does not list."""
    same = copy.copy(command)
    same.hidden = True
    return same
