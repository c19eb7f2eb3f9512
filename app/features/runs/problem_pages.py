"""Reporting a problem with a run or a page, and the owners' list of what was reported."""

import re
from collections.abc import Mapping

from flask import Blueprint, Response, flash, request, url_for

from app.core import clock
from app.core.db import db
from app.core.errors import Invalid
from app.engine.models import Run
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.service import Actor
from app.features.runs import problems, queries, story
from app.features.runs.problems import About
from app.web import htmx, paging

blueprint = Blueprint("problems", __name__)
_CODE = re.compile(r"GL-[2-9A-Z]{6}")
_SAID_CHARS = 200
THANKS = "Thank you. The owners of your workspace see your report."


@blueprint.get("/runs/<run_id>/problems/new")
@requires(Permission.SEE)
def new(run_id: str) -> Response:
    """Ask what is wrong with a run; the page's code and words go along by themselves."""
    run = queries.run(db.session(), who().workspace_id, run_id)
    return _form(_about(run), run)


@blueprint.post("/runs/<run_id>/problems")
@requires(Permission.SEE)
def create(run_id: str) -> Response:
    """Keep a report and tell the owners."""
    me = who()
    run = queries.run(db.session(), me.workspace_id, run_id)
    actor = Actor(me.user_id, me.name, me.email)
    message = request.form.get("message", "")
    try:
        problems.report(db.session(), me.workspace_id, message=message, about=_about(run), actor=actor, run=run)
    except Invalid as wrong:
        return _form(_about(run), run, message=message, wrong=wrong)
    db.session.commit()
    flash(THANKS, "go")
    return htmx.redirect(url_for("runs.show", run_id=run.id))


@blueprint.get("/problems/new")
@requires(Permission.SEE)
def new_of_page() -> Response:
    """Ask what is wrong with a page; its code and words go along, as the page that failed put them in the address."""
    return _form(_about_page(request.args))


@blueprint.post("/problems")
@requires(Permission.SEE)
def create_of_page() -> Response:
    """Keep a report about a page and tell the owners."""
    me, about = who(), _about_page(request.form)
    message, actor = request.form.get("message", ""), Actor(me.user_id, me.name, me.email)
    try:
        problems.report(db.session(), me.workspace_id, message=message, about=about, actor=actor)
    except Invalid as wrong:
        return _form(about, message=message, wrong=wrong)
    db.session.commit()
    flash(THANKS, "go")
    return htmx.redirect(url_for("home.index"))


@blueprint.get("/settings/problems")
@requires(Permission.MANAGE)
def index() -> Response:
    """List what people reported, the newest first: open, or closed."""
    me, is_open = who(), request.args.get("show") != "closed"
    found = problems.reported(
        db.session(), me.workspace_id, is_open=is_open, limit=problems.PAGE + 1, before=paging.before()
    )
    page = paging.cut(found, problems.PAGE)
    return htmx.page("runs/problems.html", rows=page.items, next=page.next, is_open=is_open)


@blueprint.post("/settings/problems/<problem_id>/closure")
@requires(Permission.MANAGE)
def close(problem_id: str) -> Response:
    """Close a report; an answer goes to who reported it."""
    me = who()
    found = problems.problem(db.session(), me.workspace_id, problem_id)
    actor = Actor(me.user_id, me.name, me.email)
    problems.close(db.session(), found, answer=request.form.get("answer", ""), actor=actor)
    db.session.commit()
    flash("The report is closed.", "go")
    return htmx.redirect(url_for(".index"))


def _form(about: About, run: Run | None = None, *, message: str = "", wrong: Invalid | None = None) -> Response:
    return htmx.page(
        "runs/problem.html",
        status=wrong.status if wrong else 200,
        run=run,
        about=about,
        message=message,
        wrong=wrong,
        most=problems.MESSAGE_CHARS,
    )


def _about_page(said: Mapping[str, str]) -> About:
    """Read what the page showed, as a person may have changed it in the address."""
    code = said.get("code", "")
    words = " ".join(said.get("said", "").replace("\0", "").split())[:_SAID_CHARS]
    return About(code=code if _CODE.fullmatch(code) else "", kind="A page", said=words)


def _about(run: Run) -> About:
    me = who()
    failed = story.tell(db.session(), run, zone=me.timezone, now=clock.now(), me=me.email).failure
    return About(failed.code, failed.kind.name, failed.title, failed.step_id) if failed else About()
