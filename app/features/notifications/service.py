"""Mail: composing it from ``templates/emails`` and handing it to the server of ``SMTP_URL``."""

import base64
from collections.abc import Sequence
from typing import Any, TypedDict
from urllib.parse import urlsplit

import jinja2

from app.core.errors import Invalid
from app.core.outbox import Kept
from app.core.settings import ROOT, Settings
from app.features.notifications.smtp import Server, send

SUBJECT_LENGTH = 200

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(ROOT / "templates" / "emails"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_server: Server | None = None
_base_url = ""


class Inline(TypedDict):
    """A picture inside a mail: named by *cid* in the HTML part, *data* in base64."""

    cid: str
    media_type: str
    data: str


class MailContent(TypedDict):
    """What the outbox keeps of a mail; plain JSON."""

    subject: str
    text: str
    html: str
    images: list[Inline]


def configure(settings: Settings) -> None:
    """Set the mail server and the address for links; raises SettingsInvalid when ``SMTP_URL`` cannot be read."""
    global _server, _base_url
    _server = Server.from_settings(settings.smtp_url, settings.mail_from)
    _base_url = settings.public_url


def compose(template: str, *, subject: str, images: Sequence[Inline] = (), **context: Any) -> MailContent:
    """Fill ``emails/<template>.txt`` and ``.html``: the two say the same. The subject becomes one line."""
    line = one_line(subject)
    context = {"subject": line, **context}
    return MailContent(
        subject=line,
        text=_templates.get_template(f"{template}.txt").render(context).strip() + "\n",
        html=_templates.get_template(f"{template}.html").render(context),
        images=list(images),
    )


def notice(subject: str, body: str, link: tuple[str, str] | None = None) -> dict[str, Any]:
    """Compose a plain message: paragraphs of *body* and a button, *link* being its words and its path or address."""
    button = None if link is None else {"words": one_line(link[0]), "url": _address(link[1])}
    paragraphs = [part.strip() for part in body.replace("\r\n", "\n").split("\n\n") if part.strip()]
    return dict(compose("notice", subject=subject, paragraphs=paragraphs, button=button))


def inline(cid: str, media_type: str, content: bytes) -> Inline:
    """Return a picture for :func:`compose`."""
    return Inline(cid=cid, media_type=media_type, data=base64.b64encode(content).decode())


def deliver(content: dict[str, Any], recipient: str, message_id: str) -> None:
    """Send one mail; the outbox' channel ``email``.

    Raises Kept without a mail server, Refused when it will never go out (a bad address, a line break in a header,
    a definite no of the server), Retry otherwise. Takes at most 30 s.
    """
    if _server is None:
        raise Kept
    send(_server, content, recipient, message_id)


def one_line(text: str, length: int = SUBJECT_LENGTH) -> str:
    """Return *text* as one line without control characters, cut to *length*: what a header may hold."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    line = " ".join(words)
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _address(target: str) -> str:
    if target.startswith("/") and not target.startswith("//"):
        return _base_url + target
    if urlsplit(target).scheme not in ("http", "https"):
        raise Invalid(f"{target!r} is not an address for a link.", fix="Use a path such as /runs or an https address.")
    return target
