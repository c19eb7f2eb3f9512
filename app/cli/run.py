"""``greenlight run``: looking at runs and steering them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import launching, output
from app.cli.desk import open_desk
from app.cli.options import alias, json_option, workspace_option
from app.core import clock

if TYPE_CHECKING:
    from app.cli.desk import Desk
    from app.engine.models import Run
    from app.features.runs.log import Asked, Line


@click.group("run")
def command() -> None:
    """Look at runs and steer them."""


@command.command("list")
@click.option("--status", multiple=True, help="Only runs of this status; repeat it for more.")
@click.option("--search", metavar="WORDS", help="Only runs whose name, workflow or number fits.")
@click.option("--limit", type=click.IntRange(1, 200), default=25, show_default=True)
@click.option("--cursor", help="Continue after this run: “next” of the list before.")
@workspace_option
@json_option
def list_(
    status: tuple[str, ...],
    search: str | None,
    limit: int,
    cursor: str | None,
    workspace: str | None,
    as_json: bool,
) -> None:
    """List the runs, the newest first."""
    from app.engine.enums import RunStatus
    from app.features.runs import queries, resource

    unknown = sorted(set(status) - set(RunStatus))
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(RunStatus)}.", param_hint="--status")
    with open_desk(workspace, reading=True) as desk:
        found = queries.runs(
            desk.session,
            desk.workspace.id,
            status=status or None,
            text=search,
            limit=limit + 1,
            before=cursor,
        )
        following = found[limit - 1].id if len(found) > limit else None
        found = found[:limit]
        if as_json:
            output.show_list([resource.as_json(desk.session, run) for run in found], following)
            return
        rows = [
            (
                run.number,
                run.status.replace("_", " "),
                f"{run.progress:.0%}",
                clock.iso(run.created_at),
                run.label,
            )
            for run in found
        ]
        output.show_table(("No.", "Status", "Done", "Started", "Name"), rows, empty="There is no run yet.")


@command.command("show")
@click.argument("run")
@workspace_option
@json_option
def show(run: str, workspace: str | None, as_json: bool) -> None:
    """Show one run (its number or id): what it does now, and each step."""
    from app.features.runs import resource

    with open_desk(workspace, reading=True) as desk:
        facts = resource.as_json(desk.session, desk.run(run))
        if as_json:
            output.show_json(facts)
            return
        _show(facts, desk.run(run).doing)


@command.command("watch")
@click.argument("run")
@workspace_option
@json_option
def watch(run: str, workspace: str | None, as_json: bool) -> int:
    """Stay with a run until it ends (exit 0, or 1 if it failed) or waits for a person (3)."""
    with open_desk(workspace, reading=True) as desk:
        found = desk.run(run)
        desk.session.rollback()
        code = launching.watch(found)
        if as_json:
            launching.show_run(desk, found)
        return code


@command.command("logs")
@click.argument("run")
@click.option(
    "--level", type=click.Choice(["debug", "info", "warning", "error"]), help="Only lines of this level."
)
@click.option("--step", default="", help="Only lines of this step.")
@click.option("--search", metavar="WORDS", default="", help="Only lines with these words.")
@click.option("--limit", type=click.IntRange(1, 5000), default=500, show_default=True, help="The last lines.")
@click.option("--follow", is_flag=True, help="Stay, and print new lines until the run ends or a person must act.")
@workspace_option
@json_option
def logs(
    run: str, level: str | None, step: str, search: str, limit: int, follow: bool, workspace: str | None, as_json: bool
) -> None:
    """Print the log of a run, the oldest line first: what was noted, what each step did, requests and answers."""
    from app.features.runs import log
    from app.features.workflows import queries as workflows

    if follow and as_json:
        raise click.UsageError("--follow prints lines as they come; --json prints one answer. Leave one of them out.")
    with open_desk(workspace, reading=True) as desk:
        found = desk.run(run)
        steps = [each.id for each in workflows.load_definition(desk.session, found.version_id).steps]
        if step and step not in steps:
            raise click.BadParameter(f"this run has no step {step!r}; it has {', '.join(steps)}.", param_hint="--step")
        wanted = log.asked({"level": level or "", "step": step, "q": search}, "UTC", steps)
        lines = [line for line in log.read(desk.session, found) if wanted.keeps(line, "")][-limit:]
        if as_json:
            output.show_list([_line_json(line) for line in lines])
            return
        rows = [(clock.iso(line.at), line.level, line.step_id, line.message) for line in lines]
        output.show_table(("When", "Level", "Step", "What"), rows, empty="It has logged nothing yet.")
        if follow:
            _follow(desk, found, wanted, lines[-1].key if lines else "")


def _line_json(line: "Line") -> dict[str, Any]:
    return {
        "at": clock.iso(line.at),
        "level": line.level,
        "event": line.event,
        "step": line.step_id or None,
        "item": line.item if line.item >= 0 else None,
        "message": line.message,
        "code": line.facts.get("code"),
    }


def _follow(desk: "Desk", run: "Run", wanted: "Asked", last: str) -> None:
    """Print lines as they come; a read by key tells whether there are any."""
    from app.features.runs import log, queries

    seen = None
    while True:
        desk.session.rollback()
        now = queries.seen(desk.session, run.workspace_id, run.id)
        if now != seen:
            seen = now
            desk.session.refresh(run)
            for line in log.read(desk.session, run):
                if line.key > last and wanted.keeps(line, ""):
                    click.echo(f"{clock.iso(line.at)}  {line.level:<8} {line.step_id:<16} {line.message}")
                    last = line.key
        if launching.exit_code(desk.session, run) is not None:
            return
        time.sleep(launching.POLL_S)


def _control(name: str, verb: str, sentence: str) -> Callable[..., None]:
    @command.command(name, help=sentence)
    @click.argument("run")
    @click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
    @workspace_option
    @json_option
    def _steer(run: str, email: str | None, workspace: str | None, as_json: bool) -> None:
        from app.features.runs import service

        with open_desk(workspace) as desk:
            found = desk.run(run)
            getattr(service, name)(desk.session, found, actor=desk.actor(email))
            desk.session.commit()
            service.hint(found.id)
            if as_json:
                launching.show_run(desk, found)
            else:
                click.echo(f"Run {found.number} {verb}.")

    return _steer


pause = _control(
    "pause", "begins nothing new; what is under way ends first", "Pause a run after what is under way."
)
resume = _control("resume", "goes on", "Let a paused run go on.")
stop = _control("stop", "stops", "Stop a run for good.")
command.add_command(alias(command.commands["stop"]), "cancel")


@command.command("retry")
@click.argument("run")
@click.option(
    "--mode",
    type=click.Choice(["step", "changed", "start"]),
    default="step",
    show_default=True,
    help="Take it up where it failed; continue with changed answers; or start over with the same ones.",
)
@click.option("--step", help="With changed answers: the step (its id) to continue from.")
@launching.launch_options
@workspace_option
@json_option
def retry(
    run: str,
    mode: str,
    step: str | None,
    answers: tuple[str, ...],
    answers_file: Path | None,
    email: str | None,
    watch: bool,
    workspace: str | None,
    as_json: bool,
) -> int:
    """Take up a failed run, or start a new one that keeps what this one finished."""
    from app.features.gallery import starting
    from app.features.runs import service

    with open_desk(workspace) as desk:
        found, actor = desk.run(run), desk.actor(email)
        if mode == "step":
            service.try_again(desk.session, found, actor=actor)
        elif mode == "start":
            found = service.start_over(desk.session, found, actor=actor)
        elif step is None:
            raise click.UsageError("Name the step to continue from: --step ID (run show lists them).")
        else:
            inputs = {**found.inputs, **launching.read_answers(answers, answers_file)}
            labels = starting.labels(desk.session, found)
            found = service.continue_from(desk.session, found, step, inputs, actor=actor, labels=labels)
        return launching.begin(desk, found, watching=watch, as_json=as_json)


@command.command("answer")
@click.argument("run")
@click.argument("step")
@click.argument("reply", type=click.Choice(["sent", "send_again", "yes", "no", "again", "add_money", "fail"]))
@click.option("--item", type=int, help="Which item, from 0, of a step that is done for every item.")
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
@workspace_option
@json_option
def answer(
    run: str, step: str, reply: str, item: int | None, email: str | None, workspace: str | None, as_json: bool
) -> None:
    """Answer a step that asks: its id, and what to do."""
    from app.engine.answers import Reply
    from app.features.runs import queries, service

    with open_desk(workspace) as desk:
        found = desk.run(run)
        row_id = queries.step_run_id(desk.session, found.id, step, -1 if item is None else item)
        service.answer(desk.session, found, row_id, Reply(reply), actor=desk.actor(email))
        desk.session.commit()
        service.hint(found.id)
        if as_json:
            launching.show_run(desk, found)
        else:
            click.echo(f"Run {found.number} goes on.")


def _show(facts: dict[str, Any], doing: str) -> None:
    cost = facts["cost_microusd"] / 1_000_000
    output.show_facts(
        {
            "Run": f"{facts['number']}  {facts['label']}",
            "Workflow": f"{facts['workflow']['name']}, version {facts['workflow']['version']}",
            "Status": f"{facts['status'].replace('_', ' ')}  {facts['progress']:.0%}",
            "Now": doing,
            **({"Due": facts["trigger"]["due_at"]} if "due_at" in facts["trigger"] else {}),
            "Started": facts["created_at"],
            "Ended": facts["finished_at"] or "not yet",
            "Cost": f"${cost:.2f}",
            **({"Error": facts["error"].get("message", "")} if facts["error"] else {}),
        }
    )
    click.echo()
    rows = [
        (step["id"], step["status"].replace("_", " "), step["outcome"] or "", _note(step))
        for step in facts["steps"]
    ]
    output.show_table(("Step", "Status", "Outcome", ""), rows, empty="It has no step.")
    if facts["documents"]:
        click.echo()
        documents = [(one["id"], one["status"], one["title"]) for one in facts["documents"]]
        output.show_table(("Document", "Status", "Title"), documents, empty="")


def _note(step: dict[str, Any]) -> str:
    if step["error"]:
        return str(step["error"].get("message", ""))
    return step["reason"] or (
        f"{step['duration_ms'] / 1000:.1f} s" if step["duration_ms"] is not None else ""
    )
