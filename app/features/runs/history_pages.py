"""Pages around the history: keeping a view of it, and taking it along as a file."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, request, stream_with_context, url_for

from app.core import clock
from app.core.db import db, reading
from app.core.errors import Invalid
from app.features.accounts import queries as accounts
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.queries import Who
from app.features.runs import exports, history, kinds, listing, saved_views
from app.features.runs.history import Wanted
from app.features.runs.kinds import Kind
from app.features.runs.orders import ORDERS
from app.features.workflows import queries as workflows
from app.web import htmx, paging
from app.web.address import not_filters

blueprint = Blueprint("history", __name__)
TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


def show(wanted: Wanted, *, wrong: Invalid | None = None) -> Response:
    """Show the history as it is asked for; *wrong* is why a view could not be kept."""
    me = who()
    session = db.session()
    found = history.page(
        session, me.workspace_id, wanted, zone=me.timezone, limit=wanted.size + 1, before=paging.before()
    )
    page = paging.cut(found, wanted.size)
    has_samples = wanted.kind is Kind.OWN and not page.next and bool(kinds.samples(session, me.workspace_id))
    if has_samples and not page.items and not wanted.query:  # nothing of their own yet: something to look at
        return show(replace(wanted, kind=Kind.SAMPLES))
    return htmx.page(
        "runs/index.html",
        status=wrong.status if wrong else 200,
        rows=listing.rows(
            session, me.workspace_id, page.items, zone=me.timezone, now=clock.now(), me=me.email,
            is_sending_held=me.is_sending_held,
        ),
        next=page.next,
        is_first=paging.before() is None,
        wanted=wanted,
        filters=history.filters(session, me.workspace_id, wanted.kind),
        has_samples=has_samples,
        views=saved_views.views(session, me.workspace_id, me.user_id),
        wrong=wrong,
        filter_names=history.NAMES,
        not_filters=not_filters(request.args, history.NAMES),
        **_choices(me, wanted),
    )


@blueprint.post("/runs/views")
@requires(Permission.SEE)
def save() -> Response:
    """Keep the filters of the page under a name."""
    me, wanted = who(), history.asked(request.form)
    try:
        view = saved_views.save(
            db.session(), me.workspace_id, me.user_id, name=request.form.get("name", ""), filters=wanted.query
        )
    except Invalid as wrong:
        return show(wanted, wrong=wrong)
    db.session.commit()
    flash(f"“{view.name}” is kept: you find it above the list.", "go")
    filters: dict[str, Any] = dict(wanted.query)
    return htmx.redirect(url_for("runs.index", **filters))


@blueprint.post("/runs/views/<view_id>/deletion")
@blueprint.delete("/runs/views/<view_id>", endpoint="delete_by_delete")
@requires(Permission.SEE)
def delete(view_id: str) -> Response:
    """Forget a view; the runs stay."""
    me = who()
    name = saved_views.delete(db.session(), me.workspace_id, me.user_id, view_id)
    db.session.commit()
    flash(f"“{name}” is deleted. The runs are still there.", "go")
    return htmx.redirect(url_for("runs.index"))


@blueprint.get("/runs.<any(csv, json):form>")
@requires(Permission.SEE)
def export(form: str) -> Response:
    """Send all runs that the filters keep as a file, written while it is read: no number of them is too many."""
    me, wanted = who(), history.asked(request.args)
    if wanted.problems:  # a file of all runs would look like the one that was asked for
        said = "; ".join(f"{history.NAMES[name]}: {problem}" for name, problem in wanted.problems.items())
        raise Invalid("The file was not made: a filter of its address is not understood.", fix=said)
    write = exports.as_csv if form == "csv" else exports.as_json

    def body() -> Iterator[bytes]:
        with reading() as session:
            names = workflows.names(session, me.workspace_id)
            yield from write(history.batches(session, me.workspace_id, wanted, zone=me.timezone), names)

    today = clock.now().astimezone(ZoneInfo(me.timezone)).date()
    response = Response(stream_with_context(body()), content_type=TYPES[form])
    response.headers["Content-Disposition"] = f'attachment; filename="runs-{today}.{form}"'
    return response


def _choices(me: Who, wanted: Wanted) -> dict[str, Any]:
    session = db.session()
    known = list(workflows.names(session, me.workspace_id).items())
    people = [
        *((each.user_id, each.name) for each in accounts.members(session, me.workspace_id)),
        (history.BY_ITSELF, "Nobody: it started by itself"),
    ]
    return {
        "workflow_choices": _with_chosen(known, wanted.workflow, "A workflow that is deleted"),
        "person_choices": _with_chosen(people, wanted.person, "Somebody who left"),
        "kind_choices": [(kind.value, name) for kind, name in kinds.NAMES.items()],
        "orders": ORDERS,
        "sort_choices": [(sort.value, order.name) for sort, order in ORDERS.items()],
        "size_choices": [(size, str(size)) for size in history.SIZES],
        "ranges": history.ranges(clock.now(), me.timezone),
    }


def _with_chosen(choices: list[tuple[str, str]], chosen: str, gone: str) -> list[tuple[str, str]]:
    """Return the choices with the one that the list is narrowed by, though it is gone: a view may be older."""
    is_known = not chosen or any(value == chosen for value, _ in choices)
    return choices if is_known else [*choices, (chosen, gone)]
