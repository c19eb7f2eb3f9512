"""Page or fragment: decided here and nowhere else. htmx-flask reads the headers, we keep its few rules in one place."""

from urllib.parse import unquote, urlsplit

from flask import Flask, Response, make_response, render_template, request, url_for
from flask import redirect as plain_redirect
from htmx_flask import Htmx
from htmx_flask import request as htmx_request

STOP_POLLING = 286  # htmx's own status: swap, then poll no more
NOTICES = "#notices"  # the region of the layouts that takes what has no better place


def init_app(app: Flask) -> None:
    """Read htmx's headers; every HTML answer depends on whether htmx asked."""
    Htmx(app)
    app.after_request(_vary)


def is_htmx() -> bool:
    """Tell whether htmx sent this request."""
    return bool(htmx_request.htmx)


def is_fragment() -> bool:
    """Tell whether a fragment is wanted; a boosted link and a restored page want the whole one."""
    asked = htmx_request.htmx
    return bool(asked) and not asked.boosted and not asked.history_restore_request


def page(template: str, /, *, fragment: str | None = None, status: int = 200, **context: object) -> Response:
    """Render *fragment* for htmx and *template* otherwise; both get the same *context*."""
    chosen = fragment if fragment and is_fragment() else template
    return make_response(render_template(chosen, **context), status)


def redirect(url: str) -> Response:
    """Send the browser to *url* by GET: 303, or for htmx ``HX-Redirect``."""
    if is_htmx():
        response = make_response("", 204)
        response.headers["HX-Redirect"] = url
        return response
    return make_response(plain_redirect(url, code=303))


def current_path() -> str:
    """Return the path of the page that htmx asks from; nothing for another site's, or without htmx."""
    shown = urlsplit(htmx_request.htmx.current_url or "") if is_htmx() else urlsplit("")
    return unquote(shown.path) if shown.netloc == request.host else ""


def sign_in() -> Response:
    """Send somebody whose session is missing or has ended to the sign-in page, and back afterwards.

    Where they had pressed a button, the page says that nothing came of it.
    """
    has_pressed = request.method not in ("GET", "HEAD")
    return redirect(url_for("accounts.sign_in", next=_here(), lapsed=1 if has_pressed else None))


def unchanged(etag: str) -> Response | None:
    """Answer a poll whose reader has *etag* already: 204 (sent as ``?seen=``), 304 (``If-None-Match``), else None.

    Pages of signed-in people are not stored by the browser, so the fragment itself carries what it shows in ``?seen=``.
    """
    if request.args.get("seen") == etag:
        return make_response("", 204)
    if request.if_none_match.contains_weak(etag):
        response = make_response("", 304)
        response.set_etag(etag, weak=True)
        return response
    return None


def stop_polling(body: str = "") -> Response:
    """Answer a poll for the last time: htmx swaps *body* in and asks no more."""
    return make_response(body, STOP_POLLING)


def _here() -> str:
    if request.method in ("GET", "HEAD") and not is_htmx():
        return request.full_path.rstrip("?")
    shown = urlsplit(htmx_request.htmx.current_url or request.referrer or "")
    return shown._replace(scheme="", netloc="").geturl() if shown.netloc == request.host else "/"


def _vary(response: Response) -> Response:
    if response.mimetype == "text/html" or is_htmx():
        response.vary.add("HX-Request")
    return response
