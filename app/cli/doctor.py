"""``greenlight doctor``: is everything right on this machine?"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from app.cli import output
from app.cli.desk import settings as read_settings
from app.cli.options import json_option
from app.core.errors import GreenlightError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.core.settings import Settings

STUCK_S = 60
CLOCK_FIX = "Does a clock run? Start bin/greenlight serve, or worker.py clock."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is right, what was found, what to do."""

    name: str
    ok: bool
    message: str
    fix: str = ""


@click.command("doctor")
@json_option
def command(as_json: bool) -> int:
    """Check settings, disk, database, Redis, workers, stuck runs and schedules; exit 1 when something is wrong."""
    findings = list(_findings())
    well = all(finding.ok for finding in findings)
    if as_json:
        output.show_json({"ok": well, "checks": [asdict(finding) for finding in findings]})
        return 0 if well else 1
    for finding in findings:
        click.echo(f"{'ok    ' if finding.ok else 'WRONG '} {finding.name:<10} {finding.message}")
        if finding.fix:
            click.echo(f"{'':17} {finding.fix}")
    return 0 if well else 1


def _findings() -> Iterator[Finding]:
    from app.core import logging
    from app.supervisor import preflight

    try:
        settings = read_settings()
    except GreenlightError as error:
        yield Finding("settings", False, error.message, error.fix)
        return
    settings = settings.replace(log_level="error")
    logging.configure(settings)
    writer = "an AI provider writes" if settings.has_ai else "the sample writer writes"
    yield Finding("settings", True, f"{settings.environment}, {writer}")
    yield _try("disk", f"{settings.data_path} can be written", preflight.check_disk, settings)
    database = _try("database", _database(settings), preflight.check_database, settings)
    yield database
    yield _redis(settings)
    if database.ok:
        yield from _going()


def _try(name: str, good: str, check: "Callable[[Settings], None]", settings: "Settings") -> Finding:
    try:
        check(settings)
    except GreenlightError as error:
        return Finding(name, False, error.message, error.fix)
    return Finding(name, True, good)


def _database(settings: "Settings") -> str:
    return f"{'SQLite' if settings.is_sqlite else 'PostgreSQL'} answers, its tables are up to date"


def _redis(settings: "Settings") -> Finding:
    from redis import RedisError
    from rq import Worker

    from app.core import queue

    client = queue.worker_client(settings, connections=1, timeout_s=2)
    try:
        client.ping()
        workers = len(Worker.all(connection=client))
    except (RedisError, OSError):
        fix = "Check REDIS_URL." if settings.redis_url else "Start bin/dev or bin/greenlight serve."
        return Finding("redis", False, "Redis does not answer; runs go on without it, a little later.", fix)
    finally:
        client.close()
    if not workers:
        fix = "Start bin/greenlight serve, or worker.py."
        return Finding("redis", False, "Redis answers, but no worker listens.", fix)
    return Finding("redis", True, f"answers, {workers} worker{'s' if workers > 1 else ''} listening")


def _going() -> Iterator[Finding]:
    from app.cli.desk import application
    from app.core.db import reading

    with application(), reading() as session:
        yield from _runs(session)
        yield from _schedules(session)


def _schedules(session: "Session") -> Iterator[Finding]:
    import sqlalchemy as sa

    from app.core import clock
    from app.features.triggers.models import Schedule

    ago = clock.now() - timedelta(seconds=STUCK_S)
    late = session.scalar(sa.select(sa.func.count()).select_from(Schedule).where(Schedule.look_at < ago))
    number = session.scalar(sa.select(sa.func.count()).select_from(Schedule).where(Schedule.is_enabled))
    troubled = session.scalars(sa.select(Schedule.name).where(Schedule.problem != "").order_by(Schedule.name).limit(20))
    if late:
        yield Finding("schedules", False, f"{late} overdue for more than a minute.", CLOCK_FIX)
    else:
        yield Finding("schedules", True, f"{number} switched on, none overdue")
    if names := ", ".join(troubled):
        fix = "See why: bin/greenlight schedule list"
        yield Finding("schedules", True, f"These could not start their last run: {names}.", fix)


def _runs(session: "Session") -> Iterator[Finding]:
    import sqlalchemy as sa

    from app.core import clock
    from app.engine.enums import RUN_OPEN, RunStatus
    from app.engine.models import Run

    is_open = Run.status.in_(sorted(RUN_OPEN))
    late = sa.select(Run.number).where(is_open, Run.due_at < clock.now() - timedelta(seconds=STUCK_S))
    asking = sa.select(Run.number).where(Run.status == RunStatus.NEEDS_ATTENTION.value)
    stuck = session.execute(late.order_by(Run.number).limit(20)).scalars().all()
    needy = session.execute(asking.order_by(Run.number).limit(20)).scalars().all()
    number = session.execute(sa.select(sa.func.count()).select_from(Run).where(is_open)).scalar_one()
    if stuck:
        yield Finding("runs", False, f"Overdue for more than a minute: {', '.join(map(str, stuck))}.", CLOCK_FIX)
    else:
        yield Finding("runs", True, f"{number} open, none overdue")
    if needy:
        yield Finding("attention", True, f"These runs ask for a person: {', '.join(map(str, needy))}.")
