"""What launching commands share: answers from options, and watching the run to its end or to a person."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import output
from app.core.errors import FieldError, Invalid

if TYPE_CHECKING:
    from app.cli.desk import Desk
    from app.engine.models import Run

COMPLETED, FAILED, WAITS_FOR_PERSON = 0, 1, 3
POLL_S = 0.4
PATIENCE_S = 5.0


def launch_options(function: Any) -> Any:
    """Add ``--input``, ``--inputs``, ``--as`` and ``--watch`` to a command."""
    said = "Stay until it ends (exit 0; failed: 1) or a person must act (3)."
    return answer_options(click.option("--watch", is_flag=True, help=said)(function))


def answer_options(function: Any) -> Any:
    """Add ``--input``, ``--inputs`` and ``--as`` to a command."""
    options = (
        click.option(
            "--input", "answers", multiple=True, metavar="KEY=VALUE",
            help="One answer; repeat it for more. KEY=@FILE takes the text of a .txt, .md or .docx file, "
            "KEY.PART=VALUE is one part of it, as of a vehicle.",
        ),
        click.option(
            "--inputs", "answers_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.json",
            help="All answers as one JSON object; --input wins.",
        ),
        click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def read_answers(answers: tuple[str, ...], file: Path | None) -> dict[str, Any]:
    """Return the answers of both options; a key given twice makes a list. Raises Invalid with every fault."""
    found = _from_file(file) if file is not None else {}
    problems, given = [], dict[str, list[str]]()
    for answer in answers:
        key, equals, value = answer.partition("=")
        if not equals or not key.strip():
            fault = f"“{answer}” is not an answer."
            problems.append(FieldError("--input", "bad_value", fault, "Write it as key=value."))
            continue
        given.setdefault(key.strip(), []).append(_text_of(value) if value.startswith("@") else value)
    if problems:
        raise Invalid("The answers cannot be read.", problems)
    return _with_parts({**found, **{key: each[0] if len(each) == 1 else each for key, each in given.items()}})


def _with_parts(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Put answers to parts, ``car.year``, together under their question; what a file says of the others stays."""
    found = {key: value for key, value in answers.items() if "." not in key}
    for key, value in answers.items():
        question, dot, part = key.partition(".")
        if dot:
            whole = found.get(question)
            found[question] = {**(whole if isinstance(whole, dict) else {}), part: value}
    return found


def begin(desk: "Desk", run: "Run", *, watching: bool, as_json: bool) -> int:
    """Commit a run just started, hint it, watch it when asked to, print it; return the exit code."""
    from app.features.runs import service

    desk.session.commit()
    service.hint(run.id)
    code = watch(run) if watching else 0
    if as_json:
        show_run(desk, run)
    elif not watching:
        verb = "started" if run.revision == 1 else "goes on"
        click.echo(f"Run {run.number} {verb}: {run.label}\n{run.facts.get('url', run.id)}")
    return code


def show_run(desk: "Desk", run: "Run") -> None:
    """Print a run as it is now, as JSON."""
    from app.features.runs import resource

    desk.session.rollback()
    desk.session.refresh(run)
    output.show_json(resource.as_json(desk.session, run))


def watch(run: "Run") -> int:
    """Show a run's progress on stderr until it ends or waits for a person; return the exit code."""
    from rich.console import Console

    show = _bar if Console(stderr=True).is_terminal else _lines
    try:
        return show(run.workspace_id, run.id)
    except KeyboardInterrupt:
        output.say(f"The run goes on. Watch it again: bin/greenlight run watch {run.number}")
        return 130


def exit_code(session: Any, run: "Run") -> int | None:
    """Return the code that a watched run ends the command with; None while it goes on by itself."""
    from app.engine.enums import RunStatus

    if not run.is_open:
        return COMPLETED if run.status == RunStatus.COMPLETED else FAILED
    if run.status in (RunStatus.PAUSED, RunStatus.NEEDS_ATTENTION):
        return WAITS_FOR_PERSON
    if run.status == RunStatus.WAITING and _waits_for_people(session, run.id):
        return WAITS_FOR_PERSON
    return None


def report(session: Any, run: "Run", code: int) -> None:
    """Say on stderr what became of the run, whom it waits for, and what to do."""
    if code == WAITS_FOR_PERSON:
        output.say(f"Run {run.number} waits for a person.")
        for line in _asked(session, run):
            output.say(line)
    elif code == COMPLETED:
        output.say(f"Run {run.number} completed.")
    else:
        why = (run.error or {}).get("message", "")
        output.say(f"Run {run.number} {run.status}." + (f" {why}" if why else ""))


def _asked(session: Any, run: "Run") -> list[str]:
    from app.features.approvals import queries
    from app.features.runs import queries as runs

    found, family = [], [run.id]
    for one in family:
        family += [each.id for each in runs.awaited(session, one)]
    for approval in queries.open_approvals(session, run.workspace_id):
        if approval.run_id in family:
            people = [one.email for one in queries.people(session, approval.id) if one.decision is None]
            found.append(f"  “{approval.title}” is with {', '.join(people)}:")
            found.append(f"  bin/greenlight approval decide {approval.id} approved")
    return found


def _from_file(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise Invalid(f"{file} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise Invalid(f"{file} is not JSON ({error}).") from None
    if not isinstance(data, dict):
        raise Invalid(f"{file} holds no object.", fix='Write it as {"key": "value", …}.')
    return data


def _text_of(value: str) -> str:
    from app.features.files import service

    file = Path(value[1:])
    try:
        with file.open("rb") as stream:
            return service.read_upload(file.name, stream)
    except OSError as error:
        raise Invalid(f"{file} cannot be read ({error.strerror}).") from None


def _waits_for_people(session: Any, run_id: str) -> bool:
    """Tell whether nothing but people's answers keeps a run: its own, and those of each run that it waits for."""
    from app.engine.enums import WaitStatus
    from app.features.runs import queries

    open_waits = [wait for wait in queries.waits(session, run_id) if wait.status == WaitStatus.WAITING]
    below = queries.awaited(session, run_id)
    others = [wait for wait in open_waits if wait.kind != "approval"]
    if any(wait.kind != "sub_run" for wait in others) or len(below) < len(others):
        return False
    return bool(open_waits) and all(exit_code(session, run) == WAITS_FOR_PERSON for run in below)


def _follow(workspace_id: str, run_id: str, show: "Callable[[Run], None]") -> int:
    """Read the run until it needs this command no more; one cheap read a poll, the rest only after a change."""
    from app.core.db import reading
    from app.features.runs import queries

    changed_at, began, has_said = None, time.monotonic(), False
    while True:
        with reading() as session:
            seen = queries.seen(session, workspace_id, run_id)
            if seen.changed_at != changed_at or seen.status == "waiting":  # a run far below may ask now
                run = queries.run(session, workspace_id, run_id)
                if seen.changed_at != changed_at:
                    show(run)
                changed_at = seen.changed_at
                code = exit_code(session, run)
                if code is not None:
                    report(session, run, code)
                    return code
        if seen.status == "queued" and not has_said and time.monotonic() - began > PATIENCE_S:
            has_said = True
            output.say(
                "Nothing has taken this run up yet: does bin/dev, bin/greenlight serve or a worker run?"
            )
        time.sleep(POLL_S)  # another process changes it, and the database does not call back


def _bar(workspace_id: str, run_id: str) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("Run {task.fields[number]}", table_column=Column(no_wrap=True)), BarColumn(bar_width=16),
        TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", markup=False, table_column=rest),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as progress:
        task = progress.add_task("", total=1.0, number="", doing="")
        return _follow(
            workspace_id,
            run_id,
            lambda run: progress.update(
                task,
                completed=run.progress,
                number=run.number,
                doing=run.doing or run.status.replace("_", " "),
            ),
        )


def _lines(workspace_id: str, run_id: str) -> int:
    last = ""

    def show(run: "Run") -> None:
        nonlocal last
        line = f"Run {run.number}  {run.progress:4.0%}  {run.doing or run.status.replace('_', ' ')}"
        if line != last:
            output.say(line)
            last = line

    return _follow(workspace_id, run_id, show)
