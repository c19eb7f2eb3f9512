"""Every failure as a page or, for htmx, a fragment: what happened, what to do, a code to quote. Never a stack trace."""

import math
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, current_app, flash, g, make_response, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError

from app.core.db import AWAY, db, is_disk_full
from app.core.errors import GreenlightError, Invalid
from app.core.ids import new_code
from app.web import htmx
from app.web.visitor import forget, visitor

log = structlog.get_logger(__name__)

# status: title, what to do when the error brings no words of its own, icon
WORDS = {
    400: (
        "We could not read that request",
        "Go back, load the page again and try once more.",
        "alert-triangle",
    ),
    403: ("You may not do this", "Ask an owner of your workspace if you need it.", "lock"),
    404: ("This page does not exist", "It may have been removed, or the address has a slip in it.", "search"),
    405: ("This address cannot do that", "Go back and use the buttons of the page.", "ban"),
    409: ("Not possible right now", "Load the page again to see what holds now.", "refresh"),
    410: ("This has ended", "The link was used, withdrawn, or its time is over.", "clock"),
    413: ("That is too big", "At most 12\u00a0MB can be sent at once.", "files"),
    422: ("Something needs a change", "Look at what you entered and try again.", "alert-triangle"),
    429: ("Too many tries", "Wait a little, then try again.", "hourglass"),
    500: (
        "Something went wrong on our side",
        "What was saved is saved. Try again.",
        "circle-x",
    ),
    507: (
        "There is no space left",
        "What was saved is safe, this was not saved. Tell whoever runs Greenlight that its disk is full.",
        "files",
    ),
    503: ("Greenlight is busy", "Nothing was lost. Try again in a moment.", "hourglass"),
}


# what the form of a button brings along besides what somebody typed
BUTTONS_ALONE = {"csrf_token", "once", "mode", "reply", "revision", "version"}
GONE = "This is not there any more"  # for a page that is open: what it asked for was there


def init_app(app: Flask) -> None:
    """Register the handlers for our errors, HTTP's and all others."""
    app.register_error_handler(GreenlightError, _ours)
    app.register_error_handler(HTTPException, _http)
    for kind in AWAY:
        app.register_error_handler(kind, _database)
    app.register_error_handler(TimeoutError, _database)  # another writer held the embedded database for too long
    app.register_error_handler(Exception, _unexpected)


def _ours(error: GreenlightError) -> Response:
    problems = error.problems if isinstance(error, Invalid) else ()
    words = " ".join(part for part in (error.message, error.fix) if part)
    if error.status == 409 and _is_a_press() and (back := _back()):  # loaded again, that page presses nothing
        flash(words, "care")
        return htmx.redirect(back)
    return answer(error.status, words, problems=problems)


def _is_a_press() -> bool:
    """Tell whether a button was pressed on a page without script, and nothing typed came with it."""
    return request.method == "POST" and not htmx.is_htmx() and set(request.form) <= BUTTONS_ALONE


def _http(error: HTTPException) -> Response:
    if isinstance(error, SecurityError):  # a foreign Host: no address can be built, so no page
        return make_response(
            "This host is not served here.\n", 400, {"Content-Type": "text/plain; charset=utf-8"}
        )
    if error.response is not None:  # somebody aborted with a finished answer
        return make_response(error.response)
    status = error.code or 500
    if 300 <= status < 400:
        return make_response(error.get_response())
    is_own_text = error.description is not None and error.description != type(error).description
    said = str(error.description) if is_own_text and status in (400, 403) else ""
    response = answer(status, _too_big() if status == 413 else said)
    for name, value in error.get_headers(request.environ):
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _too_big() -> str:
    """Say how much was sent, and how much may be: the body is not read, so no file in it can be named."""
    most, sent = int(current_app.config["MAX_CONTENT_LENGTH"]), request.content_length or 0
    if sent <= most:
        return "A text in it is longer than 4 MB, or it has too many fields. Nothing was saved."
    mb = f"{math.ceil(sent / 2**20 * 10) / 10:,}\u00a0MB"
    said = f"You sent {mb}. At most {most // 2**20}\u00a0MB can be sent at once. Nothing was saved."
    return f"{said} Go back and choose a smaller file, or send several one after the other."


def _database(error: Exception) -> Response:
    log.error("request.database", error=type(error).__name__, request_id=g.get("request_id"), exc_info=error)
    db.session.rollback()
    if is_disk_full(error):
        return answer(507)
    response = answer(503)
    response.headers["Retry-After"] = "5"
    return response


def _unexpected(error: Exception) -> Response:
    original = error.original_exception if isinstance(error, InternalServerError) else None
    code = new_code()
    log.error(
        "request.failed", code=code, request_id=g.get("request_id"), method=request.method,
        endpoint=request.endpoint, exc_info=original or error,
    )  # fmt: skip
    db.session.rollback()
    return answer(500, code=code)


def answer(status: int, message: str = "", *, code: str = "", problems: object = ()) -> Response:
    """Return the page, or the fragment aimed at the notices, for *status*; from 500 on with a code, which is logged."""
    title, otherwise, icon = WORDS.get(status, WORDS[400 if status < 500 else 500])
    if status == 404 and htmx.is_fragment():
        title = GONE
    if status >= 500 and not code:
        code = new_code()
        log.error(
            "request.failed", code=code, request_id=g.get("request_id"), status=status, path=request.path
        )
    facts = {
        "title": title, "message": message or otherwise, "icon_name": icon,
        "code": code, "status": status, "problems": problems, "retry": _retry(), "back": _back(),
        "said": f"{title}: {request.path[:120]}".replace("\0", ""),
    }  # fmt: skip
    _settle_visitor()
    if not htmx.is_fragment():
        return make_response(render_template("errors/page.html", **facts), status)
    response = make_response(render_template("errors/_notice.html", **facts), status)
    response.headers["HX-Retarget"] = htmx.NOTICES
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _retry() -> str:
    return request.full_path.rstrip("?") if request.method == "GET" else ""


def _back() -> str:
    """Return our page that the visitor came from; "" for another site's, for this address and for what is no page."""
    came = urlsplit(request.referrer or "")
    there = came._replace(scheme="", netloc="").geturl()
    if came.netloc != request.host or there == _retry():
        return ""
    return there if current_app.url_map.bind(request.host).test(came.path, "GET") else ""


def _settle_visitor() -> None:
    try:
        visitor()
    except Exception:  # noqa: BLE001 (whatever keeps us from knowing the visitor must not hide the first error)
        forget()
