"""``greenlight template``: ready-made workflows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import output, resources
from app.cli.desk import open_desk
from app.cli.files import FILE, read_text, write_text
from app.cli.launching import begin, launch_options, read_answers
from app.cli.options import alias, json_option, workspace_option
from app.cli.workflow import find_workflow
from app.core.errors import Conflict, Invalid

if TYPE_CHECKING:
    from app.features.gallery.models import Template


@click.group("template")
def command() -> None:
    """Ready-made workflows: list, show, launch, make, import, export."""


@command.command("list")
@click.option("--search", metavar="WORDS", help="Only those that fit these words, the best first.")
@click.option("--category", help="Only those of this category.")
@workspace_option
@json_option
def list_(search: str | None, category: str | None, workspace: str | None, as_json: bool) -> None:
    """List the templates."""
    from app.features.gallery import figures, queries

    with open_desk(workspace, reading=True) as desk:
        found = queries.templates(desk.session, desk.workspace.id, text=search, category=category)
        facts = figures.facts(desk.session, desk.workspace.id, [one.slug for one in found])
        if as_json:
            output.show_list([resources.template(one, facts.get(one.slug)) for one in found])
            return
        rows = [(one.slug, one.category, one.summary) for one in found]
        output.show_table(("Slug", "Category", "What you get"), rows, empty="No template fits.")


@command.command("show")
@click.argument("slug")
@workspace_option
@json_option
def show(slug: str, workspace: str | None, as_json: bool) -> None:
    """Show one template and its questions."""
    from app.features.gallery import figures, queries

    with open_desk(workspace, reading=True) as desk:
        found = queries.template(desk.session, desk.workspace.id, slug)
        facts = figures.facts(desk.session, desk.workspace.id, [slug]).get(slug)
        if as_json:
            output.show_json(resources.template(found, facts, whole=True))
            return
        click.echo(f"{found.name}\n{found.summary}\n")
        for line in found.gets:
            click.echo(f"  · {line}")
        click.echo("\nQuestions (--input key=value; * must be answered)")
        rows = [
            (
                f"{question['key']}{'*' if question.get('required') else ''}",
                question.get("type"),
                question.get("label"),
            )
            for question in found.definition.get("inputs", [])
        ]
        output.show_table(("Key", "Type", "Question"), rows, empty="It asks nothing.")


@command.command("launch")
@click.argument("slug")
@launch_options
@workspace_option
@json_option
def launch(
    slug: str,
    answers: tuple[str, ...],
    answers_file: Path | None,
    email: str | None,
    watch: bool,
    workspace: str | None,
    as_json: bool,
) -> int:
    """Start a run of a template."""
    from app.features.gallery import starting

    given = read_answers(answers, answers_file)
    with open_desk(workspace) as desk:
        run = starting.launch(
            desk.session, workspace_id=desk.workspace.id, slug=slug, raw_inputs=given, actor=desk.actor(email)
        )
        return begin(desk, run, watching=watch, as_json=as_json)


command.add_command(alias(launch), "instantiate")


@command.command("import")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Replace the template of the same slug, newer than the file or not.")
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
@workspace_option
@json_option
def import_(file: Path, replace: bool, email: str | None, workspace: str | None, as_json: bool) -> None:
    """Keep a YAML or JSON file as a template of the workspace; every problem of it is listed (exit 2).

    The same slug again is the next version of it.
    """
    from app.features.gallery import exchange, library, versions

    data = library.load(read_text(file), str(file))
    with open_desk(workspace) as desk:
        actor, slug = desk.actor(email), data.get("slug") if isinstance(data, dict) else ""
        replaces = versions.mark_of(desk.session, desk.workspace.id, str(slug)) if replace else ""
        with _asking_for_replace("give yours another slug"):
            found = exchange.take_in(desk.session, desk.workspace.id, data, actor=actor, replaces=replaces)
        desk.session.commit()
        _show_kept(found, as_json)


@command.command("export")
@click.argument("slug")
@click.option("--output", "target", type=FILE, help="Write it here instead of to stdout.")
@workspace_option
@json_option
def export(slug: str, target: Path | None, workspace: str | None, as_json: bool) -> None:
    """Write a template as YAML that `template import` reads; --json writes JSON."""
    from app.core import yaml
    from app.features.gallery import exchange, queries

    with open_desk(workspace, reading=True) as desk:
        data = exchange.write(queries.template(desk.session, desk.workspace.id, slug))
    write_text(target, json.dumps(data, ensure_ascii=False, indent=2) + "\n" if as_json else yaml.dump(data))


@command.command("create")
@click.argument("workflow")
@click.option("--name", help="The template’s name; otherwise the workflow’s.")
@click.option("--summary", default="", help="What one gets, in a sentence.")
@click.option("--category", default="", help="The job it does, such as paid-ads.")
@click.option(
    "--ask", "asked", multiple=True, metavar="VALUE[=WORDS]",
    help="Ask for this value at every start; repeat it for more. Without it the values are listed.",
)
@click.option("--replace", is_flag=True, help="Replace another workflow’s template of the same name.")
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
@workspace_option
@json_option
def create(
    workflow: str,
    name: str | None,
    summary: str,
    category: str,
    asked: tuple[str, ...],
    replace: bool,
    email: str | None,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Make a template of a workflow (its id or name); chosen values become questions."""
    from app.engine import catalog
    from app.features.gallery import own
    from app.features.workflows import queries as workflows
    from app.features.workflows.enums import Category

    with open_desk(workspace) as desk:
        found = find_workflow(desk.session, desk.workspace.id, workflow)
        version = workflows.current_version(desk.session, found)
        definition = workflows.load_definition(desk.session, version.id)
        values = {one.key: one for one in own.offered(definition)}
        chosen = dict(each.partition("=")[::2] for each in asked)
        if unknown := sorted(chosen.keys() - values.keys()):
            fix = "Choose of these: " + ", ".join(values) if values else "Leave --ask out."
            raise Invalid(f"{', '.join(unknown)} cannot be asked.", fix=fix)
        wanted = name or found.name
        replaces = own.mark_of(desk.session, desk.workspace.id, wanted) if replace else ""
        with _asking_for_replace("give another --name"):
            template = own.save(
                desk.session,
                found,
                own.with_questions(definition, chosen, catalog.facts()),
                name=wanted,
                summary=summary or found.description,
                category=_category(category or found.category, Category),
                actor=desk.actor(email),
                replaces=replaces,
            )
        desk.session.commit()
        _show_kept(template, as_json)
        for one in values.values():
            if not asked:
                output.say(f"Could be asked: --ask {one.key} ({one.title}, now {one.shown})")


@command.command("delete")
@click.argument("slug")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
@workspace_option
@json_option
def delete(slug: str, yes: bool, email: str | None, workspace: str | None, as_json: bool) -> None:
    """Take a template of the workspace away; workflows and runs made of it stay."""
    from app.features.gallery import exchange, queries

    with open_desk(workspace) as desk:
        found = queries.template(desk.session, desk.workspace.id, slug)
        if not yes:
            click.confirm(f"Remove the template {found.name}?", abort=True, err=True)
        shown = resources.template(found, None)
        exchange.remove(desk.session, found, actor=desk.actor(email))
        desk.session.commit()
        output.show_json(shown) if as_json else click.echo(f"{slug} is removed.")


@contextmanager
def _asking_for_replace(otherwise: str) -> Iterator[None]:
    """Say of a name that is taken how this program goes on."""
    from app.features.gallery.versions import Taken

    try:
        yield
    except Taken as taken:
        fix = f"--replace makes this its version {taken.next}; or {otherwise}."
        raise Conflict(taken.message, fix=fix) from None


def _category(written: str, categories: Any) -> Any:
    try:
        return categories(written or categories.SELL)
    except ValueError:
        raise Invalid(f"There is no category {written}.", fix="One of: " + ", ".join(categories)) from None


def _show_kept(template: "Template", as_json: bool) -> None:
    if as_json:
        output.show_json(resources.template(template, None, whole=True))
    else:
        click.echo(f"{template.name}, version {template.version}: {template.slug}")
