"""The calendar of waits: a month of days, one day in pages, and its buttons."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import Run, StepRun, WaitRow
from app.features.accounts.models import Workspace
from app.features.runs import time_waits
from tests import factories
from tests.features.runs.conftest import Yard, statements
from tests.page import Page, token

NEW_YORK = "America/New_York"


def _wait(yard: Yard, *untils: datetime, label: str = "") -> list[tuple[str, str]]:
    """Let a run wait until each of these moments; their ids and those of the steps."""
    made = []
    with yard.app.app_context():
        session = db.session()
        for until, run_id in zip(untils, yard.make(*["queued"] * len(untils)), strict=True):
            run = session.get_one(Run, run_id)
            run.label = label or run.label
            told = factories.story(session, run)
            step = told.step("ads", StepStatus.WAITING)
            told.wait(step, kind="time", until=until)
            told.now(RunStatus.WAITING)
            made.append((run_id, step.id))
        session.commit()
    return made


def _in(yard: Yard, zone: str) -> None:
    with yard.app.app_context():
        workspace = db.session.get_one(Workspace, yard.cast.alice.workspace_id)
        workspace.timezone = zone
        db.session.commit()


def _days(page: str) -> dict[int, str]:
    """Return what stands at each day that has something."""
    found = re.findall(r'<li class="month-day[^>]*>(.*?)</li>\s*(?=<li class="month-day|</ol>)', page, re.DOTALL)
    texts = [" ".join(Page(each).text.split()) for each in found if "<h3>" in each]
    return {int(re.search(r"\d+", text)[0]): text for text in texts}  # type: ignore[index]  # a day has a number


def test_a_month_shows_each_wait_on_its_day_of_the_workspaces_zone(yard: Yard) -> None:
    _in(yard, NEW_YORK)
    # half past eleven in the evening of 9 March and half past midnight of the 10th there; the clocks change on the 8th
    _wait(yard, datetime(2031, 3, 10, 3, 30, tzinfo=UTC), datetime(2031, 3, 10, 4, 30, tzinfo=UTC))
    html = yard.cast.browser(yard.cast.alice).get("/runs/calendar?month=2031-03").text
    page = Page(html)
    assert page.faults == []
    days = _days(html)
    assert list(days) == [9, 10]
    assert "23:30 Write the ads" in days[9]
    assert "00:30 Write the ads" in days[10]
    assert "Sunday, 9 March 2031" in page.text
    assert html.count('<li class="month-day') == 42  # whole weeks


def test_a_day_with_many_shows_the_first_and_leads_to_all_of_them_in_pages(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.features.runs.calendar_pages.PAGE", 2)
    at = datetime(2031, 5, 6, 9, 0, tzinfo=UTC)
    made = _wait(yard, *(at + timedelta(minutes=number % 3) for number in range(5)))
    alice = yard.cast.browser(yard.cast.alice)
    html = alice.get("/runs/calendar?month=2031-05").text
    assert "and 2 more" in Page(html).text
    assert 'href="/runs/calendar?day=2031-05-06&amp;month=2031-05#day"' in html
    seen, address = list[str](), "/runs/calendar?day=2031-05-06"
    while address:
        html = alice.get(address).text
        assert Page(html).faults == []
        seen += re.findall(r'action="/runs/([\w-]+)/steps/[\w-]+/go-now\?day=2031-05-06"', html)
        links = [str(each["href"]) for each in Page(html).attributes("a") if "before=" in each.get("href", "")]
        address = links[0].partition("#")[0] if links else ""
    assert sorted(seen) == sorted(run_id for run_id, _ in made)
    assert len(seen) == 5


def test_its_buttons_do_what_those_of_the_run_do_and_lead_back(yard: Yard) -> None:
    day = datetime(2031, 5, 6, 12, 0, tzinfo=UTC)
    (first, step), (second, other) = _wait(yard, day, day, label="Spring letters")
    alice = yard.cast.browser(yard.cast.alice)
    address = f"/runs/calendar?day={day:%Y-%m-%d}"
    html = alice.get(address).text
    text = Page(html).text
    assert text.count("Spring letters") >= 2
    assert "“Write the ads” goes on then." in text
    pressed = ((first, step, "go-now", "completed"), (second, other, "call-off", "skipped"))
    for run_id, step_run, verb, status in pressed:
        form, = (a for a in Page(html).attributes("form") if f"/runs/{run_id}/" in a["action"] and verb in a["action"])
        answer = alice.post(form["action"], data={"csrf_token": token(html)})
        assert (answer.status_code, answer.headers["Location"]) == (303, address)
        with yard.app.app_context():
            assert db.session.get_one(StepRun, step_run).status == status
    assert "Nothing waits for a time" in Page(alice.get(address).text).text


def test_an_approver_sees_it_without_buttons_and_a_stranger_nothing_of_it(yard: Yard) -> None:
    cast = yard.cast
    _wait(yard, clock.now() + timedelta(days=2), label="Spring letters")
    bob = cast.browser(cast.bob).get("/runs/calendar").text
    assert "Spring letters" in bob
    assert "Go now" not in bob
    charlie = cast.browser(cast.charlie).get("/runs/calendar").text
    assert "Spring letters" not in charlie
    assert "Nothing waits for a time" in Page(charlie).text


def test_an_empty_month_leads_to_the_next_day_that_has_something(yard: Yard) -> None:
    _wait(yard, datetime(2031, 5, 6, 12, 0, tzinfo=UTC))
    page = yard.cast.browser(yard.cast.alice).get("/runs/calendar?month=2031-02").text
    assert "Nothing waits in February" in Page(page).text
    assert 'href="/runs/calendar?day=2031-05-06"' in page


@pytest.mark.parametrize("asked", ["month=2031-13", "day=nonsense", "month=0001-01", "day=9999-12-31", "before=x"])
def test_what_is_no_day_counts_as_not_asked(yard: Yard, asked: str) -> None:
    answer = yard.cast.browser(yard.cast.alice).get(f"/runs/calendar?{asked}")
    assert answer.status_code == 200
    assert f"{clock.now().astimezone(ZoneInfo(NEW_YORK)):%B %Y}" in Page(answer.text).text


def test_it_is_reached_from_the_runs_and_from_a_waiting_run(yard: Yard) -> None:
    (run_id, _), = _wait(yard, clock.now() + timedelta(hours=30))
    alice = yard.cast.browser(yard.cast.alice)
    for path in ("/runs", f"/runs/{run_id}"):
        assert 'href="/runs/calendar"' in alice.get(path).text, path


def test_ten_thousand_waits_take_as_many_statements_as_one(yard: Yard) -> None:
    month = date(2031, 5, 1)
    _wait(yard, datetime(2031, 5, 6, 12, 0, tzinfo=UTC))
    alice = yard.cast.browser(yard.cast.alice)
    alice.get("/runs/calendar?month=2031-05")
    with statements(yard.app) as few:
        alice.get("/runs/calendar?month=2031-05")
    with yard.app.app_context():
        _many(yard, 10_000, datetime(2031, 5, 1, tzinfo=UTC))
        dates = time_waits.days_of(month)
        found = time_waits.days(db.session(), yard.cast.alice.workspace_id, dates, NEW_YORK)
    with statements(yard.app) as many:
        html = alice.get("/runs/calendar?month=2031-05").text
    assert sum(day.number for day in found) == 10_001
    assert len(many) == len(few)
    assert html.count("and 3") >= 20


def _many(yard: Yard, number: int, since: datetime) -> None:
    """Write waits of a month, four hours and a bit apart, by copying one."""
    session = db.session()
    wait = session.scalars(sa.select(WaitRow)).first()
    assert wait is not None
    sources = {Run: wait.run_id, StepRun: wait.step_run_id, WaitRow: wait.id}
    rows: dict[Any, Sequence[dict[str, Any]]] = {}
    ids = {model: [new_id() for _ in range(number)] for model in sources}
    for model, source in sources.items():
        one = session.get_one(model, source)
        values = {column.key: getattr(one, column.key) for column in model.__table__.columns}
        rows[model] = [{**values, "id": each} for each in ids[model]]
    for place in range(number):
        rows[Run][place]["number"] = 1000 + place
        rows[Run][place]["dedupe_key"] = None
        rows[StepRun][place]["run_id"] = rows[WaitRow][place]["run_id"] = ids[Run][place]
        rows[WaitRow][place]["step_run_id"] = ids[StepRun][place]
        rows[WaitRow][place]["until"] = since + timedelta(minutes=4 * place)
    for model, values in rows.items():
        session.execute(sa.insert(model), list(values))
    session.commit()
