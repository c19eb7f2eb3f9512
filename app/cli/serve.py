"""``greenlight serve``: web, worker and clock under one supervisor."""

import click

from app.core import lean


@click.command("serve")
def command() -> int:
    """Run web, worker and clock on this machine until SIGTERM; SERVE=web runs the web server alone."""
    lean.begin()
    from app import supervisor

    return supervisor.main()
