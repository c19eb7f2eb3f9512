"""Reporting a problem with a run, and the owners' list."""

import sqlalchemy as sa

from app.core.db import db
from app.core.ids import new_id
from app.core.outbox import OutboxRow
from app.features.runs.models import Problem
from tests.cast import add_editor
from tests.features.runs.conftest import Yard
from tests.page import Page


def _mails(yard: Yard) -> list[tuple[str, str]]:
    with yard.app.app_context():
        rows = db.session.execute(sa.select(OutboxRow.recipient, OutboxRow.subject).order_by(OutboxRow.id))
        return [(recipient, subject) for recipient, subject in rows]


def _problem(yard: Yard) -> Problem:
    with yard.app.app_context():
        return db.session.execute(sa.select(Problem)).scalar_one()


def test_every_run_has_the_way_to_report(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    for run_id in yard.make("queued", "running", "waiting", "finished", "failed"):
        page = alice.get(f"/runs/{run_id}").text
        assert f'href="/runs/{run_id}/problems/new">Report a problem</a>' in page
        assert alice.get(f"/runs/{run_id}/problems/new").status_code == 200


def test_a_report_is_kept_with_what_the_page_showed_and_mailed_to_the_owners(yard: Yard) -> None:
    run_id, = yard.make("failed")
    bob = yard.cast.browser(yard.cast.bob)
    run_page = Page(bob.get(f"/runs/{run_id}").text)
    form = Page(bob.get(f"/runs/{run_id}/problems/new").text)

    answers = [bob.post(f"/runs/{run_id}/problems", data={"message": " No logo\r\nwas asked for. "}) for _ in range(2)]

    assert form.faults == []
    assert [answer.status_code for answer in answers] == [303, 303]
    found = _problem(yard)
    assert found.message == "No logo\nwas asked for."
    assert (found.reporter, found.step_id, found.kind) == ("Bob Brown", "pictures", "AI refused or unreadable")
    assert found.said == "The picture service would not draw two of the five pictures."
    assert f"quote {found.code} when you ask for help" in run_page.text
    assert found.code in form.text
    assert [to for to, subject in _mails(yard) if subject.startswith("Problem reported")] == ["alice@north.example"]


def test_a_report_needs_words_and_keeps_what_was_typed(yard: Yard) -> None:
    run_id, = yard.make("finished")
    alice = yard.cast.browser(yard.cast.alice)

    empty = alice.post(f"/runs/{run_id}/problems", data={"message": " \n "})
    long = alice.post(f"/runs/{run_id}/problems", data={"message": "x" * 4001})

    assert (empty.status_code, long.status_code) == (422, 422)
    assert "Say in a few words what is wrong." in Page(empty.text).text
    assert Page(long.text).faults == []
    assert "x" * 4001 in long.text


def test_owners_see_reports_and_close_them_once_with_an_answer(yard: Yard) -> None:
    run_id, = yard.make("failed")
    yard.cast.browser(yard.cast.bob).post(f"/runs/{run_id}/problems", data={"message": "Look <b>here</b>"})
    alice = yard.cast.browser(yard.cast.alice)
    closing = f"/settings/problems/{_problem(yard).id}/closure"

    listed = Page(alice.get("/settings/problems").text)
    first, second = (alice.post(closing, data={"answer": "Fixed."}) for _ in range(2))

    assert listed.faults == []
    assert "Look <b>here</b>" in listed.text
    assert (first.status_code, second.status_code) == (303, 409)
    assert "No open reports" in alice.get("/settings/problems").text
    assert "“Fixed.”" in alice.get("/settings/problems?show=closed").text
    assert ("bob@north.example", "Your report is answered") in _mails(yard)


def test_a_page_that_failed_is_reported_with_its_code_and_words(yard: Yard) -> None:
    bob, alice = yard.cast.browser(yard.cast.bob), yard.cast.browser(yard.cast.alice)
    about = {"code": "GL-7F3K9Q", "said": "Something went wrong: /runs/1 <b>"}
    form = Page(bob.get("/problems/new", query_string=about).text)

    empty = bob.post("/problems", data={**about, "message": ""})
    answers = [bob.post("/problems", data={**about, "message": "It was blank."}) for _ in range(2)]

    assert form.faults == []
    assert "A page, code GL-7F3K9Q . “Something went wrong: /runs/1 <b>”" in form.text
    assert empty.status_code == 422
    assert {a["name"]: a["value"] for a in Page(empty.text).attributes("input") if a["name"] in about} == about
    assert [answer.location for answer in answers] == ["/", "/"]
    assert (_problem(yard).code, _problem(yard).run_id) == ("GL-7F3K9Q", None)
    assert [to for to, _ in _mails(yard)] == ["alice@north.example"]
    listed = Page(alice.get("/settings/problems").text)
    assert listed.faults == []
    assert "Something went wrong: /runs/1 <b> It was blank. Bob Brown" in listed.text
    closed = alice.post(f"/settings/problems/{_problem(yard).id}/closure", data={"answer": "Mended."})
    assert closed.status_code == 303
    assert ("bob@north.example", "Your report is answered") in _mails(yard)


def test_what_a_report_of_a_page_says_may_be_anything(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    alice.post("/problems", data={"code": "<script>", "said": "x\0" * 999, "message": "Hm"})

    assert (_problem(yard).code, _problem(yard).said) == ("", "x" * 200)
    assert yard.cast.browser(None).get("/problems/new").location.startswith("/sign-in")
    assert "Hm" not in yard.cast.browser(yard.cast.charlie).get("/settings/problems").text


def test_reports_are_the_owners_and_the_workspaces_own(yard: Yard) -> None:
    run_id, = yard.make("failed")
    dana, charlie = yard.cast.browser(add_editor(yard.cast)), yard.cast.browser(yard.cast.charlie)
    dana.post(f"/runs/{run_id}/problems", data={"message": "Look here"})
    closing = f"/settings/problems/{_problem(yard).id}/closure"

    assert dana.get("/settings/problems").status_code == 403
    assert dana.post(closing).status_code == 403
    assert charlie.post(closing).status_code == 404
    assert charlie.post(f"/runs/{run_id}/problems", data={"message": "x"}).status_code == 404
    assert charlie.get(f"/runs/{run_id}/problems/new").status_code == 404
    assert "Look here" not in charlie.get("/settings/problems").text
    assert yard.cast.browser(yard.cast.alice).post(f"/settings/problems/{new_id()}/closure").status_code == 404
