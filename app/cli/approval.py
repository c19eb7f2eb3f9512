"""``greenlight approval``: requests and decisions."""

from pathlib import Path
from typing import Any

import click

from app.cli import output, resources
from app.cli.desk import open_desk
from app.cli.options import json_option, workspace_option
from app.core import clock
from app.core.errors import Forbidden, Invalid


@click.group("approval")
def command() -> None:
    """List requests for approval and decide them."""


@command.command("list")
@click.option("--status", type=click.Choice(["open", "ended"]), default="open", show_default=True)
@click.option("--for", "email", metavar="EMAIL", help="Only what waits for this person.")
@workspace_option
@json_option
def list_(status: str, email: str | None, workspace: str | None, as_json: bool) -> None:
    """List the requests, the most urgent first."""
    from app.features.approvals import queries

    with open_desk(workspace, reading=True) as desk:
        found = (
            queries.open_approvals(desk.session, desk.workspace.id, email=email)
            if status == "open"
            else queries.decided(desk.session, desk.workspace.id, limit=200)
        )
        people = {one.id: queries.people(desk.session, one.id) for one in found}
        if as_json:
            output.show_list([resources.approval(one, people[one.id]) for one in found])
            return
        rows = [
            (
                one.id,
                one.status,
                clock.iso(one.expires_at) or "",
                ", ".join(person.email for person in people[one.id] if person.decision is None),
                one.title,
            )
            for one in found
        ]
        output.show_table(
            ("Id", "Status", "Until", "Waits for", "Title"), rows, empty="Nothing waits for a decision."
        )


@command.command("decide")
@click.argument("approval")
@click.argument("decision", type=click.Choice(["approved", "rejected", "approve", "reject"]))
@click.option("--reason", default="", help="Why; a rejection needs one.")
@click.option(
    "--edits",
    "edits_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help='Changed texts: {"<document id>": {"title": "…", "body": "…"}}.',
)
@click.option(
    "--as", "email", metavar="EMAIL", help="Which of those asked decides; needed where there are several."
)
@workspace_option
@json_option
def decide(
    approval: str,
    decision: str,
    reason: str,
    edits_file: Path | None,
    email: str | None,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Approve or reject a request (its id), in the name of one who was asked."""
    from app.features.approvals import queries, service
    from app.features.approvals.enums import Decision
    from app.features.runs import service as runs

    said = Decision.APPROVED if decision.startswith("approve") else Decision.REJECTED
    edits = _edits(edits_file)
    with open_desk(workspace) as desk:
        found = queries.approval(desk.session, desk.workspace.id, approval)
        person = _person(queries.people(desk.session, found.id), email)
        user = desk.member(person.email)
        service.decide(
            desk.session,
            found,
            person,
            decision=said,
            reason=reason,
            edits=edits,
            by=person.name or (user.name if user else person.email),
            by_id=user.id if user else None,
            via="cli",
            undo_s=0,
        )
        desk.session.commit()
        runs.hint(found.run_id)
        if as_json:
            output.show_json(resources.approval(found, queries.people(desk.session, found.id)))
        else:
            click.echo(f"{found.title}: {said.value} by {person.email}.")


def _person(people: Any, email: str | None) -> Any:
    """Return the one of *people* who decides: the one named, else the only one who has not answered."""
    if email is not None:
        for person in people:
            if person.email == email.strip().lower():
                return person
        raise Forbidden(
            f"{email} was not asked.", fix=f"Asked are: {', '.join(person.email for person in people)}."
        )
    left = [person for person in people if person.decision is None] or list(people)
    if len(left) != 1:
        names = ", ".join(person.email for person in left)
        raise Invalid("Several people are asked.", fix=f"Say who decides with --as: {names}.")
    return left[0]


def _edits(file: Path | None) -> dict[str, dict[str, str]]:
    import json

    if file is None:
        return {}
    try:
        data = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise Invalid(f"{file} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise Invalid(f"{file} is not JSON ({error}).") from None
    if not isinstance(data, dict) or not all(map(_is_edit, data.values())):
        raise Invalid(
            f"{file} holds no edits.", fix='Write it as {"<document id>": {"title": "…", "body": "…"}}.'
        )
    return data


def _is_edit(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= {"title", "body"}
        and all(isinstance(text, str) for text in value.values())
    )
