"""The program ``greenlight``: the groups, and how errors end it."""

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from app.cli import output
from app.core.errors import GreenlightError

FAILED, BAD_USAGE = 1, 2
USAGE_CODES = (403, 404, 422)  # wrong input; the rest (409, 410, 503) is a failure

COMMANDS = {
    "approval": "Requests for approval: list, decide.",
    "dev": "Run the whole app on this machine, with demo people and sample runs.",
    "docs": "Print the documentation’s generated pages: settings, steps.",
    "doctor": "Check database, migrations, Redis, workers and stuck runs.",
    "run": "Runs: list, show, watch, pause, resume, stop, logs.",
    "schedule": "Schedules: list, show, create, enable, disable, delete, preview.",
    "seed": "Write the templates, and in development the demo workspace.",
    "serve": "Run web, worker and clock on this machine.",
    "template": "Ready-made workflows: list, show, launch.",
    "user": "People: create.",
    "workflow": "Workflows: list, show, import, export, validate, run.",
}


class Program(click.Group):
    """A group whose commands are imported when they are wanted; the list of them needs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names in the order of the help."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the file of a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"app.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def program() -> None:
    """Greenlight: ready-made workflows; AI writes, a person gives the green light."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* (the process's own) name; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = program.main(words, prog_name="greenlight", standalone_mode=False)
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.Abort:
        sys.stderr.write("Interrupted.\n")
        return 130
    except click.ClickException as error:
        error.show()
        return BAD_USAGE
    except GreenlightError as error:
        output.show_error(error, as_json="--json" in words)
        return BAD_USAGE if error.status in USAGE_CODES or error.code in ("settings", "not_ready") else FAILED
    except BrokenPipeError:  # `greenlight run list | head`
        sys.stderr.close()
        return 0
    return result if isinstance(result, int) else 0
