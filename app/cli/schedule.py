"""``greenlight schedule``: what starts runs by itself."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli import output, resources
from app.cli.desk import Desk, open_desk
from app.cli.launching import answer_options, read_answers
from app.cli.options import json_option, workspace_option
from app.core import clock

if TYPE_CHECKING:
    from app.features.triggers.models import Schedule
    from app.features.triggers.rules import Rule


@click.group("schedule")
def command() -> None:
    """Schedules: list, create, switch on and off, delete, see what comes."""


@command.command("list")
@workspace_option
@json_option
def list_(workspace: str | None, as_json: bool) -> None:
    """List the schedules: when each is due next, and why one could not start a run."""
    from app.features.triggers import queries, rules, service

    with open_desk(workspace, reading=True) as desk:
        found = [
            (one, workflow, rules.said(service.rule_of(one)))
            for one, workflow in queries.schedules(desk.session, desk.workspace.id)
        ]
        if as_json:
            output.show_list([resources.schedule(*one) for one in found])
            return
        rows = [
            (one.id, one.name, said, one.timezone, workflow, _next(one), one.problem) for one, workflow, said in found
        ]
        headings = ("Id", "Name", "When", "Zone", "Workflow", "Next", "Problem")
        output.show_table(headings, rows, empty="There is no schedule yet.")


@command.command("show")
@click.argument("schedule")
@workspace_option
@json_option
def show(schedule: str, workspace: str | None, as_json: bool) -> None:
    """Show a schedule (its id or name) and what became of its last due times."""
    from app.features.triggers import queries, rules, service

    with open_desk(workspace, reading=True) as desk:
        found, workflow = _find(desk, schedule)
        said = rules.said(service.rule_of(found))
        slots = queries.slots(desk.session, found, limit=20)
        if as_json:
            due = [resources.slot(one) for one in slots]
            output.show_json(resources.schedule(found, workflow, said) | {"due": due})
            return
        output.show_facts(
            {
                "Schedule": found.name,
                "Workflow": workflow,
                "When": f"{said}, {found.timezone}",
                "Next": _next(found),
                "Overlap": found.overlap,
                "Missed": found.missed,
                **({"Problem": found.problem} if found.problem else {}),
            }
        )
        click.echo()
        rows = [(clock.iso(one.due_at), one.status, one.run_id or one.note) for one in slots]
        output.show_table(("Due", "What became of it", "Run, or why none"), rows, empty="It has not been due yet.")


@command.command("create")
@click.argument("workflow")
@click.argument("when")
@click.option("--name", default="", help="Its name; otherwise the workflow’s.")
@click.option("--timezone", default="", metavar="ZONE", help="Such as America/New_York; otherwise the workspace’s.")
@click.option(
    "--overlap", type=click.Choice(["skip", "queue", "allow"]), default="skip", show_default=True,
    help="While the run before is still under way: leave this one out, let it wait, or start it beside.",
)
@click.option(
    "--missed", type=click.Choice(["skip", "once", "all"]), default="once", show_default=True,
    help="Of due times that passed while Greenlight was down: none, the newest, or the newest ten get a run.",
)  # fmt: skip
@answer_options
@workspace_option
@json_option
def create(
    workflow: str,
    when: str,
    name: str,
    timezone: str,
    overlap: str,
    missed: str,
    answers: tuple[str, ...],
    answers_file: Path | None,
    email: str | None,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Let a workflow (its id or name) start by itself, WHEN being a sentence or a cron rule.

    "every Monday at 8:00", "every weekday at 7:30", "on the 1st at 9", "every 15 minutes", "0 8 * * 1".
    """
    from app.cli.workflow import find_workflow
    from app.features.triggers import service

    wish = service.Wish(
        when=when,
        name=name,
        timezone=timezone,
        inputs=read_answers(answers, answers_file),
        overlap=overlap,
        missed=missed,
    )
    with open_desk(workspace) as desk:
        found = find_workflow(desk.session, desk.workspace.id, workflow)
        made = service.create(desk.session, found, wish, actor=desk.actor(email))
        desk.session.commit()
        _show(made, found.name, f"{made.name}: next {_next(made)}", as_json)


@command.command("enable")
@click.argument("schedule")
@click.option("--as", "email", metavar="EMAIL", help="In whose name; otherwise the first owner’s.")
@workspace_option
@json_option
def enable(schedule: str, email: str | None, workspace: str | None, as_json: bool) -> None:
    """Switch a schedule (its id or name) on, from its next due time on."""
    from app.features.triggers import service

    with open_desk(workspace) as desk:
        found, workflow = _find(desk, schedule)
        service.enable(desk.session, found, actor=desk.actor(email))
        desk.session.commit()
        _show(found, workflow, f"{found.name} is switched on: next {_next(found)}", as_json)


@command.command("disable")
@click.argument("schedule")
@workspace_option
@json_option
def disable(schedule: str, workspace: str | None, as_json: bool) -> None:
    """Switch a schedule (its id or name) off; its runs under way go on."""
    from app.features.triggers import service

    with open_desk(workspace) as desk:
        found, workflow = _find(desk, schedule)
        service.disable(desk.session, found, actor=desk.actor())
        desk.session.commit()
        _show(found, workflow, f"{found.name} is switched off.", as_json)


@command.command("delete")
@click.argument("schedule")
@click.option("--yes", is_flag=True, help="Do not ask.")
@workspace_option
@json_option
def delete(schedule: str, yes: bool, workspace: str | None, as_json: bool) -> None:
    """Delete a schedule (its id or name). The runs that it started stay."""
    from app.features.triggers import service

    with open_desk(workspace) as desk:
        found, workflow = _find(desk, schedule)
        if not yes:
            name = found.name
            desk.session.commit()  # nobody stands in line while we wait for the answer
            click.confirm(f"Delete {name}?", abort=True, err=True)
        service.delete(desk.session, found, actor=desk.actor())
        desk.session.commit()
        _show(found, workflow, f"{found.name} is deleted.", as_json)


@command.command("preview")
@click.argument("when")
@click.option("--timezone", default="", metavar="ZONE", help="Such as America/New_York; otherwise the workspace’s.")
@click.option("--count", type=click.IntRange(1, 100), default=5, show_default=True, help="How many.")
@workspace_option
@json_option
def preview(when: str, timezone: str, count: int, workspace: str | None, as_json: bool) -> None:
    """Print the next due times of a schedule (its id or name), or of a rule: "every Monday at 8:00"."""
    from itertools import islice
    from zoneinfo import ZoneInfo

    from app.features.triggers import rules

    with open_desk(workspace, reading=True) as desk:
        rule = _rule(desk, when, timezone)
    found = list(islice(rules.moments(rule, clock.now()), count))
    if as_json:
        output.show_json(
            {"when": rules.said(rule), "timezone": rule.timezone, "next": [clock.iso(at) for at in found]}
        )
        return
    click.echo(f"{rules.said(rule)}, {rule.timezone}")
    for at in found:
        click.echo(f"{at.astimezone(ZoneInfo(rule.timezone)):%a %d %b %Y, %H:%M %Z}")


def _rule(desk: Desk, when: str, timezone: str) -> "Rule":
    """Return the rule of the schedule of that name, else the one that is written there. Raises Invalid."""
    from app.core.errors import NotFound
    from app.features.triggers import phrases, queries, rules, service

    try:
        return service.rule_of(queries.named(desk.session, desk.workspace.id, when))
    except NotFound:
        rule, problems = phrases.read(when, timezone or desk.workspace.timezone, clock.now())
        rules.refuse(problems)
        assert rule is not None
        return rule


def _find(desk: Desk, reference: str) -> tuple["Schedule", str]:
    """Return the schedule of that id or name, and its workflow's name."""
    from app.features.triggers import queries
    from app.features.workflows.models import Workflow

    found = queries.named(desk.session, desk.workspace.id, reference)
    return found, desk.session.get_one(Workflow, found.workflow_id).name


def _next(schedule: "Schedule") -> str:
    from zoneinfo import ZoneInfo

    if schedule.next_due_at is None:
        return "switched off" if not schedule.is_enabled else "never"
    return f"{schedule.next_due_at.astimezone(ZoneInfo(schedule.timezone)):%a %d %b %Y, %H:%M %Z}"


def _show(schedule: "Schedule", workflow: str, sentence: str, as_json: bool) -> None:
    from app.features.triggers import rules, service

    if as_json:
        output.show_json(resources.schedule(schedule, workflow, rules.said(service.rule_of(schedule))))
    else:
        click.echo(sentence)
