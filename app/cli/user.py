"""``greenlight user``: people."""

import click

from app.cli import output, resources
from app.cli.desk import application
from app.cli.options import json_option


@click.group("user")
def command() -> None:
    """Create people."""


@command.command("create")
@click.option("--email", required=True, help="The address to sign in with.")
@click.option("--name", required=True, help="As shown to colleagues.")
@click.option("--password", help="At least 12 characters; asked for when left out.")
@click.option(
    "--role", type=click.Choice(["owner", "editor", "approver"]), default="owner", show_default=True
)
@click.option(
    "--workspace", metavar="NAME", help="Which workspace; one of this name is made when there is none."
)
@click.option(
    "--timezone", default="America/New_York", show_default=True, help="For a workspace that is made."
)
@json_option
def create(
    email: str,
    name: str,
    password: str | None,
    role: str,
    workspace: str | None,
    timezone: str,
    as_json: bool,
) -> None:
    """Create a person in a workspace; the first one makes the workspace too."""
    import sqlalchemy as sa

    from app.cli.desk import find_workspace
    from app.core.db import db
    from app.features.accounts import service
    from app.features.accounts.enums import Role
    from app.features.accounts.models import Workspace

    password = password or click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    with application():
        named = [Workspace.name == workspace] if workspace else []
        exists = db.session.execute(sa.select(sa.exists().where(*named).select_from(Workspace))).scalar_one()
        db.session.rollback()
        place = (
            find_workspace(db.session(), workspace)
            if exists
            else service.create_workspace(db.session(), name=workspace or "Greenlight", timezone=timezone)
        )
        made = service.create_user(
            db.session(), email=email, name=name, password=password, workspace_id=place.id, role=Role(role)
        )
        db.session.commit()
        if as_json:
            output.show_json(resources.user(made, role, place))
        else:
            click.echo(f"{made.name} <{made.email}> is {role} of {place.name}.")
