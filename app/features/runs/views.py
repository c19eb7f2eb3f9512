"""Pages of runs: the list, one run with its live parts, its log; pausing, resuming and stopping."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, render_template, request, url_for

from app.core import clock
from app.core.db import db, glance
from app.core.errors import Invalid, NotFound
from app.engine.answers import Reply
from app.engine.enums import RunStatus
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.service import Actor
from app.features.runs import (
    calendar_pages,
    history,
    history_pages,
    listing,
    log_pages,
    problem_pages,
    queries,
    service,
    standing,
    story,
)
from app.features.runs import timeline as timelines
from app.web import htmx

blueprint = Blueprint("runs", __name__)
blueprint.register_blueprint(history_pages.blueprint)
blueprint.register_blueprint(calendar_pages.blueprint)
blueprint.register_blueprint(log_pages.blueprint)
blueprint.register_blueprint(problem_pages.blueprint)

PANEL = 6
SAID_AGAIN_S = 30  # how long what is said of the time that is left stays as it is


@blueprint.app_template_filter()
def clock_time(at: datetime | None) -> str:
    """Write the time of a day to the second, in the reader's zone: "09:31:06"."""
    return f"{at.astimezone(ZoneInfo(who().timezone)):%H:%M:%S}" if at else ""


@blueprint.get("/runs")
@requires(Permission.SEE)
def index() -> Response:
    """List the workspace's runs as the address asks for: filters, order, size; the newest first."""
    return history_pages.show(history.asked(request.args))


@blueprint.get("/runs/panel")
@requires(Permission.SEE)
def panel() -> Response:
    """Show what runs now, for the home page; asked again, it answers 204 while nothing has changed."""
    me = who()
    with glance() as connection:
        number, changed_at = standing.panel_mark(connection, me.workspace_id)
    old = int(clock.now().timestamp() / SAID_AGAIN_S) if number else 0
    etag = f"{number}-{changed_at.timestamp() if changed_at else 0:.6f}-{old}"
    same = htmx.unchanged(etag)
    if same is not None:
        return same
    found = standing.open_runs(db.session(), me.workspace_id, limit=PANEL)
    rows = listing.rows(
        db.session(), me.workspace_id, found, zone=me.timezone, now=clock.now(), me=me.email,
        is_sending_held=me.is_sending_held,
    )  # fmt: skip
    counts = standing.counts(db.session(), me.workspace_id)
    return htmx.page("runs/panel.html", rows=rows, counts=counts, etag=etag)


@blueprint.get("/runs/<run_id>")
@requires(Permission.SEE)
def show(run_id: str) -> Response:
    """Show one run as it is now."""
    me = who()
    run = queries.run(db.session(), me.workspace_id, run_id)
    told = story.tell(db.session(), run, zone=me.timezone, now=clock.now(), me=me.email)
    return htmx.page("runs/show.html", story=told, run=run)


@blueprint.get("/runs/<run_id>/live")
@requires(Permission.SEE)
def live(run_id: str) -> Response:
    """Give the parts of the page that change; unchanged: 204 after one read by key. The last answer ends the poll.

    ``?again=`` is the second from which the page's estimate is old although nothing has changed.
    """
    me, again = who(), request.args.get("again", type=int)
    with glance() as connection:
        seen = queries.seen(connection, me.workspace_id, run_id)
    same = htmx.unchanged(story.etag(seen.changed_at, seen.status))
    if same is not None and (again is None or clock.now().timestamp() < again):
        return same if RunStatus(seen.status).is_open else htmx.stop_polling()
    run = queries.run(db.session(), me.workspace_id, run_id)
    told = story.tell(db.session(), run, zone=me.timezone, now=clock.now(), me=me.email)
    body = render_template("runs/live.oob.html", story=told, run=run)
    response = htmx.stop_polling(body) if not run.is_open else Response(body)
    response.set_etag(told.etag, weak=True)
    return response


@blueprint.get("/runs/<run_id>/timeline")
@requires(Permission.SEE)
def timeline(run_id: str) -> Response:
    """Show the run as bars over time; asked again, it answers 204 while nothing has changed."""
    me = who()
    with glance() as connection:
        seen = queries.seen(connection, me.workspace_id, run_id)
    same = htmx.unchanged(story.etag(seen.changed_at, seen.status))
    if same is not None:
        return same
    run = queries.run(db.session(), me.workspace_id, run_id)
    told = story.tell(db.session(), run, zone=me.timezone, now=clock.now(), me=me.email)
    picture = timelines.timeline(
        told.entries, run.started_at or run.created_at, run.finished_at or clock.now(),
        queries.retries(db.session(), run.id),
    )  # fmt: skip
    return htmx.page(
        "runs/timeline.html", fragment="runs/_timeline.html", run=run, name=told.name, picture=picture, etag=told.etag
    )


@blueprint.get("/runs/<run_id>/made/<step_id>")
@requires(Permission.SEE)
def made(run_id: str, step_id: str) -> Response:
    """Give what a step wrote as plain text, ready to be pasted; of its pictures what they show and where they are."""
    run = queries.run(db.session(), who().workspace_id, run_id)
    documents, pictures = queries.made_by(db.session(), run, step_id)
    if not documents and not pictures:
        raise NotFound("This step has made no texts and no pictures.")
    said = [document.as_text for document in documents]
    said += [f"{each.alt}\n{url_for('files.image', image_id=each.id, _external=True)}".strip() for each in pictures]
    return Response("\n\n\n".join(said) + "\n", mimetype="text/plain")


@blueprint.post("/runs/<run_id>/pause")
@requires(Permission.LAUNCH)
def pause(run_id: str) -> Response:
    """Pause after what is under way."""
    run = queries.run(db.session(), who().workspace_id, run_id)
    service.pause(db.session(), run, actor=_me())
    return _done(run_id, f"Run {run.number} pauses as soon as what is under way is finished.")


@blueprint.post("/runs/<run_id>/resume")
@blueprint.delete("/runs/<run_id>/pause", endpoint="resume_by_delete")
@requires(Permission.LAUNCH)
def resume(run_id: str) -> Response:
    """Let a paused run go on."""
    run = queries.run(db.session(), who().workspace_id, run_id)
    service.resume(db.session(), run, actor=_me())
    return _done(run_id, f"Run {run.number} goes on.")


@blueprint.post("/runs/<run_id>/stop")
@requires(Permission.LAUNCH)
def stop(run_id: str) -> Response:
    """Stop the run for good."""
    run = queries.run(db.session(), who().workspace_id, run_id)
    service.stop(db.session(), run, actor=_me())
    return _done(run_id, f"Run {run.number} is being stopped. What was finished is kept.")


@blueprint.post("/runs/<run_id>/steps/<step_run_id>/answer")
@requires(Permission.LAUNCH)
def answer(run_id: str, step_run_id: str) -> Response:
    """Take a person's answer to a step that asks."""
    run = queries.run(db.session(), who().workspace_id, run_id)
    try:
        reply = Reply(request.form.get("reply", ""))
    except ValueError:
        raise Invalid("Choose one of the answers.") from None
    service.answer(db.session(), run, step_run_id, reply, actor=_me())
    return _done(run_id, f"Run {run.number} goes on with your answer.")


@blueprint.post("/runs/<run_id>/steps/<step_run_id>/try-now")
@requires(Permission.LAUNCH)
def try_now(run_id: str, step_run_id: str) -> Response:
    """Try a step again now instead of when its time has come."""
    return _steer(run_id, step_run_id, service.try_now, "Run {} tries again now.")


@blueprint.post("/runs/<run_id>/steps/<step_run_id>/stop-trying")
@requires(Permission.LAUNCH)
def stop_trying(run_id: str, step_run_id: str) -> Response:
    """Let a step that would be tried again fail."""
    return _steer(
        run_id, step_run_id, service.stop_trying, "Run {} does not try that again. What is finished is kept."
    )


@blueprint.post("/runs/<run_id>/steps/<step_run_id>/go-now")
@requires(Permission.LAUNCH)
def go_now(run_id: str, step_run_id: str) -> Response:
    """End a step's wait for a time now."""
    return _steer(run_id, step_run_id, service.go_now, "Run {} goes on now.")


@blueprint.post("/runs/<run_id>/steps/<step_run_id>/call-off")
@requires(Permission.LAUNCH)
def call_off(run_id: str, step_run_id: str) -> Response:
    """Skip a step that waits for a time, and so what comes after it alone."""
    return _steer(
        run_id, step_run_id, service.call_off, "The wait of run {} is cancelled. What is finished is kept."
    )


@blueprint.post("/runs/<run_id>/retry")
@requires(Permission.LAUNCH)
def retry(run_id: str) -> Response:
    """Take the run up where it failed, or start over with the same answers (``mode`` *start*)."""
    session = db.session()
    run = queries.run(session, who().workspace_id, run_id)
    if request.form.get("mode") != "start":
        service.try_again(session, run, actor=_me())
        return _done(run_id, f"Run {run.number} is taken up where it failed.")
    key = request.form.get("once", "")[:36]
    following = service.start_over(session, run, actor=_me(), dedupe_key=f"over-{run.id}-{key}" if key else None)
    return _done(following.id, f"Run {following.number} starts over with the answers of run {run.number}.")


def _steer(run_id: str, step_run_id: str, change: Callable[..., object], said: str) -> Response:
    """Make a change to one step of a run; *said* has a place for the run's number."""
    run = queries.run(db.session(), who().workspace_id, run_id)
    change(db.session(), run, step_run_id, actor=_me())
    day = calendar_pages.day_of(request.args.get("day"))  # it was pressed there
    return _done(run_id, said.format(run.number), url_for("runs.calendar.show", day=day) if day else "")


def _me() -> Actor:
    me = who()
    return Actor(me.user_id, me.name, me.email)


def _done(run_id: str, sentence: str, back: str = "") -> Response:
    db.session.commit()
    service.hint(run_id)
    flash(sentence, "go")
    return htmx.redirect(back or url_for("runs.show", run_id=run_id))
