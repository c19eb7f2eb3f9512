"""A run's log, as it grows, and the technical details of its steps."""

from flask import Blueprint, Response, make_response, render_template, request

from app.core import clock
from app.core.db import db, glance
from app.engine.models import Run
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.runs import json_text, log, log_rows, queries, story
from app.features.workflows import queries as workflows
from app.web import htmx

blueprint = Blueprint("log", __name__)
blueprint.add_app_template_filter(json_text.marked, "json_marked")


@blueprint.get("/runs/<run_id>/log")
@requires(Permission.SEE)
def show(run_id: str) -> Response:
    """Show the last lines of the run's log that are wanted, and, closed, the technical details of every step."""
    me = who()
    run = queries.run(db.session(), me.workspace_id, run_id)
    now, names = clock.now(), _names(run)
    wanted, before = log.asked(request.args, me.timezone, names), log.key(request.args, "before")
    found = log.last(db.session(), run, wanted, names, before)
    version = queries.version_facts(db.session(), run)
    return htmx.page(
        "runs/log.html",
        fragment="runs/_log_rows.html",
        run=run,
        wanted=wanted,
        lines=found.lines,
        earlier=found.earlier,
        is_last=not before,
        is_live=wanted.until is None or wanted.until > now,
        ends=(found.first, found.end),
        spans=[] if run.is_open else log.spans(found.first, found.end),
        asks=log.known(found.found, now).query | wanted.query,
        etag=story.etag(run.changed_at, run.status),
        steps=log_rows.frames(db.session(), run.id),
        names=names,
        version=version,
        name=version.run_name(run),
        least=log.LEAST,
        filter_names=log.NAMES,
        words=log.LEVELS,
    )


@blueprint.get("/runs/<run_id>/log/tail")
@requires(Permission.SEE)
def tail(run_id: str) -> Response:
    """Give the lines that the page lacks, wherever they stand; nothing new: 204 after one read by key.

    The last answer ends the poll.
    """
    me = who()
    with glance() as connection:
        seen = queries.seen(connection, me.workspace_id, run_id)
    same = htmx.unchanged(story.etag(seen.changed_at, seen.status))
    if same is not None:
        return same
    run = queries.run(db.session(), me.workspace_id, run_id)
    now, names = clock.now(), _names(run)
    wanted, known = log.asked(request.args, me.timezone, names), log.known_of(request.args)
    found = [
        line
        for line in log.read(db.session(), run, known.begun, kept=wanted.kept)
        if line.key >= known.since and wanted.keeps(line, names.get(line.step_id, ""))
    ]
    body = render_template(
        "runs/log_tail.oob.html",
        run=run,
        wanted=wanted,
        groups=known.new(found),
        asks=log.known(found, now).query | wanted.query,
        etag=story.etag(run.changed_at, run.status),
        names=names,
        words=log.LEVELS,
    )
    return make_response(body) if run.is_open else htmx.stop_polling(body)


@blueprint.get("/runs/<run_id>/steps/<step_run_id>")
@requires(Permission.SEE)
def step(run_id: str, step_run_id: str) -> Response:
    """Show what went into one step and came out as it is kept, with its requests."""
    run = queries.run(db.session(), who().workspace_id, run_id)
    row = queries.step_run(db.session(), run, step_run_id)
    name, version = _names(run).get(row.step_id, row.step_id), queries.version_facts(db.session(), run)
    return htmx.page(
        "runs/step.html",
        fragment="runs/_details.html",
        run=run,
        run_name=version.run_name(run),
        row=row,
        name=f"{name}, item {row.item + 1}" if row.item >= 0 else name,
        items=log_rows.items(db.session(), row),
        calls=queries.calls_of(db.session(), row.id),
        failed_tries=queries.failed_tries(db.session(), row),
    )


def _names(run: Run) -> dict[str, str]:
    return {step.id: step.name for step in workflows.load_definition(db.session(), run.version_id).steps}
