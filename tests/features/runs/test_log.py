"""The log of a run: lines from what was noted and recorded, filters, the tail, technical details, a fault's trace."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.engine.enums import StepStatus
from app.engine.models import Call, Run, RunLog, StepRun
from app.features.runs import json_text, log, queries
from tests import factories
from tests.cast import add_editor
from tests.features.runs.conftest import Yard, statements
from tests.page import Page

TRACE = 'Traceback (most recent call last):\n  File "steps/tell.py", line 7, in run\nKeyError: \'price\''


def _lines(yard: Yard, run_id: str, **wanted: str) -> list[log.Line]:
    with yard.app.app_context():
        run = queries.run(db.session(), yard.cast.alice.workspace_id, run_id)
        asked = log.asked(wanted, "America/New_York", ["ads", "pictures", "attach", "check", "tell"])
        return [line for line in log.read(db.session(), run) if asked.keeps(line, "")]


def _note(yard: Yard, run_id: str, message: str, **columns: Any) -> None:
    with yard.app.app_context():
        run = db.session.get_one(Run, run_id)
        values = {"level": "error", "event": "failed", "at": clock.now(), **columns}
        db.session.add(RunLog(workspace_id=run.workspace_id, run_id=run_id, message=message, **values))
        run.changed_at = clock.now()
        db.session.commit()


def test_lines_tell_the_run_in_the_order_of_time(yard: Yard) -> None:
    run_id, = yard.make("finished")

    said = [line.message.replace("\u00a0", " ") for line in _lines(yard, run_id)]

    assert said[0] == "Alice Ames started the run."
    assert "“Write the ads” began." in said
    assert "“Write the ads” finished after 14 s." in said
    assert any(line.startswith("Writing 10 texts: answered") for line in said)
    assert any(line.startswith("“Say why not” was skipped: “The sales manager decides” ended") for line in said)
    assert "“The sales manager decides” finished with “approved” after 40 s." in said
    assert "The run is ready. It cost $0.46." in said
    keys = [line.key for line in _lines(yard, run_id)]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_a_run_that_got_no_yes_is_not_called_ready(yard: Yard) -> None:
    run_id, = yard.make("rejected", by="Bob Approver")

    assert "The run finished without a yes. It cost $0.46." in [line.message for line in _lines(yard, run_id)]


def test_lines_are_kept_by_level_step_and_words(yard: Yard) -> None:
    run_id, = yard.make("failed")
    _note(yard, run_id, "Long ago", level="warning", at=clock.now() - timedelta(hours=2), step_id="ads")

    assert {line.level for line in _lines(yard, run_id, level="error")} == {"error"}
    assert {line.level for line in _lines(yard, run_id, level="warning")} == {"error", "warning"}
    assert {line.step_id for line in _lines(yard, run_id, step="ads")} == {"ads"}
    assert [line.message for line in _lines(yard, run_id, q="long AGO")] == ["Long ago"]
    assert log.asked({"q": "x" * 200}, "UTC", ()).query == {"q": "x" * 100}


def test_lines_are_kept_by_the_time_of_the_workspace_however_old_the_run_is(yard: Yard) -> None:
    run_id, = yard.make("queued")
    yard.change(run_id, lambda run: [setattr(run, "created_at", datetime(2026, 10, 31, 12, tzinfo=UTC))])
    for at in ("2026-11-01T03:59:59.9", "2026-11-01T04:00:00", "2026-11-01T05:30:00.9", "2026-11-01T06:30:00.9"):
        _note(yard, run_id, at, at=datetime.fromisoformat(at).replace(tzinfo=UTC))

    def kept(since: str, until: str) -> list[str]:
        lines = _lines(yard, run_id, **{"from": since, "to": until})
        return [line.message[11:] for line in lines if line.event == "failed"]

    assert kept("2026-11-01T00:00", "") == ["04:00:00", "05:30:00.9", "06:30:00.9"]
    assert kept("", "2026-10-31T23:59:59") == ["03:59:59.9"]  # to the end of that second
    # the hour that the clocks of New York count twice that night, from its first time to its second
    assert kept("2026-11-01T01:30", "2026-11-01T01:30") == ["05:30:00.9", "06:30:00.9"]
    assert kept("2026-11-01T06:30:00+00:00", "") == ["06:30:00.9"]


def test_a_level_and_a_step_that_are_none_are_said_and_the_rest_is_kept(yard: Yard) -> None:
    run_id, = yard.make("finished")
    alice = yard.cast.browser(yard.cast.alice)

    page = Page(alice.get(f"/runs/{run_id}/log?level=fatal&step=gone&q=finished").text)

    assert page.faults == []
    said = "How serious: “fatal” is not one of the choices. Step: “gone” is not one of the choices."
    assert f"Not all of the address is understood; the rest is kept. {said}" in page.text
    assert "“Write the ads” finished" in page.text
    assert "Not all of the address" not in alice.get(f"/runs/{run_id}/log?level=error&step=ads").text


def test_a_time_that_is_none_is_said_and_the_others_are_kept(yard: Yard) -> None:
    run_id, = yard.make("finished")
    alice = yard.cast.browser(yard.cast.alice)

    for query, wrong, said in (
        ("from=soon", "from", "This is not a time. Choose one in the calendar"),
        ("to=0001-01-01T00:00", "to", "This is not a time. Choose one in the calendar"),
        ("from=2026-11-02T10:00&to=2026-11-02T09:00", "to", "This is before the first time. Choose a later one."),
    ):
        page = Page(alice.get(f"/runs/{run_id}/log?level=error&{query}").text)
        assert page.faults == []
        assert said in page.text
        assert [a["name"] for a in page.attributes("input") if "aria-invalid" in a] == [wrong]
        assert [a["value"] for a in page.attributes("option") if "selected" in a] == ["error", ""]
    late = alice.get(f"/runs/{run_id}/log?from=2199-01-01T00:00").text
    assert "The lines of this run are from " in Page(late).text


def test_an_ended_run_offers_its_first_and_last_minute(yard: Yard) -> None:
    run_id, = yard.make("finished")
    alice = yard.cast.browser(yard.cast.alice)

    page = Page(alice.get(f"/runs/{run_id}/log?q=finished").text)
    first, last = (a["href"] for a in page.attributes("a") if a.get("class") == "pill")
    shown, ends = Page(alice.get(first).text), Page(alice.get(last).text)

    assert shown.faults == ends.faults == []
    assert "“Write the ads” finished after" in shown.text
    assert "“Write the ads” finished after" not in ends.text
    assert "“The sales manager decides” finished" in ends.text
    assert "q=finished" in first
    times = {a["name"]: a for a in shown.attributes("input") if a.get("type") == "datetime-local"}
    assert times["from"]["value"] == times["from"]["min"] == times["to"]["min"]
    assert times["to"]["value"] < times["to"]["max"]


def test_items_have_lines_of_their_own(yard: Yard) -> None:
    run_id, = yard.make("running")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        told.step("attach", StepStatus.FAILED, item=2, error={"message": "no", "code": "GL-ABC234"})
        db.session.commit()

    line, = [line for line in _lines(yard, run_id) if line.event == "step.failed"]
    assert line.message.replace("\u00a0", " ") == "“Give each ad a picture”, item 3, failed after 2 s."
    assert line.item == 2
    assert line.facts["code"] == "GL-ABC234"


def test_page_pages_back_and_filters(yard: Yard, monkeypatch: Any) -> None:
    monkeypatch.setattr(log, "PAGE", 5)
    run_id, = yard.make("finished")
    alice = yard.cast.browser(yard.cast.alice)

    page = Page(alice.get(f"/runs/{run_id}/log").text)
    shown = [a["id"] for a in page.attributes("details") if a.get("class", "").startswith("logline")]
    earlier, = (a["href"] for a in page.attributes("a") if "before=" in a.get("href", ""))
    before = Page(alice.get(earlier).text)

    assert page.faults == before.faults == []
    assert len(shown) == 5
    assert not set(shown) & {a.get("id") for a in before.attributes("details")}
    assert "No lines fit" in alice.get(f"/runs/{run_id}/log?q=zebra").text
    assert alice.get(f"/runs/{run_id}/log?before=nonsense&level=odd").status_code == 200


def _long_run(yard: Yard, number: int) -> str:
    """Make a finished run with so many noted lines, every tenth an error; three and three at the same moment."""
    run_id, = yard.make("finished")
    with yard.app.app_context():
        run = db.session.get_one(Run, run_id)
        rows = [
            {
                "id": new_id(), "workspace_id": run.workspace_id, "run_id": run_id, "event": "note",
                "message": f"Line {n}", "level": "error" if n % 10 == 0 else "info",
                "at": run.created_at + timedelta(milliseconds=n // 3),
            }
            for n in range(number)
        ]  # fmt: skip
        db.session.execute(sa.insert(RunLog), rows)
        db.session.commit()
    return run_id


@pytest.mark.parametrize("query", ["", "level=error", "q=line+1", "q=line+17"])
def test_earlier_lines_are_all_lines_each_once(yard: Yard, monkeypatch: Any, query: str) -> None:
    monkeypatch.setattr(log, "PAGE", 7)
    monkeypatch.setattr(log, "LOOKED_AT", 40)
    run_id = _long_run(yard, 180)
    alice = yard.cast.browser(yard.cast.alice)
    address: str | None = f"/runs/{run_id}/log?{query}"
    shown: list[str] = []

    while address:
        page = Page(alice.get(address, headers={"HX-Request": "true"} if shown else {}).text)
        assert page.faults == []
        found = _line_ids(page)
        assert len(found) == 7 or "before=" not in page.text
        shown = [*found, *shown]
        address = next((a["hx-get"] for a in page.attributes("a") if a.get("id") == "log-earlier-link"), None)

    wanted = dict(part.split("=") for part in query.replace("+", " ").split("&") if part)
    assert shown == [line.anchor for line in _lines(yard, run_id, **wanted)]


def test_page_of_a_long_run_reads_the_lines_that_it_shows(yard: Yard) -> None:
    short, long = _long_run(yard, log.PAGE + 1), _long_run(yard, 5 * log.PAGE)
    alice = yard.cast.browser(yard.cast.alice)
    loaded: list[object] = []

    def note(row: object, _context: object) -> None:
        loaded.append(row)

    counted = []
    sa.event.listen(RunLog, "load", note)
    try:
        for run_id in (short, long):
            with statements(yard.app) as seen:
                page = alice.get(f"/runs/{run_id}/log").text
            counted.append(len(seen))
            assert len(_line_ids(Page(page))) == log.PAGE
    finally:
        sa.event.remove(RunLog, "load", note)

    assert counted[0] == counted[1]
    assert len(loaded) <= 2 * (log.PAGE + 3)


@pytest.mark.parametrize("query", ["level=error", "level=warning", "step=ads", "step=attach", "step=ads&level=error"])
@pytest.mark.parametrize("made", ["finished", "failed", "running"])
def test_rows_of_a_level_and_of_a_step_make_all_lines_of_it(yard: Yard, made: str, query: str) -> None:
    run_id, = yard.make(made)
    _note(yard, run_id, "It is slow.", level="warning", step_id="ads")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        for item, status in enumerate((StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.SKIPPED)):
            told.step("attach", status, item=item, error={"message": "no"})
        db.session.execute(sa.update(Call).where(Call.run_id == run_id).values(error={"message": "Busy"}))
        db.session.commit()
    wanted = dict(part.split("=") for part in query.split("&"))

    shown = _line_ids(Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}/log?{query}").text))

    assert shown == [line.anchor for line in _lines(yard, run_id, **wanted)]


@pytest.mark.parametrize(("query", "most"), [("level=error", 10), ("step=ads", 10), ("q=zebra", 510)])
def test_a_filter_that_finds_little_reads_no_line_twice_and_none_of_another_level_or_step(
    yard: Yard, monkeypatch: Any, query: str, most: int
) -> None:
    monkeypatch.setattr(log, "LOOKED_AT", 100)
    run_id = _long_run(yard, 500)
    with yard.app.app_context():
        db.session.execute(sa.update(RunLog).where(RunLog.run_id == run_id).values(level="info"))
        db.session.commit()
    loaded: list[object] = []

    def note(row: object, _context: object) -> None:
        loaded.append(row)

    sa.event.listen(RunLog, "load", note)
    try:
        yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}/log?{query}")
    finally:
        sa.event.remove(RunLog, "load", note)

    assert len(loaded) <= most


def test_items_have_their_details_below_their_step(yard: Yard) -> None:
    run_id, = yard.make("running")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        frame = told.step("attach", StepStatus.RUNNING)
        items = [told.step("attach", StepStatus.FAILED, item=n, error={"message": "no"}) for n in range(2)]
        db.session.commit()
        frame_id, item_ids = frame.id, [item.id for item in items]
    alice = yard.cast.browser(yard.cast.alice)

    page, below = Page(alice.get(f"/runs/{run_id}/log").text), Page(alice.get(f"/runs/{run_id}/steps/{frame_id}").text)

    details = [a["id"] for a in page.attributes("details") if a.get("id", "").startswith("details-of-")]
    assert f"details-of-{frame_id}" in details
    assert not {f"details-of-{item_id}" for item_id in item_ids} & set(details)
    assert below.faults == []
    assert [a["id"] for a in below.attributes("details")] == [f"details-of-{item_id}" for item_id in item_ids]
    assert "Items" not in alice.get(f"/runs/{run_id}/steps/{item_ids[0]}").text


def test_tail_brings_new_lines_only_and_costs_one_read_while_there_are_none(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    page = Page(alice.get(f"/runs/{run_id}/log?level=error").text)
    address, = (a["hx-get"] for a in page.attributes("div") if a.get("id") == "log-tail")

    with statements(yard.app) as seen:
        assert alice.get(address).status_code == 204
    assert len([each for each in seen if "sign_in" not in each]) == 1
    _note(yard, run_id, "Something new")
    answer = alice.get(address)
    tail = Page(answer.text)

    assert answer.status_code == 200
    assert tail.faults == []
    assert len([a for a in tail.attributes("details") if a.get("id", "").startswith("line-")]) == 1
    assert "Something new" in tail.text
    again, = (a["hx-get"] for a in tail.attributes("div") if a.get("id") == "log-tail")
    assert alice.get(again).status_code == 204

    yard.change(run_id, lambda run: [setattr(run, "status", "completed"), setattr(run, "finished_at", clock.now()),
                                     setattr(run, "changed_at", clock.now())])  # fmt: skip
    ended = alice.get(again)
    assert ended.status_code == 286
    assert "hx-get" not in ended.text.partition('id="log-tail"')[2]


def _asks(page: Page) -> str:
    address, = (a["hx-get"] for a in page.attributes("div") if a.get("id") == "log-tail")
    return address


def _line_ids(page: Page) -> list[str]:
    return [a["id"] for a in page.attributes("details") if a.get("id", "").startswith("line-")]


def test_tail_brings_a_line_that_was_committed_after_a_later_one_in_its_place_and_once(yard: Yard) -> None:
    run_id, = yard.make("running")
    now = clock.now()
    _note(yard, run_id, "The later one", at=now)
    alice = yard.cast.browser(yard.cast.alice)
    page = Page(alice.get(f"/runs/{run_id}/log?q=one").text)
    later, = _line_ids(page)
    _note(yard, run_id, "The late one", at=now - timedelta(seconds=20))
    _note(yard, run_id, "The last one", at=now + timedelta(seconds=20))  # by a clock that is ahead

    answer = Page(alice.get(_asks(page)).text)

    late, last = _line_ids(answer)
    assert answer.faults == []
    assert "The late one" in answer.text
    assert "The later one" not in answer.text
    swaps = [a["hx-swap-oob"] for a in answer.attributes("div") if "hx-swap-oob" in a]
    assert swaps[:2] == [f"beforebegin:#{later}", "beforeend:#log-rows"]
    _note(yard, run_id, "No news for whom this does not interest.")
    assert _line_ids(Page(alice.get(_asks(answer)).text)) == []
    assert _line_ids(Page(alice.get(f"/runs/{run_id}/log?q=one").text)) == [late, later, last]


def test_tail_takes_the_empty_words_away_with_the_first_line(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)
    page = Page(alice.get(f"/runs/{run_id}/log?level=error").text)
    assert "No lines fit" in page.text
    _note(yard, run_id, "The first error")

    answer = Page(alice.get(_asks(page)).text)

    none, = (a for a in answer.attributes("div") if a.get("id") == "log-none")
    assert none["hx-swap-oob"] == "true"
    assert "hidden" in none


def test_tail_reads_what_is_new_and_not_the_whole_run(yard: Yard) -> None:
    run_id, = yard.make("running")
    _note(yard, run_id, "Long ago", at=clock.now() - timedelta(minutes=5))
    _note(yard, run_id, "Just now")

    with yard.app.app_context():
        run = db.session.get_one(Run, run_id)
        found = log.read(db.session(), run, since=clock.now() - timedelta(minutes=1))

    assert [line.message for line in found if line.event == "failed"] == ["Just now"]


def test_what_a_polls_address_says_of_its_page_may_be_anything(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)

    for query in ("since=soon&known=x", "since=99999999999.000000-0", f"known={'é' * 3000}", "since=0&known=0"):
        assert alice.get(f"/runs/{run_id}/log/tail?{query}").status_code == 200


def test_a_page_full_of_new_lines_knows_those_alone_that_it_shows() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    every = [log.Line(now + timedelta(milliseconds=n), f"{n:04}", "info", "e", "m") for n in range(log.PAGE + 50)]

    known = log.known(every, now)

    assert known.since == every[50].key
    assert log.known_of(known.query) == known
    assert known.new(every) == []
    assert log.known([], now).begun == now - timedelta(seconds=log.LATE_S)


def test_a_trace_is_for_owners_alone(yard: Yard) -> None:
    run_id, = yard.make("failed")
    _note(yard, run_id, "Something went wrong on our side.", detail={"code": "GL-7F3K9Q", "trace": TRACE})
    dana = add_editor(yard.cast)

    owner = yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}/log").text
    for person in (dana, yard.cast.bob):
        lesser = yard.cast.browser(person).get(f"/runs/{run_id}/log").text
        assert "GL-7F3K9Q" in lesser
        assert "Traceback" not in lesser
        assert "steps/tell.py" not in lesser
    assert "steps/tell.py" in owner


def test_details_of_a_step_are_a_page_and_its_fragment(yard: Yard) -> None:
    run_id, = yard.make("finished")
    with yard.app.app_context():
        row = db.session.query(StepRun).filter_by(run_id=run_id, step_id="ads").one()
        address = f"/runs/{run_id}/steps/{row.id}"
    alice = yard.cast.browser(yard.cast.alice)

    page = alice.get(address).text
    fragment = alice.get(address, headers={"HX-Request": "true"}).text

    assert Page(page).faults == Page(fragment).faults == []
    assert fragment.strip() in page
    assert '<span class="j-name">&#34;max_chars&#34;</span>: <span class="j-number">125</span>' in fragment
    assert "Writing 10 texts" in fragment
    assert alice.get(f"/runs/{run_id}/steps/{new_id()}").status_code == 404
    assert yard.cast.browser(yard.cast.charlie).get(address).status_code == 404
    assert yard.cast.browser(yard.cast.charlie).get(f"/runs/{run_id}/log/tail").status_code == 404


def test_a_step_that_was_tried_again_says_when_and_why(yard: Yard) -> None:
    run_id, = yard.make("finished")
    with yard.app.app_context():
        row = db.session.query(StepRun).filter_by(run_id=run_id, step_id="ads").one()
        row.attempts, address = 2, f"/runs/{run_id}/steps/{row.id}"
        db.session.commit()
    _note(yard, run_id, "The AI service is busy. Trying again in 4 s.", event="retry", step_id="ads")
    _note(yard, run_id, "Another step's.", event="retry", step_id="check")

    page = Page(yard.cast.browser(yard.cast.alice).get(address).text)

    assert page.faults == []
    assert re.search(r"Tries before [\d:]+ The AI service is busy. Trying again in 4 s.", page.text)
    assert "Another step's" not in page.text


def test_json_is_marked_and_never_markup() -> None:
    value = {"a<b>": ["</pre><script>", -1.5e3, True, None], "q": 'say "hi": \\'}

    marked = json_text.marked(value)

    assert "<script>" not in marked
    assert '<span class="j-word">true</span>' in marked
    assert '<span class="j-number">-1500.0</span>' in marked
    assert html.unescape(re.sub(r"</?span[^>]*>", "", str(marked))) == json_text.plain(value)
    assert "<span" not in json_text.marked("x" * 70_000)
