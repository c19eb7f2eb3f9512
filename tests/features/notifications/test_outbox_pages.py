"""Settings, Outbox: the mails of a workspace, each as it went out, locked away from our pages."""

import re

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient

from app.core import outbox
from app.core.outbox import OutboxRow
from tests.features.approvals.desk import Asked, Desk

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


@pytest.fixture
def alice(desk: Desk) -> FlaskClient:
    return desk.person("alice@northfield.example", "owner")


def row_id(desk: Desk, asked: Asked) -> str:
    return desk.mails(asked)[0].id


def test_an_empty_outbox_says_what_will_be_here(alice: FlaskClient) -> None:
    assert "No mail yet" in alice.get("/settings/outbox").text


def test_the_list_names_recipient_subject_status_and_run_newest_first(desk: Desk, alice: FlaskClient) -> None:
    first, second = (
        desk.ask("sam@northfield.example"),
        desk.ask("eva@northfield.example", title="Second <b>request</b>"),
    )
    sent_id, parked_id = row_id(desk, first), row_id(desk, second)
    with desk.session() as session:
        session.get_one(OutboxRow, sent_id).status = "sent"
        parked = session.get_one(OutboxRow, parked_id)
        parked.status, parked.error = "parked", "The mail server said 550: no such user"
    page = alice.get("/settings/outbox").text
    assert re.findall(r'id="mail-([\w-]+)"', page) == [parked_id, sent_id]
    for words in (
        "to sam@northfield.example", "to eva@northfield.example", "Please approve: Second &lt;b&gt;request&lt;/b&gt;",
        "Sent", "Not sent", "550: no such user", f'href="/runs/{first.run_id}"', "No mail server is set",
    ):  # fmt: skip
        assert words in page
    fragment = alice.get("/settings/outbox", headers={"HX-Request": "true"}).text
    assert " ".join(fragment.split()) in " ".join(page.split())


def test_the_list_continues_where_it_ended(desk: Desk, alice: FlaskClient) -> None:
    with desk.session() as session:
        for number in range(60):
            outbox.post(
                session, channel="email", recipient="sam@northfield.example", subject=f"Mail {number}",
                content={"subject": "", "text": "", "html": "", "images": []}, dedupe_key=f"key {number}",
                workspace_id=desk.workspace_id,
            )  # fmt: skip
    page = alice.get("/settings/outbox").text
    older = re.search(r'href="(/settings/outbox\?before=[\w-]+)"', page)
    assert older
    rest = alice.get(older[1]).text
    pattern = r">(Mail \d+)<"
    assert re.findall(pattern, page) + re.findall(pattern, rest) == [
        f"Mail {number}" for number in reversed(range(60))
    ]


def test_a_mail_is_shown_as_it_went_out_with_links_that_work(desk: Desk, alice: FlaskClient) -> None:
    asked = desk.ask("sam@northfield.example")
    page = alice.get(f"/settings/outbox/{row_id(desk, asked)}").text
    link = f"http://localhost{asked.path}"
    assert f'<a href="{link}"' in page
    assert "Alice Reed asks you to approve these 3 texts." in page
    assert f'src="/settings/outbox/{row_id(desk, asked)}/html"' in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert desk.app.test_client().get(asked.path).status_code == 200


def test_the_html_part_is_locked_into_a_sandbox_with_its_pictures_inside(
    desk: Desk, alice: FlaskClient
) -> None:
    asked = desk.ask("sam@northfield.example")
    part = alice.get(f"/settings/outbox/{row_id(desk, asked)}/html")
    policy = part.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';")
    assert "script-src" not in policy
    assert "allow-same-origin" not in policy
    assert part.headers["Cache-Control"] == "no-store"
    assert part.headers["X-Content-Type-Options"] == "nosniff"
    assert part.text.count('src="data:image/jpeg;base64,') == 3
    assert "cid:" not in part.text
    assert part.text.replace('<base target="_blank">', "").count("<script") == 0


def test_only_those_who_manage_see_it(desk: Desk) -> None:
    asked = desk.ask("sam@northfield.example")
    bob, sam = (
        desk.person("bob@northfield.example", "editor"),
        desk.person("sam@northfield.example", "approver"),
    )
    for path in (
        "/settings/outbox",
        f"/settings/outbox/{row_id(desk, asked)}",
        f"/settings/outbox/{row_id(desk, asked)}/html",
    ):
        assert bob.get(path).status_code == 403
        assert sam.get(path).status_code == 403
        nobody = desk.app.test_client().get(path)
        assert (nobody.status_code, nobody.location.partition("?")[0]) == (303, "/sign-in")


def test_a_stranger_sees_nothing_of_it(desk: Desk) -> None:
    asked, charlie = desk.ask("sam@northfield.example"), desk.stranger()
    assert "sam@northfield.example" not in charlie.get("/settings/outbox").text
    for path in (f"/settings/outbox/{row_id(desk, asked)}", f"/settings/outbox/{row_id(desk, asked)}/html"):
        assert charlie.get(path).status_code == 404
    assert charlie.get(f"/settings/outbox?before={row_id(desk, asked)}").status_code == 404


@pytest.mark.parametrize("bad", ["x", "%00", "0" * 36])
def test_an_id_that_is_none_is_404(alice: FlaskClient, bad: str) -> None:
    assert alice.get(f"/settings/outbox/{bad}").status_code == 404
    assert alice.get(f"/settings/outbox/{bad}/html").status_code == 404


def test_a_mail_whose_key_is_gone_says_so(desk: Desk, alice: FlaskClient) -> None:
    sealed_id = row_id(desk, desk.ask("sam@northfield.example"))
    with desk.session() as session:
        foreign = Fernet(Fernet.generate_key()).encrypt(b"{}").decode()
        session.execute(sa.text("UPDATE outbox SET content = :foreign"), {"foreign": foreign})

    page = alice.get(f"/settings/outbox/{sealed_id}")

    assert page.status_code == 200
    assert "cannot be shown" in page.text
    assert "SECRET_KEY_FALLBACKS" in page.text
    assert "<iframe" not in page.text
    others = (f"/settings/outbox/{sealed_id}/html", "/settings/outbox")
    assert [alice.get(address).status_code for address in others] == [200, 200]
