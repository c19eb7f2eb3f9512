"""The page behind a mailed link: no account, no cookie, no script needed. Opening it decides nothing."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow
from werkzeug.test import TestResponse

from app.core import clock
from tests.features.approvals.desk import Asked, Desk, form_of

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SAM, EVA = "sam@northfield.example", "eva@northfield.example"


def press(client: FlaskClient, path: str, button: str, **changes: str) -> TestResponse:
    """Open the page and press one of its buttons, as a browser without script does."""
    page = client.get(path)
    assert page.status_code == 200
    return client.post(path + "/decision", data={**form_of(page.text), **changes, "decision": button})


@only_sqlite
def test_the_page_shows_texts_and_pictures_and_what_follows(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA, expires=clock.now() + timedelta(days=2))
    page = desk.app.test_client().get(asked.path)
    assert page.status_code == 200
    for words in (
        "10 Facebook ads: 2022 Honda CR-V", "Your next adventure, sorted", "A CR-V that skips the wait",
        "Alice Reed asked you", "the answer is due", "“Send the ads to sales” comes next.", "it counts as rejected",
        "Approve all 3", "Reject all 3", "77 of 125 characters", EVA,
    ):  # fmt: skip
        assert words in page.text
    for image_id in asked.image_ids:
        assert f'{asked.path}/images/{image_id}"' in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "Set-Cookie" not in page.headers
    assert "tabler" not in page.text
    assert "htmx" not in page.text


def test_five_scanners_that_get_and_head_decide_nothing(desk: Desk) -> None:
    asked = desk.ask(SAM)
    for number in range(5):
        client = desk.app.test_client()
        for method in (client.get, client.head):
            assert method(asked.path).status_code == 200
            assert method(asked.path + "/decision").status_code == 405
            assert method(asked.path + "?decision=approved&kind=x").status_code == 200
            assert method(f"{asked.path}/images/{asked.image_ids[0]}").status_code == 200
        assert number < 5
    assert desk.approval(asked).status == "open"
    assert desk.wait(asked).status == "waiting"
    assert press(desk.app.test_client(), asked.path, "approved").status_code == 303


@only_sqlite
def test_a_get_writes_nothing_at_all(desk: Desk) -> None:
    """The reading engine refuses to write; a page that tried would have failed."""
    asked = desk.ask(SAM)
    before = desk.people(asked)[SAM].opened_at
    assert desk.app.test_client().get(asked.path).status_code == 200
    assert desk.people(asked)[SAM].opened_at is before is None


@only_sqlite
def test_approve_ends_it_and_the_second_visit_says_who_and_when(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA)
    answer = press(desk.app.test_client(), asked.path, "approved")
    assert (answer.status_code, answer.location) == (303, asked.path)
    assert (desk.approval(asked).status, desk.approval(asked).decided_by) == ("approved", SAM)

    mine = desk.app.test_client().get(asked.path)
    assert mine.status_code == 410
    assert re.search(r"You approved this today, \d\d:\d\d\.", mine.text)
    assert "“Send the ads to sales” comes next." in mine.text
    other = desk.app.test_client().get(f"/a/{asked.tokens[EVA]}")
    assert other.status_code == 410
    assert re.search(rf"{SAM} approved this today, \d\d:\d\d\.", other.text)
    for page in (mine, other):
        assert "<form" not in page.text
        assert "Your next adventure" not in page.text
    assert desk.app.test_client().get(f"{asked.path}/images/{asked.image_ids[0]}").status_code == 410


@only_sqlite
def test_reject_asks_why_first_and_keeps_what_was_typed(desk: Desk) -> None:
    asked = desk.ask(SAM)
    client, field = desk.app.test_client(), f"body-{asked.document_ids[0]}"
    question = press(client, asked.path, "reject", **{field: "My words"})
    assert question.status_code == 200
    assert "Reject all 3?" in question.text
    assert form_of(question.text)[field] == "My words"
    assert desk.approval(asked).status == "open"

    unanswered = client.post(
        asked.path + "/decision", data={**form_of(question.text), "decision": "rejected"}
    )
    assert unanswered.status_code == 422
    assert "Say why" in unanswered.text
    assert form_of(unanswered.text)[field] == "My words"

    other = {**form_of(unanswered.text), "kind": "Something else", "decision": "rejected"}
    assert client.post(asked.path + "/decision", data=other).status_code == 422

    answers = {**form_of(unanswered.text), "kind": "Wrong price or terms", "more": "The doc fee is missing."}
    assert client.post(asked.path + "/decision", data={**answers, "decision": "rejected"}).status_code == 303
    assert desk.approval(asked).reason == "Wrong price or terms: The doc fee is missing."
    assert desk.documents(asked)[0].body == "My words"
    assert "The doc fee is missing." in client.get(asked.path).text


@only_sqlite
def test_going_back_from_the_question_shows_the_buttons_again(desk: Desk) -> None:
    asked = desk.ask(SAM)
    back = press(desk.app.test_client(), asked.path, "back", more="typed")
    assert back.status_code == 200
    assert 'data-bar="decide">' in back.text
    assert 'data-bar="reason" hidden>' in back.text
    assert form_of(back.text)["more"] == "typed"


@only_sqlite
def test_an_edit_over_the_limit_comes_back_with_the_text_and_its_limit(desk: Desk) -> None:
    asked = desk.ask(SAM)
    first, second = (f"body-{document_id}" for document_id in asked.document_ids[:2])
    answer = press(desk.app.test_client(), asked.path, "approved", **{first: "x" * 130, second: "Fine."})
    assert answer.status_code == 422
    assert "Text 1 has 130 characters; 125 is the limit." in answer.text
    assert "Take out 5." in answer.text
    assert f'href="#{first}"' in answer.text
    typed = form_of(answer.text)
    assert (typed[first], typed[second]) == ("x" * 130, "Fine.")
    assert desk.approval(asked).status == "open"
    assert {document.version for document in desk.documents(asked)} == {1}

    typed[first] = "y" * 125
    again = desk.app.test_client().post(asked.path + "/decision", data={**typed, "decision": "approved"})
    assert again.status_code == 303
    assert [document.body for document in desk.documents(asked)][:2] == ["y" * 125, "Fine."]
    assert [document.version for document in desk.documents(asked)] == [2, 2, 1]


@only_sqlite
def test_line_ends_of_browsers_are_no_edit(desk: Desk) -> None:
    asked = desk.ask(SAM, max_chars=None)
    field = f"body-{asked.document_ids[0]}"
    press(desk.app.test_client(), asked.path, "approved", **{field: "One\r\nTwo"})
    assert (desk.documents(asked)[0].body, desk.documents(asked)[0].version) == ("One\nTwo", 2)


@only_sqlite
def test_a_form_needs_the_token_of_this_very_link(desk: Desk) -> None:
    asked, other = desk.ask(SAM), desk.ask(SAM)
    client = desk.app.test_client()
    foreign = form_of(client.get(other.path).text)["csrf_token"]
    field = f"body-{asked.document_ids[0]}"
    for token in ("", "x", foreign, foreign[:-1]):
        answer = client.post(
            asked.path + "/decision", data={"csrf_token": token, "decision": "approved", field: "Kept words"}
        )
        assert answer.status_code == 400
        assert form_of(answer.text)[field] == "Kept words"
    right = form_of(client.get(asked.path).text)
    for site in ("cross-site", "same-site"):
        answer = client.post(
            asked.path + "/decision", data={**right, "decision": "approved"}, headers={"Sec-Fetch-Site": site}
        )
        assert answer.status_code == 403
    assert desk.approval(asked).status == "open"
    headers = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-User": "?1"}
    answer = client.post(asked.path + "/decision", data={**right, "decision": "approved"}, headers=headers)
    assert answer.status_code == 303


@only_sqlite
@pytest.mark.parametrize("button", ["", "Approved", "approve", "yes", "expired", "withdrawn", "open"])
def test_only_the_two_decisions_decide(desk: Desk, button: str) -> None:
    asked = desk.ask(SAM)
    assert press(desk.app.test_client(), asked.path, button).status_code == 200
    assert desk.approval(asked).status == "open"


def _tampered(token: str) -> list[str]:
    other = "A" if token[-1] != "A" else "B"
    return [token[:-1], token + "A", token[:-1] + other, token.swapcase(), "A" * 43, "%00", "a" * 3000]


@only_sqlite
def test_a_tampered_and_an_unknown_link_look_the_same(desk: Desk) -> None:
    asked = desk.ask(SAM)
    pages = set()
    for token in _tampered(asked.token):
        page = desk.app.test_client().get(f"/a/{token}")
        assert page.status_code == 404
        pages.add(re.sub(r"/assets/\w+", "", page.text))
        sent = desk.app.test_client().post(f"/a/{token}/decision", data={"decision": "approved"})
        assert sent.status_code == 404
        pages.add(re.sub(r"/assets/\w+", "", sent.text))
        assert desk.app.test_client().get(f"/a/{token}/images/{asked.image_ids[0]}").status_code == 404
    assert len(pages) == 1
    assert "This link does not work" in pages.pop()


@only_sqlite
@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda desk, asked: desk.end(asked, "expired"), "Nobody answered in time."),
        (lambda desk, asked: desk.end(asked, "withdrawn"), "The run was stopped today"),
    ],
)
def test_an_ended_request_says_so_and_takes_no_decision(
    desk: Desk, end: Callable[[Desk, Asked], None], words: str
) -> None:
    asked = desk.ask(SAM)
    client = desk.app.test_client()
    form = form_of(client.get(asked.path).text)
    end(desk, asked)
    pressed = client.post(asked.path + "/decision", data={**form, "decision": "approved"})
    for answer in (client.get(asked.path), pressed):
        assert answer.status_code == 410
        assert words in answer.text
        assert "There is nothing left to decide here." in answer.text
    assert desk.wait(asked).status == "waiting"


@only_sqlite
def test_a_link_whose_time_is_over_is_closed_before_the_clock_does_it(desk: Desk) -> None:
    asked = desk.ask(SAM, expires=clock.now() - timedelta(seconds=1))
    page = desk.app.test_client().get(asked.path)
    assert page.status_code == 410
    assert "Nobody answered in time." in page.text
    assert f'href="/approvals/{asked.approval_id}"' in page.text
    assert 'href="mailto:a%40x.example?subject=' in page.text


@only_sqlite
def test_with_all_the_first_hears_whom_it_waits_for(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA, policy="all")
    page = desk.app.test_client().get(asked.path)
    assert "First everybody who was asked has to approve." in page.text
    press(desk.app.test_client(), asked.path, "approved")
    mine = desk.app.test_client().get(asked.path)
    assert mine.status_code == 410
    assert f"It still waits for {EVA}." in mine.text
    assert desk.approval(asked).status == "open"
    press(desk.app.test_client(), f"/a/{asked.tokens[EVA]}", "approved")
    assert desk.approval(asked).status == "approved"


@pytest.mark.faults
def test_approve_and_reject_pressed_at_once_have_one_winner(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA)
    gate, answers = threading.Barrier(2), {}

    def one(email: str, button: str) -> None:
        client, path = desk.app.test_client(), f"/a/{asked.tokens[email]}"
        form = form_of(client.get(path).text)
        gate.wait()
        answers[button] = client.post(
            path + "/decision", data={**form, "decision": button, "kind": "Not our tone"}
        )

    threads = [threading.Thread(target=one, args=pair) for pair in ((SAM, "approved"), (EVA, "rejected"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status_code for answer in answers.values()) == [303, 409]
    winner = next(button for button, answer in answers.items() if answer.status_code == 303)
    loser = next(answer for answer in answers.values() if answer.status_code == 409)
    assert desk.approval(asked).status == winner == desk.wait(asked).outcome
    assert f"{SAM if winner == 'approved' else EVA} {winner} this today" in loser.text


@only_sqlite
def test_pictures_are_only_those_of_the_request(desk: Desk) -> None:
    asked, other = desk.ask(SAM), desk.ask(SAM)
    client = desk.app.test_client()
    small = client.get(f"{asked.path}/images/{asked.image_ids[0]}")
    assert small.status_code == 200
    assert small.headers["Content-Type"] == "image/jpeg"
    assert Pillow.open(BytesIO(small.data)).size == (240, 240)
    assert (
        Pillow.open(BytesIO(client.get(f"{asked.path}/images/{asked.image_ids[0]}?size=large").data)).width
        == 480
    )
    for image_id in (other.image_ids[0], asked.document_ids[0], "x", "%00", "../../settings"):
        assert client.get(f"{asked.path}/images/{image_id}").status_code == 404


@only_sqlite
def test_a_review_of_many_texts_can_be_sent(desk: Desk) -> None:
    asked = desk.ask(SAM, texts=100)
    answer = press(
        desk.app.test_client(), asked.path, "approved", **{f"body-{asked.document_ids[99]}": "The last."}
    )
    assert answer.status_code == 303
    assert desk.documents(asked)[99].body == "The last."


@only_sqlite
def test_what_the_ai_wrote_is_text_on_the_page(desk: Desk) -> None:
    asked = desk.ask(SAM, title="<script>alert(1)</script>", text='"><img src=x onerror=alert(1)>')
    page = desk.app.test_client().get(asked.path)
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text


@only_sqlite
def test_what_one_typed_is_shown_again_where_somebody_else_was_faster(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA)
    client, field = desk.app.test_client(), f"body-{asked.document_ids[0]}"
    form = form_of(client.get(asked.path).text)
    press(desk.app.test_client(), f"/a/{asked.tokens[EVA]}", "approved")
    answer = client.post(asked.path + "/decision", data={**form, field: "My own words", "decision": "approved"})
    assert answer.status_code == 409
    assert f"{EVA} approved this" in answer.text
    lost = answer.text.partition('id="lost-title"')[2]
    assert "What you typed was not saved" in lost
    assert "My own words" in lost
    assert "Your next adventure" not in lost  # the headline is as it was
    assert "data-copy" not in answer.text
    assert "What you typed" not in client.get(asked.path).text


@only_sqlite
def test_an_answer_that_came_too_late_is_said_to_change_nothing(desk: Desk) -> None:
    asked = desk.ask(SAM, EVA)
    client = desk.app.test_client()
    form = form_of(client.get(asked.path).text)
    press(desk.app.test_client(), f"/a/{asked.tokens[EVA]}", "approved")
    said = "Your answer was not counted: somebody else was faster."
    for decision in ("rejected", "approved"):
        answer = client.post(asked.path + "/decision", data={**form, "kind": "Bad timing", "decision": decision})
        assert (answer.status_code, answer.text.count(said)) == (409, 1)
    assert "not counted" not in client.get(asked.path).text


@only_sqlite
def test_a_second_press_of_the_same_answer_is_no_answer_that_came_too_late(desk: Desk) -> None:
    asked = desk.ask(SAM)
    client = desk.app.test_client()
    form = form_of(client.get(asked.path).text)
    press(desk.app.test_client(), asked.path, "approved")
    again = client.post(asked.path + "/decision", data={**form, "decision": "approved"})
    other = client.post(asked.path + "/decision", data={**form, "kind": "Bad timing", "decision": "rejected"})
    assert "not counted" not in again.text
    assert "Your answer was not counted: you had answered already." in other.text
