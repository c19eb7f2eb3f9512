"""The pages for people with an account: the list, the panel of the home page, one request."""

import re

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core import clock
from app.core.db import db
from app.features.approvals.models import Approval
from tests.features.approvals.desk import Desk, form_of, in_two_days
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SAM, EVA = "sam@northfield.example", "eva@northfield.example"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice(desk: Desk) -> FlaskClient:
    """The owner."""
    return desk.person("alice@northfield.example", "owner")


@pytest.fixture
def sam(desk: Desk) -> FlaskClient:
    """An approver who is asked."""
    return desk.person(SAM, "approver", name="Sam Ortiz")


def section(html: str, title: str) -> str:
    """Return the part of a list page under a heading."""
    found = re.search(rf'<section aria-labelledby="{title}">.*?</section>', html, re.DOTALL)
    return found[0] if found else ""


def test_a_list_without_requests_says_what_will_be_here(alice: FlaskClient) -> None:
    assert "Nothing waits for anybody" in alice.get("/approvals").text
    assert "Nothing is decided yet" in alice.get("/approvals?show=decided").text
    assert "Nothing waits for you." in alice.get("/waiting").text


def test_mine_comes_first_then_what_waits_for_others(desk: Desk, sam: FlaskClient) -> None:
    later, theirs, sooner = desk.ask(SAM), desk.ask(EVA), desk.ask(SAM, EVA, expires=in_two_days())
    page = sam.get("/approvals").text
    mine, others = section(page, "mine-title"), section(page, "others-title")
    assert re.findall(r'id="approval-([\w-]+)"', mine) == [sooner.approval_id, later.approval_id]
    assert re.findall(r'id="approval-([\w-]+)"', others) == [theirs.approval_id]
    assert mine.count("btn-primary") == 1
    assert f"Waiting for {EVA}" in others
    assert "asked by Alice Reed" in mine
    panel = sam.get("/waiting").text
    assert re.findall(r'id="approval-([\w-]+)"', panel) == [sooner.approval_id, later.approval_id]


def test_older_decisions_are_a_page_away_and_none_is_left_out(
    desk: Desk, sam: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.features.approvals.views.PAGE", 2)
    asked = [desk.ask(SAM) for _ in range(5)]
    with desk.app.app_context():
        values = {"status": "approved", "decided_at": clock.now(), "decided_by": "Sam"}  # all in one moment
        db.session.execute(sa.update(Approval).values(**values))
        db.session.commit()

    address, seen = "/approvals?show=decided", []
    while address:
        html = sam.get(address).text
        seen += re.findall(r'id="approval-([\w-]+)"', html)
        address = next(iter(re.findall(r'href="([^"]*before=[^"]*)"', html)), "").replace("&amp;", "&")

    assert seen == sorted((one.approval_id for one in asked), reverse=True)
    assert sam.get("/approvals?show=decided&before=nonsense").status_code == 200


def test_what_is_less_urgent_is_a_page_away_mine_and_that_of_others_by_themselves(
    desk: Desk, sam: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.features.approvals.views.PAGE", 2)
    soon = in_two_days()
    mine = [desk.ask(SAM, expires=end) for end in (None, soon, None, soon, soon)]
    theirs = [desk.ask(EVA, expires=end) for end in (None, soon, soon)]

    first = sam.get("/approvals").text

    for title, asked in (("mine-title", mine), ("others-title", theirs)):
        part, seen, count = section(first, title), list[str](), "2+"
        while True:
            assert re.findall(r'class="count[^>]*>([^<]*)<', part) == [count] * bool(count)
            seen += re.findall(r'id="approval-([\w-]+)"', part)
            ways = re.findall(r'href="([^"]*before=[^"]*)"', part)
            if not ways:
                break
            page, count = sam.get(ways[0].replace("&amp;", "&")).text, ""
            part = section(page, title)
            assert page.count("<section aria-labelledby") == 1
        no_end = {one.approval_id for one in asked if desk.approval(one).expires_at is None}
        assert seen == sorted((one.approval_id for one in asked), key=lambda each: (each in no_end, each))


def test_a_page_whose_requests_were_decided_meanwhile_says_so(desk: Desk, sam: FlaskClient) -> None:
    last = desk.ask(SAM).approval_id

    for show, said in (("mine", "for you"), ("others", "for others")):
        assert f"No further approval waits {said}." in sam.get(f"/approvals?show={show}&before={last}").text


def test_what_waits_for_a_person_is_counted_to_a_hundred(
    desk: Desk, sam: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.features.approvals.queries.MOST_WAITING", 2)
    for _ in range(3):
        desk.ask(SAM)

    page = sam.get("/").text

    assert set(re.findall(r'class="count hot">(\d+)<', page)) == {"2"}


def test_a_list_that_there_is_not_is_said_and_what_is_open_is_shown(desk: Desk, sam: FlaskClient) -> None:
    desk.ask(SAM)

    page = Page(sam.get("/approvals?show=all&status=open").text)
    assert page.faults == []
    assert "Show: “all” is not one of the choices. There is no filter “status”." in page.text
    assert "Waiting for you" in page.text
    for show in ("open", "mine", "others", "decided"):
        assert "is understood" not in sam.get(f"/approvals?show={show}").text


def test_page_and_fragment_agree(desk: Desk, sam: FlaskClient) -> None:
    desk.ask(SAM)
    desk.ask(EVA)
    page, fragment = sam.get("/approvals"), sam.get("/approvals", headers=HTMX)
    assert "<html" not in fragment.text
    assert " ".join(fragment.text.split()) in " ".join(page.text.split())


def test_a_list_asks_as_much_for_three_as_for_one(desk: Desk, sam: FlaskClient) -> None:
    statements: list[str] = []
    with desk.app.app_context():
        for engine in db.engines.values():
            sa.event.listen(engine, "before_cursor_execute", lambda *about: statements.append(about[2]))

    def count() -> int:
        statements.clear()
        assert sam.get("/approvals").status_code == 200
        return len(statements)

    desk.ask(SAM)
    desk.ask(EVA)
    one = count()
    for _ in range(2):
        desk.ask(SAM, EVA, texts=4)
        desk.ask(EVA)
    assert count() == one


def test_counts_end_at_a_thousand(desk: Desk, sam: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.features.approvals.queries.MOST_COUNTED", 2)
    for _ in range(3):
        desk.end(desk.ask(SAM), "expired")
    desk.ask(SAM)

    pills = re.findall(r'class="pill"[^>]*>(\w+) <span>([^<]*)</span>', sam.get("/approvals").text)

    assert pills == [("Open", "1"), ("Decided", "2+")]


def test_history_says_who_when_and_why(desk: Desk, sam: FlaskClient) -> None:
    approved, expired = desk.ask(SAM), desk.ask(SAM)
    desk.end(expired, "expired")
    page = sam.get(f"/approvals/{approved.approval_id}")
    answers = {**form_of(page.text), "kind": "Not our tone", "decision": "rejected"}
    assert sam.post(f"/approvals/{approved.approval_id}/decision", data=answers).status_code == 303
    history = sam.get("/approvals?show=decided").text
    assert re.findall(r'id="approval-([\w-]+)"', history) == [approved.approval_id, expired.approval_id]
    assert re.search(r"You rejected this today, \d\d:\d\d\. “Not our tone”", history)
    assert "Nobody answered in time." in history


def test_a_signed_in_approver_decides_on_the_page(desk: Desk, sam: FlaskClient) -> None:
    asked = desk.ask(SAM)
    page = sam.get(f"/approvals/{asked.approval_id}")
    assert page.status_code == 200
    edited = {**form_of(page.text), f"title-{asked.document_ids[1]}": "New headline"}
    answer = sam.post(f"/approvals/{asked.approval_id}/decision", data={**edited, "decision": "approved"})
    assert (answer.status_code, answer.location) == (303, f"/approvals/{asked.approval_id}")
    assert (desk.approval(asked).status, desk.approval(asked).decided_by) == ("approved", "Sam Ortiz")
    assert [d.title for d in desk.documents(asked)][1] == "New headline"
    after = sam.get(f"/approvals/{asked.approval_id}").text
    assert re.search(r"You approved this today, \d\d:\d\d\.", after)
    assert "New headline" in after
    assert 'name="decision"' not in after
    again = sam.post(f"/approvals/{asked.approval_id}/decision", data={**edited, "decision": "approved"})
    assert again.status_code == 409
    assert "You approved this today" in again.text


def test_the_page_and_the_link_show_the_same_texts(desk: Desk, sam: FlaskClient) -> None:
    asked = desk.ask(SAM)
    inside, outside = (
        sam.get(f"/approvals/{asked.approval_id}").text,
        desk.app.test_client().get(asked.path).text,
    )

    def wall(html: str) -> str:
        found = re.search(r'<div class="wall">.*?<section class="box pad', html, re.DOTALL)
        assert found
        return re.sub(r'(href|src)="[^"]*"', "", found[0])

    assert wall(inside) == wall(outside)


def test_a_bad_form_comes_back_with_422(desk: Desk, sam: FlaskClient) -> None:
    asked = desk.ask(SAM)
    page = sam.get(f"/approvals/{asked.approval_id}")
    field = f"body-{asked.document_ids[0]}"
    answer = sam.post(
        f"/approvals/{asked.approval_id}/decision",
        data={**form_of(page.text), field: "x" * 200, "decision": "approved"},
    )
    assert answer.status_code == 422
    assert "Text 1 has 200 characters; 125 is the limit." in answer.text
    assert form_of(answer.text)[field] == "x" * 200
    assert desk.approval(asked).status == "open"


def test_somebody_who_was_not_asked_sees_it_and_cannot_decide(desk: Desk, alice: FlaskClient) -> None:
    asked = desk.ask(SAM)
    page = alice.get(f"/approvals/{asked.approval_id}")
    assert page.status_code == 200
    assert f"Waiting for {SAM}." in page.text
    assert 'name="decision"' not in page.text
    token = {"csrf_token": alice.csrf, "decision": "approved"}  # type: ignore[attr-defined]
    assert alice.post(f"/approvals/{asked.approval_id}/decision", data=token).status_code == 403
    assert desk.approval(asked).status == "open"


def test_a_stranger_gets_404_and_sees_nothing(desk: Desk) -> None:
    asked, charlie = desk.ask(SAM, "charlie@other.example"), desk.stranger()
    token = {"csrf_token": charlie.csrf, "decision": "approved"}  # type: ignore[attr-defined]
    assert charlie.get(f"/approvals/{asked.approval_id}").status_code == 404
    assert charlie.post(f"/approvals/{asked.approval_id}/decision", data=token).status_code == 404
    for path in ("/approvals", "/approvals?show=decided", "/waiting"):
        assert "CR-V" not in charlie.get(path).text
    assert desk.approval(asked).status == "open"


def test_the_page_needs_a_token_and_a_sign_in(desk: Desk, sam: FlaskClient) -> None:
    asked = desk.ask(SAM)
    nobody = desk.app.test_client()
    for path in ("/approvals", "/waiting", f"/approvals/{asked.approval_id}"):
        assert nobody.get(path).status_code == 303
        assert nobody.get(path).location.startswith("/sign-in")
    assert (
        sam.post(f"/approvals/{asked.approval_id}/decision", data={"decision": "approved"}).status_code == 400
    )
    assert desk.approval(asked).status == "open"


@pytest.mark.parametrize("approval_id", ["x", "%00", "0" * 36, "01a1f912-2c31-7ce1-b5d7-1a3c4ccc1e1c"])
def test_an_id_that_is_none_is_404(sam: FlaskClient, approval_id: str) -> None:
    assert sam.get(f"/approvals/{approval_id}").status_code == 404


def test_what_one_typed_while_somebody_else_decided_stands_there_to_be_copied(desk: Desk, sam: FlaskClient) -> None:
    eva = desk.person(EVA, "approver", name="Eva Lind")
    asked = desk.ask(SAM, EVA)
    first, second = asked.document_ids[:2]
    path = f"/approvals/{asked.approval_id}"
    form = form_of(eva.get(path).text)
    mine = {**form, f"body-{first}": "Eva's <words>\nand more.", f"title-{first}": "Eva’s headline",
            "kind": "Something else", "more": "Too loud."}
    taken = {**form_of(sam.get(path).text), f"body-{second}": "Sam's words.", "decision": "approved"}
    assert sam.post(f"{path}/decision", data=taken).status_code == 303

    for pressed, status in (("approved", 409), ("rejected", 409), ("reject", 200)):
        answer = eva.post(f"{path}/decision", data={**mine, "decision": pressed})
        page = Page(answer.text)
        assert (answer.status_code, page.faults) == (status, [])
        assert "Sam Ortiz approved this" in page.text
        assert ("Your answer was not counted: somebody else was faster." in page.text) == (status == 409)
        lost = answer.text.partition('id="lost-title"')[2].partition("</section>")[0]
        assert "What you typed was not saved" in lost
        assert "Eva&#39;s &lt;words&gt;<br>and more." in lost
        assert "Eva’s headline" in lost
        assert "Too loud." in lost
        assert "Sam" not in lost  # nor what she only looked at
        assert f'data-copy="#lost-body-{first}"' in lost
    assert "What you typed" not in eva.get(path).text
    assert desk.documents(asked)[0].body != "Eva's <words>\nand more."
