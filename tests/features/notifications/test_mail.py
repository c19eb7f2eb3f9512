"""Mail: what is composed, what the server gets, and what a failure becomes. Real SMTP on a free port."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.core.errors import Invalid
from app.core.outbox import Kept, Refused, Retry
from app.core.settings import Settings, SettingsInvalid
from app.features.notifications import service, smtp
from tests.servers import SmtpServer, free_port


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    configure("")


def configure(url: str, mail_from: str = "Greenlight <hello@greenlight.example>") -> None:
    service.configure(
        Settings(
            environment="test",
            secret_key="x" * 32,
            smtp_url=url,
            mail_from=mail_from,
            base_url="https://gl.example",
        )
    )


def content() -> dict[str, object]:
    return service.notice("Your ads are ready", "Ten ads.\n\nBest wishes", ("See them", "/runs/1"))


def test_notice_says_the_same_in_text_and_html() -> None:
    configure("")
    made = service.notice("Ready", "One <b>bold</b> claim\nnext line\n\nSecond", ("See it", "/runs/7"))
    assert made["text"].startswith(
        "Ready\n\nOne <b>bold</b> claim\nnext line\n\nSecond\n\nSee it:\nhttps://gl.example/runs/7\n"
    )
    assert "One &lt;b&gt;bold&lt;/b&gt; claim<br>next line" in made["html"]
    assert 'href="https://gl.example/runs/7"' in made["html"]
    assert made["images"] == []


NO_PAGES = ["javascript:alert(1)", "//evil.example/x", "data:text/html,x", "ftp://x.example", "runs"]


@pytest.mark.parametrize("target", NO_PAGES)
def test_notice_refuses_a_link_that_is_no_page(target: str) -> None:
    configure("")
    with pytest.raises(Invalid):
        service.notice("Ready", "Text", ("See it", target))


def test_mail_arrives_with_both_parts_the_picture_and_its_message_id(smtp_server: SmtpServer) -> None:
    configure(smtp_server.url)
    made = service.compose(
        "notice", subject="Grüße", paragraphs=["Zürich – schön"], button=None,
        images=[service.inline("p1@greenlight", "image/jpeg", b"\xff\xd8jpeg")],
    )  # fmt: skip
    service.deliver(dict(made), "bob@example.com", "018f-row")
    [mail] = smtp_server.wait_for(1)
    assert (mail.sender, mail.recipients) == ("hello@greenlight.example", ["bob@example.com"])
    assert mail.message["Message-ID"] == "<018f-row@greenlight.example>"
    assert mail.message["Subject"] == "Grüße"
    assert mail.message["From"] == "Greenlight <hello@greenlight.example>"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message.get_content_type() == "multipart/alternative"
    assert "Zürich – schön" in mail.text("plain")
    assert "Zürich – schön" in mail.text("html")
    [picture] = [part for part in mail.message.walk() if part.get_content_type() == "image/jpeg"]
    assert picture["Content-ID"] == "<p1@greenlight>"
    assert picture.get_payload(decode=True) == b"\xff\xd8jpeg"


def test_message_id_stays_the_same_over_tries(smtp_server: SmtpServer) -> None:
    configure(smtp_server.url)
    smtp_server.answers["DATA"] = "451 later"
    with pytest.raises(Retry, match="451"):
        service.deliver(content(), "bob@example.com", "<kept@greenlight.example>")
    del smtp_server.answers["DATA"]
    service.deliver(content(), "bob@example.com", "<kept@greenlight.example>")
    service.deliver(content(), "bob@example.com", "<kept@greenlight.example>")
    assert [m.message["Message-ID"] for m in smtp_server.wait_for(2)] == ["<kept@greenlight.example>"] * 2


def test_without_a_server_the_mail_is_kept() -> None:
    configure("")
    with pytest.raises(Kept):
        service.deliver(content(), "bob@example.com", "id")


@pytest.mark.parametrize(
    ("where", "answer", "expected"),
    [
        ("bob@example.com", "550 no such user", Refused),
        ("bob@example.com", "450 mailbox busy", Retry),
        ("DATA", "554 looks like spam", Refused),
        ("DATA", "452 out of space", Retry),
    ],
)
def test_a_definite_no_is_refused_and_a_passing_one_is_tried_again(
    smtp_server: SmtpServer, where: str, answer: str, expected: type[Exception]
) -> None:
    configure(smtp_server.url)
    smtp_server.answers[where] = answer
    with pytest.raises(expected, match=answer.replace(" ", ": ", 1)):
        service.deliver(content(), "bob@example.com", "id")
    assert smtp_server.messages == []


def test_nobody_listening_is_tried_again() -> None:
    configure(f"smtp://127.0.0.1:{free_port()}")
    with pytest.raises(Retry, match="could not be reached"):
        service.deliver(content(), "bob@example.com", "id")


def test_a_server_that_drips_is_cut_off_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the whole never does: only a total limit helps."""
    monkeypatch.setattr(smtp, "TOTAL_S", 0.8)
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            while not stop.wait(0.1):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    configure(f"smtp://127.0.0.1:{listener.getsockname()[1]}")
    began = time.monotonic()
    with pytest.raises(Retry):
        service.deliver(content(), "bob@example.com", "id")
    assert time.monotonic() - began < 60  # it would drip for ever
    stop.set()
    thread.join()
    listener.close()


BCC = "Bcc: eve@example.com"
BAD = ["\r\n" + BCC, "\n" + BCC, "\rX: y", "\x00", "\u2028" + BCC, "\x0bX", "\x85X"]
ADDRESSES = [
    "bob", "bob@", "@example.com", "bob@example.com, eve@example.com", "Bob <bob@example.com>", "bob@example.com>", "",
    "bob @example.com", "<bob@example.com>", "bob@example.com\r\nRCPT TO:<eve@example.com>", "a" * 250 + "@example.com",
    "bob@exam ple.com",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_line_break_in_a_header_is_refused(smtp_server: SmtpServer, bad: str) -> None:
    configure(smtp_server.url)
    for changed, recipient, message_id in (
        ({"subject": "Hello" + bad}, "bob@example.com", "id"),
        ({}, "bob@example.com" + bad, "id"),
        ({}, "bob" + bad + "@example.com", "id"),
        ({}, "bob@example.com", "id" + bad),
    ):
        with pytest.raises(Refused):
            service.deliver({**content(), **changed}, recipient, message_id)
    assert smtp_server.messages == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_bad_address_is_refused(smtp_server: SmtpServer, address: str) -> None:
    configure(smtp_server.url)
    with pytest.raises(Refused):
        service.deliver(content(), address, "id")
    assert smtp_server.messages == []


@pytest.mark.parametrize("bad", BAD)
def test_a_composed_subject_is_one_line_and_adds_no_header(smtp_server: SmtpServer, bad: str) -> None:
    configure(smtp_server.url)
    made = service.notice("Sale" + bad + " now", "Body" + bad)
    service.deliver(made, "bob@example.com", "id")
    [mail] = smtp_server.wait_for(1)
    assert mail.recipients == ["bob@example.com"]
    assert mail.message["Bcc"] is None
    assert mail.message["X"] is None
    assert mail.message["Subject"].startswith("Sale")
    assert len(mail.message.get_all("To")) == 1


@pytest.mark.parametrize(
    ("url", "mail_from", "word"),
    [
        ("http://mail.example", "a@b.example", "SMTP_URL"),
        ("smtp://", "a@b.example", "SMTP_URL"),
        ("smtp://host:port", "a@b.example", "port"),
        ("smtp://host", "nobody", "MAIL_FROM"),
        ("smtp://host", "a@b.example\r\nBcc: c@d.example", "MAIL_FROM"),
    ],
)
def test_settings_that_cannot_be_read_stop_the_start(url: str, mail_from: str, word: str) -> None:
    with pytest.raises(SettingsInvalid, match=word):
        configure(url, mail_from)


def test_smtp_url_is_read_with_its_defaults() -> None:
    plain = smtp.Server.from_settings("smtp://us%40er:p%2Fw@mail.example", "a@b.example")
    tls = smtp.Server.from_settings("smtps://mail.example", "a@b.example")
    assert plain is not None
    assert tls is not None
    assert (plain.host, plain.port, plain.tls) == ("mail.example", 587, "start")
    assert (plain.user, plain.password) == ("us@er", "p/w")
    assert (tls.port, tls.tls, tls.user) == (465, "always", "")


# --- encryption and sign-in ---


class _Taker:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802 (aiosmtpd's name)
        self.mails.append(envelope.content)  # type: ignore[attr-defined]
        return "250 OK"


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


def _says_yes(server: object, session: object, envelope: object, mechanism: str, data: object) -> AuthResult:
    good = (getattr(data, "login", b""), getattr(data, "password", b"")) == (b"user", b"pass")
    return AuthResult(success=good, handled=False)


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Controller, _Taker, Path]]:
    """A server that offers STARTTLS and wants a password, with a certificate of its own."""
    pem = _certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    taker = _Taker()
    controller = Controller(
        taker,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        authenticator=_says_yes,
        auth_required=True,
    )
    controller.start()
    yield controller, taker, pem
    controller.stop()


def test_starttls_and_sign_in(
    tls_server: tuple[Controller, _Taker, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, taker, pem = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    configure(f"smtp://user:pass@127.0.0.1:{controller.port}")
    service.deliver(content(), "bob@example.com", "id")
    [raw] = taker.mails
    assert message_from_bytes(raw, policy=policy.default)["To"] == "bob@example.com"


def test_a_certificate_we_do_not_trust_gets_no_password(tls_server: tuple[Controller, _Taker, Path]) -> None:
    controller, taker, _pem = tls_server
    configure(f"smtp://user:pass@127.0.0.1:{controller.port}")
    with pytest.raises(Retry, match=r"(?i)certificate"):
        service.deliver(content(), "bob@example.com", "id")
    assert taker.mails == []


def test_a_wrong_password_is_tried_again_later(
    tls_server: tuple[Controller, _Taker, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is our set-up that is wrong, not the mail: nothing may be thrown away."""
    controller, _taker, pem = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    configure(f"smtp://user:wrong@127.0.0.1:{controller.port}")
    with pytest.raises(Retry, match="user name and password"):
        service.deliver(content(), "bob@example.com", "id")


def test_a_password_never_crosses_a_network_in_the_clear() -> None:
    server = smtp.Server("mail.example", 25, "start", "user", "pass", "a@b.example")

    class Plain:
        def has_extn(self, name: str) -> bool:
            return False

    with pytest.raises(Retry, match="no encryption"):
        smtp._protect(Plain(), server, ssl.create_default_context())  # type: ignore[arg-type]
