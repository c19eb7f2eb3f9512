"""A run as bars over time."""

import re
from datetime import timedelta
from itertools import pairwise
from typing import Any

from app.core import clock
from app.core.ids import new_id
from app.engine.enums import StepStatus
from app.engine.models import Call, RunLog, WaitRow
from app.features.runs import timeline
from app.features.runs.chips import Chip
from app.features.runs.trace import Entry
from tests.features.runs.conftest import Yard, statements
from tests.page import Page

NOW = clock.now()


def _at(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def _entry(name: str, status: StepStatus, begin: float | None, end: float | None, **more: Any) -> Entry:
    began, ended = (None if each is None else _at(each) for each in (begin, end))
    return Entry(name, name, "transform", "x", status, Chip("go", "x", "Done"), "done", "Not started",
                 started_at=began, finished_at=ended, **more)  # fmt: skip


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def _draw(*entries: Entry, now: float = 100, **retries: list[RunLog]) -> timeline.Timeline:
    return timeline.timeline(entries, NOW, _at(now), retries)


def _retry(at: float, pause_s: float, why: str = "It is busy.") -> RunLog:
    said = f"{why} Trying again in {pause_s:.0f} s."
    return RunLog(event="retry", message=said, at=_at(at), detail={"pause_s": pause_s})


def test_bars_are_to_scale_and_begin_where_their_steps_did() -> None:
    drawn = _draw(_entry("a", StepStatus.COMPLETED, 0, 10), _entry("b", StepStatus.FAILED, 10, 40))
    a, b = (row.bars[0] for row in drawn.rows)

    assert round(b.w / a.w, 1) == 3.0
    assert round(a.x + a.w, 0) == round(b.x, 0)
    assert (a.kind, b.kind) == ("go", "bad")
    assert round(b.x + b.w) == timeline.WIDTH - timeline.PAD
    assert drawn.sentence.replace("\u00a0", " ") == "40 s of work."
    words = [mark.word.replace("\u00a0", " ") for mark in drawn.marks]
    assert words == ["0", *(f"{seconds} s" for seconds in range(5, 41, 5))]


def test_no_two_ticks_of_the_axis_say_the_same() -> None:
    drawn = _draw(_entry("a", StepStatus.COMPLETED, 0, 1), _entry("b", StepStatus.COMPLETED, 1, 4))

    words = [mark.word.replace("\u00a0", " ") for mark in drawn.marks]
    assert words == ["0", "1 s", "2 s", "3 s", "4 s"]


def test_lanes_beside_each_other_share_their_time() -> None:
    drawn = _draw(_entry("a", StepStatus.COMPLETED, 0, 10), _entry("b", StepStatus.COMPLETED, 0, 10))

    assert drawn.rows[0].bars[0].x == drawn.rows[1].bars[0].x
    assert drawn.sentence.replace("\u00a0", " ") == "10 s of work."


def test_a_long_wait_is_cut_and_has_a_colour_of_its_own() -> None:
    wait = WaitRow(created_at=_at(12), kind="approval", detail={})
    drawn = _draw(
        _entry("a", StepStatus.COMPLETED, 0, 10),
        _entry("check", StepStatus.COMPLETED, 10, 7212, wait=wait, waits_for="Bob"),
        _entry("tell", StepStatus.COMPLETED, 7212, 7215),
    )

    work, waited = drawn.rows[1].bars
    assert (work.kind, waited.kind, round(waited.w)) == ("go", "wait", timeline.GAP_W)
    cuts = [mark.word.replace("\u00a0", " ") for mark in drawn.marks if mark.is_cut]
    assert cuts == ["2 h"]
    assert drawn.sentence.replace("\u00a0", " ") == "15 s of work, 2 h of waiting."
    assert _plain(drawn.rows[1].said) == "2 s of work, 2 h of waiting for Bob"
    assert _plain(waited.said) == "check: waited for Bob, 2 h"
    assert drawn.rows[0].note is None


def test_a_step_that_asks_about_each_item_waits_and_works_as_its_items_do() -> None:
    items = tuple(
        _entry(f"check {n}", StepStatus.COMPLETED, begin, end, waits_for=who,
               wait=WaitRow(created_at=_at(begin + 2), kind="approval", detail={}))
        for n, (begin, end, who) in enumerate([(0, 7202, "Bob"), (4, 3606, "Bob"), (8, 7210, "Ann")])
    )  # fmt: skip
    drawn = _draw(_entry("check", StepStatus.COMPLETED, 0, 7210, items=items), now=7300)

    assert _plain(drawn.sentence) == "6 s of work, 2 h of waiting."
    (row,) = drawn.rows
    assert _plain(row.said) == "6 s of work, 2 h of waiting for Bob and Ann"
    assert [bar.kind for bar in row.bars] == ["go", "go", "go", "wait", "wait", "wait"]
    assert all(before.x + before.w <= after.x + timeline.LEAST_W for before, after in pairwise(sorted(
        row.bars, key=lambda bar: bar.x
    )))  # fmt: skip


def test_pauses_between_tries_have_a_look_their_length_and_their_reason() -> None:
    tried = _entry("a", StepStatus.COMPLETED, 0, 60)
    drawn = _draw(tried, _entry("b", StepStatus.COMPLETED, 60, 100), a=[_retry(10, 4), _retry(20, 10)])

    assert [bar.kind for bar in drawn.rows[0].bars] == ["go", "go", "go", "pause", "pause"]
    lengths = [round((bar.w / sum(each.w for each in drawn.rows[0].bars)) * 60) for bar in drawn.rows[0].bars]
    assert lengths == [10, 6, 30, 4, 10]
    assert _plain(drawn.rows[0].bars[3].said) == "a: It is busy. Waited for the next try, 4 s"
    assert _plain(drawn.rows[0].said) == "46 s of work, 14 s until the next 2 tries: It is busy."
    assert _plain(drawn.sentence) == "1 min 26 s of work, 14 s between tries."
    assert drawn.has_pauses
    assert drawn.rows[0].note
    assert drawn.rows[0].note.text.startswith("14")


def test_a_pause_ends_when_something_shows_that_the_next_try_began() -> None:
    call = Call(name="copy", about="Writing", started_at=_at(13), finished_at=_at(15))
    by_hand = _draw(_entry("a", StepStatus.COMPLETED, 0, 20, calls=(call,)), a=[_retry(10, 30)])
    stopped = _draw(_entry("a", StepStatus.FAILED, 0, 20), a=[_retry(10, 30)])
    again = _draw(_entry("a", StepStatus.RUNNING, 0, None), now=30, a=[_retry(10, 30), _retry(12, 2)])
    between = _draw(_entry("a", StepStatus.RETRYING, 0, None), now=100, a=[_retry(10, 30)])
    unsaid = _draw(_entry("a", StepStatus.COMPLETED, 0, 20), a=[RunLog(event="retry", message="", at=_at(10))])

    assert [_plain(each.sentence) for each in (by_hand, stopped, again, between, unsaid)] == [
        "17 s of work, 3 s between tries.",
        "10 s of work, 10 s between tries.",
        "26 s of work, 4 s between tries.",
        "10 s of work, 1 min 30 s between tries.",
        "20 s of work.",
    ]
    assert not unsaid.has_pauses


def test_what_is_under_way_ends_now_and_what_has_not_begun_has_a_word() -> None:
    call = Call(name="copy", about="Writing", started_at=_at(1), finished_at=None)
    drawn = _draw(_entry("a", StepStatus.RUNNING, 0, None, calls=(call,)), _entry("b", StepStatus.PENDING, None, None))

    assert [bar.kind for bar in drawn.rows[0].bars] == ["run", "call"]
    assert "1\u00a0min 40\u00a0s" in drawn.rows[0].bars[0].said
    assert (drawn.rows[1].bars, drawn.rows[1].word) == ((), "Not started")
    assert drawn.rows[1].note == timeline.Note(timeline.LABEL_W + timeline.PAD, "Not started")
    assert _draw(_entry("b", StepStatus.PENDING, None, None)).rows[0].bars == ()


def test_everything_lies_within_the_picture_whatever_the_times() -> None:
    begins = [number**3 % 977 for number in range(60)]
    entries = [_entry(f"s{at}", StepStatus.COMPLETED, at, at + at % 7) for at in begins]
    drawn = timeline.timeline(entries, _at(50), _at(2000), {})  # some began before the run's own mark

    for row in drawn.rows:
        for bar in row.bars:
            assert bar.x >= timeline.LABEL_W
            assert bar.x + bar.w <= timeline.WIDTH + timeline.LEAST_W
    xs = [mark.x for mark in drawn.marks if not mark.is_cut]
    assert all(b - a >= 55 for a, b in pairwise(xs))


def test_a_phone_has_each_step_with_its_words_and_its_bars_alone(yard: Yard) -> None:
    run_id, = yard.make("finished")

    html = yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}/timeline").text
    narrow = html[html.index('class="timeline-narrow') :].partition("</ol>")[0]

    assert len(re.findall("<li>", narrow)) == len(re.findall('class="hit"', html))
    assert "of work" in narrow
    assert '#step-ads"' in narrow
    shown = [float(x) for x in re.findall(r'viewBox="([\d.]+) ', narrow)]
    assert set(shown) == {timeline.LABEL_W + timeline.PAD}  # the labels are left out
    assert len(re.findall("<rect", narrow)) == len(re.findall('class="bar b-', html)) / 2


def test_page_and_fragment_agree_and_the_poll_is_one_read(yard: Yard) -> None:
    run_id, = yard.make("running")
    alice = yard.cast.browser(yard.cast.alice)

    page = alice.get(f"/runs/{run_id}/timeline").text
    fragment = alice.get(f"/runs/{run_id}/timeline", headers={"HX-Request": "true"}).text
    address, = (a["hx-get"] for a in Page(page).attributes("section") if a.get("id") == "run-timeline")

    assert Page(page).faults == Page(fragment).faults == []
    assert 'id="run-timeline"' in fragment
    assert "<html" not in fragment
    with statements(yard.app) as seen:
        assert alice.get(address).status_code == 204
    assert len([each for each in seen if "sign_in" not in each]) == 1
    assert yard.cast.browser(yard.cast.charlie).get(f"/runs/{run_id}/timeline").status_code == 404
    assert alice.get(f"/runs/{new_id()}/timeline").status_code == 404
