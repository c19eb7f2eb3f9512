"""Who reads this page: a door that the accounts feature fills, so that layouts and CSRF know no domain."""

from collections.abc import Callable
from typing import Protocol, cast

from flask import Flask, Request, g, has_request_context
from flask_login import AnonymousUserMixin, LoginManager, current_user

from app.core import queue


class Visitor(Protocol):
    """A signed-in person, as far as pages need to know."""

    @property
    def user_id(self) -> str: ...  # noqa: D102 (named by the class)
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def email(self) -> str: ...  # noqa: D102
    @property
    def workspace_id(self) -> str: ...  # noqa: D102
    @property
    def workspace_name(self) -> str: ...  # noqa: D102
    @property
    def timezone(self) -> str: ...  # noqa: D102
    @property
    def theme(self) -> str: ...  # noqa: D102
    @property
    def is_sending_held(self) -> bool: ...  # noqa: D102
    @property
    def csrf(self) -> str: ...  # noqa: D102

    def may(self, permission: str) -> bool: ...  # noqa: D102


Loader = Callable[[Request], Visitor | None]


def init_app(app: Flask) -> None:
    """Make Flask-Login a thin loader: nothing of a person is kept in a cookie, no loader yet means nobody."""
    manager = LoginManager()
    manager.session_protection = None
    manager.anonymous_user = AnonymousUserMixin
    manager.init_app(app, add_context_processor=False)
    manager.request_loader(lambda _request: None)
    app.context_processor(lambda: {"visitor": visitor(), "queue_trouble": queue.trouble()})


def load_with(app: Flask, loader: Loader) -> None:
    """Ask *loader* who sent a request; it is called at most once a request."""
    app.extensions["visitor_loader"] = loader
    app.login_manager.request_loader(loader)  # type: ignore[attr-defined]  # Flask-Login sets it


def forget() -> None:
    """Treat the sender of this request as a stranger: error pages must not ask a database that is away."""
    g._login_user = AnonymousUserMixin()  # where Flask-Login keeps who it found


def visitor() -> Visitor | None:
    """Return who sent this request, or None for a stranger or a session that has ended."""
    if not has_request_context():
        return None
    person = current_user._get_current_object()
    return cast(Visitor, person) if person.is_authenticated else None
