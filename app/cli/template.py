"""``greenlight template``: ready-made workflows."""

from pathlib import Path

import click

from app.cli import output, resources
from app.cli.desk import open_desk
from app.cli.launching import begin, launch_options, read_answers
from app.cli.options import alias, json_option, workspace_option


@click.group("template")
def command() -> None:
    """List ready-made workflows, show and launch them."""


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
    from app.features.gallery import service

    given = read_answers(answers, answers_file)
    with open_desk(workspace) as desk:
        run = service.launch(
            desk.session, workspace_id=desk.workspace.id, slug=slug, raw_inputs=given, actor=desk.actor(email)
        )
        return begin(desk, run, watching=watch, as_json=as_json)


command.add_command(alias(launch), "instantiate")
