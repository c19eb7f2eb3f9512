"""``greenlight seed``: what a fresh database begins with."""

from typing import TYPE_CHECKING

import click

from app.cli import output
from app.cli.desk import application
from app.cli.options import json_option

if TYPE_CHECKING:
    from flask import Flask

    from app.core.settings import Settings
    from app.features.accounts.service import DemoPeople


@click.command("seed")
@click.option("--runs", is_flag=True, help="Also make one finished sample run a template; a worker must run.")
@json_option
def command(runs: bool, as_json: bool) -> None:
    """Write the templates, and in development the demo workspace. May run twice."""
    with application() as app:
        settings = app.config["SETTINGS"]
        changed = write(app, settings)
        made = sample_runs(settings) if runs else 0
    if as_json:
        output.show_json(
            {"templates_changed": changed, "demo": not settings.is_production, "sample_runs": made}
        )
    else:
        click.echo(f"Templates brought up to date: {changed}." + (f" Sample runs: {made}." if runs else ""))


def write(app: "Flask", settings: "Settings", *, demo: bool = True) -> int:
    """Write templates and, outside production, demo people; return how many templates changed. May run twice."""
    from app.core.db import db
    from app.features.gallery import service

    with app.app_context(), db.session() as session:
        changed = service.seed_templates(session)
        session.commit()
    if demo and not settings.is_production:
        people(app)
    return changed


def people(app: "Flask") -> "DemoPeople":
    """Have the demo's people, and return them."""
    from app.core.db import db
    from app.features.accounts import service

    with app.app_context(), db.session() as session:
        found = service.ensure_demo(session)
        session.commit()
        return found


def sample_runs(settings: "Settings") -> int:
    """Make the demo's finished sample runs; the sample writer answers them, also where an AI key is set."""
    from app.cli import samples

    if settings.is_production:
        return 0
    return samples.seed_runs()
