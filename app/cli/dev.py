"""``greenlight dev``: the whole app on this machine, which ``bin/dev`` starts."""

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from app.core import lean

if TYPE_CHECKING:
    from flask import Flask

    from app.core.settings import Settings


@click.command("dev")
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen.  [default: PORT, or 5000]")
@click.option("--no-demo", is_flag=True, help="No demo people and no sample runs.")
def command(port: int | None, no_demo: bool) -> int:
    """Run the whole app on this machine, with demo people and sample runs. Ctrl-C ends it."""
    lean.begin()
    from app import supervisor
    from app.core.settings import Settings

    os.environ["GREENLIGHT_ENV"] = "development"
    if port is not None:
        os.environ["PORT"] = str(port)
    settings = Settings.from_env()
    _say(f"Starting Greenlight on port {settings.port} (Ctrl-C ends it)")
    return supervisor.run(
        settings, prepare=partial(_prepare, demo=not no_demo), guest=partial(_welcome, demo=not no_demo)
    )


def _prepare(app: "Flask", settings: "Settings", *, demo: bool) -> int:
    from app.cli import seed

    _say("· database and templates")
    seed.write(app, settings, demo=demo)
    return 0


def _welcome(app: "Flask", settings: "Settings", *, demo: bool) -> int:
    """Say where it is and how to sign in, then make the sample runs."""
    from app.cli import seed
    from app.core.db import db
    from app.features.accounts import service

    lines = ["", f"Greenlight is ready: http://localhost:{settings.port}"]
    if demo:
        lines += _sign_in(app)
    else:
        with db.session() as session:
            link = service.setup_link(session, settings.public_url)
            session.commit()
        lines += [f"Make the first owner: {link}"] if link else []
    _say("\n".join([*lines, ""]))
    if demo and seed.sample_runs(settings):
        _say("· the gallery’s sample runs are there")
    return 0


def _sign_in(app: "Flask") -> list[str]:
    from app.cli import seed

    people = seed.people(app)
    others = f"{people.editor.email}, {people.approver.email}"
    return [f"Sign in: {people.owner.email}, password {people.password} (also {others})"]


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()
