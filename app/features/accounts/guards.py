"""Who may enter a view: every view is either guarded by :func:`requires` or marked :func:`public`."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import structlog
from flask import Flask, Request, current_app, g
from sqlalchemy.exc import SQLAlchemyError

from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Forbidden
from app.features.accounts import queries, rules, service
from app.features.accounts.enums import Permission
from app.features.accounts.queries import Beside, Who
from app.web import htmx, security
from app.web.visitor import load_with, visitor

log = structlog.get_logger(__name__)
F = TypeVar("F", bound=Callable[..., Any])


def init_app(app: Flask) -> None:
    """Find the visitor of a request by the session that their cookie opens."""
    load_with(app, _load)


def who() -> Who:
    """Return the signed-in person; only in views guarded by :func:`requires`."""
    person = visitor()
    if person is None:
        raise RuntimeError("who() in a view that is not guarded")
    return cast(Who, person)


def requires(permission: Permission) -> Callable[[F], F]:
    """Let people with *permission* in; strangers go to the sign-in page and come back, others get a 403."""

    def guard(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **kw: Any) -> Any:
            person = visitor()
            if person is None:
                return htmx.sign_in()
            if not person.may(permission):
                raise Forbidden(
                    f"You may not {rules.DOING[permission]}.", fix="Ask an owner of your workspace."
                )
            return view(*args, **kw)

        guarded.permission = permission  # type: ignore[attr-defined]  # a test walks the routes by it
        return cast(F, guarded)

    return guard


def asks_beside(ask: Callable[[Request], Beside | None]) -> Callable[[F], F]:
    """Let a view have one row more from the statement that asks who it is; :func:`beside` gives it."""

    def mark(view: F) -> F:
        view.asks_beside = ask  # type: ignore[attr-defined]  # read in _load
        return view

    return mark


def beside() -> dict[str, Any] | None:
    """Return the row that the view asked for, None where there is none. It looks whether the person may see it."""
    found: dict[str, Any] | None = g.get("beside")
    return found


def public(view: F) -> F:
    """Mark a view that strangers may see; it proves what it needs itself (a token in its address)."""
    view.permission = None  # type: ignore[attr-defined]  # a test walks the routes by it
    return view


def _load(request: Request) -> Who | None:
    token = request.cookies.get(security.session_cookie())
    if not token:
        return None
    ask = getattr(current_app.view_functions.get(request.endpoint or ""), "asks_beside", None)
    person, g.beside = queries.who_beside(token, ask(request) if ask else None)
    if person and now() - person.seen_at > rules.TOUCH_EVERY:
        _touch(person)
    return person


def _touch(person: Who) -> None:
    try:
        with transaction(db.engine) as session:
            service.touch(session, person.token_hash)
    except (SQLAlchemyError, TimeoutError) as error:  # a busy database must not stop a page that only reads
        log.warning("session.touch_failed", error=type(error).__name__)
