"""``greenlight serve``: web, worker and clock under one supervisor."""

import click


@click.command("serve")
def command() -> int:
    """Run web, worker and clock on this machine until SIGTERM; SERVE=web runs the web server alone."""
    from app import supervisor

    return supervisor.main()
