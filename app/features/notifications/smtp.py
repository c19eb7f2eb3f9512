"""Handing one mail to an SMTP server within 30 s, and telling a definite no from a passing one."""

import base64
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from app.core import clock
from app.core.outbox import Refused, Retry
from app.core.settings import SettingsInvalid

TOTAL_S = 30.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and who we are to it; *tls* is ``start`` (STARTTLS when offered) or ``always``."""

    host: str
    port: int
    tls: str
    user: str
    password: str
    sender: str

    @classmethod
    def from_settings(cls, url: str, sender: str) -> "Server | None":
        """Read ``SMTP_URL`` and ``MAIL_FROM``; None without a URL; raises SettingsInvalid with one sentence."""
        if not url:
            return None
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise SettingsInvalid("SMTP_URL cannot be read: its port must be a number.") from None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise SettingsInvalid("SMTP_URL must look like smtp://user:password@host:587 or smtps://user:password@host:465.")
        if _bad_address(parseaddr(sender)[1]) or _CONTROL.search(sender):
            raise SettingsInvalid("MAIL_FROM must be an address such as Greenlight <greenlight@example.com>.")
        return cls(
            host=parts.hostname,
            port=port or (465 if parts.scheme == "smtps" else 587),
            tls="always" if parts.scheme == "smtps" else "start",
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            sender=sender,
        )

    @property
    def own_name(self) -> str:
        """The name we greet with: our sender's domain (asking the network for our own name can take seconds)."""
        domain = parseaddr(self.sender)[1].rpartition("@")[2]
        return domain if "." in domain else "[127.0.0.1]"

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine, so that a password crosses no network."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def send(server: Server, content: Mapping[str, Any], recipient: str, message_id: str) -> None:
    """Send one mail; raises Refused or Retry with a sentence for people."""
    message = build(server, content, recipient, message_id)
    try:
        with _session(server) as session:
            session.send_message(message, from_addr=parseaddr(server.sender)[1], to_addrs=[recipient])
    except smtplib.SMTPAuthenticationError as error:
        raise Retry(f"The mail server did not accept our user name and password ({error.smtp_code}).") from error
    except smtplib.SMTPNotSupportedError as error:
        raise Refused(f"The mail server cannot handle this mail: {error}.") from error
    except smtplib.SMTPRecipientsRefused as error:
        raise _answered(*next(iter(error.recipients.values()))) from error
    except smtplib.SMTPResponseException as error:
        raise _answered(error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException) as error:
        raise Retry(f"The mail server could not be reached ({_cause(error)}).") from error


def build(server: Server, content: Mapping[str, Any], recipient: str, message_id: str) -> EmailMessage:
    """Make the message: plain text and HTML that say the same, pictures inside. Raises Refused for a bad header."""
    subject = str(content["subject"])
    for name, value in (("subject", subject), ("address", recipient), ("message id", message_id)):
        if _CONTROL.search(value):
            raise Refused(f"The {name} has a line break or a control character in it.")
    if _bad_address(recipient):
        raise Refused(f"{recipient!r} is not an e-mail address.")
    message = EmailMessage(policy=SMTP)
    message["From"] = server.sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = _message_id(message_id, server)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message.set_content(str(content["text"]), cte="quoted-printable")
    if content.get("html"):
        _add_html(message, content)
    return message


def _add_html(message: EmailMessage, content: Mapping[str, Any]) -> None:
    message.add_alternative(str(content["html"]), subtype="html", cte="quoted-printable")
    related = message.get_payload()[1]  # type: ignore[index]  # a multipart's payload is its parts
    for picture in content.get("images", ()):
        kind, _, subtype = picture["media_type"].partition("/")
        related.add_related(  # type: ignore[union-attr]  # and a part is a message
            base64.b64decode(picture["data"]), kind, subtype, cid=f"<{picture['cid']}>", disposition="inline"
        )


def _message_id(given: str, server: Server) -> str:
    if given.startswith("<") and given.endswith(">"):
        return given
    return f"<{given}@{parseaddr(server.sender)[1].rpartition('@')[2]}>"


def _bad_address(text: str) -> bool:
    if len(text) > 254 or _CONTROL.search(text):
        return True
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, AttributeError, MessageError):  # Address raises all of them for a bad one
        return True
    return not address.username or not address.domain or address.addr_spec != text or " " in text


@contextmanager
def _session(server: Server) -> Iterator[smtplib.SMTP]:
    """Open, encrypt, sign in; cut everything off after :data:`TOTAL_S`, however slowly the far side drips."""
    tls = ssl.create_default_context()
    session: smtplib.SMTP
    if server.tls == "always":
        session = smtplib.SMTP_SSL(local_hostname=server.own_name, timeout=TOTAL_S / 2, context=tls)
    else:
        session = smtplib.SMTP(local_hostname=server.own_name, timeout=TOTAL_S / 2)
    late = threading.Timer(TOTAL_S, _cut, [session])
    late.daemon = True
    late.start()
    try:
        # smtplib checks a certificate against the name it was made with; connect() alone does not set it
        session._host = server.host  # type: ignore[attr-defined]
        code, words = session.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, words)
        session.ehlo_or_helo_if_needed()
        _protect(session, server, tls)
        if server.user:
            session.login(server.user, server.password)
        yield session
        _say_goodbye(session)
    finally:
        late.cancel()
        session.close()


def _protect(session: smtplib.SMTP, server: Server, tls: ssl.SSLContext) -> None:
    if server.tls == "start" and session.has_extn("starttls"):
        session.starttls(context=tls)
        session.ehlo()
    elif server.tls == "start" and server.user and not server.is_here:
        raise Retry("The mail server offers no encryption, so our password was not sent. Use smtps:// or another port.")


def _say_goodbye(session: smtplib.SMTP) -> None:
    try:
        session.quit()
    except (OSError, smtplib.SMTPException):
        return  # the mail was accepted; how the connection ends changes nothing


def _cut(session: smtplib.SMTP) -> None:
    if session.sock is not None:
        try:
            session.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # closed in the same moment


def _answered(code: int, words: bytes | str) -> Refused | Retry:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    sentence = f"The mail server said {code}: {' '.join(said.split())[:300]}"
    return Refused(sentence) if 500 <= code < 600 else Retry(sentence)


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__
