"""What the side, the top bar and the phone's tabs show.

A place whose pages do not exist, or that a role may not use, is absent, not grey.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from flask import Flask, current_app, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from app.core.cached import cached_property
from app.core.db import db
from app.web.visitor import Visitor, visitor

log = structlog.get_logger(__name__)


class Asker:
    """Whom counts are for, as values of a statement that is put together once for all who may do the same."""

    workspace_id = sa.bindparam("asker_workspace_id", type_=sa.String())
    user_id = sa.bindparam("asker_user_id", type_=sa.String())
    email = sa.bindparam("asker_email", type_=sa.String())  # in lower case

    def __init__(self, who: Visitor) -> None:
        self.may = who.may

    @staticmethod
    def values(who: Visitor) -> dict[str, str]:
        """Return what stands for the values when *who* asks."""
        return {
            "asker_workspace_id": who.workspace_id,
            "asker_user_id": who.user_id,
            "asker_email": who.email.lower(),
        }


Counter = Callable[[Asker], sa.ColumnElement[int]]
_counters: dict[str, Counter] = {}


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the navigation: its page, icon, word, who sees it, and the count beside it."""

    endpoint: str
    icon: str
    label: str
    permission: str = "see"
    count: str = ""
    is_hot: bool = False  # a green count means "for you", a grey one is only a number
    short: str = ""  # the word on the phone's tab

    @property
    def url(self) -> str:
        """The page's address."""
        return url_for(self.endpoint)

    @property
    def is_here(self) -> bool:
        """Whether the page shown now belongs to this place."""
        return _section(request.endpoint or "") == _section(self.endpoint)


MAIN = (
    Place("home.index", "home", "Home"),
    Place("gallery.index", "rocket", "Start something", "launch", short="Start"),
    Place("approvals.index", "clipboard-check", "Approvals", count="approvals", is_hot=True, short="Approve"),
    Place("runs.index", "player-play", "Runs", count="runs"),
    Place("files.documents", "files", "Documents"),
)
SET_UP = (
    Place("workflows.index", "route", "Workflows", "build"),
    Place("schedules.index", "calendar-time", "Schedules", "build"),
    Place("connections.index", "plug-connected", "Connections", "manage"),
    Place("analytics.index", "chart-bar", "Analytics"),
)
FOOT = (
    Place("accounts.settings", "settings", "Settings"),
    Place("home.help", "lifebuoy", "Help"),
)
MORE = Place("home.more", "menu-2", "More")
TABS = ("home.index", "approvals.index", "gallery.index", "runs.index")
# Endpoints that belong to another place than their own name says.
SECTIONS = {
    "home.help": "help",
    "home.more": "more",
    "files.images": "files",
    "gallery.continue_run": "runs",
    "gallery.start_continued": "runs",
    "gallery.keep_template": "workflows",
    "gallery.save_as_template": "workflows",
    "lifecycle": "workflows",
    "lifecycle.would_have": "runs",
    "limits": "accounts",
    "notifications": "accounts",
    "runs.problems.index": "accounts",
}


class Navigation:
    """The navigation for one answer; counts are read when a layout asks for one: all in one statement, at most once."""

    def __init__(self, who: Visitor) -> None:
        self._who = who

    @cached_property
    def main(self) -> list[Place]:
        """The places of every day."""
        return self._allowed(MAIN)

    @cached_property
    def set_up(self) -> list[Place]:
        """The places where things are prepared."""
        return self._allowed(SET_UP)

    @cached_property
    def foot(self) -> list[Place]:
        """Settings and help."""
        return self._allowed(FOOT)

    @cached_property
    def tabs(self) -> list[Place]:
        """At most five tabs of the phone."""
        by_endpoint = {place.endpoint: place for place in self.main}
        found = [by_endpoint[endpoint] for endpoint in TABS if endpoint in by_endpoint]
        return [*found, *self._allowed((MORE,))]

    @cached_property
    def more(self) -> list[Place]:
        """What the phone's tabs leave out."""
        return [place for place in (*self.main, *self.set_up, *self.foot) if place.endpoint not in TABS]

    def section(self, path: str) -> Place | None:
        """Return the place that a page of this address is below; None for the place itself and for no place's page."""
        places = (place for place in (*self.main, *self.set_up, *self.foot) if place.url != "/")
        return next((place for place in places if path.startswith(f"{place.url}/")), None)

    def has(self, endpoint: str) -> bool:
        """Tell whether a page of that name exists in this application."""
        return endpoint in current_app.view_functions

    def count(self, name: str) -> int:
        """Return the number beside a place: 0 for an unknown name, and while it cannot be read."""
        return self._counts.get(name, 0)

    @cached_property
    def _counts(self) -> dict[str, int]:
        if not _counters:
            return {}
        try:
            return dict(db.session.execute(_all_counts(self._who), Asker.values(self._who)).mappings().one())
        except SQLAlchemyError as error:  # an error page is shown while the database is away
            log.warning("nav.counts_failed", error=type(error).__name__)
            db.session.rollback()
            return {}

    def _allowed(self, places: tuple[Place, ...]) -> list[Place]:
        return [place for place in places if self.has(place.endpoint) and self._who.may(place.permission)]


def counter(name: str, provider: Counter) -> None:
    """Let *provider* say how the number called *name* is read (``approvals``, ``runs``, ``active``).

    It is asked once for all who may do the same: what differs between them, and the time, are bound values.
    """
    _counters[name] = provider


def init_app(app: Flask) -> None:
    """Give layouts ``nav`` (None for a stranger)."""
    app.extensions["nav_counts"] = {}
    app.context_processor(_context)


def _context() -> dict[str, Navigation | None]:
    who = visitor()
    return {"nav": Navigation(who) if who else None}


def _all_counts(who: Visitor) -> sa.Select[*tuple[Any, ...]]:
    """Return the statement of all counts; putting it together takes longer than the database takes for it."""
    kept: dict[object, sa.Select[*tuple[Any, ...]]] = current_app.extensions["nav_counts"]
    permissions = {place.permission for place in (*MAIN, *SET_UP, *FOOT)}
    key = (frozenset(filter(who.may, permissions)), *_counters.values())
    if key not in kept:
        kept[key] = sa.select(*(count(Asker(who)).label(name) for name, count in _counters.items()))
    return kept[key]


def _section(endpoint: str) -> str:
    blueprint = endpoint.partition(".")[0]
    return SECTIONS.get(endpoint) or SECTIONS.get(blueprint) or blueprint
