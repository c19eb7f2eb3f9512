"""Unsafe requests come from our own pages: ``Sec-Fetch-Site`` and a token, both.

A signed-in person's token is kept in their server-side session. A stranger (sign-in, public pages) gets one that is
signed and bound to a random cookie. It is read from the field ``csrf_token`` or the header ``X-CSRF-Token``.
"""

import hmac
import secrets
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.exceptions import BadRequest, Forbidden

from app.web import htmx, security
from app.web.visitor import visitor

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
COOKIE = "gl-visit"
VISIT_S = 24 * 60 * 60
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

F = TypeVar("F", bound=Callable[..., Any])


def init_app(app: Flask) -> None:
    """Check every unsafe request before its view; give templates ``csrf_token()``."""
    app.before_request(_check)
    app.after_request(_remember_visit)
    app.jinja_env.globals["csrf_token"] = token


def exempt(view: F) -> F:
    """Let *view* be called without our token: it proves its caller otherwise (a token of its own, a signature)."""
    view.csrf_exempt = True  # type: ignore[attr-defined]  # read in _check
    return view


def token() -> str:
    """Return the token that the next unsafe request of this visitor must carry."""
    who = visitor()
    return who.csrf if who else _signer().dumps(_visit())


def _check() -> Response | None:
    if request.method in SAFE or request.url_rule is None:
        return None
    if not _is_same_site():
        raise Forbidden("This request came from another site, so nothing was changed.")
    if getattr(current_app.view_functions[request.endpoint or ""], "csrf_exempt", False):
        return None
    if not _is_right(request.headers.get(HEADER) or request.form.get(FIELD) or ""):
        return _refuse()
    return None


def _refuse() -> Response:
    view = current_app.view_functions[request.endpoint or ""]
    is_for_members = getattr(view, "permission", None) is not None  # their page was made before they signed out
    if visitor() is None and (is_for_members or security.session_cookie() in request.cookies):
        return htmx.sign_in()
    raise BadRequest(
        "The page was open for too long or came from elsewhere. Load it again and repeat what you did."
    )


def _is_same_site() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin", "null")  # older browsers; "null" on pages that send no referrer
    return origin == "null" or urlsplit(origin).netloc == request.host


def _is_right(given: str) -> bool:
    who = visitor()
    if who:
        return hmac.compare_digest(given.encode(), who.csrf.encode())
    nonce = request.cookies.get(_cookie(), "")
    try:
        signed = _signer().loads(given, max_age=VISIT_S)
    except BadSignature:
        return False
    return bool(nonce) and isinstance(signed, str) and hmac.compare_digest(signed.encode(), nonce.encode())


def _visit() -> str:
    nonce: str = request.cookies.get(_cookie(), "") or g.get("visit", "")
    if not nonce:
        nonce = g.visit = secrets.token_urlsafe(24)
    return nonce


def _remember_visit(response: Response) -> Response:
    if "visit" in g:
        security.set_cookie(response, COOKIE, g.visit, max_age=VISIT_S)
    return response


def _cookie() -> str:
    return security.cookie_name(COOKIE)


def _signer() -> URLSafeTimedSerializer:
    keys = [*reversed(current_app.config.get("SECRET_KEY_FALLBACKS") or []), current_app.config["SECRET_KEY"]]
    return URLSafeTimedSerializer(keys, salt="greenlight.csrf")
