"""The first page, the phone's More, and help."""

from flask import Blueprint, Response, g
from flask.blueprints import BlueprintSetupState
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.db import db
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.approvals.queries import count_for
from app.features.home.rules import greeting, summary
from app.features.runs.queries import Counts, counts
from app.web import nav
from app.web.htmx import page
from app.web.visitor import Visitor

blueprint = Blueprint("home", __name__)


@blueprint.record_once
def _count(_state: BlueprintSetupState) -> None:
    nav.counter("approvals", lambda session, person: count_for(session, person.workspace_id, person.email))
    nav.counter("runs", _open_runs)
    nav.counter("running", lambda session, person: _run_counts(session, person).running)


@blueprint.get("/")
@requires(Permission.SEE)
def index() -> Response:
    """Show what waits for the visitor, what runs, what is ready; the panels come from the features that own them."""
    person = who()
    waiting = nav.Navigation(person).count("approvals")
    runs = _run_counts(db.session(), person)
    return page(
        "home/index.html",
        greeting=greeting(now(), person.timezone, person.name),
        summary=summary(
            waiting=waiting,
            runs_working=runs.running,
            runs_waiting=runs.waiting,
            failed_today=runs.failed_today,
        ),
        waiting=waiting,
        open_runs=_open_runs(db.session(), person),
    )


@blueprint.get("/more")
@requires(Permission.SEE)
def more() -> Response:
    """Show the places that the phone's tabs leave out."""
    return page("home/more.html")


@blueprint.get("/help")
@requires(Permission.SEE)
def help() -> Response:  # noqa: A001 (the page's name)
    """Explain the pages, the words and how approvals work."""
    return page("home/help.html")


def _open_runs(session: Session, person: Visitor) -> int:
    found = _run_counts(session, person)
    return found.running + found.waiting


def _run_counts(session: Session, person: Visitor) -> Counts:
    if "run_counts" not in g:  # the first page and its frame want them both
        g.run_counts = counts(session, person.workspace_id)
    found: Counts = g.run_counts
    return found
