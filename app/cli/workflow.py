"""``greenlight workflow``: workflows and their definitions, in and out of files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import output, resources
from app.cli.desk import application, open_desk
from app.cli.files import FILE, read_text, write_text
from app.cli.launching import begin, launch_options, read_answers
from app.cli.options import alias, json_option, workspace_option
from app.core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from app.features.lifecycle.rules import Need


def open_runs_option(function: Any) -> Any:
    """Add ``--runs finish|pause|stop`` to a command that ends a workflow."""
    return click.option(
        "--runs",
        "open_runs",
        type=click.Choice(["finish", "pause", "stop"]),
        default="finish",
        show_default=True,
        help="What becomes of its runs under way.",
    )(function)


@click.group("workflow")
def command() -> None:
    """Workflows: list, show, create, publish, run, switch on and off, delete, in and out of files."""


@command.command("list")
@workspace_option
@json_option
def list_(workspace: str | None, as_json: bool) -> None:
    """List the workflows."""
    from app.features.workflows import queries

    with open_desk(workspace, reading=True) as desk:
        found = queries.workflows(desk.session, desk.workspace.id)
        if as_json:
            output.show_list([resources.workflow(one) for one in found])
            return
        rows = [(one.id, one.name, one.published_number, one.template_slug or "") for one in found]
        output.show_table(("Id", "Name", "Version", "Template"), rows, empty="There is no workflow yet.")


@command.command("show")
@click.argument("workflow")
@workspace_option
@json_option
def show(workflow: str, workspace: str | None, as_json: bool) -> None:
    """Show one workflow (its id or name) and its steps."""
    from app.features.workflows import queries

    with open_desk(workspace, reading=True) as desk:
        found = find_workflow(desk.session, desk.workspace.id, workflow)
        is_published = found.published_number > 0
        draft = queries.draft_of(desk.session, found)
        definition = (
            queries.current_version(desk.session, found).definition if is_published else draft.definition
        )
        if as_json:
            output.show_json(resources.workflow(found, definition))
            return
        said = f"version {found.published_number}" if is_published else "not published"
        said += ", changed since" if is_published and draft.has_changes else ""
        said += "" if found.is_enabled else ", switched off"
        click.echo(f"{found.name}, {said}\n{found.id}\n")
        rows = [
            (step["id"], step["type"], step.get("name", ""), ", ".join(step.get("after") or ()))
            for step in definition.get("steps") or ()
        ]
        output.show_table(("Step", "Type", "Name", "After"), rows, empty="It has no step.")


@command.command("create")
@click.argument("name")
@click.option(
    "--file", type=FILE, help="Begin with the definition of this YAML or JSON file; it may have problems."
)
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
@workspace_option
@json_option
def create(name: str, file: Path | None, email: str | None, workspace: str | None, as_json: bool) -> None:
    """Make a workflow of that name of which nothing is published yet."""
    from app.features.lifecycle import exchange
    from app.features.workflows import queries, service

    definition = None if file is None else exchange.parts(_read(file))[1]
    with open_desk(workspace) as desk:
        made = service.create_draft(
            desk.session,
            workspace_id=desk.workspace.id,
            name=name,
            actor_id=desk.actor(email).user_id,
            definition=definition,
        )
        desk.session.commit()
        if as_json:
            output.show_json(resources.workflow(made, queries.draft_of(desk.session, made).definition))
        else:
            click.echo(f"{made.name}, not published: {made.id}")


@command.command("publish")
@click.argument("workflow")
@click.option("--file", type=FILE, help="Publish this YAML or JSON file instead of the draft.")
@click.option("--note", default="", help="What is new, in your words; it stands in the history.")
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
@workspace_option
@json_option
def publish(
    workflow: str, file: Path | None, note: str, email: str | None, workspace: str | None, as_json: bool
) -> None:
    """Publish a workflow's draft (its id or name) as the next version, and say what it changes."""
    from app.features.lifecycle import exchange, queries
    from app.features.lifecycle import service as lifecycle
    from app.features.workflows import service

    with open_desk(workspace) as desk:
        found, actor = find_workflow(desk.session, desk.workspace.id, workflow), desk.actor(email)
        number = found.published_number
        before = queries.version(desk.session, found, number) if number else None
        if file is None:
            version = lifecycle.publish_draft(
                desk.session, found, revision=found.draft_number, actor=actor, note=note
            )
        else:
            definition = exchange.parts(_read(file))[1]
            version = service.publish(desk.session, found, definition, actor_id=actor.user_id, note=note)
        desk.session.commit()
        if as_json:
            output.show_json(resources.workflow(found, version.definition))
            return
        click.echo(f"{found.name}, version {version.number}. The next run uses it.")
        for change in queries.compare(before, version) if before else ():
            click.echo(f"  {change.sentence}")


@command.command("enable")
@click.argument("workflow")
@workspace_option
@json_option
def enable(workflow: str, workspace: str | None, as_json: bool) -> None:
    """Switch a workflow (its id or name) on."""
    from app.features.lifecycle import service

    with open_desk(workspace) as desk:
        found = find_workflow(desk.session, desk.workspace.id, workflow)
        service.switch_on(desk.session, found, actor=desk.actor())
        desk.session.commit()
        _show_state(found, f"{found.name} is switched on.", as_json)


@command.command("disable")
@click.argument("workflow")
@open_runs_option
@workspace_option
@json_option
def disable(workflow: str, open_runs: str, workspace: str | None, as_json: bool) -> None:
    """Switch a workflow (its id or name) off: nobody can start it."""
    from app.engine import jobs
    from app.features.lifecycle import service
    from app.features.lifecycle.enums import OpenRuns

    with open_desk(workspace) as desk:
        found = find_workflow(desk.session, desk.workspace.id, workflow)
        ended = service.switch_off(desk.session, found, open_runs=OpenRuns(open_runs), actor=desk.actor())
        desk.session.commit()
        jobs.hint_runs(ended)
        _show_state(found, f"{found.name} is switched off.", as_json)


@command.command("delete")
@click.argument("workflow")
@open_runs_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@workspace_option
@json_option
def delete(workflow: str, open_runs: str, yes: bool, workspace: str | None, as_json: bool) -> None:
    """Delete a workflow (its id or name). For 30 days it can be brought back under Workflows, Deleted."""
    from app.engine import jobs
    from app.features.lifecycle import queries, service
    from app.features.lifecycle.enums import OpenRuns

    with open_desk(workspace) as desk:
        found = find_workflow(desk.session, desk.workspace.id, workflow)
        if not yes:
            going = queries.going(desk.session, found)
            name = found.name
            desk.session.commit()  # nobody stands in line while we wait for the answer
            click.confirm(f"Delete {name}? {going} of its runs are going.", abort=True, err=True)
        ended = service.delete(desk.session, found, open_runs=OpenRuns(open_runs), actor=desk.actor())
        desk.session.commit()
        jobs.hint_runs(ended)
        _show_state(found, f"{found.name} is deleted. For 30 days it can be brought back.", as_json)


@command.command("import")
@click.argument("file", type=FILE)
@click.option("--name", help="The workflow’s name; otherwise the file’s.")
@click.option(
    "--into", metavar="WORKFLOW", help="Publish it as the next version of this workflow (its id or name)."
)
@click.option("--off", is_flag=True, help="Leave it off until everything of the checklist was looked at.")
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
@workspace_option
@json_option
def import_(
    file: Path,
    name: str | None,
    into: str | None,
    off: bool,
    email: str | None,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Make a workflow from a YAML or JSON file; every problem of it is listed (exit 2).

    People, places and secrets of the file that are new here are listed beside it. What is missing here (a secret, a
    connection, another workflow, a picture) keeps it switched off; with --into it is listed, and the workflow stays on.
    """
    from app.features.lifecycle import exchange, queries
    from app.features.lifecycle import service as lifecycle
    from app.features.workflows import queries as workflows
    from app.features.workflows import service

    text = read_text(file)
    with open_desk(workspace) as desk:
        actor = desk.actor(email)
        if into is not None:
            found = find_workflow(desk.session, desk.workspace.id, into)
            definition = exchange.parts(exchange.read(text, str(file)))[1]
            note = f"Imported from {file.name}"
            service.publish(desk.session, found, definition, actor_id=actor.user_id, note=note)
            _say_needs([need for need in queries.all_needs(desk.session, found) if need.is_missing])
        else:
            found = lifecycle.bring_in(
                desk.session,
                text,
                workspace_id=desk.workspace.id,
                name=name or "",
                actor=actor,
                source=str(file),
            )
            _say_needs(queries.needs(desk.session, found))
            if not off:
                lifecycle.take_over(desk.session, found, actor=actor)
        desk.session.commit()
        if as_json:
            version = workflows.current_version(desk.session, found)
            output.show_json(resources.workflow(found, version.definition))
        else:
            state = "" if found.is_enabled else ", switched off"
            click.echo(f"{found.name}, version {found.published_number}: {found.id}{state}")


@command.command("validate")
@click.argument("file", type=FILE)
@json_option
def validate(file: Path, as_json: bool) -> None:
    """Check a YAML or JSON file without keeping it; every problem is listed (exit 2)."""
    from app.features.lifecycle import exchange
    from app.features.workflows import service

    data = _read(file)
    with application():
        definition = service.validated(exchange.parts(data)[1])
    if as_json:
        output.show_json({"valid": True, "problems": []})
    else:
        steps, questions = len(definition["steps"]), len(definition.get("inputs") or [])
        click.echo(f"Nothing is wrong: {steps} steps, {questions} questions.")


@command.command("export")
@click.argument("workflow")
@click.option("--output", "target", type=FILE, help="Write it here instead of to stdout.")
@workspace_option
@json_option
def export(workflow: str, target: Path | None, workspace: str | None, as_json: bool) -> None:
    """Write a workflow (its id or name) as YAML that `workflow import` reads; --json writes JSON."""
    from app.features.lifecycle import exchange
    from app.features.lifecycle.enums import FileKind
    from app.features.workflows import queries

    with open_desk(workspace, reading=True) as desk:
        found = find_workflow(desk.session, desk.workspace.id, workflow)
        definition = queries.current_version(desk.session, found).definition
        text = exchange.written(found, definition, FileKind.JSON if as_json else FileKind.YAML)
    write_text(target, text)


@command.command("run")
@click.argument("workflow")
@launch_options
@click.option("--label", default="", help="A name for the run.")
@click.option("--test", is_flag=True, help="A test: nothing is sent and nothing is spent.")
@workspace_option
@json_option
def run(
    workflow: str,
    answers: tuple[str, ...],
    answers_file: Path | None,
    email: str | None,
    watch: bool,
    label: str,
    test: bool,
    workspace: str | None,
    as_json: bool,
) -> int:
    """Start a run of a workflow (its id or name)."""
    from app.features.runs import service

    given = read_answers(answers, answers_file)
    with open_desk(workspace) as desk:
        started = service.start(
            desk.session,
            workspace_id=desk.workspace.id,
            workflow=find_workflow(desk.session, desk.workspace.id, workflow),
            inputs=given,
            actor=desk.actor(email),
            label=label,
            test=test,
        )
        return begin(desk, started, watching=watch, as_json=as_json)


command.add_command(alias(run), "execute")


def find_workflow(session: Any, workspace_id: str, reference: str) -> Any:
    """Return the workflow of that id, or the only one of that name. Raises NotFound, Invalid when several fit."""
    from app.core.ids import is_id
    from app.features.workflows import queries

    if is_id(reference):
        return queries.workflow(session, workspace_id, reference)
    known = queries.names(session, workspace_id)
    named = [workflow_id for workflow_id, name in known.items() if name.lower() == reference.strip().lower()]
    if len(named) > 1:
        raise Invalid(
            f"{len(named)} workflows are called {reference}.", fix="Give the id: greenlight workflow list"
        )
    if not named:
        raise NotFound(f"There is no workflow {reference}.", fix="See them all: bin/greenlight workflow list")
    return queries.workflow(session, workspace_id, named[0])


def _show_state(found: Any, sentence: str, as_json: bool) -> None:
    if as_json:
        output.show_json(resources.workflow(found))
    else:
        click.echo(sentence)


def _read(file: Path) -> dict[str, Any]:
    """Read YAML, of which JSON is a part; dates stay text. Raises Invalid."""
    from app.features.lifecycle import exchange

    return exchange.read(read_text(file), str(file))


def _say_needs(needs: "Sequence[Need]") -> None:
    for need in needs:
        output.say(f"Look at: {need.what} ({need.kind}), in {', '.join(need.steps)}")
