"""The first page, the phone's More, and help."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Blueprint, Response, make_response, render_template, request
from flask.blueprints import BlueprintSetupState

from app.core.clock import now
from app.core.db import db, glance
from app.engine.models import Run
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.approvals import queries as approvals
from app.features.approvals import rows as approval_rows
from app.features.home import waiting as waits
from app.features.home.rules import greeting, summary
from app.features.runs import chips, listing, standing
from app.features.runs import queries as runs
from app.features.runs.standing import counts, open_count
from app.features.runs.words import named_now
from app.web import nav
from app.web.htmx import page, unchanged

blueprint = Blueprint("home", __name__)

SHOWN = 6
TOASTS = 3
OVERLAP_S = 5  # a run may be seen as ended a little after the time that it says; the page drops what it had
SAID_AGAIN_S = 30  # how long what is said of the time that is left stays as it is


@blueprint.record_once
def _count(_state: BlueprintSetupState) -> None:
    nav.counter("active", _active)
    nav.counter("waiting", waits.count)
    nav.counter("runs", lambda asker: _active(asker) + open_count(asker.workspace_id, is_held=True))


def _active(asker: nav.Asker) -> sa.ScalarSelect[int]:
    return open_count(asker.workspace_id, is_held=False)


@blueprint.get("/")
@requires(Permission.SEE)
def index() -> Response:
    """Show what waits for the visitor, what runs, what is ready; the last two come from the features that own them."""
    person = who()
    frame = nav.Navigation(person)
    found = counts(db.session(), person.workspace_id)
    return page(
        "home/index.html",
        nav=frame,  # the counts that it has read
        greeting=greeting(now(), person.timezone, person.name),
        summary=summary(
            waiting=frame.count("waiting"),
            runs_working=found.running,
            runs_in_line=found.in_line,
            runs_waiting=found.waiting,
            failed_today=found.failed_today,
        ),
        open_runs=found.active + found.waiting,
        **_waiting(waits.waiting(db.session(), person, now(), limit=SHOWN)),
        runs_working=found.running,
    )


@blueprint.get("/waiting")
@requires(Permission.SEE)
def waiting_panel() -> Response:
    """Show what waits for the visitor, for the home page; asked again, it answers 204 while nothing has changed."""
    found = waits.waiting(db.session(), who(), now(), limit=SHOWN)
    return unchanged(_etag(found.mark)) or page("home/_waiting.html", **_waiting(found))


@blueprint.get("/active")
@requires(Permission.SEE)
def active() -> Response:
    """Show what runs, what waits for the visitor and what failed today: beside any page, or as a page of its own."""
    me, etag = who(), _etag(_mark())
    same = unchanged(etag)
    if same is not None:
        return same
    session = db.session()
    working = standing.working(session, me.workspace_id, limit=SHOWN)
    mine = waits.waiting(session, me, now(), limit=SHOWN)
    failed = standing.failed_today(session, me.workspace_id, limit=SHOWN)
    return page(
        "home/active.html",
        fragment="home/_active.html",
        etag=etag,
        counts=counts(session, me.workspace_id),
        working=_rows(working),
        failed=_rows([run for run in failed if run not in mine.runs]),
        waiting=mine.approvals,
        asking=_rows(mine.runs),
    )


@blueprint.get("/active/mark")
@requires(Permission.SEE)
def mark() -> Response:
    """Bring the frame's counts and what has ended meanwhile; nothing new: 204 after one indexed read."""
    me, seen = who(), _mark()
    same = unchanged(seen)
    if same is not None:
        return same
    since = request.args.get("since", type=float)
    begun = datetime.fromtimestamp(since - OVERLAP_S, UTC) if since and 1e9 < since < 1e10 else None
    ended = standing.ended_since(db.session(), me.workspace_id, me.user_id, begun, limit=TOASTS) if begun else []
    here = urlsplit(request.headers.get("HX-Current-URL", "")).path
    toasts = [run for run in ended if not here.endswith(run.id)]
    names = runs.workflow_names(db.session(), me.workspace_id, toasts) if toasts else {}
    return make_response(
        render_template(
            "home/mark.oob.html",
            mark_etag=seen,
            frame=request.args.get("frame", ""),
            toasts=[(run, named_now(run.label, *names[run.workflow_id]), chips.chip_of(run)) for run in toasts],
        )
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


def _waiting(found: waits.Waiting) -> dict[str, Any]:
    """Return what ``home/_waiting.html`` shows."""
    me = who()
    return {
        "approvals": approvals.rows(db.session(), found.approvals, email=me.email),
        "asking": _rows(found.runs),
        "etag": _etag(found.mark),
        **approval_rows.callables(me),
    }


def _etag(seen: str) -> str:
    return f"{seen}-{int(now().timestamp() / SAID_AGAIN_S)}"


def _rows(found: Sequence[Run]) -> list[listing.Row]:
    me = who()
    return listing.rows(
        db.session(), me.workspace_id, found, zone=me.timezone, now=now(), me=me.email,
        is_sending_held=me.is_sending_held,
    )  # fmt: skip


def _mark() -> str:
    with glance() as connection:
        number, changed_at = standing.panel_mark(connection, who().workspace_id)
    return f"{number}-{changed_at.timestamp() if changed_at else 0:.6f}"
