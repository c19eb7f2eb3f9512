"""The calendar of waits: which steps go on by themselves, and on which day."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request

from app.core import clock
from app.core.db import db
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.runs import time_waits
from app.web import htmx, paging

blueprint = Blueprint("calendar", __name__)
PAGE = 25
YEARS = range(2000, 2100)


@blueprint.get("/runs/calendar")
@requires(Permission.SEE)
def show() -> Response:
    """Show a month with what goes on by itself in it, and one of its days in full."""
    me, session = who(), db.session()
    today = clock.now().astimezone(ZoneInfo(me.timezone)).date()
    asked = day_of(request.args.get("day"))
    month = (day_of(f"{request.args.get('month', '')}-01") or asked or today).replace(day=1)
    days = time_waits.days(session, me.workspace_id, time_waits.days_of(month), me.timezone)
    chosen = asked or _nearest(days, month, today)
    found = time_waits.page(
        session, me.workspace_id, chosen, me.timezone, limit=PAGE + 1, before=paging.before()
    )
    page = paging.cut(found, PAGE)
    is_empty = not any(day.number for day in days)
    next_day = time_waits.next_day(session, me.workspace_id, clock.now(), me.timezone) if is_empty else None
    return htmx.page(
        "runs/calendar.html",
        days=days,
        month=month,
        earlier=month - timedelta(days=1),
        later=(month + timedelta(days=31)).replace(day=1),
        today=today,
        chosen=chosen,
        number=next((day.number for day in days if day.date == chosen), len(page.items)),
        waits=page.items,
        next=page.next,
        is_first=paging.before() is None,
        is_empty=is_empty,
        next_day=next_day,
        said_chosen=_said(chosen, today),
        said_next=_said(next_day, today) if next_day else "",
    )


def day_of(written: str | None) -> date | None:
    """Return the day of an address; None for what is none."""
    try:
        day = date.fromisoformat(written or "")
    except ValueError:
        return None
    return day if day.year in YEARS else None


def _said(day: date, today: date) -> str:
    """Say a day: "Thursday, 26 November", "Today, 27 November", of another year with that."""
    name = "Today" if day == today else f"{day:%A}"
    return f"{name}, {day.day} {day:%B}" + ("" if day.year == today.year else f" {day.year}")


def _nearest(days: list[time_waits.Day], month: date, today: date) -> date:
    """Return the day that is shown in full unasked: the first from today on in which something goes on."""
    busy = [day.date for day in days if day.number and day.date.month == month.month]
    ahead = [day for day in busy if day >= today]
    return next(iter(ahead or busy), today if today.replace(day=1) == month else month)
