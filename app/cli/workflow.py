"""``greenlight workflow``: workflows and their definitions, in and out of files."""

import sys
from pathlib import Path
from typing import Any

import click

from app.cli import output, resources
from app.cli.desk import application, open_desk
from app.cli.launching import begin, launch_options, read_answers
from app.cli.options import alias, json_option, workspace_option
from app.core.errors import FieldError, Invalid, NotFound

FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
MOST_BYTES = 1_000_000


@click.group("workflow")
def command() -> None:
    """Workflows: list, show, import, export, validate, run."""


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
        found = _find(desk.session, desk.workspace.id, workflow)
        definition = queries.current_version(desk.session, found).definition
        if as_json:
            output.show_json(resources.workflow(found, definition))
            return
        click.echo(f"{found.name}, version {found.published_number}\n{found.id}\n")
        rows = [
            (step["id"], step["type"], step.get("name", ""), ", ".join(step.get("after") or ()))
            for step in definition["steps"]
        ]
        output.show_table(("Step", "Type", "Name", "After"), rows, empty="It has no step.")


@command.command("import")
@click.argument("file", type=FILE)
@click.option("--name", help="The workflow's name; otherwise the file's.")
@click.option(
    "--into", metavar="WORKFLOW", help="Publish it as the next version of this workflow (its id or name)."
)
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner's.")
@workspace_option
@json_option
def import_(
    file: Path, name: str | None, into: str | None, email: str | None, workspace: str | None, as_json: bool
) -> None:
    """Make a workflow from a YAML or JSON file; every problem of it is listed (exit 2)."""
    from app.features.workflows import queries, service

    data = _read(file)
    about = data if "definition" in data else {}
    definition = data.get("definition", data)
    with open_desk(workspace) as desk:
        actor = desk.actor(email)
        if into is not None:
            found = _find(desk.session, desk.workspace.id, into)
            service.publish(
                desk.session, found, definition, actor_id=actor.user_id, note=f"Imported from {file.name}"
            )
        else:
            found = service.create(
                desk.session,
                workspace_id=desk.workspace.id,
                name=name
                or str(about.get("name") or "")
                or file.stem.replace("-", " ").replace("_", " ").capitalize(),
                definition=definition,
                actor_id=actor.user_id,
                category=str(about.get("category") or ""),
                description=str(about.get("description") or ""),
            )
        desk.session.commit()
        if as_json:
            version = queries.current_version(desk.session, found)
            output.show_json(resources.workflow(found, version.definition))
        else:
            click.echo(f"{found.name}, version {found.published_number}: {found.id}")


@command.command("validate")
@click.argument("file", type=FILE)
@json_option
def validate(file: Path, as_json: bool) -> None:
    """Check a YAML or JSON file without keeping it; every problem is listed (exit 2)."""
    from app.features.workflows import service

    data = _read(file)
    with application():
        definition = service.validated(data.get("definition", data))
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
    import json

    from app.core import yaml
    from app.features.workflows import queries

    with open_desk(workspace, reading=True) as desk:
        found = _find(desk.session, desk.workspace.id, workflow)
        definition = queries.current_version(desk.session, found).definition
        about = {"name": found.name, "description": found.description, "category": found.category}
        data: dict[str, Any] = {
            **{key: value for key, value in about.items() if value},
            "definition": definition,
        }
    text = (
        json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        if as_json
        else yaml.dump(data)
    )
    if target is None or str(target) == "-":
        click.echo(text, nl=False)
        return
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise Invalid(f"{target} cannot be written ({error.strerror}).") from None


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
            workflow=_find(desk.session, desk.workspace.id, workflow),
            inputs=given,
            actor=desk.actor(email),
            label=label,
            test=test,
        )
        return begin(desk, started, watching=watch, as_json=as_json)


command.add_command(alias(run), "execute")


def _find(session: Any, workspace_id: str, reference: str) -> Any:
    """Return the workflow of that id, or the only one of that name. Raises NotFound, Invalid when several fit."""
    from app.core.ids import is_id
    from app.features.workflows import queries

    if is_id(reference):
        return queries.workflow(session, workspace_id, reference)
    named = [
        one
        for one in queries.workflows(session, workspace_id)
        if one.name.lower() == reference.strip().lower()
    ]
    if len(named) > 1:
        raise Invalid(
            f"{len(named)} workflows are called {reference}.", fix="Give the id: greenlight workflow list"
        )
    if not named:
        raise NotFound(f"There is no workflow {reference}.", fix="See them all: bin/greenlight workflow list")
    return named[0]


def _read(file: Path) -> dict[str, Any]:
    """Read YAML, of which JSON is a part; dates stay text. Raises Invalid."""
    from app.core import yaml

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except OSError as error:
        raise Invalid(f"{file} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not text in UTF-8.") from None
    if len(text) > MOST_BYTES:
        raise Invalid(f"{file} is larger than {MOST_BYTES:,} characters.")
    try:
        data = yaml.load(text)
    except yaml.YamlInvalid as error:
        where = f"line {error.line}, column {error.column}" if error.line else "somewhere"
        fault = FieldError("", "bad_value", f"At {where}: {error.why}.", "Mend the file there.")
        raise Invalid(f"{file} is not YAML.", [fault]) from None
    if not isinstance(data, dict):
        fault = FieldError("", "wrong_type", "It is not a mapping.", "Begin with “schema: 1” and “steps:”.")
        raise Invalid(f"{file} holds no workflow.", [fault])
    return data
