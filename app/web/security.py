"""What every answer and every request must keep: headers, cookies, hosts, sizes."""

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import BadRequest
from werkzeug.middleware.proxy_fix import ProxyFix

from app.core.db import db
from app.core.ids import new_id
from app.core.settings import Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; manifest-src 'self'; "
    "frame-src 'self'; img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HSTS = "max-age=31536000; includeSubDomains"
MAX_REQUEST_BYTES = 12 * 1024 * 1024
MAX_FORM_BYTES = 4 * 1024 * 1024
MAX_FORM_PARTS = 200
MAX_ANSWER_PARTS = 20_500  # 100 questions, each with 200 ticks, a file and what becomes of it; half a second to read
SESSION_COOKIE = "gl"
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


def init_app(app: Flask, settings: Settings) -> None:
    """Set the limits and hooks; *settings* name the public address and the proxies in front."""
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
        SECURE_BASE_URL=settings.base_url.startswith("https://"),
        SESSION_COOKIE_NAME="gl-note",  # holds one sentence for the next page, never who somebody is
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.base_url.startswith("https://"),
        PROPAGATE_EXCEPTIONS=False,
        TRAP_HTTP_EXCEPTIONS=False,
    )
    if settings.is_production:
        public = [urlsplit(settings.base_url).hostname or ""] if settings.base_url else []
        app.config["TRUSTED_HOSTS"] = [*public, *LOOPBACK]
    app.wsgi_app = _with_headers(app.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=0)  # type: ignore[method-assign]
    app.session_interface = _Notes()
    app.before_request(_begin)
    app.after_request(_protect)


class _Notes(SecureCookieSessionInterface):
    """Flask's cookie; what signs it is made once, not for every request."""

    _signer: Any = None

    def get_signing_serializer(self, app: Flask) -> Any:
        """Return what signs; None where there is no secret key."""
        self._signer = self._signer or super().get_signing_serializer(app)
        return self._signer


def is_secure() -> bool:
    """Tell whether the visitor's side of the connection is HTTPS."""
    return request.is_secure or bool(current_app.config["SECURE_BASE_URL"])


def cookie_name(name: str) -> str:
    """Return *name* with the prefix that browsers guard when the connection is HTTPS."""
    return f"__Host-{name}" if is_secure() else name


def session_cookie() -> str:
    """Return the name of the cookie that carries a signed-in person's token."""
    return cookie_name(SESSION_COOKIE)


def set_cookie(response: Response, name: str, value: str, *, max_age: int) -> None:
    """Set a cookie of ours for *max_age* seconds: HttpOnly, Lax, whole site, Secure and ``__Host-`` over HTTPS."""
    response.set_cookie(
        cookie_name(name), value, max_age=max_age, path="/", httponly=True, samesite="Lax", secure=is_secure()
    )


def drop_cookie(response: Response, name: str) -> None:
    """Remove a cookie of ours from the browser."""
    response.delete_cookie(cookie_name(name), path="/", httponly=True, samesite="Lax", secure=is_secure())


def _begin() -> None:
    g.request_id = new_id()
    if "%00" in request.query_string.decode("latin-1"):
        raise BadRequest("The address holds a character that is not text.")  # PostgreSQL knows no such text
    if request.method in ("GET", "HEAD"):
        db.session.info["reading"] = True


def _with_headers(answer: Any) -> Any:
    """Add the headers that are the same for every answer that has not its own; around Flask, whose way costs more."""

    def guarded(environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            said = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in HEADERS.items() if name.lower() not in said]
            return start_response(status, headers, *error)

        return answer(environ, start)

    return guarded


def _protect(response: Response) -> Response:
    has_token = "token" in (request.view_args or {})  # a link that lets its holder in must not travel on
    response.headers.setdefault("Referrer-Policy", "no-referrer" if has_token else "same-origin")
    if has_token:
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
    if is_secure():
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-Id"] = g.get("request_id", "")
    return response
