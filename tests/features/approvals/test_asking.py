"""Asking: the request, the approvers, the mails, written with the wait."""

import re
from email import policy
from email.parser import BytesParser
from io import BytesIO

import pytest
import sqlalchemy as sa
from PIL import Image as Pillow

from app.core import clock
from app.core.ids import token_hash
from app.core.settings import Settings
from app.features.accounts.models import AuditEntry
from app.features.approvals.models import Approver
from app.features.notifications import service as notifications
from tests.features.approvals.desk import Desk, in_two_days
from tests.servers import SmtpServer

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_review_writes_the_request_one_approver_and_one_mail_an_address(desk: Desk) -> None:
    desk.person("sam@northfield.example", "approver", name="Sam Ortiz")
    expires = in_two_days()
    asked = desk.ask(
        "Sam@Northfield.example", "eva@out.example", "sam@northfield.example", policy="all", expires=expires
    )

    approval, people = desk.approval(asked), desk.people(asked)
    assert (approval.status, approval.policy, approval.title) == (
        "open",
        "all",
        "10 Facebook ads: 2022 Honda CR-V",
    )
    assert approval.document_ids == asked.document_ids
    assert approval.expires_at == expires
    assert approval.what_next == "“Send the ads to sales” comes next."
    assert {email: person.name for email, person in people.items()} == {
        "sam@northfield.example": "Sam Ortiz", "eva@out.example": "",
    }  # fmt: skip
    assert [document.status for document in desk.documents(asked)] == ["in_review"] * 3
    mails = desk.mails(asked)
    assert sorted(mail.dedupe_key for mail in mails) == sorted(
        f"{asked.wait_id}--{email}-0" for email in ("sam@northfield.example", "eva@out.example")
    )
    assert {mail.status for mail in mails} == {"pending"}


def test_only_the_hash_of_a_link_is_kept(desk: Desk) -> None:
    asked = desk.ask()
    [person] = desk.people(asked).values()
    assert person.token_hash == token_hash(asked.token)
    with desk.session() as session:
        tables = [
            AuditEntry.__table__,
            Approver.__table__,
            sa.table("outbox", sa.column("content"), sa.column("subject")),
        ]
        for table in tables:
            for row in session.execute(sa.select(table)):
                assert asked.token not in repr(row)


def test_each_approver_has_a_link_of_their_own(desk: Desk) -> None:
    asked = desk.ask("sam@northfield.example", "eva@northfield.example")
    assert len(set(asked.tokens.values())) == 2
    for mail in desk.mails(asked):
        others = [token for email, token in asked.tokens.items() if email != mail.recipient]
        assert asked.tokens[mail.recipient] in mail.content["html"]
        assert not any(token in mail.content["html"] + mail.content["text"] for token in others)


def test_text_and_html_say_the_same_in_the_order_that_matters(desk: Desk) -> None:
    asked = desk.ask("sam@northfield.example", "eva@northfield.example", texts=5, expires=in_two_days())
    content = desk.mails(asked)[0].content
    link = f"http://localhost/a/{asked.tokens[desk.mails(asked)[0].recipient]}"
    plain_html = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content["html"].partition("</h1>")[2]))
    for part in (content["text"].partition("\n")[2], plain_html):
        parts = [
            "Alice Reed asks you to approve these 5 texts", "Please answer by", "See all 5 and decide",
            "Opening the page decides nothing", "Your next adventure, sorted", "Weekend-ready, winter-ready",
            "and 2 more", "After your yes:", "Without an answer:",
            "You get this because run 1, started by Alice Reed, names you as approver",
        ]  # fmt: skip
        places = [part.find(words) for words in parts]
        assert -1 not in places, parts[places.index(-1)]
        assert places == sorted(places)
        assert "Snow? Bring it on." not in part  # the fourth
    assert content["text"].count(link) == 1
    assert content["html"].count(f'href="{link}"') == 2
    assert content["subject"] == "Please approve: 10 Facebook ads: 2022 Honda CR-V"


def test_the_mail_brings_no_svg_script_web_font_or_address_of_another_host(desk: Desk) -> None:
    html = desk.mails(desk.ask())[0].content["html"]
    for word in (
        "<svg",
        "<script",
        "@font-face",
        "@import",
        "<link",
        "<form",
        "javascript:",
        "onclick",
        "<iframe",
    ):
        assert word not in html.lower()
    assert set(re.findall(r'(?:href|src)="(\w+:)', html)) == {"http:", "cid:"}
    assert set(re.findall(r'href="(http://[^/"]+)', html)) == {"http://localhost"}


def test_pictures_travel_inside_as_small_jpegs(desk: Desk, smtp_server: SmtpServer) -> None:
    mail = desk.mails(desk.ask(texts=5))[0]
    notifications.configure(Settings(secret_key="x" * 32, smtp_url=smtp_server.url, mail_from="a@b.example"))
    notifications.deliver(mail.content, mail.recipient, mail.id)
    [received] = smtp_server.wait_for(1)
    message = BytesParser(policy=policy.default).parsebytes(received.message.as_bytes())
    pictures = [part for part in message.walk() if part.get_content_maintype() == "image"]
    named = re.findall(r'src="cid:([^"]+)"', received.text("html"))
    assert [f"<{cid}>" for cid in named] == [part["Content-ID"] for part in pictures]
    assert len(pictures) == 3
    for part in pictures:
        picture = Pillow.open(BytesIO(part.get_payload(decode=True)))
        assert (picture.format, picture.size) == ("JPEG", (240, 240))
    assert len(message.as_bytes()) < 100_000


@pytest.mark.parametrize(
    ("on_expiry", "words"),
    [
        ("reject", "it counts as rejected"),
        ("approve", "nobody looked"),
        ("expire", "the request ends without a decision"),
    ],
)
def test_the_mail_says_what_happens_without_an_answer(desk: Desk, on_expiry: str, words: str) -> None:
    content = desk.mails(desk.ask(expires=in_two_days(), on_expiry=on_expiry))[0].content
    assert words in content["text"]
    assert words in content["html"]


def test_without_an_end_it_says_that_it_stays_open(desk: Desk) -> None:
    content = desk.mails(desk.ask(expires=None, on_expiry="keep"))[0].content
    assert "It stays open until somebody answers." in content["text"]
    assert "Please answer by" not in content["text"]


def test_what_people_wrote_cannot_break_the_mail(desk: Desk) -> None:
    asked = desk.ask(title="Sale\r\nBcc: eve@example.com <b>x</b>", text="<script>alert(1)</script>", texts=0)
    content = desk.mails(asked)[0].content
    assert content["subject"] == "Please approve: Sale Bcc: eve@example.com <b>x</b>"
    assert "<script" not in content["html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content["html"]
    assert "&lt;b&gt;x&lt;/b&gt;" in content["html"]


def test_links_come_from_the_settings_not_from_a_request(desk: Desk) -> None:
    content = desk.mails(desk.ask())[0].content
    assert "http://localhost/a/" in content["text"]
    assert desk.app.test_client().get("/sign-in", headers={"Host": "evil.example"}).status_code in (200, 400)
    assert "evil.example" not in desk.mails(desk.ask())[0].content["text"]


@pytest.mark.parametrize(
    ("why", "outcome", "status", "documents"),
    [
        ("expired", "rejected", "expired", "rejected"),
        ("expired", "approved", "expired", "approved"),
        ("expired", "expired", "expired", "draft"),
        ("withdrawn", "", "withdrawn", "draft"),
    ],
)
def test_a_wait_that_ends_by_itself_closes_the_request(
    desk: Desk, why: str, outcome: str, status: str, documents: str
) -> None:
    asked = desk.ask()
    desk.end(asked, why, outcome)
    desk.end(asked, why, outcome)
    approval = desk.approval(asked)
    assert approval.status == status
    assert approval.decided_at is not None
    assert approval.decided_at <= clock.now()
    assert {document.status for document in desk.documents(asked)} == {documents}


def test_other_waits_write_no_request(desk: Desk) -> None:
    from app.core import events
    from app.engine.events import WaitEnded, WaitStarted

    asked = desk.ask()
    with desk.session() as session:
        events.publish(
            session, WaitStarted("w", desk.workspace_id, asked.run_id, "s", "nap", "time", {}, None, "done")
        )
        events.publish(
            session, WaitEnded(asked.wait_id, desk.workspace_id, asked.run_id, "time", "done", "expired")
        )
    assert desk.approval(asked).status == "open"
